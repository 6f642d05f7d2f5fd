"""Several devices are closed, whatever each of them raises, and every trouble is said: that of the light first."""

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
    """An error of a device for the operator; the class of one that no driver foresees is named."""
    return text_of(error) if isinstance(error, Fault | Refused) else f"{type(error).__name__}: {one_line(error)}"


def value_of_light(darkening: Callable[[], T]) -> T:
    """What a darkening answers. It raises Fault only: after any other error, or a signal, light may be on."""
    try:
        return darkening()
    except Fault:
        raise
    except BaseException as error:
        raise Fault(f"{STILL_LIT}: {in_words(error)}") from error


def of_light(closing: Closing) -> Closing:
    """The closing of a laser or a beam, as `value_of_light`."""
    return lambda: value_of_light(closing)


def close_all(*closings: Closing, after: BaseException | None = None) -> None:
    """Call each of them in this order, whatever the ones before raise.

    Args:
        after: the error because of which they are closed, which the caller raises again. It is the first trouble.

    Raises, if any of them raises:
        a Fault or a Refused alone: itself.
        others: a Fault with the words of all, those with STILL_LIT first (but after those of `after`).
        an interrupt (no Exception) among them: that, unless light may be on; then the Fault.
    """
    found: list[BaseException] = []
    for closing in closings:
        try:
            closing()
        except BaseException as error:  # noqa: BLE001  raised below, when everything is closed
            found.append(error)
    if not found:
        return
    found = sorted(found, key=lambda error: not says_lit(error))  # stable
    troubles = found if after is None else [after, *found]
    interrupt = next((error for error in troubles if not isinstance(error, Exception)), None)
    if interrupt is not None and not any(map(says_lit, troubles)):
        raise interrupt
    if len(troubles) == 1 and isinstance(troubles[0], Fault | Refused):
        raise troubles[0]
    words = dict.fromkeys(in_words(error) for error in troubles)
    raise Fault("; ".join(words)) from troubles[0]


@contextmanager
def closed_after(close: Callable[[], None], what: str) -> Iterator[None]:
    """Close one more thing when the block has ended, however it ended. Nothing replaces a Fault of the block.

    Args:
        close: is called once, after the block.
        what: it closes, in words: "the camera".

    Raises Fault where it could not be closed; the block's own error comes first in it. Another error of the block than
    a Fault stays as it is, with a note, unless light may be on. A signal ends the closing, and is raised, unless the
    block's error says that light may be on.
    """
    try:
        yield
    except BaseException as error:
        try:
            why = _why_not_closed(close, what)
        except BaseException as interrupt:  # a signal, which hides no light
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
    """Empty where it was closed."""
    try:
        close()
    except Fault as fault:
        return str(fault)
    except Exception as error:  # noqa: BLE001  whatever it is, what else is wrong must be heard
        return f"{what} was not closed ({in_words(error)})"
    return ""


class Opened:
    """What was opened so far. It is closed in reverse order by `close`, or if the block `with opened:` fails."""

    def __init__(self) -> None:
        self._closings: list[Closing] = []

    def add(self, closing: Closing) -> None:
        self._closings.append(closing)

    def keep(self) -> Opened:
        """All of it, for a later `close`; the end of the block closes nothing then."""
        kept = Opened()
        kept._closings, self._closings = self._closings, []
        return kept

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
