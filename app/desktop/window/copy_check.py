"""Checks whether the forms can show a copy of edits that was read from a file."""

from __future__ import annotations

from typing import Any

from app.assembly.rig import Plan, Rig
from app.console.error_words import sentence
from app.desktop.forms.form import Fields
from app.desktop.panels.experiment_widgets import CARRYING, LAW
from app.desktop.window.unsaved_edits import Unsaved
from config.reader import Document, build, plain
from config.refused import Refused
from control.experiment import Experiment

SOURCE = "these edits"  # in messages


def require_shown(copy: Unsaved, plan: Plan) -> None:
    """Raises Refused if the forms can't show the copy: it was altered by hand, or is of another version.

    Other errors in it are allowed: the panels report them.
    """
    data, expected = copy.data, plain(plan.experiment)
    differing_keys = sorted(str(name) for name in data.keys() ^ expected.keys())
    if differing_keys:
        raise Refused(f"{SOURCE}: they are not of this version of the program ({', '.join(differing_keys)})")
    if not isinstance(data["set"], dict):
        raise Refused(f"{SOURCE}: set is {data['set']!r}")
    for fields in (LAW, CARRYING):
        _check_form(Experiment, fields, data, Document(SOURCE, data, {}), ())
    for part, values in _by_part(copy.devices, plan.rig).items():
        _check_form(type(getattr(plan.rig, part)), (), values, Document(SOURCE, {part: values}, {}), (part,))


def _by_part(devices: dict[str, Any], rig: Rig) -> dict[str, dict[str, Any]]:
    """The settings of each edited part of the rig, with the edits. Raises Refused."""
    parts: dict[str, dict[str, Any]] = {}
    for key, value in devices.items():
        if not isinstance(key, str):
            raise Refused(f"{SOURCE}: devices has the key {key!r}")
        part, _, name = key.partition(".")
        settings = plain(getattr(rig, part, {}))
        if isinstance(settings, dict) and name in settings:
            parts.setdefault(part, settings)[name] = value
    return parts


def _check_form(
    cls: type, fields: tuple[str, ...], values: dict[str, Any], document: Document, key_path: tuple[str, ...]
) -> None:
    """Show the values in a form of their own. Raises Refused, with the words of the strict reader where it objects."""
    form = Fields(cls, fields)
    try:
        form.put(values)
    except Exception as error:
        build(document, cls, key_path)
        raise Refused(f"{SOURCE}: the form can't show them ({sentence(error)})") from error
    finally:
        form.deleteLater()
