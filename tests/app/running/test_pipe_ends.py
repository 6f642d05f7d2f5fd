"""Pipes to a process that stops in the middle of a message, or that no longer reads."""

from __future__ import annotations

import os
import select
import struct
import threading
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest

from app.running.pipe_ends import MOST_RECEIVED, ReceivingEnd, SendingEnd
from app.running.process import LoopProcess
from control.contract import Order, OrderKind
from tests.app.running.test_process import planned
from tests.patience import PATIENCE_S, until

Pair = tuple[Connection, Connection]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """(end for reading, end for writing)"""
    reader, writer = Pipe(duplex=False)
    yield reader, writer
    for end in (reader, writer):
        end.close()


def returns(call: Callable[[], object]) -> bool:
    """Whether the call returns; a call that waits for the other process does not."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(5.0)
    return not thread.is_alive()


def readable(handle: int) -> bool:
    return bool(select.select([handle], [], [], 0)[0])


@pytest.mark.skipif(os.name != "posix", reason="half a message is written as POSIX pipes carry it")
def test_half_a_message_does_not_block_the_window() -> None:
    live = LoopProcess(planned())
    live._begun = live._open = True
    live._news.start()
    _, tells = live._theirs
    os.write(tells.fileno(), struct.pack("!i", 1000) + b"half")
    assert returns(lambda: live.newest)
    assert returns(lambda: live.silence)
    live._begun = False
    live.close()


def test_a_process_that_stops_reading_does_not_block_the_window() -> None:
    """More than the pipe holds, in small and in large messages; the orders arrive in sequence."""
    live = LoopProcess(planned())
    live._begun = True
    texts = [str(number) * (5000 if number % 100 == 0 else 1) for number in range(3000)]

    def order_all() -> None:
        for text in texts:
            live.order(OrderKind.MARK, text)

    assert returns(order_all)
    reads, _ = live._theirs
    assert [reads.recv() for _ in texts] == [Order(OrderKind.MARK, text) for text in texts]
    live._begun = False
    live.close()


def test_only_a_few_messages_are_buffered_outside_the_pipe(pair: Pair) -> None:
    """The other process then waits with its news for a slow window."""
    reader, writer = pair
    end = ReceivingEnd(reader)
    end.start()
    for number in range(10):
        writer.send(number)
    until(lambda: len(end._messages) == MOST_RECEIVED)
    for number in range(10):
        assert end.wait(PATIENCE_S)
        assert len(end._messages) <= MOST_RECEIVED
        assert end.take() == number
    assert not end.wait()
    writer.close()
    assert end.wait(PATIENCE_S)
    with pytest.raises(EOFError):
        end.take()
    end.leave()


def test_the_handle_is_readable_while_messages_wait(pair: Pair) -> None:
    reader, writer = pair
    end = ReceivingEnd(reader)
    end.start()
    assert not readable(end.handle)
    for word in ("one", "two"):
        writer.send(word)
    until(lambda: len(end._messages) == 2)
    assert readable(end.handle)
    end.take()
    assert readable(end.handle)
    end.take()
    assert not readable(end.handle)
    writer.close()
    until(lambda: readable(end.handle))
    end.leave()


def test_messages_after_leaving_are_dropped(pair: Pair) -> None:
    """They do not block the other process."""
    reader, writer = pair
    end = ReceivingEnd(reader)
    end.start()
    end.leave()

    def send_all() -> None:
        for _ in range(100):
            writer.send(b"x" * 10_000)

    assert returns(send_all)
    with pytest.raises(EOFError):
        end.take()
    writer.close()
    until(lambda: reader.closed)


def test_sending_ends_when_the_other_process_has_ended(pair: Pair) -> None:
    reader, writer = pair
    end = SendingEnd(writer)
    for _ in range(30):
        end.send(b"x" * 10_000)
    reader.close()
    until(lambda: writer.closed)
    end.send("after it")
    end.leave()


def test_messages_are_sent_after_a_failed_thread_start(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """In sequence: waiting messages are sent before new ones."""
    reader, writer = pair
    end = SendingEnd(writer)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            end.send("long" * 5000)
    end.send("STOP")
    assert [reader.recv(), reader.recv()] == ["long" * 5000, "STOP"]
