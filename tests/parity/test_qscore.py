"""Q-scores against their slow twin."""

import numpy as np
import pytest
from oracle import qscore as slow

from emodelx import _core

SPACING = (0.9, 1.0, 1.1)


def cloud(seed, count=12):
    """A rough map, and atoms about as dense as in a protein, some of them outside."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(9, 10, 11)).astype(np.float32), rng.uniform(-1, 10, (count, 3))


@pytest.mark.parametrize("seed", range(4))
def test_fast_is_slow_twin(seed):
    values, atoms = cloud(seed)
    found = _core.q_scores(values, SPACING, atoms, threads=1)
    np.testing.assert_allclose(found, slow.q_scores(values, np.array(SPACING), atoms), atol=1e-5)
    assert np.isfinite(found).any()


def test_crowded_atoms_lose_points():
    """Eight atoms around one take nearly all of its points away; what is left still scores."""
    corners = np.array(list(np.ndindex(2, 2, 2))) * 1.4 + 3.3
    atoms = np.concatenate([[[4.0, 4.0, 4.0]], corners])
    values, _ = cloud(0)
    found = _core.q_scores(values, SPACING, atoms, threads=1)
    np.testing.assert_allclose(found, slow.q_scores(values, np.array(SPACING), atoms), atol=1e-5)


def test_no_atoms():
    assert _core.q_scores(cloud(0)[0], SPACING, np.empty((0, 3))).shape == (0,)


def test_threads(same_on_all_threads):
    values, atoms = cloud(1, 300)
    same_on_all_threads(_core.q_scores, values, SPACING, atoms)


def test_ctrl_c(interrupted):
    values = np.random.default_rng(0).random((40, 40, 40), np.float32)
    atoms = np.random.default_rng(0).uniform(5, 35, (60_000, 3))
    with interrupted():
        _core.q_scores(values, SPACING, atoms, threads=1)


@pytest.mark.parametrize(
    ("values", "spacing", "atoms", "message"),
    [
        (cloud(0)[0][::2], SPACING, cloud(0)[1], "values must be C-contiguous"),
        (cloud(0)[0], (1.0, 0.0, 1.0), cloud(0)[1], "spacing must be positive"),
        (cloud(0)[0], SPACING, np.full((1, 3), np.nan), "atoms must be finite"),
        (cloud(0)[0], SPACING, np.zeros((1, 2)), r"atoms must have shape \(n, 3\)"),
    ],
)
def test_bad_input(values, spacing, atoms, message):
    with pytest.raises(ValueError, match=message):
        _core.q_scores(values, spacing, atoms)
