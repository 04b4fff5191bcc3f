"""Losses against their formulas in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from posecli.support.tensorflow import import_tensorflow


@pytest.fixture(autouse=True)
def quiet_tensorflow() -> None:
    import_tensorflow()


def test_scoremap_loss_is_the_mean_cross_entropy_of_what_is_known() -> None:
    from posecli.training.poses.objective import scoremap_loss

    rng = np.random.default_rng(0)
    wanted = (rng.random((2, 3, 4, 5)) < 0.3).astype(np.float32)
    known = np.broadcast_to(np.array([1, 1, 0, 1, 1], np.float32), wanted.shape)
    said = rng.uniform(0.01, 0.99, wanted.shape).astype(np.float32)
    expected = -(wanted * np.log(said) + (1 - wanted) * np.log(1 - said))[..., known[0, 0, 0] > 0].mean()
    assert float(scoremap_loss(np.stack([wanted, known], axis=-1), said)) == pytest.approx(expected, rel=1e-5)


def test_scoremap_loss_of_sure_errors_is_finite() -> None:
    from posecli.training.poses.objective import scoremap_loss

    target = np.stack([np.array([1.0, 0.0]), np.ones(2)], axis=-1).reshape(1, 1, 1, 2, 2).astype(np.float32)
    assert float(scoremap_loss(target, np.array([0.0, 1.0], np.float32).reshape(1, 1, 1, 2))) < 20


@pytest.mark.parametrize(
    ("loss", "target", "said"),
    [("scoremap_loss", (1, 2, 2, 3, 2), (1, 2, 2, 3)), ("locref_loss", (1, 2, 2, 3, 3), (1, 2, 2, 3, 2))],
)
def test_where_nothing_counts_nothing_is_lost(loss: str, target: tuple[int, ...], said: tuple[int, ...]) -> None:
    from posecli.training.poses import objective as losses

    assert float(getattr(losses, loss)(np.zeros(target, np.float32), np.full(said, 0.5, np.float32))) == 0


def test_locref_loss_is_the_mean_huber_loss_within_the_radius() -> None:
    from posecli.training.poses.objective import locref_loss

    rng = np.random.default_rng(0)
    offsets, said = (rng.normal(0, 2, (2, 3, 4, 5, 2)).astype(np.float32) for _ in range(2))
    mask = (rng.random((2, 3, 4, 5, 1)) < 0.4).astype(np.float32)
    distance = np.abs(offsets - said)
    huber = np.where(distance <= 1, distance**2 / 2, distance - 0.5)
    expected = huber[mask[..., 0] > 0].mean()
    target = np.concatenate([offsets, mask], axis=-1)
    assert float(locref_loss(target, said)) == pytest.approx(expected, rel=1e-5)
