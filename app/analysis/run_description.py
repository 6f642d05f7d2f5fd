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
    with_frame = turns[turns["has_frame"] != 0]
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
        "frames": len(with_frame),
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


def text(facts: dict[str, Any]) -> str:
    """`info` for the console."""
    ended = "ended cleanly" if facts["ended"] == "cleanly" else "ended unfinished (killed, or still being recorded)"
    frames = f"{facts['frames']} frames, {facts['width_px']}x{facts['height_px']} px, {facts['fps']:g} fps"
    kept = "all kept" if facts["frames_kept"] == facts["frames"] else f"{facts['frames_kept']} kept"
    begun = f"begun in flight at turn {facts['first_turn']}, " if facts["first_turn"] else ""
    versions = facts["versions"]
    lines = [
        ("run", f"{facts['run']} ({facts['megabytes']:g} MB)"),
        (
            "kind",
            f"{facts['kind']}, {begun}{ended}, {facts['turns']} turns in {facts['duration_s']:.2f} s",
        ),
        ("started", facts["started"] or "not known"),
        ("experiment", f"{facts['experiment']}, on {facts['rig']}"),
        ("checkpoint", _hashed(facts["checkpoints"])),
        ("law", _hashed(facts["python_laws"])),
        ("source", facts["source"]),
        ("seed", "none" if facts["seed"] is None else facts["seed"]),
        ("frames", f"{frames}, {kept}, {facts['frames_dropped']} dropped"),
        ("guess", facts["guess"]),
        ("tracks", f"{facts['positions']} positions of {facts['particles']} particles"),
        ("locator", facts["locator"]),
        ("corrected", ", ".join(f"by {file}" for file in facts["corrections"])),
        ("light", f"in {facts['turns_lit']} of {facts['turns']} turns"),
        ("trips", "none" if not facts["trips"] else ""),
        *(("", f"turn {trip['turn']}, {trip['time_s']:.3f} s: {trip['reason']}") for trip in facts["trips"]),
        *_devices(facts["devices"]),
        ("calibration", _calibrated(facts["calibration"], facts["run"])),
        ("versions", ", ".join(f"{name} {versions[name]}" for name in SHOWN_VERSIONS if name in versions)),
        ("code", facts["git_hash"] or "not known"),
    ]
    return "\n".join(f"{name:<11} {value}".rstrip() for name, value in lines if value != "" or name == "trips")


def device_facts(extra: Mapping[str, Any]) -> dict[str, Any]:
    """The device facts in a header: firmware, settings read back, the simulated world.

    The file of a run may have any source: invalid values are left out.
    """
    firmware = extra.get("firmware")
    returned = extra.get("returned")
    world = extra.get("world")
    return {
        "firmware": {name: version for name, version in firmware.items() if isinstance(version, str)}
        if isinstance(firmware, dict) else {},
        "returned": [setting for setting in returned if _is_returned(setting)] if isinstance(returned, list) else [],
        "world": world if isinstance(world, str) else "",
    }  # fmt: skip


def _is_returned(setting: Any) -> bool:
    """Whether it is one valid setting: name, asked, and returned (null if the device reports none)."""
    if (
        not isinstance(setting, dict)
        or set(setting) != {"name", "asked", "returned"}
        or not isinstance(setting["name"], str)
    ):
        return False
    numbers = (setting["asked"], 0.0 if setting["returned"] is None else setting["returned"])
    return all(
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_SETTING
        for value in numbers
    )


def _devices(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The lines of `text` about the devices: firmware, settings read back, simulated world."""
    returned = [
        f"{setting['name']} " + ("not known" if setting["returned"] is None else f"{setting['returned']:.6g}")
        + f" (asked for {setting['asked']:.6g})"
        for setting in facts["returned"]
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
    locator = _part(run.header.rig, "tracking").get("locator", "")
    events = run.rows("events")
    rows = events["text"][events["kind"] == b"tracker_note"]
    notes = dict.fromkeys(run.printable_text(int(row)) for row in np.unique(rows))
    return "; ".join([note for note in notes if note.startswith("auto: ")]) or _text_or_empty(locator)


def hashes_of(run: Run, kind: str, name: str, sha256: str) -> list[tuple[str, str]]:
    """The values at the keys `name` and `sha256` of all laws of this kind, in the order in which they were applied."""
    orders = run.rows("orders")
    applied = [run.printable_text(int(row)) for row in orders["text"][orders["kind"] == b"APPLY"]]
    laws = [_part(experiment, "policy") for experiment in (run.header.experiment, *applied)]
    return [(_text_or_empty(law.get(name)), _text_or_empty(law.get(sha256))) for law in laws if law.get("kind") == kind]


def _hashed(files: list[tuple[str, str]]) -> str:
    """Files with the first 12 digits of their SHA-256, in order."""
    return ", then ".join(f"{name} ({sha256[:12] or 'unknown'})" for name, sha256 in files)


def _calibrated(calibration: dict[str, Any], source: str) -> str:
    """The calibration of the rig, in words. Raises Refused if it can't be read."""
    calibrations = ", ".join(f"{record.what} {record.date[:10]}" for record in made_in(calibration, source))
    map_state = f"map {calibration['map']}" if "map" in calibration else ""
    return "; ".join(part for part in (calibrations or str(calibration.get("origin", "not known")), map_state) if part)


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
    section = _mapping(settings).get(key)
    return section if isinstance(section, dict) else {}


def _text_or_empty(value: Any) -> str:
    """The value if it is a text; else ""."""
    return value if isinstance(value, str) else ""


def _title(settings: str) -> str:
    """The title in a YAML text, or its first line."""
    title = _mapping(settings).get("title")
    return str(title) if title else (settings.strip().splitlines() or ["not known"])[0]
