"""Formulas, settings files and command lines."""

from __future__ import annotations

import dataclasses
import re
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.fuzz.rules import NASTY, sentence, special, verb
from config.fields import bounds
from config.refused import Refused

CONFIG = Path(__file__).parent.parent.parent / "config"
EXPERIMENT = CONFIG / "experiments" / "annular_activity.yaml"
RIG = CONFIG / "rigs" / "simulated.yaml"
PIECES = (
    "r",
    "k",
    "R",
    "pi",
    "sin(",
    "exp(",
    "log(",
    "sqrt(",
    "abs(",
    "min(",
    "max(",
    "where(",
    "tanh(",
    ")",
    "(",
    ",",
    "+",
    "-",
    "*",
    "/",
    "**",
    "^",
    "<",
    ">",
    ">=",
    "==",
    "!",
    "1",
    "2.5",
    "1e308",
    "1e-308",
    "64",
    "0",
    ".",
    " ",
    "__import__",
    "lambda",
    "[",
    "]",
    "'",
    '"',
    "é",
    "\n",
    "\0",
    "\x1b[31m",
    "r**r**r",
    "1/0",
    "0x10",
    "1_000",
    "1j",
    "9" * 400,
)


KT_PN_UM = 0.0041


@dataclass
class Formulas:
    """Random text in place of a formula. Energies and forces of an accepted formula are computed."""

    folder: Path
    name: str = "formulas"

    def prepare(self) -> None:
        self.case(Random(1), self.folder)

    def case(self, chance: Random, folder: Path) -> float:
        import json

        import numpy as np

        from config.reader import build, parse
        from control.potentials.formula import Formula

        text = "".join(chance.choice(PIECES) for _ in range(chance.choice((1, 3, 8, 20, 100, 5000))))
        if chance.random() < 0.3:
            text = "0.5*k*(r-R)**2".replace(chance.choice("kRr2*()-"), chance.choice(PIECES), 1)
        try:
            shape = build(parse(f"formula: {json.dumps(text)}\nparameters: {{k: 1.0, R: 2.0}}", "plan"), Formula)
            offset_um = np.random.default_rng(chance.getrandbits(32)).uniform(*shape.limits_um, (100, 2))
            with np.errstate(all="ignore"):
                energy = shape.energy_pn_um(offset_um, kt_pn_um=KT_PN_UM, time_s=chance.uniform(0.0, 100.0))
                force = shape.force_pn(offset_um, kt_pn_um=KT_PN_UM, time_s=chance.uniform(0.0, 100.0))
            if (energy.shape, force.shape) != ((100,), (100, 2)):
                raise TypeError(f"energies of shape {energy.shape} and forces of shape {force.shape}")
        except (Refused, ValueError) as error:
            sentence(Refused(f"{error}"))
        return 0.0


@dataclass
class Settings:
    """Settings files with lines left out, doubled or changed, values of any kind, and text that is not YAML."""

    folder: Path
    name: str = "yaml"

    def prepare(self) -> None:
        from app.assembly.plan import plan

        plan(EXPERIMENT)

    def case(self, chance: Random, folder: Path) -> float:
        from app.assembly.plan import plan
        from config.reader import build, read
        from models.training import Training

        kind = chance.choice(("experiment", "rig", "training", "set"))
        file = folder / "plan.yaml"
        try:
            if kind == "training":
                file.write_text(
                    changed(chance, chance.choice(sorted((CONFIG / "trainings").glob("*.yaml")))), "utf-8", "replace"
                )
                build(read(file), Training)
            elif kind == "rig":
                file.write_text(
                    changed(chance, chance.choice(sorted((CONFIG / "rigs").glob("*.yaml")))), "utf-8", "replace"
                )
                plan(EXPERIMENT, file)
            elif kind == "experiment":
                text = changed(chance, chance.choice(sorted((CONFIG / "experiments").glob("*.yaml"))))
                file.write_text(text.replace("../rigs/", f"{CONFIG}/rigs/"), "utf-8", "replace")
                plan(file)
            else:
                plan(EXPERIMENT, None, [setting(chance) for _ in range(chance.choice((1, 1, 3)))])
        except Refused as refused:
            sentence(refused)
        return 1.0


