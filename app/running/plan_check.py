"""Checks without waiting whether a plan can run: networks are loaded and compiled in a separate process.

The window's thread must stay free for STOP. Everything that needs no network is checked at once (`at_once`). The
Checker's process, which has torch, checks the rest; no loop waits for it either.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from app.assembly.machine import build_machine, needs_network, require_law
from app.assembly.plan import flyable, pinned
from app.assembly.rig import Plan
from app.console.error_words import sentence
from app.running.process_side import PlanTexts
from config.reader import read, write
from config.refused import Refused
from control.policies.learned_law import Learned
from control.policies.programmed_law import Programmed
from control.policies.python_law import PythonLaw

STANDS_S = 2.0  # after this time a refused plan is checked again: its file may have been corrected
CHECKING = "the network is being loaded and checked"


class StillChecking(Refused):
    """The check has no result yet: the plan is neither refused nor accepted."""


def at_once(plan: Plan, source: str) -> Plan:
    """`app.assembly.plan.flyable` without the checks that need a network. Raises Refused."""
    if not needs_network(plan):
        return flyable(plan, source)
    require_law(plan, source)
    build_machine(without_networks(plan), source)
    law = plan.experiment.policy
    if isinstance(law, PythonLaw):
        return pinned(plan, source)
    if not isinstance(law, Learned) or law.card_sha256:
        return plan
    stated = read(plan.folder / law.checkpoint).data.get("card_sha256")
    law = replace(law, card_sha256=stated if isinstance(stated, str) else "")
    return replace(plan, experiment=replace(plan.experiment, policy=law))


def without_networks(plan: Plan) -> Plan:
    """The plan without classifier; a law that needs a network is replaced by one without forces."""
    rig, experiment = plan.rig, plan.experiment
    law = Programmed(forces=()) if experiment.policy.needs_network else experiment.policy
    rig = replace(rig, tracking=replace(rig.tracking, classifier=None))
    return replace(plan, rig=rig, experiment=replace(experiment, policy=law))


def networks_of(plan: Plan) -> tuple[str, ...]:
    """All settings on which the check of a plan's networks depends, as texts; other settings are checked at once."""
    law = plan.experiment.policy
    learned = write(law) if law.needs_network else ""
    return str(plan.folder), learned, write(plan.rig.tracking.classifier), write(plan.rig.plant)


@dataclass(frozen=True)
class Question:
    number: int
    written: PlanTexts
    source: str


class Checker:
    """Checks plans in a separate process, which starts with the first question. Use it from one thread.

    Args:
        build: the check that a plan has to pass there; importable by its name.
    """

    def __init__(self, build: Callable[[Plan, str], Any] = build_machine) -> None:
        self._build = build
        self._newest_question: dict[tuple[str, ...], int] = {}  # its number, by networks_of and source
        self._verdicts: dict[int, tuple[str, float]] = {}  # by number: why the plan can't run (empty: it can), time
        self._number = 0
        self._process: Any = None
        self._pipe: Connection | None = None

    def check(self, plan: Plan, source: str) -> None:
        """Never waits. Raises Refused if the plan can't run, StillChecking until there is an answer."""
        self.news()
        key = *networks_of(plan), source
        number = self._newest_question.get(key, -1)
        reason, answered_s = self._verdicts.get(number, ("", time.monotonic()))
        if number < 0 or (reason and time.monotonic() - answered_s > STANDS_S):
            number = self._newest_question[key] = self._number
            self._number += 1
            self._ask(Question(number, PlanTexts.of(plan), source))
        if number not in self._verdicts:
            raise StillChecking(CHECKING)
        if reason:
            raise Refused(reason)

    def news(self) -> bool:
        """Whether an answer has arrived, or the process has died, since the last call."""
        changed = False
        try:
            while self._pipe is not None and self._pipe.poll():
                number, reason = self._pipe.recv()
                self._verdicts[number] = reason, time.monotonic()
                changed = True
        except (EOFError, OSError):
            self._process_died()
            changed = True
        return changed

    def close(self) -> None:
        """End the process."""
        if self._pipe is not None:
            self._pipe.close()
            self._process.terminate()
            self._process.join(1.0)
            if self._process.is_alive():
                self._process.kill()
                self._process.join(1.0)  # one that can't be killed is left to the system
        self._pipe = self._process = None

    def _ask(self, question: Question) -> None:
        if self._pipe is None:
            spawn = get_context("spawn")
            self._pipe, other_end = spawn.Pipe()
            self._process = spawn.Process(target=answer, args=(other_end, self._build), name="checker", daemon=True)
            self._process.start()
            other_end.close()
        with suppress(OSError):  # the process is gone; the next `news` finds that
            self._pipe.send(question)

    def _process_died(self) -> None:
        """The process has died: this is the answer to all open questions."""
        self.close()
        died = "the process that checks networks has died; choose the network again", time.monotonic()
        for number in self._newest_question.values():
            self._verdicts.setdefault(number, died)


def answer(pipe: Connection, build: Callable[[Plan, str], Any]) -> None:
    """The Checker's process: answers questions until the other end is closed."""
    with suppress(EOFError, OSError):
        while True:
            question: Question = pipe.recv()
            try:
                build(question.written.read(), question.source)
                reason = ""
            except Exception as error:  # noqa: BLE001  any error: the plan can't run, and the operator reads why
                reason = sentence(error)
            pipe.send((question.number, reason))
