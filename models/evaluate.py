"""Evaluation of a checkpoint: errors on regenerated data, symmetry, and time per decision."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from config.refused import Refused
from models.checkpoint import Card, load_checkpoint
from models.cloud import moved
from models.data.task import Task
from models.flight.pack import pack
from models.train import measure, random_rotation

ALIKE = 1e-3  # largest relative difference between the test errors measured now and stated in the card


@dataclass(frozen=True)
class Evaluation:
    """Errors are root mean squares in the task's unit; symmetry errors are relative to the result."""

    card: Card
    same_data: bool  # identical data, by hash
    valid: float
    test: float
    spread: float  # standard deviation of the targets of the training part
    rotation: float
    reflection: float
    decision_ms: float

    @property
    def relative(self) -> float:
        return self.test / self.spread


def evaluate(path: Path) -> Evaluation:
    """Evaluate a checkpoint. Raises Refused, also if the error on regenerated data differs from the card's.

    The SHA-256 of the data may differ between processors, where exp and sin have other last digits.
    """
    torch.set_num_threads(1)
    network, card = load_checkpoint(path)
    if card.trained.task.dimension != card.dimension:
        raise Refused(
            f"{path}: the card is of {card.dimension} dimensions, and its task of {card.trained.task.dimension}"
        )
    task = card.trained.task.make()
    if task.shape != card.shape:
        raise Refused(f"{path}: the card's network takes other features than its task has")
    test = math.sqrt(measure(network, task, "test"))
    mean_square = card.metrics.get("test_mse", math.nan)
    stated = math.sqrt(mean_square) if mean_square >= 0 else math.nan
    if not abs(test - stated) <= ALIKE * stated:
        raise Refused(
            f"{path}: its test error is {test:.4g} on data made anew, and its card states {stated:.4g}: "
            "these are not the data that it was trained on (other version of the program?)"
        )
    rotation, reflection = broken_symmetry(network, task)
    return Evaluation(
        card, task.sha256 == card.trained.data_sha256, math.sqrt(measure(network, task, "valid")), test, spread(task),
        rotation, reflection, decision_ms(network, task),
    )  # fmt: skip


def spread(task: Task) -> float:
    """Standard deviation of the targets of the training part."""
    _, target = task.batch("train", torch.arange(task.count("train")))
    return float(target.std())


def broken_symmetry(network: nn.Module, task: Task, motions: int = 9) -> tuple[float, float]:
    """Largest ||f(g X) - g f(X)|| / ||f(X)|| over random rotations, and over random reflections, in float32."""
    cloud, _ = task.batch("test", torch.arange(min(8, task.count("test"))))
    worst = [0.0, 0.0]
    with torch.inference_mode():
        original = network(cloud).vector
        for index in range(2 * motions):
            turn = random_rotation(cloud.dimension, (7, index)).float()
            if index % 2:
                turn[:, 0] = -turn[:, 0]
            turned = network(moved(cloud, turn, torch.zeros(cloud.dimension))).vector
            worst[index % 2] = max(worst[index % 2], float((turned - original @ turn.T).norm() / original.norm()))
    return worst[0], worst[1]


def decision_ms(network: nn.Module, task: Task, repeats: int = 50) -> float:
    """Median time in ms of one result, for the largest of the first 20 test clouds."""
    sizes = [
        (task.batch("test", torch.tensor([index]))[0].points, index) for index in range(min(20, task.count("test")))
    ]
    cloud, _ = task.batch("test", torch.tensor([max(sizes)[1]]))
    spans, answer = [], pack(network, task.shape)
    with torch.inference_mode():
        for _ in range(repeats):
            began = time.perf_counter()
            answer(cloud)
            spans.append(time.perf_counter() - began)
    return 1000 * statistics.median(spans)
