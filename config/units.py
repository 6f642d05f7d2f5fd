"""Units of numbers, named by the last part of a field's name; `_per_` makes a ratio, as in um_per_px."""

from __future__ import annotations

SUFFIXES: dict[str, str] = {
    "px": "px",
    "um": "µm",
    "nm": "nm",
    "um2": "µm²",
    "s": "s",
    "ns": "ns",
    "ms": "ms",
    "hz": "Hz",
    "fps": "fps",
    "mw": "mW",
    "kt": "kT",
    "v": "V",
    "pn": "pN",
    "rad": "rad",
    "deg": "°",
    "counts": "counts",
    "electrons": "e",
    "k": "K",
}


def unit_of(name: str) -> str:
    """The unit named by the end of a field's name, as it is printed; "" for a count, an index or a ratio without unit.

    >>> unit_of("stiffness_pn_per_um"), unit_of("drag_pn_s_per_um"), unit_of("number")
    ('pN/µm', 'pN s/µm', '')
    """
    numerator, _, denominator = name.partition("_per_")
    above: list[str] = []
    for word in reversed(numerator.split("_")[1:] if not denominator else numerator.split("_")):
        if word not in SUFFIXES:
            break
        above.insert(0, SUFFIXES[word])
    below = SUFFIXES.get(denominator.split("_")[0], denominator) if denominator else ""
    if denominator and not above:
        return f"1/{below}"
    return " ".join(above) + (f"/{below}" if below else "")