def setting(chance: Random) -> str:
    """One key=value; the key is that of a rig or an experiment, or invalid."""
    keys = sorted({*keys_of(RIG), *keys_of(EXPERIMENT)})
    key = chance.choice(
        (*keys, "set", "forces.0", "²", "a" * 3000, "." * 5000, "camera..fps", "", "policy.forces.99999999999.kind")
    )
    return f"{key}={value(chance)}" if chance.random() < 0.95 else key


def keys_of(path: Path) -> list[str]:
    """Every dotted key of a settings file."""
    from config.reader import read

    found: list[str] = []

    def add(at: tuple[Any, ...], inside: Any) -> None:
        inner = inside.items() if isinstance(inside, dict) else enumerate(inside) if isinstance(inside, list) else ()
        for key, below in inner:
            found.append(".".join(str(step) for step in (*at, key)))
            add((*at, key), below)

    add((), read(path).data)
    return found


def value(chance: Random) -> str:
    """A value that may be valid, large, small, or no number."""
    if chance.random() < 0.4:
        return chance.choice(NASTY)
    sign, digits, power = chance.choice(("", "-")), chance.uniform(0, 10), chance.randrange(-12, 13)
    return (
        f"{sign}{digits * 10.0**power:.{chance.randrange(1, 6)}g}"
        if chance.random() < 0.7
        else f"{chance.randrange(10**6)}"
    )


