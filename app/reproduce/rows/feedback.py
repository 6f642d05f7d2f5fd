"""Delayed feedback towards a fixed target (P14 to P16)."""

from __future__ import annotations

from collections.abc import Callable

from app.reproduce.rows.row import Axes, CheckRow, ExperimentFacts, Options
from app.reproduce.rows.trapped import draw_density, square_about_middle
from app.reproduce.trajectory import Trajectory
from control.theory import feedback


def late_force(facts: ExperimentFacts, options: Options) -> float:
    """P14 for an infinitely soft trap; P15 for a force without a delay, whose trap is only ten times softer."""
    if facts.force().delay_s is None:
        return virtual_spring(facts, options)
    return feedback.late_force_variance_um2(facts.diffusion_um2_per_s, facts.shape_hz(), facts.delay_s())


def virtual_spring(facts: ExperimentFacts, options: Options) -> float:
    """P15: the trap is set from the newest position, and acts a latency and half a hold later on average."""
    return feedback.virtual_spring_variance_um2(
        facts.diffusion_um2_per_s, facts.trap_hz, facts.shape_hz(), facts.age_s
    )  # fmt: skip


def stepped_force(facts: ExperimentFacts, options: Options) -> float:
    """P16."""
    return feedback.stepped_force_variance_um2(
        facts.diffusion_um2_per_s, gain=facts.shape_hz() * facts.frame_s, frame_s=facts.frame_s,
        frames_late=facts.plan.rig.loop.latency_s / facts.frame_s,
    )  # fmt: skip


def draw_with(
    predict: Callable[[ExperimentFacts, Options], float],
) -> Callable[[Axes, ExperimentFacts, Options, Trajectory], None]:
    """A function that draws the density of the positions, with a Gaussian of the predicted variance."""

    def draw(axes: Axes, facts: ExperimentFacts, options: Options, trajectory: Trajectory) -> None:
        draw_density(axes, predict(facts, options), facts, options, trajectory)

    return draw


P14 = CheckRow("µm²", late_force, square_about_middle, draw_with(late_force))
P15 = CheckRow("µm²", virtual_spring, square_about_middle, draw_with(virtual_spring))
P16 = CheckRow("µm²", stepped_force, square_about_middle, draw_with(stepped_force))
