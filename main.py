"""The command line of Cybloids, with one short function per command (verb). The program `cybloids` calls `main`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

try:
    from cybloids_packages import require_own_packages

    require_own_packages()
except ImportError as hidden:  # also of `cybloids_packages`: another file has its name
    print(f"cybloids: {hidden}", file=sys.stderr)
    sys.exit(2)

from app.console.options import LARGEST_SEED, LONGEST_S, number, path, whole
from app.console.output_files import require_outputs
from app.console.terminal import say
from config.refused import Refused
from config.words import one_line, sentence

Function = TypeVar("Function", bound=Callable[..., Any])


class Verb(TyperCommand):
    """One command. Its outputs are compared with its inputs before it begins."""

    def invoke(self, ctx: Any) -> Any:
        """Raises Refused where an output is an input, another output or a run, or can't be made."""
        require_outputs(self.name or "", ctx.params)
        if modules := ctx.params.get("allow_python"):
            from app.assembly.python_law import allow

            allow(modules)
        return super().invoke(ctx)


class CommandLine(typer.Typer):
    """A Typer whose commands are Verbs."""

    def command(self, *args: Any, **options: Any) -> Callable[[Function], Function]:
        return super().command(*args, **{"cls": Verb, **options})


class Verbs(TyperGroup):
    """The group of all commands. Without a command, `desktop` runs; a first word that is no command is its rig file."""

    def main(self, *args: Any, **options: Any) -> Any:
        """End the process with the command's exit code. Raises Refused for an invalid command line."""
        try:
            code = super().main(*args, **{**options, "standalone_mode": False})
        except Exception as error:
            if not hasattr(error, "format_message"):  # only click's errors describe an invalid line
                raise
            raise Refused(f"{one_line(error.format_message(), 300)} (--help says what there is)") from None
        sys.exit(code if isinstance(code, int) else 0)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and not args[0].startswith("-")):
            args = ["desktop", *args]
        return super().parse_args(ctx, args)


app = CommandLine(
    cls=Verbs,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="A microscope with a steerable laser as a place where particles obey any law you can write, draw or learn.",
)

UNREAD = "standard output was closed before all was printed; what was recorded is whole"
SECONDS, SEED = number("--seconds", 0, LONGEST_S), whole("--seed", 0, LARGEST_SEED)

RunFile = Annotated[Path, typer.Argument(help="run file", parser=path("run file"))]
RecordingFile = Annotated[
    Path, typer.Argument(help="multi-page TIFF, folder of images, AVI, MP4, or a run", parser=path("recording"))
]
Out = Annotated[Path | None, typer.Option("--out", help="file to write the run to", parser=path("--out", named=True))]
Json = Annotated[
    Path | None,
    typer.Option("--json", help="file for a machine-readable summary", parser=path("--json", named=True)),
]
Sets = Annotated[list[str] | None, typer.Option("--set", help="key=value, as in camera.fps=50; may be repeated")]
RigFile = Annotated[
    Path | None, typer.Option("--rig", help="rig file; default: the one named in the experiment", parser=path("--rig"))
]
AllowPython = Annotated[
    list[str] | None,
    typer.Option("--allow-python", help="module whose law may run, as my_laws; may be repeated"),
]


@app.command()
def desktop(
    rig: Annotated[
        Path | None, typer.Argument(help="rig file, experiment file, run or video to open", parser=path("desktop"))
    ] = None,
    experiment: Annotated[
        Path | None, typer.Option("--experiment", help="experiment file", parser=path("--experiment"))
    ] = None,
    sets: Sets = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture", help="render the window to this PNG, no display", parser=path("--picture", named=True)
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", help="with --picture: duration of the run before it", parser=SECONDS)
    ] = 20.0,
    allow_python: AllowPython = None,
) -> None:
    """Open the window (the default).

    Example: main.py desktop config/rigs/simulated.yaml --experiment config/experiments/annular_activity.yaml
    """
    from app.desktop.window.open import open_desktop

    raise typer.Exit(open_desktop(rig, experiment, tuple(sets or ()), picture=picture, seconds=seconds))


