"""Main chains against their twin, and through the Calphas of folds whose main chains are known."""

from itertools import pairwise

import numpy as np
import pytest
from folds import folded
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import backbone as slow

from emodelx import _core
from emodelx.constants import AMINO_ACIDS
from emodelx.demo.fold import fold

PLAN = "LLLHHHHHHHHHHHHLLLLEEEEEELLLEEEEEELLL"


def some_chain(seed, length, noise):
    """Calphas and types; some of the types are proline and glycine."""
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 40)
    calphas = folded(seed % 3)[start : start + length] + rng.normal(0, noise, (length, 3))
    return np.ascontiguousarray(calphas), rng.integers(0, 20, length).astype(np.uint8)


def some_field(seed, calphas, spacing):
    rng = np.random.default_rng(seed)
    low = calphas.min(axis=0) - 3
    shape = np.ceil((calphas.max(axis=0) + 3 - low) / spacing).astype(int)
    return rng.random(shape, np.float32), low.tolist(), [spacing] * 3


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), length=st.integers(2, 12), noise=st.sampled_from([0, 0.02, 0.3]), map=st.booleans())
def test_main_chains(seed, length, noise, map):  # noqa: A002
    calphas, types = some_chain(seed, length, noise)
    guides = [some_field(seed, calphas, spacing) if map else None for spacing in (0.9, 1.0)]
    (found,) = _core.build_main_chains([(calphas, types)], *guides, threads=1)
    np.testing.assert_allclose(found, slow.Run(calphas, types, *guides).build(), atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_known_main_chains_come_back(seed):
    truth = fold(PLAN, np.random.default_rng(seed)).xyz
    types = np.full(len(truth), AMINO_ACIDS.index("A"), np.uint8)
    (found,) = _core.build_main_chains([(np.ascontiguousarray(truth[:, 1]), types)], None, None)
    error = np.linalg.norm(found - truth, axis=2)[1:-1]
    assert np.sqrt((error[:, [0, 2, 3]] ** 2).mean()) < 0.5
    assert error[:, 1].max() < 0.1


def density_of(points):
    """A map with a blob at every point."""
    low = points.min(axis=0) - 4
    axes = [np.arange(low[d], points[:, d].max() + 4, 0.7) for d in range(3)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    values = sum(np.exp(-((grid - point) ** 2).sum(axis=-1)) for point in points)
    return values.astype(np.float32), low.tolist(), [0.7] * 3


@pytest.mark.parametrize("seed", range(3))
def test_a_map_shows_where_peptides_point(seed):
    """Calphas that are off mislead; the density or the probability of the main chain corrects them."""
    rng = np.random.default_rng(seed)
    truth = fold(PLAN, rng).xyz
    calphas = truth[:, 1] + rng.normal(0, 0.25, (len(truth), 3))
    run, field = (calphas, np.zeros(len(truth), np.uint8)), density_of(truth.reshape(-1, 3))
    guides = (None, None), (None, field), (field, None)
    built = [_core.build_main_chains([run], *guide)[0] for guide in guides]
    alone, told, dense = (np.linalg.norm(own[:, 3] - truth[:, 3], axis=1).mean() for own in built)
    assert dense < 0.8 * alone
    assert dense < told < alone


def test_cis_peptides_before_proline():
    calphas, types = slow.regular(some_chain(0, 9, 0)[0], np.zeros(9, int))[0], np.zeros(9, np.uint8)
    types[5] = AMINO_ACIDS.index("P")
    step = calphas[5] - calphas[4]
    calphas[5:] += step * (2.94 / np.linalg.norm(step) - 1)
    (found,) = _core.build_main_chains([(calphas, types)], None, None)
    omega = [slow.torsion(a[1], a[2], b[0], b[1]) for a, b in pairwise(found)]
    assert [abs(w) < 0.3 for w in omega] == [i == 4 for i in range(8)]


def test_nothing_to_build():
    assert _core.build_main_chains([], None, None) == []
    (none,) = _core.build_main_chains([(np.zeros((0, 3)), np.zeros(0, np.uint8))], None, None)
    assert none.shape == (0, 4, 3)
    (one,) = _core.build_main_chains([(np.ones((1, 3)), np.zeros(1, np.uint8))], None, None)
    assert np.isfinite(one).all()


def test_threads(same_on_all_threads):
    runs = [some_chain(seed, 10, 0.2) for seed in range(12)]
    same_on_all_threads(_core.build_main_chains, runs, some_field(0, np.concatenate([r[0] for r in runs]), 1.0), None)


def test_ctrl_c(interrupted):
    runs = [some_chain(seed, 20, 0.2) for seed in range(3)] * 3000
    with interrupted():
        _core.build_main_chains(runs, None, None, threads=1)


POINTS, TYPES = np.zeros((3, 3)), np.zeros(3, np.uint8)
VOLUME = np.zeros((4, 5, 6), np.float32)
FIELD = (VOLUME, [0, 0, 0], [1, 1, 1])


@pytest.mark.parametrize(
    ("run", "density", "error", "message"),
    [
        ((POINTS * np.nan, TYPES), None, ValueError, "calphas must be finite"),
        ((POINTS[:, :2], TYPES), None, ValueError, r"calphas must have shape \(n, 3\)"),
        ((POINTS, TYPES[:2]), None, ValueError, "every Calpha needs a type"),
        ((POINTS, TYPES.astype(int)), None, TypeError, "runs"),
        ((POINTS, TYPES), (VOLUME * np.nan, [0, 0, 0], [1, 1, 1]), ValueError, "density must be finite"),
        ((POINTS, TYPES), (VOLUME, [0, 0, np.inf], [1, 1, 1]), ValueError, "finite origin and a positive spacing"),
        ((POINTS, TYPES), (VOLUME, [0, 0, 0], [1, 0, 1]), ValueError, "finite origin and a positive spacing"),
        ((POINTS, TYPES), (VOLUME, [0, 0], [1, 1, 1]), (TypeError, ValueError), "expected"),
        ((POINTS, TYPES), (VOLUME.T, [0, 0, 0], [1, 1, 1]), ValueError, "density must be C-contiguous"),
    ],
)
def test_bad_input(run, density, error, message):
    with pytest.raises(error, match=message):
        _core.build_main_chains([run], density, None)
