"""A local EGNN with ONNX Runtime, if installed: an independent computation of the same results, slower than the kernel.

`write_onnx` needs the packages onnx and onnxscript, `OnnxFlight` needs onnxruntime. No other module needs them.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from config.atomic import fresh_file
from config.refused import Refused
from models.checkpoint import Card
from models.cloud import Cloud
from models.egnn import EGNN

NAMES = ("position", "scalar", "receiver", "sender")


class OnnxNetwork(nn.Module):
    """The network as a function of tensors: position [N, 2], scalar [N, S], receiver and sender [E] -> [N, 2]."""

    def __init__(self, network: EGNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, position: Tensor, scalar: Tensor, receiver: Tensor, sender: Tensor) -> Tensor:
        points = position.shape[0]
        cloud = Cloud(
            position, position.new_zeros(points, 0, 2), scalar, receiver, sender,
            position.new_zeros(receiver.shape[0], 0), torch.zeros(points, dtype=torch.long),
        )  # fmt: skip
        answer: Tensor = self.network(cloud).vector[:, 0]
        return answer


def write_onnx(network: nn.Module, card: Card, path: Path) -> None:
    """Write NAME.onnx next to the card at `path`. Raises Refused."""
    if not isinstance(network, EGNN) or network.cutoff is None or card.vectors or card.attributes or card.dimension > 2:
        raise Refused(f"{path}: only an EGNN with a cut-off, in the plane and reading scalars only, is written as ONNX")
    need("onnxscript", path)
    points, edges = torch.export.Dim("points", min=2), torch.export.Dim("edges", min=2)
    sizes = ({0: points}, {0: points}, {0: edges}, {0: edges})
    edge_example = torch.tensor([0, 1, 1, 2]), torch.tensor([1, 0, 2, 1])
    example = (torch.rand(3, 2), torch.rand(3, card.scalars), *edge_example)
    program = torch.onnx.export(
        OnnxNetwork(network), example, dynamo=True, dynamic_shapes=sizes, input_names=NAMES, verbose=False
    )
    assert program is not None
    with fresh_file(path.with_suffix(".onnx")) as beside:
        program.save(beside)


class OnnxFlight:
    """NAME.onnx next to a card, one thread; one cloud -> [N, 2]. Raises Refused."""

    def __init__(self, path: Path) -> None:
        need("onnxruntime", path)
        import onnxruntime

        written = path.with_suffix(".onnx")
        if not written.exists():
            raise Refused(f"{written}: there is no such file (main.py evaluate {path} --onnx writes it)")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session: Any = onnxruntime.InferenceSession(
                written.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # noqa: BLE001 - any C++ exception
            raise Refused(f"{written}: this is not an ONNX file ({str(error).splitlines()[0]})") from None

    def __call__(self, cloud: Cloud) -> Tensor:
        tensors = (cloud.position, cloud.scalar, cloud.receiver, cloud.sender)
        inputs = {name: tensor.numpy() for name, tensor in zip(NAMES, tensors, strict=True)}
        return torch.from_numpy(self.session.run(None, inputs)[0])


def need(package: str, path: Path) -> None:
    """Raises Refused if a package is not installed."""
    if importlib.util.find_spec(package) is None:
        raise Refused(
            f"{path}: this needs the package {package}, which is not installed (pip install 'cybloids[onnx]')"
        )