@app.command()
def demo() -> None:
    """Open the window with an experiment; without a display, run it and write a record and pictures.

    Example: main.py demo
    """
    from app.commands.demo import demo as show

    raise typer.Exit(show())


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="new or empty folder", parser=path("folder"))],
) -> None:
    """Copy the shipped rigs, experiments and networks into a folder, to edit them there.

    Example: main.py new my_lab
    """
    from app.commands.new import new_folder

    new_folder(folder)


@app.command()
def run(
    experiment: Annotated[Path, typer.Argument(help="experiment file", parser=path("run"))],
    rig: RigFile = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="duration; default: as in the experiment", parser=SECONDS)
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="of the simulated rig; default: as in the experiment", parser=SEED)
    ] = None,
    sets: Sets = None,
    out: Out = None,
    frames: Annotated[bool, typer.Option("--frames/--no-frames", help="keep the camera frames in the run file")] = True,
    armed: Annotated[bool, typer.Option("--armed/--dark", help="dark: the laser is never armed")] = True,
    json: Json = None,
    allow_python: AllowPython = None,
) -> None:
    """Run an experiment without a window.

    Example: main.py run config/experiments/annular_activity.yaml --seconds 30 --set mode=landscape --out ring.h5
    """
    from app.commands.run import run_experiment

    sets = sets or []
    raise typer.Exit(
        run_experiment(
            experiment, rig, sets, seconds=seconds, seed=seed, out=out, frames=frames, json=json, armed=armed
        )
    )


@app.command()
def replay(
    recording: RecordingFile,
    rig: RigFile = None,
    experiment: Annotated[
        Path | None, typer.Option("--experiment", help="experiment file", parser=path("--experiment"))
    ] = None,
    sets: Sets = None,
    out: Out = None,
    frames: Annotated[bool, typer.Option("--frames/--no-frames", help="copy the frames into the run file")] = False,
    json: Json = None,
    allow_python: AllowPython = None,
) -> None:
    """Send recorded frames through tracking, policy, limits, interlock and a simulated deflector.

    A recorded particle can't react: what is recorded is what would have been sent.

    Example: main.py replay beads.tif --set tracking.diameter_px=11 --set tracking.invert=true --set camera.fps=24
    """
    from app.commands.replay import replay_recording

    raise typer.Exit(replay_recording(recording, rig, experiment, tuple(sets or ()), out=out, frames=frames, json=json))


@app.command()
def verify(run: RunFile, json: Json = None, allow_python: AllowPython = None) -> None:
    """Compute a run again with the same settings: report equality, or the first turn that differs.

    Example: main.py verify runs/annular_activity.h5
    """
    from app.commands.verify import verify_run

    raise typer.Exit(verify_run(run, json=json))


