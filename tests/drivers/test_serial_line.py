"""A serial line over a pseudo-terminal: slow devices, lost lines, and the release of the port."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import serial

from control.contract import Fault
from drivers import serial_line
from drivers.serial_line import SerialLine
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="this system has no pseudo-terminals")


@dataclass
class Device:
    """The far end of a line. It answers each request when the test allows it."""

    end: int
    host: int
    answer: bytes = b"OK\r"
    asked: threading.Event = field(default_factory=threading.Event)
    may_answer: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> str:
        return os.ttyname(self.host)

    def serve(self) -> None:
        try:
            while os.read(self.end, 100):
                self.asked.set()
                self.may_answer.wait(PATIENCE_S)
                os.write(self.end, self.answer)
        except OSError:  # the test has ended
            return


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    import tty

    monkeypatch.setattr(serial_line, "AGAIN_S", 0.0)
    end, host = os.openpty()
    tty.setraw(host)
    device = Device(end, host)
    threading.Thread(target=device.serve, daemon=True).start()
    yield device
    device.may_answer.set()
    os.close(host)


def opened(device: Device, timeout_s: float = PATIENCE_S) -> SerialLine:
    line = SerialLine("the device", device.port, 115200, timeout_s, lambda: None)
    line.connect()
    return line


def ask(line: SerialLine, *, in_step: bool = False) -> str:
    return line.ask(b"?\r", b"\r", lambda piece: piece.decode() or None, in_step=in_step)


def test_the_port_is_free_when_close_returns(device: Device) -> None:
    """Another thread closes the line during a request to a slow device; then it is opened at once. Fifty times."""
    for _ in range(50):
        device.asked.clear()
        device.may_answer.clear()
        line = opened(device)
        ended: list[str] = []

        def request(line: SerialLine = line, ended: list[str] = ended) -> None:
            try:
                ended.append(ask(line))
            except Fault as fault:
                ended.append(str(fault))

        asking = threading.Thread(target=request)
        asking.start()
        assert device.asked.wait(PATIENCE_S)
        closing = threading.Thread(target=line.close)
        closing.start()
        device.may_answer.set()
        closing.join(PATIENCE_S)
        assert not closing.is_alive()
        again = opened(device)
        assert ask(again) == "OK"
        again.close()
        asking.join(PATIENCE_S)
        assert ended


def test_a_forked_process_does_not_hold_the_port(device: Device) -> None:
    """Between fork and exec, a subprocess of another thread has copies of all open files."""
    line = opened(device)
    assert line._serial is not None
    copy = line._serial.fd
    program = "import sys; print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(copy,)
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        line.close()
        again = opened(device)
        again.close()
        child.communicate()


def test_a_port_that_is_in_use_is_a_fault(device: Device) -> None:
    line = opened(device)
    with pytest.raises(Fault, match=f"the device at {device.port}: it can't be opened .*exclusively lock"):
        opened(device)
    line.close()
    opened(device).close()


@pytest.mark.parametrize("trouble", [Fault("who is this"), ZeroDivisionError("bug"), KeyboardInterrupt()])
def test_a_line_whose_greeting_fails_is_closed(device: Device, trouble: BaseException) -> None:
    def greet() -> None:
        raise trouble

    line = SerialLine("the device", device.port, 115200, PATIENCE_S, greet)
    with pytest.raises(type(trouble)):
        line.connect()
    assert line.trouble
    opened(device).close()


def test_a_termios_error_is_a_fault(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """termios.error is no OSError. Before, it was not converted to a Fault, and the line stayed open and unusable."""
    import termios

    line = opened(device)

    def gone(self: serial.Serial) -> None:
        raise termios.error(5, "Input/output error")

    monkeypatch.setattr(serial.Serial, "reset_input_buffer", gone)
    with pytest.raises(Fault, match=r"the device at .*: it is gone"):
        line.hush(0.0)
    monkeypatch.undo()
    opened(device).close()


def test_a_closed_line_stays_closed(device: Device) -> None:
    line = opened(device)
    line.close()
    line.close()
    for use in (line.connect, lambda: ask(line)):
        with pytest.raises(Fault, match="is closed"):
            use()


@pytest.mark.parametrize("came", [b"0\r", b"0"])
def test_an_unsolicited_answer_is_a_fault_if_answers_have_no_number(device: Device, came: bytes) -> None:
    device.may_answer.set()
    line = opened(device)
    for before in (came, b"\r\r"):
        assert line._serial is not None
        os.write(device.end, before)
        assert select.select([line._serial], [], [], PATIENCE_S)[0]
        if before == came:
            with pytest.raises(Fault, match=f"the device at {device.port} sent '0' when nothing had been asked"):
                ask(line, in_step=True)
            line.connect()
        assert ask(line, in_step=True) == "OK"  # empty lines do no harm


def test_a_second_answer_is_a_fault_if_answers_have_no_number(device: Device) -> None:
    device.answer = b"0\rOK\r"
    device.may_answer.set()
    line = opened(device)
    with pytest.raises(Fault, match="sent 'OK' when nothing had been asked"):
        ask(line, in_step=True)
    device.answer = b"OK\r"
    line.connect()
    assert ask(line, in_step=True) == "OK"


def test_a_busy_line_does_not_block_other_threads(device: Device) -> None:
    """While a device does not answer one thread, requests of others are refused, and off commands are sent at once."""
    line = opened(device)
    received = device.end
    hung = threading.Thread(target=ask, args=(line,), daemon=True)
    hung.start()
    assert device.asked.wait(PATIENCE_S)
    for call in (line.connect, lambda: ask(line), lambda: line.hush(0.0)):
        with pytest.raises(Fault, match="has not answered another request yet"):
            call()
    assert line.trouble == ""  # it stays open
    assert line.write_blind(b"l0\r")
    assert select.select([received], [], [], PATIENCE_S)[0]  # while the first request still waits
    assert hung.is_alive()
    assert os.read(received, 100) == b"l0\r"
    line_closed = threading.Thread(target=line.close, daemon=True)
    line_closed.start()
    device.may_answer.set()
    line_closed.join(PATIENCE_S)
    assert not line_closed.is_alive()


def test_a_blind_command_over_a_reopened_line_is_not_discarded() -> None:
    """Before, closing the port discarded bytes that a slow device had not read yet: the off command."""
    import tty

    end, host = os.openpty()
    tty.setraw(host)
    line = SerialLine("the device", os.ttyname(host), 115200, PATIENCE_S, lambda: None)
    line.connect()
    line.lost("its answers may belong to other requests")
    assert line.write_blind(b"l0\r")
    assert select.select([end], [], [], PATIENCE_S)[0]
    assert os.read(end, 100) == b"l0\r"
    line.close()
    os.close(host)
    os.close(end)


def test_a_blind_command_does_not_wait_for_a_blocked_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, it held the lock of the beam and waited without limit for a port that sends no bytes."""
    monkeypatch.setattr(serial_line, "BLOCKED_S", 0.02)
    monkeypatch.setattr(serial.Serial, "out_waiting", 3)
    monkeypatch.setattr(serial.Serial, "flush", lambda port: threading.Event().wait(2.0))
    end, host = os.openpty()
    line = SerialLine("the device", os.ttyname(host), 115200, PATIENCE_S, lambda: None)
    line.connect()
    assert not line.write_blind(b"l0\r")
    line.lost("no answer")
    assert not line.write_blind(b"l0\r")  # nor over the reopened port
    line.close()
    os.close(host)
    os.close(end)
