"""The list page of programmed forces: what a law may be made of. A new one is one file and one line here."""

from __future__ import annotations

from typing import Annotated

from config.fields import Field
from control.policies.external import External
from control.policies.motile import Motile
from control.policies.pair import Pair
from control.policies.self_force import Self

AnyForce = Annotated[Self | Pair | External | Motile, Field(discriminator="kind")]
