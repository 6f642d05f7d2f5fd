import numpy as np
import pytest
from scipy import stats

from drivers.sim.philox import CAMERA, MOTION, fill_normals, uniform, words

ALL = 0xFFFFFFFF
KNOWN = [  # Random123's kat_vectors, philox4x32 10
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((ALL, ALL, ALL, ALL), (ALL, ALL), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_the_generator_gives_the_published_test_vectors(
    counter: tuple[int, ...], key: tuple[int, ...], answer: str
) -> None:
    assert " ".join(f"{int(word):08x}" for word in words(counter, key)) == answer


def test_normals_are_normal_and_uncorrelated() -> None:
    drawn = np.empty((200_000, 2))
    fill_normals(drawn, 7, 0, MOTION, 12345678901)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 0.001
    assert abs(np.mean(drawn[:, 0] * drawn[:, 1])) < 0.01
    assert abs(np.mean(drawn[1:, 0] * drawn[:-1, 0])) < 0.01


def test_streams_steps_seeds_and_replicas_differ() -> None:
    drawn = {
        uniform(seed, replica, stream, 3, step)
        for seed in (1, 2)
        for replica in (0, 1)
        for stream in (MOTION, CAMERA)
        for step in (5, 5 + 2**32)
    }
    assert len(drawn) == 16
    assert all(0.0 <= value < 1.0 for value in drawn)
