"""Forbidden input: accepting it is a finding, and a short search tries every kind."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

import app.analysis.track_files
import drivers.image_sources
import drivers.journal.read
import drivers.sim.world
from benchmarks.fuzz.forbidden import KINDS, NEEDED, Forbidden, beads, chosen, must_refuse
from benchmarks.fuzz.rules import Broken

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory and processor time are read from /proc")
TRIES = 12  # of each kind


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run; every kind has been tried once, without a finding."""
    domain = Forbidden(tmp_path_factory.mktemp("forbidden"))
    domain.prepare()
    return domain.sound


def nothing(*given: Any, **named: Any) -> None:
    """A check that accepts everything."""


PLANTED: list[tuple[str, Any, str, Any]] = [
    ("large_image", drivers.image_sources, "require_pixels", nothing),
    ("large_tiff", drivers.image_sources, "require_pixels", nothing),
    ("elsewhere", drivers.journal.read, "require_own_data require_written_rows", nothing),
    ("virtual", drivers.journal.read, "require_own_data require_written_rows", nothing),
    ("unwritten", drivers.journal.read, "require_own_data require_written_rows require_rows", nothing),
    ("not_finite", app.analysis.track_files, "check", nothing),
    ("wide_csv", app.analysis.track_files, "MOST_COLUMNS", 10**9),
    ("large_parquet", app.analysis.track_files, "MOST_VALUES", 10**12),
    ("odd_names", drivers.image_sources, "natural", lambda name: int(name[1]) if name[1].isdigit() else 0),
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "module", "name", "broken"), PLANTED)
def test_a_disabled_check_is_found(
    tmp_path: Path, sound: Path, monkeypatch: pytest.MonkeyPatch, kind: str, module: Any, name: str, broken: Any
) -> None:
    for one in name.split():  # checks that refuse the same input
        monkeypatch.setattr(module, one, broken)
    with pytest.raises((Broken, ValueError, TypeError, MemoryError)):
        tried(kind, tmp_path, sound)


def tried(kind: str, folder: Path, sound: Path) -> None:
    """One kind, with several seeds."""
    for seed in range(TRIES):
        (folder / f"{seed}").mkdir()
        KINDS[kind](Random(seed), folder / f"{seed}", sound)


def test_valid_tables_are_accepted(tmp_path: Path) -> None:
    """So a refused table is refused for its single fault."""
    path = tmp_path / "sound.csv"
    path.write_text("\n".join([",".join(NEEDED), *(",".join(line) for line in beads())]), "utf-8")
    with pytest.raises(Broken, match="this was taken"):
        must_refuse("symmetry", path)


def test_a_short_search_tries_every_kind() -> None:
    """Each kind is in at least ten of any 100 successive cases."""
    for first in (0, 1000, 999_000):
        met = [name for seed in range(first, first + 100) for name in chosen(Random(f"forbidden {seed}"))]
        assert min(met.count(name) for name in KINDS) >= 10
