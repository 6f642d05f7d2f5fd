"""Settings of a learned law: a trained network."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from config.fields import Doc, settings
from control.contract import Policy
from control.policies.policy_settings import PolicyContext, PolicySettings


@settings
class Learned(PolicySettings):
    """A learned law: a checkpoint of models/."""

    kind: Literal["learned"] = "learned"
    checkpoint: Annotated[str, Doc("file, from the experiment's folder")]
    runtime: Annotated[
        Literal["eager", "onnx"], Doc("onnx: the .onnx file beside it, through ONNX Runtime where that is installed")
    ] = "eager"
    card_sha256: Annotated[str, Doc("of the checkpoint that is meant, as its card states it; left out: any")] = ""

    needs_network: ClassVar[bool] = True

    def build(self, context: PolicyContext) -> Policy:
        self.require(context)
        return context.open_network(self.checkpoint, self.runtime, self.card_sha256)
