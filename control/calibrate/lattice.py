"""um per px from a slide with a square grid of known pitch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from control.calibrate.estimate import Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """A square grid, fitted in the image."""

    pitch_px: Estimate
    left_px: float  # rms distance of the points from the sites of the grid
    anisotropy: float  # relative difference of the lengths of the two axes
    skew_rad: float  # deviation of the angle between the axes from 90 degrees


def fit_grid(point_px: Floats) -> Grid:
    """Fit a square grid, in any orientation and with or without gaps, to points [K, 2].

    Raises ValueError if they do not lie on a grid.
    """
    if len(point_px) < 9:
        raise ValueError(f"{len(point_px)} points are too few for a grid; the slide should fill the field")
    between = point_px[None] - point_px[:, None]  # [K, K, 2]
    distance = np.hypot(between[..., 0], between[..., 1])
    np.fill_diagonal(distance, np.inf)
    nearest = float(np.median(distance.min(axis=1)))
    bonds = between[distance < 1.25 * nearest]  # [B, 2] along the axes, in four directions
    angle_rad = np.angle(np.mean(np.exp(4j * np.arctan2(bonds[:, 1], bonds[:, 0])))) / 4.0
    axes = nearest * np.array(
        [[np.cos(angle_rad), np.sin(angle_rad)], [-np.sin(angle_rad), np.cos(angle_rad)]]
    )  # [2, 2] rows
    middle = point_px[np.hypot(*(point_px - point_px.mean(axis=0)).T).argmin()]
    reach = 1.5
    while True:  # from the middle outwards, since an error of the pitch accumulates
        site = np.rint((point_px - middle) @ np.linalg.inv(axes))
        inner = np.abs(site).max(axis=1) <= reach
        design = np.column_stack([site[inner], np.ones(inner.sum())])
        solution, _, rank, _ = np.linalg.lstsq(design, point_px[inner], rcond=None)
        axes, middle = solution[:2], solution[2]
        if rank < 3 or abs(np.linalg.det(axes)) < 0.25 * nearest**2:
            raise ValueError("the points do not lie on a square grid: this is not a grid of known pitch")
        if inner.all():
            break
        reach *= 2.0
    residual = point_px - np.column_stack([site, np.ones(len(site))]) @ solution
    rms = float(np.sqrt((residual**2).sum(axis=1).mean()))
    length = np.hypot(axes[:, 0], axes[:, 1])
    pitch = float(np.sqrt(abs(np.linalg.det(axes))))
    if rms > 0.1 * pitch:
        raise ValueError(f"the points lie {rms:.3g} px from the sites of a grid of {pitch:.3g} px: this is not a grid")
    error = rms / np.sqrt(2.0) * np.sqrt(np.linalg.inv(design.T @ design)[0, 0] / 2.0)
    skew = float(np.arcsin(np.clip(axes[0] @ axes[1] / (length[0] * length[1]), -1.0, 1.0)))
    return Grid(Estimate(pitch, float(error)), rms, float(length[0] / length[1] - 1.0), skew)