@app.command()
def export(
    run: RunFile,
    to: Annotated[str, typer.Option("--to", help="parquet, csv or ome-tiff")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="folder; an earlier export is replaced only if --out is given",
            parser=path("--out"),
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Write a run's tracks, commands and turns as tidy tables, or its frames as OME-TIFF.

    Example: main.py export runs/annular_activity.h5 --to parquet --out tables
    """
    from app.commands.export import export_run

    export_run(run, to, out, json=json)


@app.command()
def info(
    run: Annotated[Path, typer.Argument(help="run file, or rig file", parser=path("run file"))], json: Json = None
) -> None:
    """Describe a run; or a rig, and each device's light if the program ends unexpectedly.

    Example: main.py info runs/annular_activity.h5
    """
    from app.commands.info import show_info

    show_info(run, json=json)


@app.command()
def reproduce(
    names: Annotated[list[str] | None, typer.Argument(help="checks, as P7 or P7-plant; default: all")] = None,
    full: Annotated[
        bool, typer.Option("--full/--quick", help="all checks in full, or most of them in a short form")
    ] = False,
    families: Annotated[bool, typer.Option("--families", help="the families of experiments (a, b, ...)")] = False,
    sabotage: Annotated[
        bool, typer.Option("--sabotage", help="change a parameter of each check: the check must fail")
    ] = False,
    mutations: Annotated[
        bool, typer.Option("--mutations", help="change nine lines of the program, one at a time: a row must fail")
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", help="folder of the report and of the measured data", parser=path("--out"))
    ] = Path("runs"),
    docs: Annotated[
        Path | None,
        typer.Option("--docs", help="page (Markdown) to write from the --json file", parser=path("--docs", named=True)),
    ] = None,
    json: Json = None,
) -> None:
    """Compare the instrument with known physics, in a table and a report. An interrupted comparison is continued.

    Example: main.py reproduce P7 P17 --full --out reproduced
    """
    from app.commands import reproduce as command

    if (docs is not None) + families + sabotage + mutations > 1:
        raise Refused("reproduce: --families, --sabotage, --mutations and --docs are four commands; give one of them")
    if docs is not None:
        raise typer.Exit(command.document(docs, json, out))
    if families:
        raise typer.Exit(command.families(names or [], out=out, json=json))
    if sabotage:
        raise typer.Exit(command.sabotage(names or [], full=full, out=out, json=json))
    if mutations:
        raise typer.Exit(command.mutations(names or [], full=full, out=out, json=json))
    raise typer.Exit(command.reproduce(names or [], full=full, out=out, json=json))


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="training file", parser=path("train"))],
    out: Annotated[
        Path | None, typer.Option("--out", help="card to write (.json); default: as in the file, or in runs/trained")
    ] = None,
    json: Json = None,
) -> None:
    """Train a network, or continue an interrupted training.

    A checkpoint that another training has made is never overwritten.

    Example: main.py train config/trainings/ring_egnn.yaml
    """
    from app.commands.train import train_network

    train_network(config, out, json=json)


@app.command()
def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="card of a checkpoint", parser=path("evaluate"))],
    onnx: Annotated[bool, typer.Option("--onnx", help="also write it as ONNX, beside the card")] = False,
    json: Json = None,
) -> None:
    """Evaluate a trained network: errors, symmetry, speed.

    Example: main.py evaluate config/checkpoints/ring_egnn.json
    """
    from app.commands.evaluate import evaluate_network

    evaluate_network(checkpoint, json=json, onnx=onnx)


@app.command()
def analyse(
    run: RunFile,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="HTML report; default: beside the run", parser=path("--out", named=True)),
    ] = None,
    json: Json = None,
) -> None:
    """Measure observables of a run, and compare them with predictions, on one HTML page.

    Example: main.py analyse runs/annular_activity.h5 --out report.html
    """
    from app.commands.analyse import analyse_run

    raise typer.Exit(analyse_run(run, out, json=json))


@app.command()
def calibrate(
    what: Annotated[str, typer.Argument(help="um-per-px, map, stiffness, diffusion, latency, power, drift or all")],
    rig: Annotated[Path, typer.Argument(help="rig file", parser=path("calibrate"))],
    sets: Sets = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="calibration file; default: that of the rig", parser=path("--out", named=True)),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="duration of each run; default: its own", parser=SECONDS)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="of a simulated rig", parser=SEED)] = 1,
    pitch_um: Annotated[
        float,
        typer.Option(
            "--pitch-um", help="um-per-px: pitch of the slide's square grid", parser=number("--pitch-um", 0, 1e4)
        ),
    ] = 2.5,
    undo: Annotated[bool, typer.Option("--undo", help="remove the newest calibration from the file")] = False,
    json: Json = None,
) -> None:
    """Calibrate the rig, and store the result in its calibration file.

    Example: main.py calibrate all config/rigs/simulated.yaml --out bench.calibration.yaml
    """
    from app.commands.calibrate import calibrate_rig

    raise typer.Exit(
        calibrate_rig(
            what, rig, tuple(sets or ()), out=out, seconds=seconds, seed=seed, pitch_um=pitch_um, undone=undo, json=json
        )
    )


@app.command()
def tune(
    recording: RecordingFile,
    sets: Sets = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="picture (PNG, PDF, SVG) of kept and rejected features", parser=path("--out", named=True)
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Suggest tracking settings for a recording, and show the features that they keep and reject.

    Example: main.py tune beads.tif --out beads.png
    """
    from app.commands.tune import tune_recording

    raise typer.Exit(tune_recording(recording, tuple(sets or ()), out=out, json=json))


@app.command()
def correct(
    what: Annotated[str, typer.Argument(help="dark, hot-pixels, background or excluded")],
    source: Annotated[Path, typer.Argument(help="recording, or rig file for its camera", parser=path("source"))],
    sets: Sets = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="image (TIFF or NPY) to write or replace; default: a new one in runs/",
            parser=path("--out", named=True),
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", help="of a camera: duration of the recording; default: 2 or 20", parser=SECONDS),
    ] = None,
    json: Json = None,
) -> None:
    """Make a correction image for the camera, or find regions of dirt, and print the setting to use.

    dark: mean without light; hot-pixels: a map of them, best from images without light; background: median over the
    time, of what does not move; excluded: regions about what does not move and would be taken for a particle.

    Example: main.py correct hot-pixels covered.tif --out hot.tif
    """
    from app.commands.correct import correct as make_correction

    raise typer.Exit(make_correction(what, source, tuple(sets or ()), out=out, seconds=seconds, json=json))


@app.command()
def bench(
    what: Annotated[str, typer.Argument(help="tracking, identities, loop or safety")] = "tracking",
    quick: Annotated[bool, typer.Option("--quick", help="fewer cases or shorter runs")] = False,
    docs: Annotated[
        Path | None,
        typer.Option(
            "--docs", help="tracking, safety: page (Markdown) to write the tables to", parser=path("--docs", named=True)
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option("--repeats", help="loop: runs of each kind; default: 5", parser=whole("--repeats", 1, 10_000)),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="loop: duration of a run; default: 30", parser=SECONDS)
    ] = None,
    json: Json = None,
) -> None:
    """Benchmark tracking (beside trackpy), identities in the closed loop, the loop's jitter (also with the window), or
    safety: light and record after a program was killed, stopped or hung.

    Example: main.py bench tracking --quick --json bench.json
    """
    from benchmarks.verb import bench as measure

    raise typer.Exit(measure(what, quick=quick, json=json, docs=docs, repeats=repeats, seconds=seconds))


@app.command()
def emulate(
    device: Annotated[str, typer.Argument(help="galvo or cobolt")],
    link: Annotated[
        Path | None, typer.Option("--link", help="a name for its serial port", parser=path("--link", named=True))
    ] = None,
    stream: Annotated[
        int,
        typer.Option("--stream", help="loopback port of its beam's stream; 0: any", parser=whole("--stream", 0, 65535)),
    ] = 0,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log", help="file for its log (JSON lines); default: the console", parser=path("--log", named=True)
        ),
    ] = None,
    fault: Annotated[list[str] | None, typer.Option("--fault", help="fault at the start; may be repeated")] = None,
) -> None:
    """Emulate a serial device, in a separate process.

    Orders on standard input: well, silence, garbage, half, late SECONDS, disconnect, connect, interlock open, interlock
    closed, power FACTOR (the laser emits so many times its set point), mode NUMBER (the laser's mode: 0 constant
    current, 1 constant power, 2 modulation), end.

    Example: main.py emulate galvo --link runs/emulated/galvo --stream 47801
    """
    from app.commands.emulate import emulate_device

    raise typer.Exit(emulate_device(device, link, stream, log, tuple(fault or ())))


