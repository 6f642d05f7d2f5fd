"""Description of a recorded run, as data and as text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app.assembly.calibration_file import made_in
from app.assembly.recording import guess_words, guessed_in
from config.reader import parse
from config.refused import Refused
from config.words import LONGEST_SENTENCE, quoted
from drivers.journal import Run, read_run

LARGEST_SETTING = 1e15
SHOWN_VERSIONS = ("cybloids", "python", "numpy", "trackpy", "h5py")


def info(run_path: Path | str) -> dict[str, Any]:
    """The description of a run as plain data. Raises Refused if the file is not a run."""
    with read_run(run_path) as run:
        run.require_turns()
        return about(run)


def about(run: Run) -> dict[str, Any]:
    """`info` of an open run."""
    header, turns = run.header, run.rows("turns")
    seen = turns[turns["has_frame"] != 0]
    tracked = run.column("tracks", "particle")
    return {
        "run": str(run.path),
        "kind": header.kind.value,
        "ended": "cleanly" if run.ended_cleanly else "unfinished",
        "started": header.started,
        "experiment": _title(header.experiment),
        "rig": _title(header.rig),
        "checkpoints": hashes_of(run, "learned", "checkpoint", "card_sha256"),
        "python_laws": hashes_of(run, "python", "law", "source_sha256"),
        "source": header.source,
        "seed": header.seed,
        "turns": len(run),
        "first_turn": run.first_turn,
        "frames": len(seen),
        "frames_kept": run.image_count,
        "frames_dropped": int(turns["dropped"][-1] - turns["dropped"][0]) if len(turns) else 0,
        "duration_s": float(np.ptp(turns["now_s"])) if len(turns) else 0.0,
        "fps": header.fps,
        "width_px": header.width_px,
        "height_px": header.height_px,
        "um_per_px": header.um_per_px,
        "guessed": list(guessed_in(header)),
        "guess": guess_words(guessed_in(header), header.fps, header.um_per_px),
        "particles": len(np.unique(tracked)),
        "positions": len(tracked),
        "locator": _locator(run),
        "corrections": sorted(header.corrections),
        "turns_lit": int(np.count_nonzero(np.diff(turns["sent_end"], prepend=0))),
        "trips": _changes(run, "TRIPPED"),
        "levels": _changes(run),
        "orders": len(run.rows("orders")),
        "megabytes": round(run.path.stat().st_size / 1e6, 3),
        "devices": device_facts(header.extra),
        "calibration": dict(header.calibration),
        "versions": dict(header.versions),
        "git_hash": header.git_hash,
    }


def text(found: dict[str, Any]) -> str:
    """`info` for the console."""
    ended = "ended cleanly" if found["ended"] == "cleanly" else "ended unfinished (killed, or still being recorded)"
    frames = f"{found['frames']} frames, {found['width_px']}x{found['height_px']} px, {found['fps']:g} fps"
    kept = "all kept" if found["frames_kept"] == found["frames"] else f"{found['frames_kept']} kept"
    begun = f"begun in flight at turn {found['first_turn']}, " if found["first_turn"] else ""
    known = found["versions"]
    lines = [
        ("run", f"{found['run']} ({found['megabytes']:g} MB)"),
        ("kind", f"{found['kind']}, {begun}{ended}, {found['turns']} turns in {found['duration_s']:.2f} s"),
        ("started", found["started"] or "not known"),
        ("experiment", f"{found['experiment']}, on {found['rig']}"),
        ("checkpoint", _hashed(found["checkpoints"])),
        ("law", _hashed(found["python_laws"])),
        ("source", found["source"]),
        ("seed", "none" if found["seed"] is None else found["seed"]),
        ("frames", f"{frames}, {kept}, {found['frames_dropped']} dropped"),
        ("guess", found["guess"]),
        ("tracks", f"{found['positions']} positions of {found['particles']} particles"),
        ("locator", found["locator"]),
        ("corrected", ", ".join(f"by {file}" for file in found["corrections"])),
        ("light", f"in {found['turns_lit']} of {found['turns']} turns"),
        ("trips", "none" if not found["trips"] else ""),
        *(("", f"turn {trip['turn']}, {trip['time_s']:.3f} s: {trip['reason']}") for trip in found["trips"]),
        *_devices(found["devices"]),
        ("calibration", _calibrated(found["calibration"], found["run"])),
        ("versions", ", ".join(f"{name} {known[name]}" for name in SHOWN_VERSIONS if name in known)),
        ("code", found["git_hash"] or "not known"),
    ]
    return "\n".join(f"{name:<11} {said}".rstrip() for name, said in lines if said != "" or name == "trips")


def device_facts(extra: Mapping[str, Any]) -> dict[str, Any]:
    """The device facts in a header: firmware, settings read back, the simulated world.

    The file of a run may have any source: invalid values are left out.
    """
    firmware = extra.get("firmware")
    returned = extra.get("returned")
    world = extra.get("world")
    return {
        "firmware": {name: said for name, said in firmware.items() if isinstance(said, str)}
        if isinstance(firmware, dict) else {},
        "returned": [one for one in returned if _is_returned(one)] if isinstance(returned, list) else [],
        "world": world if isinstance(world, str) else "",
    }  # fmt: skip


def _is_returned(one: Any) -> bool:
    """Whether it is one valid setting: name, asked, and returned (null if the device reports none)."""
    if not isinstance(one, dict) or set(one) != {"name", "asked", "returned"} or not isinstance(one["name"], str):
        return False
    numbers = (one["asked"], 0.0 if one["returned"] is None else one["returned"])
    return all(
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_SETTING
        for value in numbers
    )


def _devices(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The lines of `text` about the devices: firmware, settings read back, simulated world."""
    returned = [
        f"{one['name']} " + ("not known" if one["returned"] is None else f"{one['returned']:.6g}")
        + f" (asked for {one['asked']:.6g})"
        for one in facts["returned"]
    ]  # fmt: skip
    return [
        (
            "firmware",
            quoted(", ".join(f"{name}: {text}" for name, text in facts["firmware"].items()), LONGEST_SENTENCE),
        ),
        ("read back", quoted(", ".join(returned), LONGEST_SENTENCE)),
        ("world", quoted(facts["world"], LONGEST_SENTENCE)),
    ]