def changed(chance: Random, path: Path) -> str:
    """The text of a settings file, broken in one or two ways."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for _ in range(chance.choice((1, 1, 2))):
        at = chance.randrange(len(lines)) if lines else 0
        way = chance.randrange(11)
        if way == 0:
            del lines[at : at + 1]
        elif way == 1:
            lines.insert(at, lines[at] if lines else "")
        elif way in (2, 3, 4, 5):
            places = [index for index, line in enumerate(lines) if re.search(r":\s*\S", line)]
            if places:
                at = chance.choice(places)
                new = value(chance)
                pieces = re.split(r"(:\s*)([^,{}\[\]]+)", lines[at])
                spots = list(range(2, len(pieces), 3))
                if spots:
                    pieces[chance.choice(spots)] = new
                lines[at] = "".join(pieces)
        elif way == 6:
            lines.append(chance.choice(("more: ", "set: ", "title: ", "sample: ")) + bomb(chance))
        elif way == 7:
            lines[at : at + 1] = [" " * chance.randrange(9) + (lines[at] if lines else "")]
        elif way == 8:
            text = "\n".join(lines)
            at = chance.randrange(len(text) + 1)
            lines = (
                text[:at]
                + chance.choice((*NASTY, "\t", ":", "- ", "{", "}", "&a ", "*a", "!!", "%", "\0", "@"))
                + text[at + chance.randrange(9) :]
            ).splitlines()
        elif way == 9:
            lines = lines[:at]
        else:
            lines = [bomb(chance)]
    return "\n".join(lines)


def bomb(chance: Random) -> str:
    """A short text that expands to very much data, or a long or deeply nested text."""
    way = chance.randrange(7)
    size = chance.choice((10, 100, 1000, 100_000))
    if way == 0:
        names = [f"a{level}" for level in range(9)]
        more = [f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in pairwise(names)]
        return "\n".join(["", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]", *more])
    if way == 1:
        return "[" * size + "]" * size
    if way == 2:
        return "\n" + "\n".join(f"- {index}" for index in range(size))
    if way == 3:
        return "{" + ", ".join(f"k{index}: 1" for index in range(size)) + "}"
    if way == 4:
        return "&a [*a]"
    if way == 5:
        return "'" + "x" * size
    return "&a {<<: *a, b: [*a, *a]}"


@dataclass
class ExtremeNumbers:
    """A run of a few frames with numbers of the rig or the experiment at their bounds; it may be refused."""

    folder: Path
    name: str = "bounds"
    slow_s: float = 6.0  # processor time of a sound run of the largest size

    def prepare(self) -> None:
        from app.assembly.plan import plan

        made = plan(EXPERIMENT)
        self.ends = [*ends(made.rig), *ends(made.experiment)]
        for _ in range(2):
            verb("run", EXPERIMENT, "--seconds", "0.05", "--out", self.folder / f"{time.monotonic_ns()}.h5")

    def case(self, chance: Random, folder: Path) -> float:
        sets = [f"{key}={chance.choice(pair)!r}" for key, pair in chance.sample(self.ends, chance.choice((1, 1, 2)))]
        words = [word for one in sets for word in ("--set", one)]
        verb("run", EXPERIMENT, "--seconds", "0.03", "--out", folder / "run.h5", *words)
        return self.slow_s


def ends(settings: Any, at: str = "") -> list[tuple[str, tuple[float, float]]]:
    """(dotted key, (least, largest)) of every number in settings."""
    found: list[tuple[str, tuple[float, float]]] = []
    cls: Any = type(settings)
    limits: dict[str, tuple[float, float]] = bounds(cls)
    for name, (low, high) in limits.items():
        inside = getattr(settings, name)
        if dataclasses.is_dataclass(inside):
            found += ends(inside, f"{at}{name}.")
        elif isinstance(inside, (int, float)) and not isinstance(inside, bool):
            kind = type(inside)
            found.append((f"{at}{name}", (kind(low), kind(high))))
    return found


@dataclass
class CommandLines:
    """Command lines: every verb with options and files, at least one of them invalid."""

    folder: Path
    name: str = "lines"

    def prepare(self) -> None:
        verb("info", "nowhere.h5")

    def case(self, chance: Random, folder: Path) -> float:
        bad = str(special(chance, folder))
        odd = chance.choice([one for one in NASTY if one not in ("null", "true", "~", "../..", "\n")])
        known = chance.choice(
            ("--out", "--json", "--set", "--rig", "--seed", "--seconds", "--experiment", "--lag", "--bad" + odd[:50])
        )
        line = chance.choice(lines_of(chance, bad, odd, known))
        if line[0] == "reproduce" and len(line) == 2 and not odd:
            return 0.0
        code = verb(*(word.replace("\0", "") for word in line))
        if code == 0:
            from benchmarks.fuzz.rules import Broken

            raise Broken(f"this line was taken: {[word[:40] for word in line]}")
        return 0.0


def lines_of(chance: Random, bad: str, odd: str, known: str) -> tuple[list[str], ...]:
    """One command line of each kind: `bad` is an unusable file, `odd` an unknown name, `known` an option."""
    return (
        ["run", bad],
        ["run", str(EXPERIMENT), "--rig", bad],
        ["run", str(EXPERIMENT), "--seconds", wrong_number(chance)],
        ["run", str(EXPERIMENT), "--set", setting(chance), "--seconds", "-1"],
        ["run", bad, "--json", odd],
        ["run", bad, known, odd],
        ["replay", bad],
        ["replay", bad, known, odd],
        ["replay", bad, "--rig", bad],
        ["tune", bad],
        ["tune", bad, "--set", setting(chance)],
        ["tune", bad, "--out", odd + ".png"],
        ["verify", bad],
        ["verify", bad, "--json", odd],
        ["info", bad],
        ["info", odd],
        ["export", bad, "--to", "csv"],
        ["export", bad, "--to", odd],
        ["analyse", bad],
        ["analyse", bad, "--out", odd],
        ["train", bad],
        ["evaluate", bad],
        ["evaluate", odd],
        ["calibrate", odd, bad],
        ["calibrate", "all", bad],
        ["calibrate", "all", str(RIG), "--seconds", wrong_number(chance)],
        ["calibrate", "all", str(RIG), "--pitch-um", wrong_number(chance)],
        ["symmetry", bad],
        ["symmetry", bad, "--lag", wrong_number(chance)],
        ["species", bad, bad, "--out", "a.json"],
        ["species", bad, bad, "--out", odd],
        ["bench", odd],
        ["bench", "loop", "--seconds", wrong_number(chance)],
        ["emulate", odd],
        ["emulate", "galvo", "--stream", wrong_number(chance)],
        ["reproduce", odd],
        ["reproduce", "P7", "--docs", bad, "--json", bad],
        ["desktop", bad, "--picture", "a.png"],
        ["desktop", str(EXPERIMENT), "--picture", "a.png", "--seconds", wrong_number(chance)],
        [odd, known],
    )


def wrong_number(chance: Random) -> str:
    """A text that is invalid as a length, a time and a port."""
    return chance.choice(
        ("nan", "inf", "-inf", "1e308", "-1", "x", "²", "", "9" * 5000, "0x10", "1e999", "-0.0", "99999999")
    )
