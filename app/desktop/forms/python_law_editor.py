"""Editor for a law in Python: its name and its parameters. The SHA-256 of its source is not edited."""

from __future__ import annotations

from app.desktop.forms.defaults import INITIAL_VALUES
from app.desktop.forms.form import SPECIAL, Fields
from control.policies.python_law import PythonLaw


def python_law_editor(cls: type) -> Fields:
    """The editable fields of a PythonLaw."""
    return Fields(cls, ("law", "parameters"))


SPECIAL[PythonLaw] = python_law_editor
INITIAL_VALUES[PythonLaw] = {"law": "my_laws:MyLaw"}
