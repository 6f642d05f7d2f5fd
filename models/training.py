"""Settings of one training, from a YAML file."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from config.fields import Doc, Field, Ge, Gt, Le, settings
from control.potentials import AnyShape
from models.data.clone import clone
from models.data.colloid import REACH, colloid, is_hexagon
from models.data.nbody import nbody
from models.data.task import Task
from models.networks import AnyNetwork


@settings
class NBodyTask:
    """Five charges in space, seed 43: predict their displacements."""

    kind: Literal["nbody"] = "nbody"
    dimension: ClassVar[int] = 3
    reach: ClassVar[None] = None

    def make(self) -> Task:
        return nbody()


@settings
class CloneTask:
    """Imitation of a programmed pair law, on configurations similar to those on a rig."""

    kind: Literal["clone"] = "clone"
    dimension: ClassVar[int] = 2
    shape: AnyShape
    examples: Annotated[int, Ge(10), Le(100_000), Doc("configurations to train on")] = 3000
    points_least: Annotated[int, Ge(2), Le(1000), Doc("fewest particles")] = 2
    points_most: Annotated[int, Ge(2), Le(1000), Doc("most particles")] = 37
    spacing_um: Annotated[float, Gt(0), Doc("mean spacing of crystals")] = 2.5
    nearest_um: Annotated[float, Gt(0), Doc("smallest distance between two particles of a gas")] = 1.5
    reach_um: Annotated[float, Gt(0), Doc("radius of the graph")] = 4.5
    seed: Annotated[int, Ge(0), Doc("random seed of the configurations")] = 1

    @property
    def reach(self) -> float:
        return self.reach_um

    def __post_init__(self) -> None:
        if self.points_least > self.points_most:
            raise ValueError(f"'points_least' is {self.points_least}, more than 'points_most', {self.points_most}")
        if self.nearest_um > self.spacing_um:
            raise ValueError(f"'nearest_um' is {self.nearest_um:g}, more than 'spacing_um', {self.spacing_um:g}")

    def make(self) -> Task:
        return clone(
            self.shape, examples=self.examples, points_least=self.points_least, points_most=self.points_most,
            spacing_um=self.spacing_um, nearest_um=self.nearest_um, reach_um=self.reach_um, seed=self.seed,
        )  # fmt: skip


@settings
class ColloidTask:
    """colloid2d: forces between colloids, with or without broken symmetries."""

    kind: Literal["colloid"] = "colloid"
    dimension: ClassVar[int] = 2
    reach: ClassVar[float] = REACH
    variant: Annotated[
        Literal["h", "d", "t", "l", "c", "H", "R"],
        Doc("homogeneous, drift, tilt, laser profile, chiral, hexagonal patches, hydrodynamic"),
    ] = "h"
    points: Annotated[int, Ge(2), Le(1000), Doc("particles in a configuration")] = 20
    target: Annotated[Literal["force", "displacement"], Doc("quantity to predict")] = "force"
    noise: Annotated[bool, Doc("displacements with their Brownian noise")] = False
    train: Annotated[int, Ge(1), Le(100_000), Doc("configurations to train on")] = 3000
    test: Annotated[int, Ge(1), Le(100_000), Doc("configurations each to validate and to test")] = 2000
    seed: Annotated[int, Ge(0), Doc("random seed of the configurations")] = 1

    def __post_init__(self) -> None:
        if self.variant == "H" and not is_hexagon(self.points):
            raise ValueError(f"'points' is {self.points}, and hexagonal patches are of 7, 19, 37, ... points")

    def make(self) -> Task:
        return colloid(
            self.variant, points=self.points, examples=(self.train, self.test, self.test), target=self.target,
            noise=self.noise, seed=self.seed,
        )  # fmt: skip


AnyTask = Annotated[NBodyTask | CloneTask | ColloidTask, Field(discriminator="kind")]


@settings
class Training:
    """Settings of one training: network, task and optimiser."""

    title: Annotated[str, Doc("name of the training, in a few words")]
    task: AnyTask
    network: AnyNetwork
    out: Annotated[
        str, Doc("card of the checkpoint, from the file's folder; its log is next to it; left out: in runs/trained")
    ] = ""
    seed: Annotated[int, Ge(0), Le(2**31 - 1), Doc("random seed of weights, order of examples and augmentation")] = 1
    epochs: Annotated[int, Gt(0), Doc("passes through the examples")] = 100
    minutes: Annotated[float | None, Gt(0), Doc("duration of the schedule, after which the training ends")] = None
    batch: Annotated[int, Gt(0), Le(100_000), Doc("examples in a step")] = 100
    learning_rate: Annotated[float, Gt(0), Doc("largest learning rate of Adam")] = 1e-3
    schedule: Annotated[Literal["one_cycle", "cosine", "constant"], Doc("schedule of the learning rate")] = "one_cycle"
    weight_decay: Annotated[float, Ge(0), Doc("weight decay of matrices, not of biases")] = 1e-12
    gradient: Annotated[float, Gt(0), Doc("largest norm of the gradient")] = 10.0
    average: Annotated[float, Ge(0), Le(0.99999), Doc("memory of the running mean of weights; 0: none")] = 0.999
    patience: Annotated[int, Ge(0), Doc("validations without improvement after which training stops; 0: none")] = 0
    validate_every: Annotated[int, Gt(0), Doc("epochs between validations")] = 1
    augment: Annotated[bool, Doc("rotate every example at random, for networks that are symmetric on a grid only")] = (
        False
    )
    device: Annotated[Literal["cpu", "cuda"], Doc("device of the training")] = "cpu"

    def __post_init__(self) -> None:
        if why := self.network.why_not(self.task.dimension, self.task.reach):
            raise ValueError(why)
