"""What the wiring diagram makes: one open instrument, a value that every way of use carries about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.assembly.rig import Plan
from control.contract import STILL_LIT, Beam, Camera, Clock, Fault
from control.loop import Machine
from drivers.readback import Returned
from drivers.serial_line import in_words


@contextmanager
def closed_after(close: Callable[[], None], what: str) -> Iterator[None]:
    """Close one more thing when the block has ended, however it ended. Nothing replaces a Fault of the block.

    Args:
        close: is called once, after the block.
        what: it closes, in words: "the camera".

    Raises Fault where it could not be closed; the block's own error comes first in it. Another error of the block than
    a Fault stays as it is, with a note, unless light may be on.
    """
    try:
        yield
    except BaseException as error:
        why = _why_not_closed(close, what)
        if why and (isinstance(error, Fault) or STILL_LIT in why):
            raise Fault(f"{str(error) or type(error).__name__}; {why}") from error
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


@dataclass(frozen=True)
class Instrument:
    """Everything that one run needs beside a recorder. The beam is dark."""

    plan: Plan
    machine: Machine
    camera: Camera
    beam: Beam
    clock: Clock
    height_px: int
    width_px: int
    pixel_type: str
    frames: int | None  # how many there will be, where that is known
    devices: Mapping[str, str] = field(default_factory=dict)  # who the devices say they are, where they do
    firmware: Mapping[str, str] = field(default_factory=dict)  # maker, model and version of deflector and laser
    world: str = ""  # what is simulated, and how finely
    returned: Callable[[], tuple[Returned, ...]] = tuple  # settings as the devices gave them back; asks no device

    def close(self) -> None:
        """Dark first, then the camera. Raises Fault, with the light's trouble first."""
        with closed_after(self.camera.close, "the camera"):
            self.beam.close()
