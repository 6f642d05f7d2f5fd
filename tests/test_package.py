"""What an installed package has with it: every settings file and checkpoint that the repository has."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_data_file_of_config_is_packed() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folder = ROOT / "config"
    packed = {path for pattern in told["package-data"]["config"] for path in folder.glob(pattern)}
    packed -= {path for pattern in told["exclude-package-data"]["config"] for path in folder.glob(pattern)}
    assert packed >= {path for kind in ("yaml", "json") for path in folder.rglob(f"*.{kind}")}
    weights = {card.with_suffix(".safetensors") for card in folder.glob("checkpoints/*.json")}
    assert len(weights) >= 3
    assert {path for path in packed if path.suffix == ".safetensors"} == weights
