"""A pseudo-terminal with a name of its own: the serial port of an emulated device."""

from __future__ import annotations

import os
from pathlib import Path

from config.atomic import write_file
from config.refused import Refused

MARK = "the mark of an emulator's link"


class Terminal:
    """The device's end. A host opens `port`, or `link`, which stays the same when the line comes back."""

    def __init__(self, link: Path | None) -> None:
        self._link = link
        self.port = ""
        self.device: int | None = None  # file descriptor of the device's end; None: unplugged
        self._host: int | None = None  # kept open, so that the line lasts when no host has it
        try:
            self.plug()
        except Refused:
            self.unplug()
            raise

    def plug(self) -> None:
        """Make the line, if it is not there. Raises Refused."""
        if self.device is not None:
            return
        try:
            import tty
        except ImportError:
            raise Refused("emulate: this system has no pseudo-terminals (Linux and macOS have)") from None
        self.device, self._host = os.openpty()
        tty.setraw(self.device)
        tty.setraw(self._host)
        os.set_blocking(self.device, False)
        self.port = os.ttyname(self._host)
        if self._link is not None:
            self._point_link(self._link)

    def unplug(self) -> None:
        """As when somebody pulls the cable."""
        if self.device is None or self._host is None:
            return
        if self._link is not None and _target(self._link) == self.port:
            self._link.unlink()
            if _marked(self._link) == self.port:
                mark_of(self._link).unlink()
        os.close(self.device)
        os.close(self._host)
        self.device = self._host = None

    def write(self, data: bytes) -> None:
        """What does not fit, because the host does not read, is lost, as on a wire."""
        if self.device is not None:
            try:
                os.write(self.device, data)
            except BlockingIOError:
                return

    def read(self) -> bytes:
        try:
            return os.read(self.device, 65536) if self.device is not None else b""
        except BlockingIOError:
            return b""

    def _point_link(self, link: Path) -> None:
        """Make the link, and beside it a mark that says where an emulator pointed it. Raises Refused."""
        target = _target(link)
        if target is None and link.exists():
            raise Refused(f"--link {link}: there is a file of this name, and it is no link")
        try:
            if target is not None and target != _marked(link):
                raise Refused(f"--link {link}: there is a link of this name to {target}, and no emulator made it; "
                              "remove it, or take another name")  # fmt: skip
            link.parent.mkdir(parents=True, exist_ok=True)
            if target is not None:
                link.unlink()  # of an emulator that was killed
            write_file(mark_of(link), self.port + "\n", MARK, kind=MARK)
            link.symlink_to(self.port)
        except OSError as error:
            if not os.path.lexists(link) and _marked(link) in (self.port, target):
                mark_of(link).unlink(missing_ok=True)
            raise Refused(f"--link {link}: this link can't be made ({error.strerror})") from None


def mark_of(link: Path) -> Path:
    """The file beside a link that says where an emulator pointed it."""
    return link.with_name(f".{link.name}.emulated")


def _target(link: Path) -> str | None:
    """Where a symbolic link points; None for anything else."""
    return os.readlink(link) if link.is_symlink() else None


def _marked(link: Path) -> str | None:
    """The terminal that an emulator pointed this link to; None where no emulator did."""
    mark = mark_of(link)
    if mark.is_symlink() or not mark.is_file():
        return None
    return mark.read_text(encoding="utf-8", errors="replace")[:200].strip()
