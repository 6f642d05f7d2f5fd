"""Code of other packages (plug-ins) in the loop: every error in it becomes a Fault, and the beam is dark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from config.refused import Refused
from config.words import is_signal, one_line
from control.contract import Fault, Forces, Policy, Seen

FORCES = {"particle": (), "force_pn": (2,), "delay_s": (), "carried": ()}  # shape of one row
RINGS = {"ring_particle": (), "ring_um": (2,), "ring_radius_um": (), "ring_kt": (), "ring_delay_s": ()}
KINDS = {"particle": "iu", "ring_particle": "iu", "carried": "b"}  # dtype kinds; others: REAL
REAL = "iuf"


@contextmanager
def faults_of(label: str) -> Iterator[None]:
    """Context in which code of another package runs. Raises Fault for an error of that code.

    Signals, Fault and Refused are raised unchanged.

    Args:
        label: name of the code for the error text, such as "the plug-in 'cosine' of ripples 1.2".
    """
    try:
        yield
    except (Fault, Refused):
        raise
    except BaseException as error:
        if is_signal(error):
            raise
        raise Fault(f"{label} failed ({type(error).__name__}: {one_line(error)})") from error


def require_columns(label: str, table: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises Fault unless these attributes of a table are arrays of real numbers, all with as many rows as the first.

    Args:
        shapes: shape of one row, by attribute.
    """
    rows: int | None = None
    for name, shape in shapes.items():
        column = getattr(table, name)
        if not isinstance(column, np.ndarray) or column.dtype.kind not in KINDS.get(name, REAL):
            type_name = f"type {column.dtype}" if isinstance(column, np.ndarray) else type(column).__name__
            raise Fault(f"{label} gave {name} of {type_name}, where an array of numbers is needed")
        rows = len(column) if rows is None and column.ndim else rows
        if column.shape != (rows, *shape):
            raise Fault(f"{label} gave {name} of shape {column.shape}, where "
                        f"({rows}{''.join(f', {n}' for n in shape)}) is needed")  # fmt: skip


@dataclass(frozen=True)
class PlugInPolicy:
    """A policy that runs code of other packages. An error in it, or an invalid result, becomes a Fault."""

    policy: Policy
    who: str

    @property
    def longest_delay_s(self) -> float:
        with faults_of(self.who):
            return float(self.policy.longest_delay_s)

    def start(self) -> Any:
        with faults_of(self.who):
            return self.policy.start()

    def step(self, memory: Any, seen: Seen) -> tuple[Any, Forces]:
        with faults_of(self.who):
            memory, forces = self.policy.step(memory, seen)
        if not isinstance(forces, Forces):
            raise Fault(f"{self.who} gave a {type(forces).__name__}, where Forces are needed")
        require_columns(self.who, forces, FORCES)
        require_columns(self.who, forces, RINGS)
        return memory, forces
