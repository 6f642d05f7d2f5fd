"""Decompositions of GL+ and SL, samples of their elements, and convolutions over them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.digits import digits
from models.lie.convolution import GroupConvolution, Lift, LocalConvolution, grid
from models.lie.decomposition import (
    coordinates,
    exp,
    exp_iwasawa,
    exp_rotation,
    from_iwasawa,
    iwasawa,
    log,
    log_iwasawa,
    log_rotation,
    polar,
    rotation,
)
from models.lie.fit import accuracy, fit_classes
from models.lie.network import AffineNetwork, matched, random_warps, scale_space, warped
from models.lie.sampling import SPREAD, elements, nearby, symmetric


def positive(dimension: int, count: int, seed: int) -> Tensor:
    """Matrices with det > 0 and a condition number up to 100."""
    draw = torch.Generator().manual_seed(seed)
    left, _ = torch.linalg.qr(torch.randn(count, dimension, dimension, generator=draw))
    right, _ = torch.linalg.qr(torch.randn(count, dimension, dimension, generator=draw))
    size = torch.exp(torch.rand(count, dimension, generator=draw) * math.log(100) - math.log(10))
    a = left @ (size[..., None] * right)
    sign = torch.sign(torch.linalg.det(a))
    a[:, 0] *= sign[:, None]
    return torch.as_tensor(a)


@pytest.mark.parametrize(("dimension", "count"), [(2, 10_000), (3, 10_000), (4, 1000), (5, 1000)])
def test_exp_of_log_is_the_matrix_itself(dimension: int, count: int) -> None:
    a = positive(dimension, count, 1)
    x, y = log(a)
    error = (exp(x, y) - a).flatten(1).norm(dim=1) / a.flatten(1).norm(dim=1)
    assert float(error.max()) <= 1e-12
    assert float((x - x.transpose(1, 2)).abs().max()) <= 1e-12
    assert float((y + y.transpose(1, 2)).abs().max()) <= 1e-12
    eigen = torch.linalg.eigvals(a)
    negative = (eigen.imag.abs() < 1e-12) & (eigen.real < 0)
    assert int(negative.any(1).sum()) > count / 100  # including many without a real logarithm


@pytest.mark.parametrize("dimension", [2, 3])
def test_polar_and_iwasawa(dimension: int) -> None:
    a = positive(dimension, 2000, 2)
    p, r = polar(a)
    eye = torch.eye(dimension)
    assert float(((p @ r - a).flatten(1).norm(dim=1) / a.flatten(1).norm(dim=1)).max()) <= 1e-12
    assert float((r @ r.transpose(1, 2) - eye).abs().max()) <= 1e-11
    assert float(torch.linalg.eigvalsh(p).min()) > 0
    k, d, n = iwasawa(a)
    assert float(((from_iwasawa(k, d, n) - a).flatten(1).norm(dim=1) / a.flatten(1).norm(dim=1)).max()) <= 1e-12
    assert float(d.min()) > 0
    assert float((torch.linalg.det(k) - 1).abs().max()) <= 1e-12
    assert float((n.tril() - eye).abs().max()) <= 1e-12


@pytest.mark.parametrize("condition", [1e2, 1e6, 1e10])
@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_rotations_are_orthogonal_for_any_condition_number(dimension: int, condition: float) -> None:
    draw = torch.Generator().manual_seed(9)
    left, _ = torch.linalg.qr(torch.randn(50, dimension, dimension, generator=draw))
    right, _ = torch.linalg.qr(torch.randn(50, dimension, dimension, generator=draw))
    a = left @ (condition ** torch.linspace(-0.5, 0.5, dimension)[:, None] * right)
    a[:, 0] *= torch.sign(torch.linalg.det(a))[:, None]
    for r in (polar(a)[1], iwasawa(a)[0]):
        assert float((r @ r.transpose(1, 2) - torch.eye(dimension)).abs().max()) <= 1e-13
    x, y = log(a)
    error = (exp(x, y) - a).flatten(1).norm(dim=1) / a.flatten(1).norm(dim=1)
    assert float(error.max()) <= 1e-11


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
@pytest.mark.parametrize("split", [polar, iwasawa, log, log_iwasawa, lambda a: coordinates(a, False)])
def test_reflections_and_singular_matrices_are_refused(split: Callable[[Tensor], object], dimension: int) -> None:
    a = torch.eye(dimension).repeat(4, 1, 1)
    a[1, 0, 0], a[2, 0, 0], a[3, 0, 0] = -1.0, 0.0, math.nan
    with pytest.raises(ValueError, match=r"^3 of 4 matrices do not have det A > 0, as is needed$"):
        split(a)


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_exp_of_log_by_iwasawa_is_the_matrix_itself(dimension: int, special: bool) -> None:
    a = positive(dimension, 2000, 8)
    if special:
        a = a / torch.linalg.det(a)[:, None, None] ** (1 / dimension)
    y, x, z = log_iwasawa(a)
    error = (exp_iwasawa(y, x, z) - a).flatten(1).norm(dim=1) / a.flatten(1).norm(dim=1)
    assert float(error.max()) <= 1e-12
    assert float((y + y.transpose(1, 2)).abs().max()) <= 1e-12
    assert float(z.tril().abs().max()) == 0
    assert float(z.abs().max()) > 1
    polar_trace = torch.diagonal(log(a)[0], dim1=1, dim2=2).sum(1)
    assert torch.allclose(x.sum(1), polar_trace, atol=1e-11)  # both are log det A
    assert (float(x.sum(1).abs().max()) <= 1e-12) == special


@pytest.mark.parametrize("angles", [(math.pi, 0.0), (math.pi, math.pi), (0.0, 0.0), (3.14159, -1e-7), (2.0, 2.0)])
@pytest.mark.parametrize("dimension", [4, 5])
def test_half_turns_and_tiny_rotations_have_a_logarithm(angles: tuple[float, float], dimension: int) -> None:
    planes = torch.eye(dimension)
    for at, angle in zip((0, 2), angles, strict=True):
        planes[at : at + 2, at : at + 2] = rotation(torch.tensor(angle))
    basis, _ = torch.linalg.qr(torch.randn(dimension, dimension, generator=torch.Generator().manual_seed(1)))
    r = basis @ planes @ basis.T
    y = log_rotation(r)
    assert float((y + y.T).abs().max()) <= 1e-12
    assert float((exp_rotation(y) - r).abs().max()) <= 1e-12
    turned = torch.linalg.eigvals(y).imag.abs().sort().values[-4:]
    assert torch.allclose(turned, torch.tensor(angles).abs().sort().values.repeat_interleave(2), atol=1e-7)


def test_the_logarithm_of_a_rotation_is_continuous_at_the_identity() -> None:
    angle = torch.tensor([-1e-9, 0.0, 1e-9, 3.0, -3.0])
    assert torch.allclose(log_rotation(rotation(angle))[:, 1, 0], angle, rtol=1e-9, atol=1e-16)


@pytest.mark.parametrize("special", [True, False])
def test_samples_are_in_their_group_and_have_their_inverse(special: bool) -> None:
    a, inverse, _ = elements(500, special, 3)
    assert float((a @ inverse - torch.eye(2)).abs().max()) <= 1e-12
    det = torch.linalg.det(a)
    if special:
        assert float((det - 1).abs().max()) <= 1e-12
    else:
        assert float(det.std()) > 0.1
    assert float(det.min()) > 0


def test_moments_of_the_symmetric_part_are_those_of_a_log_normal_law() -> None:
    x = symmetric(40_000, False, torch.Generator().manual_seed(1))
    trace = torch.diagonal(x, dim1=1, dim2=2).sum(1)  # sqrt(2) times a normal variable of variance SPREAD
    assert float(trace.mean()) == pytest.approx(0, abs=0.01)
    assert float(trace.var()) == pytest.approx(2 * SPREAD, rel=0.03)
    det = torch.exp(trace)
    assert float(det.mean()) == pytest.approx(math.exp(SPREAD), rel=0.02)
    assert float(x[:, 0, 1].var()) == pytest.approx(SPREAD / 2, rel=0.03)


def test_coordinates_are_distinct_and_zero_at_the_identity() -> None:
    assert float(coordinates(torch.eye(2)[None], False).abs().max()) <= 1e-15
    a, _, _ = elements(40, False, 6)
    assert float(torch.pdist(coordinates(a, False)).min()) > 1e-3


def waves(place: Tensor) -> Tensor:
    """A band-limited image: a few plane waves, [..., 2] -> [...]."""
    draw = np.random.default_rng(3)
    total = torch.zeros(place.shape[:-1])
    for _ in range(6):
        wave = torch.from_numpy(draw.normal(0, 1.0, 2))
        total = total + torch.cos((place * wave).sum(-1) + draw.uniform(0, 6))
    return total


def lifted(layer: Lift, f: object, place: Tensor, inverse: Tensor, spacing: float) -> Tensor:
    """The lifting at points [P, 2] and elements [G]: a sum over the taps, [P, G, C]."""
    size = layer.size
    kernels = layer.kernels(inverse).reshape(len(inverse), layer.out, size, size)
    offset = grid(size) * spacing
    taps = waves(place[:, None, None] + offset) if f is None else f(  # type: ignore[operator]
        place[:, None, None] + offset)  # fmt: skip
    return torch.einsum("pyx,gcyx->pgc", taps, kernels).detach()


def test_lifting_is_equivariant_under_linear_maps() -> None:
    """(lift of f o g^-1)(g x, g A) = (lift of f)(x, A), up to the quadrature error of the kernel."""
    torch.manual_seed(0)
    layer = Lift(1, 3, 41)
    _, inverse, _ = elements(5, False, 7, spread=0.02)
    g = torch.tensor([[1.2, 0.15], [-0.1, 1.1]])
    back = torch.linalg.inv(g)
    place = torch.randn(10, 2)
    here = lifted(layer, waves, place, inverse, 2.0)
    there = lifted(layer, lambda at: waves(at @ back.T), place @ g.T, inverse @ back, 2.0)
    wrong = lifted(layer, lambda at: waves(at @ back.T), place @ g.T, inverse, 2.0)
    assert float((there - here).norm() / here.norm()) < 1e-3
    assert float((wrong - here).norm() / here.norm()) > 0.05


@pytest.mark.parametrize("special", [True, False])
def test_nearby_elements_fill_their_box(special: bool) -> None:
    a, inverse = nearby(256, special, 3, 0.2, 0.4)
    assert float((a @ inverse - torch.eye(2)).abs().max()) <= 1e-12
    x, y = log(a)
    assert 0.35 < float(y[:, 1, 0].max()) <= 0.4
    assert 0.18 < float(x[:, 0, 1].max()) <= 0.2
    assert float(x[:, 0, 1].std()) == pytest.approx(0.2 / math.sqrt(3), rel=0.05)
    trace = 0.5 * (x[:, 0, 0] + x[:, 1, 1])
    assert float(trace.abs().max()) == pytest.approx(0 if special else 0.2, abs=0.01)


def test_local_kernels_follow_their_element_with_unit_initial_gain() -> None:
    torch.manual_seed(4)
    layer = LocalConvolution(6, 40, 7)
    eye = torch.eye(2)[None]
    quarter = rotation(torch.tensor([math.pi / 2]))
    with torch.no_grad():
        still, turned = layer.kernels(eye), layer.kernels(quarter.transpose(1, 2))
        assert torch.allclose(turned, torch.rot90(still, -1, (2, 3)), atol=1e-12)  # y points down: clockwise on screen
        gain = still.square().sum((1, 2, 3)).mean()  # variance of the output for white noise
    assert float(gain) == pytest.approx(1, rel=0.4)


SHIFTS = [(1, 0), (0, 1), (3, 5), (4, 6)]


def spot() -> Tensor:
    image = torch.zeros(1, 1, 48, 48)
    image[0, 0, 18:26, 17:25] = torch.rand(8, 8)
    return image


@pytest.mark.parametrize("shift", SHIFTS)
def test_every_layer_is_equivariant_under_shifts_by_whole_pixels(shift: tuple[int, int]) -> None:
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(2)
    a, inverse, weight = elements(5, False, 3)
    lift, whole, local = Lift(1, 3, 7), GroupConvolution(3, 4, 5, False, reach=2.0), LocalConvolution(3, 4, 5)
    image, (down, right) = torch.rand(1, 1, 48, 48), shift
    with torch.no_grad():
        here, there = lift(image, inverse), lift(torch.roll(image, shift, (2, 3)), inverse)
        pairs = [(here, there), (whole(here, a, inverse, weight), whole(there, a, inverse, weight))]
        pairs.append(tuple(functional.conv2d(x.flatten(1, 2), local.kernels(inverse), groups=5) for x in pairs[0]))  # type: ignore[arg-type]
    for before, after in pairs:
        inside = after[..., down:, right:]
        moved = before[..., : before.shape[-2] - down, : before.shape[-1] - right]
        assert float((inside - moved).abs().max()) <= 1e-6 * float(before.abs().max())
        assert float(before.std()) > 0.05 * float(before.abs().max())


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shift", SHIFTS)
def test_the_output_of_a_dense_network_does_not_depend_on_the_position(shift: tuple[int, int], stride: int) -> None:
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(2)
    network = AffineNetwork(3, width=4, deep=6, group=4, levels=2, stride=stride)
    network.freeze()
    image = spot()
    shifted = torch.roll(image, shift, (2, 3))
    with torch.no_grad():
        skipped = float((network(image) - network(shifted)).abs().max())
        network.dense = True
        here, there, flipped = network(image), network(shifted), network(image.flip(3))
    size = max(1.0, float(here.abs().max()))
    assert float((here - there).abs().max()) <= 1e-6 * size
    assert float((flipped - here).abs().max()) > 1e-4
    even = all(number % 2 == 0 for number in shift)
    assert (skipped <= 1e-6 * size) == even  # in whole steps only


@pytest.mark.parametrize("stride", [1, 2])
def test_a_dense_network_is_the_maximum_over_all_phases_of_the_stride(stride: int) -> None:
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(2)
    network = AffineNetwork(3, width=4, deep=6, group=3, stride=stride)
    network.freeze()
    image = spot()
    with torch.no_grad():
        phases = [network.features(torch.roll(image, shift, (2, 3))) for shift in ((0, 0), (0, 1), (1, 0), (1, 1))]
        network.dense = True
        assert torch.allclose(network.features(image), torch.stack(phases).amax(0), rtol=1e-5, atol=1e-6)


def test_samples_are_fixed_after_training_and_kernels_can_be_stored() -> None:
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(3)
    network = AffineNetwork(3, width=4, deep=6, group=3)
    image = torch.rand(2, 1, 24, 24)
    with torch.no_grad():
        assert not torch.equal(network(image), network(image))  # new samples in training
        network.eval()
        first = network(image)
        assert torch.allclose(first.exp().sum(1), torch.ones(2), atol=1e-5)  # probabilities
        network.freeze()
        assert torch.allclose(network(image), first, rtol=1e-4, atol=1e-5)


def test_more_samples_of_the_group_reduce_the_error() -> None:
    """The difference between two disjoint sets of samples decreases with their number: the output is an integral."""
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(5)
    network = AffineNetwork(4, width=4, deep=6).eval()
    image = torch.rand(20, 1, 24, 24)

    def answer(count: int, seed: int) -> Tensor:
        network.inverse = nearby(count, False, seed, 0.25, 0.5)[1]
        with torch.no_grad():
            return torch.as_tensor(network(image))

    few = (answer(3, 1) - answer(3, 2)).norm()
    many = (answer(48, 1) - answer(48, 2)).norm()
    assert float(many) < 0.5 * float(few)
    assert float(answer(48, 1).std(0).max()) > 2 * float(many) / 80**0.5  # and the output depends on the image


def test_levels_of_blur_are_a_semigroup_of_equal_mean_square() -> None:
    """Blur by b, then by t, equals blur by b + t (variances); each level has a mean square of one."""
    image = torch.zeros(1, 1, 41, 41)
    image[0, 0, 18:23, 17:21] = torch.rand(5, 4)
    once = scale_space(image, torch.tensor([0.6]))
    twice = scale_space(once, torch.tensor([0.9]))
    straight = scale_space(3 * image, torch.tensor([0.0, 1.5]))
    assert float((twice[:, 0] - straight[:, 1]).abs().max()) < 0.02 * float(straight[:, 1].max())
    assert torch.allclose(straight.square().mean((2, 3)), torch.ones(1, 2), atol=1e-4)
    assert torch.allclose(straight[:, :1], image * torch.rsqrt(image.square().mean()), atol=1e-4)


def test_levels_of_blur_are_fixed_by_freezing() -> None:
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(6)
    network = AffineNetwork(3, width=4, deep=6, group=4, levels=2, stride=2).eval()
    assert network.variances().tolist() == [0.0, 2.25]
    image = torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        first = network(image)
        network.freeze()
        assert torch.allclose(network(image), first, rtol=1e-4, atol=1e-5)
        assert torch.allclose(network(5 * image), first, rtol=1e-4, atol=1e-4)  # for any brightness
    network.train()
    network(image)
    assert float(network.variances()[1]) != 2.25  # drawn again


def test_a_homography_without_tilt_is_an_affine_map() -> None:
    image = torch.rand(2, 1, 15, 15)
    a = random_warps(2, 3)
    assert torch.equal(warped(image, a), warped(image, a, torch.zeros(2, 2)))
    assert float((warped(image, a) - warped(image, a, torch.full((2, 2), 0.2))).abs().max()) > 0.1


def test_a_matched_network_has_as_many_parameters() -> None:
    network = AffineNetwork(5)
    wanted = sum(value.numel() for value in network.parameters())
    plain = sum(value.numel() for value in matched(5, network).parameters())
    assert plain == pytest.approx(wanted, rel=0.1)


def test_digits_are_classified_under_warps_absent_from_training() -> None:
    """Short version of benchmarks/digits: few examples, one seed; the accuracy decreases at most half as much as that
    of the plain network.
    """
    torch.set_default_dtype(torch.float32)
    image, label = digits()
    train, test = torch.arange(600), torch.arange(1400, 1797)
    bent = warped(image[test], random_warps(len(test), 1))
    torch.manual_seed(13)
    affine = AffineNetwork(10, width=6, deep=12, group=6)
    plain = matched(10, affine)
    drop = []
    for network in (affine, plain):
        fit_classes(network, image[train], label[train], epochs=12, seed=13)
        straight = accuracy(network, image[test], label[test])
        assert straight > 0.88
        drop.append(straight - accuracy(network, bent, label[test]))
    assert drop[0] <= 0.5 * drop[1]


def test_warps_move_the_image_in_the_stated_direction() -> None:
    image = torch.zeros(1, 1, 33, 33)
    image[0, 0, 16, 26] = 1.0  # ten px to the right of the middle
    turned = warped(image, rotation(torch.tensor([math.pi / 2])))
    row, column = divmod(int(turned[0, 0].argmax()), 33)
    assert (row, column) == (26, 16)  # downwards: y points down in an image
    a = random_warps(500, 1)
    assert float(torch.linalg.det(a).min()) > 0.6
    assert float(torch.linalg.det(a).max()) < 1.5