@app.command()
def species(
    runs: Annotated[
        list[Path], typer.Argument(help="run files with frames, of one species each", parser=path("species"))
    ],
    out: Annotated[Path, typer.Option("--out", help="checkpoint to write (.json)", parser=path("--out", named=True))],
    names: Annotated[
        str, typer.Option("--names", help="species of each run, as bead,bead,shell; default: the files' names")
    ] = "",
    patch_px: Annotated[
        int,
        typer.Option(
            "--patch-px",
            help="width of the image patch around a particle, 19 to 128 px",
            parser=whole("--patch-px", 19, 128),
        ),
    ] = 28,
    epochs: Annotated[
        int, typer.Option("--epochs", help="passes over the patches", parser=whole("--epochs", 1, 1_000_000))
    ] = 20,
    seed: Annotated[int, typer.Option("--seed", help="of the training", parser=whole("--seed", 0, 2**32 - 1))] = 1,
    json: Json = None,
) -> None:
    """Train a classifier of species from one run of each. tracking.classifier then uses it in the loop.

    Example: main.py species beads.h5 shells.h5 --out my_species.json
    """
    from app.commands.species import learn_species

    called = tuple(names.split(",")) if names else ()
    learn_species(runs, out, names=called, patch_px=patch_px, epochs=epochs, seed=seed, json=json)


