"""Non-modal dialogs to open and save files: the window keeps running, since the beam may be on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtCore import Qt, QUrl, pyqtSignal
from PyQt6.QtWidgets import QFileDialog, QMessageBox, QWidget

YAML = "Experiments (*.yaml *.yml)"
ALL = "Experiments, runs, videos (*.yaml *.yml *.h5 *.hdf5 *.tif *.tiff *.avi *.mp4);;All files (*)"


class FileDialog(QFileDialog):
    """`named` carries the file, and whether it is to be saved.

    Args:
        begin: the initial folder.
        places: folders in the sidebar.
    """

    named = pyqtSignal(Path, bool)

    def __init__(self, parent: QWidget, saves: bool, begin: Path, places: Sequence[Path]) -> None:
        title = "Save the experiment" if saves else "Open an experiment, a run or a video"
        super().__init__(parent, title, str(begin), YAML if saves else ALL)
        self.saves = saves
        self.setOption(QFileDialog.Option.DontUseNativeDialog)  # native dialogs of some systems block the window
        self.setOption(QFileDialog.Option.DontConfirmOverwrite)  # Qt's own question is modal
        self.setOption(QFileDialog.Option.ReadOnly)  # else Del and F2 act on listed files, with a modal dialog
        self.setAcceptMode(QFileDialog.AcceptMode.AcceptSave if saves else QFileDialog.AcceptMode.AcceptOpen)
        self.setFileMode(QFileDialog.FileMode.AnyFile)  # else Qt reports a missing file in a modal dialog
        self.setSidebarUrls([QUrl.fromLocalFile(str(place.absolute())) for place in (*places, Path.home())])
        self.setWindowModality(Qt.WindowModality.NonModal)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.fileSelected.connect(self._selected)

    def _selected(self, name: str) -> None:
        path = Path(name)
        if self.saves and not path.suffix:
            path = path.with_suffix(".yaml")
        self.named.emit(path, self.saves)


class Replace(QMessageBox):
    """Asks before a file is replaced; emits `accepted` to replace it. Escape and Enter keep the file."""

    def __init__(self, parent: QWidget, path: Path) -> None:
        super().__init__(parent)
        self.setText(f"{path.name} is there already.")
        self.setInformativeText(str(path))
        self.replace = self.addButton("Replace it", QMessageBox.ButtonRole.AcceptRole)
        keep = self.addButton("Keep it", QMessageBox.ButtonRole.RejectRole)
        self.setDefaultButton(keep)
        self.setEscapeButton(keep)
        self.setWindowModality(Qt.WindowModality.NonModal)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
