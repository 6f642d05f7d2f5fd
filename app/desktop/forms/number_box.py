"""A number with its unit, shown with significant digits only. Steps change the second digit; limits are enforced."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QMouseEvent, QValidator, QWheelEvent
from PyQt6.QtWidgets import QAbstractSpinBox, QDoubleSpinBox, QLineEdit, QWidget

from config.fields import LARGEST, LARGEST_NUMBER
from config.reader import DIGITS
from config.words import quoted

MOST = 2**53  # largest whole number that can be typed: QDoubleSpinBox holds no larger ones exactly
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+([eE][+-]?\d+)?")  # 1,000 may be a thousand, or one
_FOCUS = Qt.FocusPolicy.StrongFocus


def significant(value: float) -> str:
    """The number with as few digits as necessary, at most eight.

    >>> significant(0.904), significant(20.0), significant(0.00002)
    ('0.904', '20', '2e-05')
    """
    return format(value, ".8g")


class NumberLine(QLineEdit):
    """The text of a number. A double click selects all of it; Qt would stop at the decimal point."""

    def __init__(self, box: QAbstractSpinBox) -> None:
        super().__init__(box)
        self._box = box

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        super().mouseDoubleClickEvent(event)
        self._box.selectAll()


class NumberBox(QDoubleSpinBox):
    """A float. The wheel changes it only when it has the focus, so that scrolling a panel changes nothing.

    `refused` carries a sentence if typed text is not taken: the text, the allowed range, and the value that stays.
    """

    refused = pyqtSignal(str)

    def __init__(
        self, unit: str, low: float = -math.inf, high: float = math.inf, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setLineEdit(NumberLine(self))
        self._exact = self._shown = 0.0  # value that was set, and its rounded value in the box
        self.setDecimals(30)
        most = LARGEST.get(unit, LARGEST_NUMBER)  # as in the strict reader
        self.setRange(max(low, -most), min(high, most))
        self.setSuffix(f" {unit}" if unit else "")
        self.setKeyboardTracking(False)
        self.setCorrectionMode(QAbstractSpinBox.CorrectionMode.CorrectToPreviousValue)
        self.setFocusPolicy(_FOCUS)
        self.setMinimumWidth(90)
        self.editingFinished.connect(self._committed)

    def number(self) -> float:
        """The value with full precision, as it was set."""
        return self._exact if self.value() == self._shown else self.value()

    def setValue(self, value: float) -> None:
        super().setValue(value)
        self._exact, self._shown = value, self.value()

    def textFromValue(self, value: float) -> str:
        return significant(value)

    def valueFromText(self, text: str | None) -> float:
        """The number in the text. If the text is unchanged, the stored value, which may have more digits."""
        bare = self._bare(text or "")
        number = _number(bare)
        unchanged = bare.replace(",", ".") == significant(self.value())
        return self.value() if number is None or unchanged else number

    def validate(self, text: str | None, at: int) -> tuple[QValidator.State, str, int]:
        text = text or ""
        number = _number(self._bare(text))
        good = number is not None and self.minimum() <= number <= self.maximum()
        return (QValidator.State.Acceptable if good else QValidator.State.Intermediate), text, at

    def fixup(self, text: str | None) -> str:
        """Report text that is not taken. Qt then shows the previous value."""
        bare = self._bare(text or "")
        self.refused.emit(_refusal(self, bare, _number(bare), "a number", significant))
        return text or ""

    def stepBy(self, steps: int) -> None:
        self.interpretText()  # typed text is not yet the value: commit it first
        value = self.value()
        size = 10.0 ** (math.floor(math.log10(abs(value))) - 1) if value else 0.1
        super().setValue(float(significant(value + steps * size)))  # Qt keeps it in the range; `_exact` would not be

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        _wheel(self, event, super().wheelEvent)

    def _committed(self) -> None:
        _unmodified(self)

    def _bare(self, text: str) -> str:
        return text.removesuffix(self.suffix()).strip()


class CountBox(QDoubleSpinBox):
    """A whole number of any size; up to MOST it can be typed. The wheel and `refused` are as in NumberBox."""

    refused = pyqtSignal(str)

    def __init__(
        self, unit: str, low: float = -math.inf, high: float = math.inf, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setLineEdit(NumberLine(self))
        self._exact, self._shown = 0, 0.0  # value that was set, and the nearest value that the box can hold
        self.setDecimals(0)
        self.setRange(max(low, -MOST), min(high, MOST))
        self.setSuffix(f" {unit}" if unit else "")
        self.setKeyboardTracking(False)
        self.setFocusPolicy(_FOCUS)
        self.setMinimumWidth(90)
        self.editingFinished.connect(self._committed)

    def number(self) -> int:
        """The value as it was set or typed."""
        return self._exact if self.value() == self._shown else int(self.value())

    def setValue(self, value: float) -> None:
        self._exact, self._shown = int(value), min(max(float(value), self.minimum()), self.maximum())
        super().setValue(value)

    def textFromValue(self, value: float) -> str:
        return str(self._exact if value == self._shown else int(value))

    def valueFromText(self, text: str | None) -> float:
        bare = self._bare(text or "")
        number = _whole(bare)
        return self.value() if number is None or bare == self.textFromValue(self.value()) else float(number)

    def validate(self, text: str | None, at: int) -> tuple[QValidator.State, str, int]:
        """Accept every key: Qt drops the point of "2.5", which leaves 25."""
        text = text or ""
        bare = self._bare(text)
        number = _whole(bare)
        good = number is not None and self.minimum() <= number <= self.maximum()
        good = good or bare == self.textFromValue(self.value())  # from a file, and too large to be typed
        return (QValidator.State.Acceptable if good else QValidator.State.Intermediate), text, at

    def fixup(self, text: str | None) -> str:
        """Report text that is not taken. Qt then shows the previous value."""
        bare = self._bare(text or "")
        self.refused.emit(_refusal(self, bare, _whole(bare), "a whole number", "{:.0f}".format))
        return text or ""

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        _wheel(self, event, super().wheelEvent)

    def _committed(self) -> None:
        _unmodified(self)

    def _bare(self, text: str) -> str:
        return text.removesuffix(self.suffix()).strip()


def _refusal(
    box: NumberBox | CountBox, text: str, number: float | None, kind: str, shown: Callable[[float], str]
) -> str:
    """Why a text is not taken: the text, what is allowed, and the value that stays."""
    said, unit = quoted(text), box.suffix()
    if number is None:
        why = f"\N{LEFT DOUBLE QUOTATION MARK}{said}\N{RIGHT DOUBLE QUOTATION MARK} is not {kind}"
        if isinstance(box, NumberBox) and THOUSANDS.fullmatch(text):
            why = f"{said} may have a decimal comma, or commas between thousands: write it without a comma"
    elif number < box.minimum():
        why = f"{said}{unit} is too small, the least is {shown(box.minimum())}{unit}"
    else:
        why = f"{said}{unit} is too large, the most is {shown(box.maximum())}{unit}"
    return f"{why}; {box.textFromValue(box.value())}{unit} stays"


def _wheel(box: QAbstractSpinBox, event: QWheelEvent | None, turn: Callable[[QWheelEvent | None], None]) -> None:
    if box.hasFocus():
        turn(event)
    elif event is not None:
        event.ignore()


def _unmodified(box: QAbstractSpinBox) -> None:
    """Clear the `modified` flag: Qt keeps it if the user has typed the same text again."""
    line = box.lineEdit()
    if line is not None:
        line.setModified(False)


def _number(text: str) -> float | None:
    """The number in the text, which may have a decimal comma."""
    if THOUSANDS.fullmatch(text):
        return None
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None  # Python reads 1_0 as 10


def _whole(text: str) -> int | None:
    """The whole number in the text. If it is longer than any setting may be, one that is too large as well."""
    found = re.fullmatch(r"([+-]?)0*([0-9]+)", text)
    return int(found[1] + found[2][: DIGITS + 1]) if found else None  # int() raises for 4301 digits
