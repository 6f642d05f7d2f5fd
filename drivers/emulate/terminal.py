"""A pseudo-terminal as the serial port of an emulated device, with an optional symbolic link to it."""

from __future__ import annotations

import os
from pathlib import Path

from config.atomic import write_file
from config.refused import Refused

MARK = "the mark of an emulator's link"


class Terminal:
    """The device's end of the line. A host opens `port`, or `link`, which is the same after reconnection."""

    def __init__(self, link: Path | None) -> None:
        self._link = link
        self.port = ""
        self.device: int | None = None  # file descriptor of the device's end; None: unplugged
        self._host: int | None = None  # kept open, so that the line stays without a host
        try:
            self.plug()
        except Refused:
            self.unplug()
            raise

    def plug(self) -> None:
        """Create the line, unless it exists. Raises Refused."""
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
        """Remove the line and its link, as if the cable were unplugged."""
        if self.device is None or self._host is None:
            return
        if self._link is not None and _target(self._link) == self.port:
            self._link.unlink()
            if _marked_target(self._link) == self.port:
                mark_of(self._link).unlink()
        os.close(self.device)
        os.close(self._host)
        self.device = self._host = None

    def write(self, data: bytes) -> None:
        """Send bytes. If the host does not read, bytes beyond the buffer are lost, as on a wire."""
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
        """Create the link, and next to it a mark file with its target. Raises Refused."""
        target = _target(link)
        if target is None and link.exists():
            raise Refused(f"--link {link}: there is a file of this name, and it is no link")
        try:
            if target is not None and target != _marked_target(link):
                raise Refused(f"--link {link}: there is a link of this name to {target}, and no emulator made it; "
                              "remove it, or take another name")  # fmt: skip
            link.parent.mkdir(parents=True, exist_ok=True)
            if target is not None:
                link.unlink()  # left by an emulator that was killed
            write_file(mark_of(link), self.port + "\n", MARK, kind=MARK)
            link.symlink_to(self.port)
        except OSError as error:
            if not os.path.lexists(link) and _marked_target(link) in (self.port, target):
                mark_of(link).unlink(missing_ok=True)
            raise Refused(f"--link {link}: this link can't be made ({error.strerror})") from None


def mark_of(link: Path) -> Path:
    """The mark file next to a link, which has the target set by an emulator."""
    return link.with_name(f".{link.name}.emulated")


def _target(link: Path) -> str | None:
    """Target of a symbolic link; None for anything else."""
    return os.readlink(link) if link.is_symlink() else None


def _marked_target(link: Path) -> str | None:
    """Target that an emulator gave this link; None without a mark file."""
    mark = mark_of(link)
    if mark.is_symlink() or not mark.is_file():
        return None
    return mark.read_text(encoding="utf-8", errors="replace")[:200].strip()
