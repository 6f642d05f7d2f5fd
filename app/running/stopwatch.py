"""Wall time of each stage of a run. Each Timed class wraps a plug and times its calls; the mathematics has no clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from control.contract import (
    NOTHING_EXPECTED,
    Beam,
    Camera,
    Command,
    Expected,
    Frame,
    Policy,
    Recorder,
    Seen,
    Tracker,
    Tracks,
    Turn,
)


@dataclass
class Stopwatch:
    """Wall time (s) and number of calls of each stage."""

    spent_s: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    running: str = ""  # stage in progress; empty: none

    def of(self, stage: str, call: Callable[..., Any], *arguments: Any) -> Any:
        began_s = time.perf_counter()
        self.running = stage
        try:
            return call(*arguments)
        finally:
            self.running = ""
            self.spent_s[stage] = self.spent_s.get(stage, 0.0) + time.perf_counter() - began_s
            self.calls[stage] = self.calls.get(stage, 0) + 1

    def ms_a_call(self) -> dict[str, float]:
        return {stage: 1e3 * spent_s / self.calls[stage] for stage, spent_s in self.spent_s.items()}


@dataclass
class TimedCamera:
    watch: Stopwatch
    camera: Camera

    def read(self) -> Frame | None:
        frame: Frame | None = self.watch.of("camera", self.camera.read)
        return frame

    def close(self) -> None:
        self.camera.close()


@dataclass
class TimedTracker:
    watch: Stopwatch
    tracker: Tracker

    def start(self) -> Any:
        return self.tracker.start()

    def step(self, memory: Any, frame: Frame, expected: Expected = NOTHING_EXPECTED) -> tuple[Any, Tracks]:
        answer: tuple[Any, Tracks] = self.watch.of("tracker", self.tracker.step, memory, frame, expected)
        return answer


@dataclass
class TimedPolicy:
    watch: Stopwatch
    policy: Policy

    @property
    def longest_delay_s(self) -> float:
        return self.policy.longest_delay_s

    def start(self) -> Any:
        return self.policy.start()

    def step(self, memory: Any, seen: Seen) -> tuple[Any, Any]:
        answer: tuple[Any, Any] = self.watch.of("policy", self.policy.step, memory, seen)
        return answer


@dataclass
class TimedBeam:
    watch: Stopwatch
    beam: Beam

    def send(self, command: Command) -> Command:
        sent: Command = self.watch.of("beam", self.beam.send, command)
        return sent

    def dark(self, reason: str) -> Command:
        return self.beam.dark(reason)

    def close(self) -> None:
        self.beam.close()


@dataclass
class TimedRecorder:
    watch: Stopwatch
    recorder: Recorder

    def write(self, turn: Turn) -> None:
        self.watch.of("recorder", self.recorder.write, turn)

    def close(self) -> None:
        self.recorder.close()
