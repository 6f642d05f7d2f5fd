"""Description of a rig: devices, limits, calibration, and the state of each device's light after the program dies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.assembly.calibration_file import calibrated
from app.assembly.pairing import pairing_of
from app.assembly.rig import Rig, field_um
from config.reader import build, plain, read
from config.refused import Refused
from drivers.device_settings import DeviceSettings, LightSettings


def is_rig(path: Path) -> bool:
    """Whether `info` reads a file with this name as a rig."""
    return path.suffix.lower() in (".yaml", ".yml")


def rig_info(path: Path) -> dict[str, Any]:
    """A rig file as plain data. Raises Refused."""
    bench = read(path)
    if {"policy", "experiment"} & set(bench.data):
        raise Refused(f"{path}: found an experiment (allowed: a run, or a rig file)")
    rig = build(calibrated(bench, bench.data.get("calibration")), Rig)
    low_um, high_um = field_um(rig)
    window_s = rig.loop.window_timeout_s
    return {
        "rig": str(path),
        "title": rig.title,
        "rate": rig.rate,
        "emulated": rig.emulated is not None,
        "opened_as": _opened_as(rig),
        "devices": {
            "camera": device(rig.camera),
            "deflector": device(rig.deflector),
            "laser": device(rig.laser),
        },
        "limits": {
            "power_mw": rig.power_mw,
            "power_cap_mw": rig.loop.power_cap_mw,
            "probe_power_mw": rig.loop.probe_power_mw,
            "field_um": [*low_um, *high_um],
            "stale_s": rig.loop.stale_periods / rig.camera.fps,
        },
        "window_timeout_s": window_s,
        "calibration": {
            "map": rig.calibration.map if rig.confirmed else "unconfirmed",
            "file": rig.calibration.file,
            "made": [plain(record) for record in rig.calibration.made],
        },
    }


def device(device_settings: DeviceSettings) -> dict[str, Any]:
    """A camera, a deflector or a laser: its kind, its address, and the state of its light after the program dies."""
    dead_man = (
        device_settings.dead_man
        if isinstance(device_settings, LightSettings)
        else "none needed: a camera gives no light"
    )
    return {
        "kind": device_settings.kind,
        "dead_man": dead_man,
        **({device_settings.address_key: device_settings.address} if device_settings.address else {}),
    }


def _opened_as(rig: Rig) -> str:
    """The pairing in which its devices are opened, or the reason why they can't be opened."""
    try:
        return str(pairing_of(rig))
    except Refused as refused:
        return f"not opened: {refused}"


def text(info: dict[str, Any]) -> str:
    """`rig_info` for the console."""
    limits, calibration = info["limits"], info["calibration"]
    left, top, right, bottom = limits["field_um"]
    window_s = info["window_timeout_s"]
    measured = ", ".join(f"{item['what']} {item['date'][:10]}" for item in calibration["made"])
    lines = [
        ("rig", f"{info['rig']}: {info['title']}"),
        ("rate", info["rate"] + (", devices are emulated" if info["emulated"] else "")),
    ]
    lines.append(("opened as", info["opened_as"]))
    for name, item in info["devices"].items():
        address = next((value for key, value in item.items() if key not in ("kind", "dead_man")), "")
        lines.append((name, item["kind"] + (f" at {address}" if address else "")))
        lines.append(("", f"if the program dies, or hangs as a whole: {item['dead_man']}"))
    lines += [
        ("power", f"{limits['power_mw']:g} mW at most for a spot"),
        ("field", f"x {left:.4g} to {right:.4g} um, y {top:.4g} to {bottom:.4g} um"),
        ("stale", f"a frame older than {limits['stale_s']:.3g} s trips"),
        ("window", "not watched: the beam stays as it is if the window does not answer" if window_s is None
         else f"the beam trips if the window does not answer for {window_s:g} s"),
        ("calibration", f"map {calibration['map']}; {measured or 'nothing was measured'}"),
    ]  # fmt: skip
    return "\n".join(f"{name:<11} {entry}".rstrip() for name, entry in lines)
