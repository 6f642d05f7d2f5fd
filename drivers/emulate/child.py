"""An emulator as a child process of whoever needs it: the application, or a test."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from control.contract import Fault

ROOT = Path(__file__).resolve().parents[2]
BEGIN_S = 20.0


class Child:
    """A running emulator. Its log is read as it comes: `events` has all of it. Raises Fault if it won't start."""

    def __init__(self, kind: str, link: Path, *, stream_port: int = 0, faults: tuple[str, ...] = ()) -> None:
        command = [sys.executable, "-m", "drivers.emulate", kind, "--link", str(link.absolute())]
        command += ["--stream", str(stream_port), "--ends-with-input"]
        for fault in faults:
            command += ["--fault", fault]
        self.kind, self.link = kind, link
        self.events: list[dict[str, Any]] = []
        self._news: queue.Queue[dict[str, Any] | None] = queue.Queue()
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1, start_new_session=True
        )  # Ctrl-C is for the application, which puts out the light before it ends its emulators
        self._reader = threading.Thread(target=self._read, name=f"log of {kind}", daemon=True)
        self._reader.start()
        ready = self.wait_for("ready", BEGIN_S)
        if ready is None:
            self.process.kill()
            why = self.process.communicate()[1].strip().splitlines()
            raise Fault(f"the emulated {kind} did not start: {why[-1] if why else 'it said nothing'}")
        self.stream_port = int(ready["stream"].rpartition(":")[2])

    def order(self, words: str) -> None:
        """One line of its control channel (drivers/emulate/faults.py). Raises Fault if it is gone."""
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(words + "\n")
            self.process.stdin.flush()
        except (OSError, ValueError) as error:
            raise Fault(f"the emulated {self.kind} does not take orders: {error}") from None

    def wait_for(self, event: str, timeout_s: float = 60.0, **like: Any) -> dict[str, Any] | None:
        """The next event of this name with these values that was not yet waited for; None after timeout_s."""
        until_s = time.monotonic() + timeout_s
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                said = self._news.get(timeout=left_s)
            except queue.Empty:
                return None
            if said is None:
                return None
            if said["event"] == event and all(said.get(key) == value for key, value in like.items()):
                return said
        return None

    def kill(self) -> None:
        """As a power cut: nothing is said."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Ask it to end, and see that it does."""
        if self.process.poll() is None:
            try:
                self.order("end")
            except Fault:  # it ended just now
                self.process.kill()
        try:
            self.process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reader.join(timeout=2.0)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # an order that it did not live to read
                    continue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said = json.loads(line)
            self.events.append(said)
            self._news.put(said)
        self._news.put(None)
