"""Runs an emulator as a child process, for the application or a test."""

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
    """A running emulator; `events` has its log so far. Raises Fault if it does not start."""

    def __init__(self, kind: str, link: Path, *, stream_port: int = 0, faults: tuple[str, ...] = ()) -> None:
        command = [sys.executable, "-m", "drivers.emulate", kind, "--link", str(link.absolute())]
        command += ["--stream", str(stream_port), "--ends-with-input"]
        for fault in faults:
            command += ["--fault", fault]
        self.kind, self.link = kind, link
        self.events: list[dict[str, Any]] = []
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True, bufsize=1, start_new_session=True
        )  # Ctrl-C must reach the application only: it switches the light off before the emulators end
        self._reader = threading.Thread(target=self._read, name=f"log of {kind}", daemon=True)
        self._reader.start()
        ready = self.wait_for("ready", BEGIN_S)
        if ready is None:
            self.process.kill()
            why = self.process.communicate()[1].strip().splitlines()
            raise Fault(f"the emulated {kind} did not start: {why[-1] if why else 'without output'}")
        self.stream_port = int(ready["stream"].rpartition(":")[2])

    def order(self, line: str) -> None:
        """Send a line of the control channel (drivers/emulate/faults.py). Raises Fault if the emulator is gone."""
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except (OSError, ValueError) as error:
            raise Fault(f"the emulated {self.kind} does not take orders: {error}") from None

    def wait_for(self, event: str, timeout_s: float = 60.0, **values: Any) -> dict[str, Any] | None:
        """The next event with this name and these values, after the last one returned; None after timeout_s."""
        until_s = time.monotonic() + timeout_s
        while (remaining_s := until_s - time.monotonic()) > 0:
            try:
                record = self._events.get(timeout=remaining_s)
            except queue.Empty:
                return None
            if record is None:
                return None
            if record["event"] == event and all(record.get(key) == value for key, value in values.items()):
                return record
        return None

    def kill(self) -> None:
        """End the process at once, as in a power cut."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End the process: by order, or else by force."""
        if self.process.poll() is None:
            try:
                self.order("end")
            except Fault:  # it has just ended
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
                except OSError:  # an order that it did not read before its end
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
            record = json.loads(line)
            self.events.append(record)
            self._events.put(record)
        self._events.put(None)
