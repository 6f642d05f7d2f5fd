"""A number with its unit, shown with significant digits only. Steps change the second digit; limits are enforced."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QMouseEvent, QValidator, QWheelEvent
from PyQt6.QtWidgets import QAbstractSpinBox, QDoubleSpinBox, QLineEdit, QSpinBox, QWidget

LARGEST = 1e15
MOST = 2**31 - 1  # of a whole number
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
        self._exact_value = self._displayed_value = 0.0  # value that was set, and its rounded value in the box
        self.setDecimals(12)
        self.setRange(max(low, -LARGEST), min(high, LARGEST))
        self.setSuffix(f" {unit}" if unit else "")
        self.setKeyboardTracking(False)
        self.setCorrectionMode(QAbstractSpinBox.CorrectionMode.CorrectToPreviousValue)
        self.setFocusPolicy(_FOCUS)
        self.setMinimumWidth(90)
        self.editingFinished.connect(self._committed)

    def number(self) -> float:
        """The value with full precision, as it was set."""
        return self._exact_value if self.value() == self._displayed_value else self.value()

    def setValue(self, value: float) -> None:
        super().setValue(value)
        self._exact_value, self._displayed_value = value, self.value()

    def textFromValue(self, value: float) -> str:
        return significant(value)

    def valueFromText(self, text: str | None) -> float:
        """The number in the text. If the text is unchanged, the stored value, which may have more digits."""
        number_text = self._without_unit(text or "")
        number = _parse_number(number_text)
        return self.value() if number is None or number_text == significant(self.value()) else number

    def validate(self, text: str | None, at: int) -> tuple[QValidator.State, str, int]:
        text = text or ""
        number = _parse_number(self._without_unit(text))
        acceptable = number is not None and self.minimum() <= number <= self.maximum()
        return (QValidator.State.Acceptable if acceptable else QValidator.State.Intermediate), text, at

    def fixup(self, text: str | None) -> str:
        """Report text that is not taken. Qt then shows the previous value."""
        number_text = self._without_unit(text or "")
        self.refused.emit(_refusal(self, number_text, _parse_number(number_text), "a number", significant))
        return text or ""

    def stepBy(self, steps: int) -> None:
        self.interpretText()  # typed text is not yet the value: commit it first
        value = self.value()
        step_size = 10.0 ** (math.floor(math.log10(abs(value))) - 1) if value else 0.1
        self.setValue(float(significant(value + steps * step_size)))

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        _handle_wheel(self, event, super().wheelEvent)

    def _committed(self) -> None:
        _clear_modified(self)

    def _without_unit(self, text: str) -> str:
        return text.removesuffix(self.suffix()).strip().replace(",", ".")


class CountBox(QSpinBox):
    """A whole number. `refused` as in NumberBox."""

    refused = pyqtSignal(str)

    def __init__(
        self, unit: str, low: float = -math.inf, high: float = math.inf, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setLineEdit(NumberLine(self))
        self.setRange(int(max(low, -MOST)), int(min(high, MOST)))
        self.setSuffix(f" {unit}" if unit else "")
        self.setKeyboardTracking(False)
        self.setFocusPolicy(_FOCUS)
        self.setMinimumWidth(90)
        self.editingFinished.connect(self._committed)

    def valueFromText(self, text: str | None) -> int:
        number = _parse_whole_number(self._without_unit(text or ""))
        return self.value() if number is None else number

    def validate(self, text: str | None, at: int) -> tuple[QValidator.State, str, int]:
        """Accept every key: Qt drops the point of "2.5", which leaves 25."""
        text = text or ""
        number = _parse_whole_number(self._without_unit(text))
        acceptable = number is not None and self.minimum() <= number <= self.maximum()
        return (QValidator.State.Acceptable if acceptable else QValidator.State.Intermediate), text, at

    def fixup(self, text: str | None) -> str:
        """Report text that is not taken. Qt then shows the previous value."""
        number_text = self._without_unit(text or "")
        self.refused.emit(_refusal(self, number_text, _parse_whole_number(number_text), "a whole number", str))
        return text or ""

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        _handle_wheel(self, event, super().wheelEvent)

    def _committed(self) -> None:
        _clear_modified(self)

    def _without_unit(self, text: str) -> str:
        return text.removesuffix(self.suffix()).strip()


def _refusal(
    box: NumberBox | CountBox, text: str, number: float | None, kind: str, format_value: Callable[[Any], str]
) -> str:
    """Why a text is not taken: the text, what is allowed, and the value that stays."""
    if number is None:
        reason = f"\N{LEFT DOUBLE QUOTATION MARK}{text}\N{RIGHT DOUBLE QUOTATION MARK} is not {kind}"
    elif number < box.minimum():
        reason = f"{text}{box.suffix()} is too small, the least is {format_value(box.minimum())}{box.suffix()}"
    else:
        reason = f"{text}{box.suffix()} is too large, the most is {format_value(box.maximum())}{box.suffix()}"
    return f"{reason}; {format_value(box.value())}{box.suffix()} stays"


def _handle_wheel(box: QAbstractSpinBox, event: QWheelEvent | None, step: Callable[[QWheelEvent | None], None]) -> None:
    if box.hasFocus():
        step(event)
    elif event is not None:
        event.ignore()


def _clear_modified(box: QAbstractSpinBox) -> None:
    """Clear the `modified` flag: Qt keeps it if the user has typed the same text again."""
    line = box.lineEdit()
    if line is not None:
        line.setModified(False)


def _parse_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None  # Python reads 1_0 as 10


def _parse_whole_number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else None
