"""Delayed feedback towards a fixed target (P14 to P16)."""

from __future__ import annotations

from collections.abc import Callable

from app.reproduce.rows.row import Axes, CheckRow, ExperimentFacts, Options
from app.reproduce.rows.trapped import draw_density, square_about_middle
from app.reproduce.trajectory import Trajectory
from control.theory import feedback


def late_force(known: ExperimentFacts, options: Options) -> float:
    """P14 for an infinitely soft trap; P15 for a force without a delay, whose trap is only ten times softer."""
    if known.force().delay_s is None:
        return virtual_spring(known, options)
    return feedback.late_force_variance_um2(known.diffusion_um2_per_s, known.shape_hz(), known.delay_s())


def virtual_spring(known: ExperimentFacts, options: Options) -> float:
    """P15: the trap is set from the newest position, and acts a latency and half a hold later on average."""
    return feedback.virtual_spring_variance_um2(
        known.diffusion_um2_per_s, known.trap_hz, known.shape_hz(), known.age_s
    )  # fmt: skip


def stepped_force(known: ExperimentFacts, options: Options) -> float:
    """P16."""
    return feedback.stepped_force_variance_um2(
        known.diffusion_um2_per_s, gain=known.shape_hz() * known.frame_s, frame_s=known.frame_s,
        frames_late=known.plan.rig.loop.latency_s / known.frame_s,
    )  # fmt: skip


def draw_with(
    predict: Callable[[ExperimentFacts, Options], float],
) -> Callable[[Axes, ExperimentFacts, Options, Trajectory], None]:
    """A function that draws the density of the positions, with a Gaussian of the predicted variance."""

    def draw(axes: Axes, known: ExperimentFacts, options: Options, seen: Trajectory) -> None:
        draw_density(axes, predict(known, options), known, options, seen)

    return draw


P14 = CheckRow("µm²", late_force, square_about_middle, draw_with(late_force))
P15 = CheckRow("µm²", virtual_spring, square_about_middle, draw_with(virtual_spring))
P16 = CheckRow("µm²", stepped_force, square_about_middle, draw_with(stepped_force))
