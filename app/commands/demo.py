"""The demonstration of `make run`: the window; without a display, the same experiment and pictures of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from app.assembly.plan import plan
from app.assembly.rig import EXPERIMENTS
from app.console.output_files import require_files
from app.console.terminal import say
from app.running.headless import flown, new_run
from config.atomic import fresh_file
from drivers.journal import read_run

DEMO = EXPERIMENTS / "annular_activity.yaml"


def demo(seconds: float = 20.0) -> int:
    """Open the window with the annular-activity experiment ready; without a display write a run and two pictures."""
    if has_display():
        from app.desktop.window.open import open_desktop

        return open_desktop(None, DEMO)
    say(f"There is no display: running {DEMO.stem} for {seconds:g} s without one.")
    out = new_run(DEMO.stem)
    trajectories, window = out.with_name(f"{out.stem}-trajectories.png"), out.with_name(f"{out.stem}-window.png")
    require_files({}, {"the trajectories": (trajectories, "a PNG"), "the picture": (window, "a PNG")})
    code = flown(plan(DEMO), seconds, out, True, None)
    plot_trajectories(out, trajectories)
    say(f"Trajectories: {trajectories}")
    code = picture(window, seconds) or code
    say(f"The window:   {window}")
    return code


def has_display() -> bool:
    """Whether a window can be shown: always on Windows and macOS, elsewhere if the environment names a display."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def picture(path: Path, seconds: float) -> int:
    """Write a picture of the window after `seconds` of the experiment, drawn offscreen in a separate process."""
    main = Path(__file__).parents[2] / "main.py"
    command = [sys.executable, str(main), "desktop", str(DEMO), "--picture", str(path), "--seconds", str(seconds)]
    return subprocess.run(command, check=False, env={**os.environ, "QT_QPA_PLATFORM": "offscreen"}).returncode


def plot_trajectories(run_path: Path, path: Path) -> None:
    """Plot the trajectories of all particles."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    with read_run(run_path) as run:
        tracks, header = run.table("tracks"), run.header
    figure, axes = pyplot.subplots(figsize=(6, 6), layout="constrained")
    for particle, track in tracks.groupby("particle"):
        axes.plot(track["x_um"], track["y_um"], linewidth=0.8, label=f"particle {particle}")
    left, top, right, bottom = header.field_um
    axes.set(xlim=(left, right), ylim=(bottom, top), xlabel="x (µm)", ylabel="y (µm)", aspect="equal")
    axes.set_title(f"Annular activity, {len(tracks) / header.fps:.0f} s")
    with fresh_file(path) as temporary_path:
        figure.savefig(temporary_path, dpi=120, format="png")
    pyplot.close(figure)
