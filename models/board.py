"""Training curves in TensorBoard, if it is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any


def folder_of(card: Path) -> Path | None:
    """Folder of the curves of the checkpoint with this card; None if TensorBoard is not installed."""
    installed = importlib.util.find_spec("tensorboard") is not None
    return card.parent / "tensorboard" / card.stem if installed else None


class Board:
    """Writes curves to TensorBoard; does nothing if it is not installed."""

    def __init__(self, folder: Path) -> None:
        self._writer: Any = None
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder))

    def show(self, epoch: int, **values: float) -> None:
        """Add one point per name at this epoch."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, epoch)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
