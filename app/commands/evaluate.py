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

    files = {label: path for label, (path, _) in checkpoint_files(checkpoint).items()}
    onnx_files = {"the checkpoint as ONNX": checkpoint.with_suffix(".onnx")}
    outputs = {label: (path, "an ONNX file") for label, path in onnx_files.items() if onnx}
    require_files(files if onnx else {**files, **onnx_files}, outputs, json)
    if onnx:
        from models.checkpoint import load_checkpoint
        from models.flight.onnx import write_onnx

        write_onnx(*load_checkpoint(checkpoint), checkpoint)
    evaluation = evaluate(checkpoint)
    results = {
        "network": evaluation.card.network.kind,
        "symmetry": evaluation.card.symmetry,
        "data": "as trained on" if evaluation.same_data else DIGITS,
        f"valid_rms_{evaluation.card.units.answer}": evaluation.valid,
        f"test_rms_{evaluation.card.units.answer}": evaluation.test,
        "test_rms_over_spread": evaluation.relative,
        "broken_by_rotations": evaluation.rotation,
        "broken_by_reflections": evaluation.reflection,
        "decision_ms": evaluation.decision_ms,
    }
    say_values(f"{checkpoint}", results)
    if json is not None:
        write_json(json, results)
    return 0
