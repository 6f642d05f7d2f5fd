"""The verb `evaluate`: errors, symmetry and speed of a trained network."""

from __future__ import annotations

from pathlib import Path

from app.console.json_file import write_json
from app.console.output_files import checkpoint_files, require_files
from app.console.terminal import say_values

DIGITS = "other last digits than those trained on (another processor or NumPy?), with the same error"


def evaluate_network(checkpoint: Path, *, json: Path | None, onnx: bool = False) -> int:
    """Print the errors on newly made data, symmetry and speed of a checkpoint; with `onnx`, also write it as ONNX.

    Raises Refused.
    """
    from models.evaluate import evaluate

    files = {said: path for said, (path, _) in checkpoint_files(checkpoint).items()}
    written = {"the checkpoint as ONNX": checkpoint.with_suffix(".onnx")}
    made = {said: (path, "an ONNX file") for said, path in written.items() if onnx}
    require_files(files if onnx else {**files, **written}, made, json)
    if onnx:
        from models.checkpoint import load_checkpoint
        from models.flight.onnx import write_onnx

        write_onnx(*load_checkpoint(checkpoint), checkpoint)
    found = evaluate(checkpoint)
    said = {
        "network": found.card.network.kind,
        "symmetry": found.card.symmetry,
        "data": "as trained on" if found.same_data else DIGITS,
        f"valid_rms_{found.card.units.answer}": found.valid,
        f"test_rms_{found.card.units.answer}": found.test,
        "test_rms_over_spread": found.relative,
        "broken_by_rotations": found.rotation,
        "broken_by_reflections": found.reflection,
        "decision_ms": found.decision_ms,
    }
    say_values(f"{checkpoint}", said)
    if json is not None:
        write_json(json, said)
    return 0
