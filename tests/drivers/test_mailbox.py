import threading

import pytest

from control.contract import Ended, Fault
from drivers.mailbox import Latest


def test_the_newest_value_is_kept_and_replaced_ones_are_counted() -> None:
    box: Latest[int] = Latest()
    for value in range(5):
        box.put(value)
    assert box.take(0.0) == 4
    assert box.replaced == 4
    assert box.take(0.0) is None


def test_a_waiting_reader_is_woken() -> None:
    box: Latest[int] = Latest()
    thread = threading.Thread(target=box.put, args=(7,))
    thread.start()
    assert box.take(5.0) == 7
    thread.join()


def test_a_failure_replaces_an_old_frame_and_is_raised_once() -> None:
    box: Latest[int] = Latest()
    box.put(1)
    box.fail(Fault("the cable is out"))
    with pytest.raises(Fault, match="cable"):
        box.take(0.0)
    box.put(2)
    assert box.take(0.0) == 2


def test_a_closed_box_gives_its_last_value_and_then_ends() -> None:
    box: Latest[int] = Latest()
    box.put(3)
    box.close()
    box.put(4)
    assert box.take(5.0) == 3
    with pytest.raises(Ended):
        box.take(5.0)


def test_every_value_is_taken_or_counted() -> None:
    box: Latest[int] = Latest()

    def fill() -> None:
        for value in range(2000):
            box.put(value)
        box.close()

    thread = threading.Thread(target=fill)
    thread.start()
    taken = []
    try:
        while True:
            value = box.take(5.0)
            if value is not None:
                taken.append(value)
    except Ended:
        thread.join()
    assert taken == sorted(set(taken))
    assert len(taken) + box.replaced == 2000