def _locator(run: Run) -> str:
    """The locator that found the particles; for `auto` also its choice and the reason."""
    named = _part(run.header.rig, "tracking").get("locator", "")
    events = run.rows("events")
    rows = events["text"][events["kind"] == b"tracker_note"]
    said = dict.fromkeys(run.printable_text(int(row)) for row in np.unique(rows))
    return "; ".join([note for note in said if note.startswith("auto: ")]) or _said(named)


def hashes_of(run: Run, kind: str, name: str, sha256: str) -> list[tuple[str, str]]:
    """The values at the keys `name` and `sha256` of all laws of this kind, in the order in which they were applied."""
    orders = run.rows("orders")
    applied = [run.printable_text(int(row)) for row in orders["text"][orders["kind"] == b"APPLY"]]
    laws = [_part(experiment, "policy") for experiment in (run.header.experiment, *applied)]
    return [(_said(law.get(name)), _said(law.get(sha256))) for law in laws if law.get("kind") == kind]


def _hashed(files: list[tuple[str, str]]) -> str:
    """Files with the first 12 digits of their SHA-256, in order."""
    return ", then ".join(f"{name} ({sha256[:12] or 'unknown'})" for name, sha256 in files)


def _calibrated(calibration: dict[str, Any], source: str) -> str:
    """The calibration of the rig, in words. Raises Refused if it can't be read."""
    made = ", ".join(f"{one.what} {one.date[:10]}" for one in made_in(calibration, source))
    place = f"map {calibration['map']}" if "map" in calibration else ""
    return "; ".join(said for said in (made or str(calibration.get("origin", "not known")), place) if said)


def _changes(run: Run, only: str = "") -> list[dict[str, Any]]:
    """The turns in which the interlock's level changed (to `only`), with the new level and the reason."""
    turns = run.rows("turns")
    level = turns["level"]
    changed = np.flatnonzero(np.r_[True, level[1:] != level[:-1]][: len(level)])
    return [
        {
            "turn": int(row["turn"]), "time_s": float(row["now_s"]), "level": row["level"].decode(),
            "reason": run.printable_text(int(row["reason"])),
        }
        for row in turns[changed] if only in ("", row["level"].decode())
    ]  # fmt: skip


def _mapping(settings: str) -> dict[str, Any]:
    """The mapping in a YAML text; empty if it can't be parsed."""
    try:
        return parse(settings, "settings").data
    except Refused:
        return {}


def _part(settings: str, key: str) -> dict[str, Any]:
    """The mapping at a key of a YAML text; empty if there is none, since the file of a run may have any source."""
    found = _mapping(settings).get(key)
    return found if isinstance(found, dict) else {}


def _said(found: Any) -> str:
    """The value if it is a text; else ""."""
    return found if isinstance(found, str) else ""


def _title(settings: str) -> str:
    """The title in a YAML text, or its first line."""
    named = _mapping(settings).get("title")
    return str(named) if named else (settings.strip().splitlines() or ["not known"])[0]
