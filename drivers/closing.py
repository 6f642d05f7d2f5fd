"""Closes several devices, whatever each of them raises, and reports all errors, those of the light first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from config.refused import Refused
from config.words import one_line, text_of
from control.contract import STILL_LIT, Fault, says_lit

T = TypeVar("T")
Closing = Callable[[], object]


def in_words(error: BaseException) -> str:
    """An error of a device, for the operator; of an unexpected error also its class."""
    return text_of(error) if isinstance(error, Fault | Refused) else f"{type(error).__name__}: {one_line(error)}"


def value_of_light(darkening: Callable[[], T]) -> T:
    """The result of a darkening. Raises only Fault; after any other error, or a signal, it has STILL_LIT."""
    try:
        return darkening()
    except Fault:
        raise
    except BaseException as error:
        raise Fault(f"{STILL_LIT}: {in_words(error)}") from error


def of_light(closing: Closing) -> Closing:
    """The closing of a laser or a beam, with errors as in `value_of_light`."""
    return lambda: value_of_light(closing)


def close_all(*closings: Closing, after: BaseException | None = None) -> None:
    """Call each closing in this order, whatever the earlier ones raise.

    Args:
        after: the error that caused the closing; the caller raises it again. It counts as the first error.

    If any closing raises, this raises:
        a single Fault or Refused unchanged.
        for other errors a Fault with the texts of all, those with STILL_LIT first (but after that of `after`).
        an interrupt (not an Exception), if there is one and no light may be on.
    """
    errors: list[BaseException] = []
    for closing in closings:
        try:
            closing()
        except BaseException as error:  # noqa: BLE001  raised below, when everything is closed
            errors.append(error)
    if not errors:
        return
    errors = sorted(errors, key=lambda error: not says_lit(error))  # stable
    causes = errors if after is None else [after, *errors]
    interrupt = next((error for error in causes if not isinstance(error, Exception)), None)
    if interrupt is not None and not any(map(says_lit, causes)):
        raise interrupt
    if len(causes) == 1 and isinstance(causes[0], Fault | Refused):
        raise causes[0]
    messages = dict.fromkeys(in_words(error) for error in causes)
    raise Fault("; ".join(messages)) from causes[0]


@contextmanager
def closed_after(close: Callable[[], None], what: str) -> Iterator[None]:
    """Close one device at the end of the block, also after an error. A Fault of the block is never lost.

    Args:
        close: is called once, after the block.
        what: name of the device, such as "the camera".

    Raises Fault if it could not be closed; the block's own error comes first in its text. Another error of the block
    than a Fault is raised unchanged, with a note, unless light may be on. A signal interrupts the closing and is
    raised, unless the block's error states that light may be on.
    """
    try:
        yield
    except BaseException as error:
        try:
            why = _why_not_closed(close, what)
        except BaseException as interrupt:  # a signal; it must not hide that light may be on
            if not says_lit(error):
                raise
            why = f"{what} was not closed ({in_words(interrupt)})"
        if why and (isinstance(error, Fault) or STILL_LIT in why):
            raise Fault(f"{text_of(error) or type(error).__name__}; {why}") from error
        if why:
            error.add_note(why)
        raise
    why = _why_not_closed(close, what)
    if why:
        raise Fault(why)


def _why_not_closed(close: Callable[[], None], what: str) -> str:
    """Reason why it was not closed; empty if it was."""
    try:
        close()
    except Fault as fault:
        return str(fault)
    except Exception as error:  # noqa: BLE001  any error must be reported, with the others
        return f"{what} was not closed ({in_words(error)})"
    return ""


class Opened:
    """Opened devices. They are closed in reverse order by `close`, and at the end of a block `with opened:`."""

    def __init__(self) -> None:
        self._closings: list[Closing] = []

    def add(self, closing: Closing) -> None:
        self._closings.append(closing)

    def keep(self) -> Opened:
        """Move all devices to a new Opened for a later `close`; then the end of the block closes nothing."""
        moved = Opened()
        moved._closings, self._closings = self._closings, []
        return moved

    def close(self, after: BaseException | None = None) -> None:
        """Raises as `close_all`."""
        closings, self._closings = self._closings, []
        close_all(*reversed(closings), after=after)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(error)