@app.command()
def symmetry(
    run: Annotated[
        Path,
        typer.Argument(
            help="run file, tracks as .csv or .parquet, or folder of an exported run", parser=path("symmetry")
        ),
    ],
    lag: Annotated[
        float | None,
        typer.Option(
            "--lag", help="duration of a displacement, in s; default: one frame", parser=number("--lag", 0, LONGEST_S)
        ),
    ] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="file for a figure", parser=path("--figure", named=True))
    ] = None,
    json: Json = None,
) -> None:
    """Find the symmetries of the motion in a run: rotation, reflections, translations.

    A table of tracks needs columns time_s, particle, x_um, y_um; fx_pn and fy_pn are forces that were asked for. With
    fewer than seven particles, an effect of one particle can't be distinguished from a law.

    Example: main.py symmetry runs/ring_crystal-001.h5
    """
    from app.commands.symmetry import show_symmetry

    show_symmetry(run, lag_s=lag, json=json, figure=figure)


def main() -> int:
    """Run the command and return the exit code: 2 for bad input, 1 for a run that tripped or failed.

    It is 128 + the number of a signal that stopped the program, and 1 if standard output was closed. The reason is
    printed in one sentence.
    """
    from app.running import stop_signals as signals

    fill_standard_streams()
    with signals.caught():
        code = verb()
        with signals.held():
            return code or (0 if flushed() else 1)


def fill_standard_streams() -> None:
    """Redirect closed standard streams to the null device, so that no file opened later gets their descriptor."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor: this one
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  for the rest of the program
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115


def verb() -> int:
    """Run the command, print its error sentence, and return the exit code."""
    from app.assembly.kernel_cache import provide
    from app.running.stop_signals import Stopped

    out = sys.stdout
    try:
        provide()
        app()
    except Stopped as stopped:
        complain(str(stopped))
        return 128 + stopped.number
    except SystemExit as exit_error:
        if sys.stdout is not out:  # typer found standard output closed
            complain(UNREAD)
        return exit_error.code if isinstance(exit_error.code, int) else int(exit_error.code is not None)
    except Refused as refused:
        complain(str(refused))
        return 2
    except Exception as error:
        from app.console.json_file import in_words

        message = in_words(error)
        if message is None:
            raise
        complain(sentence(message))
        return 1
    return 0


def complain(message: str) -> None:
    """Print one sentence on standard error, if that is still open."""
    if sys.stderr is None:
        return
    with suppress(OSError, ValueError):
        say(f"cybloids: {message}", error=True)
        sys.stderr.flush()


def flushed() -> bool:
    """Flush standard output. False, with one sentence and no traceback, if its reader has closed it (`| head`)."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes again at exit
        complain(UNREAD)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
