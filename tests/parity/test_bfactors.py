"""Correlation with varying B factors, and its gradient, against their slow twin."""

import numpy as np
import pytest
from oracle import bfactors as slow

from emodelx import _core

SPACING = (0.9, 1.0, 1.1)
STEPS = (10.0, 0.2)


def case(seed, residues=5, shape=(11, 12, 13)):
    """A rough map, two in three voxels of it inside, and atoms of which some are outside the box."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape).astype(np.float32)
    inside = rng.random(shape) < 0.7
    count = 4 * residues
    positions = rng.uniform(-2, max(shape), (count, 3))
    atoms = (positions, rng.integers(0, 2, count), np.sort(rng.integers(0, residues, count)))
    profiles = (np.abs(rng.normal(size=(2, 8, 60))).cumsum(axis=2)[..., ::-1].astype(np.float32).copy(), *STEPS)
    return (values, inside, SPACING), atoms, profiles, rng.uniform(1, 69, residues)


@pytest.mark.parametrize("seed", range(5))
def test_fast_is_slow_twin(seed):
    given, atoms, profiles, b_factors = case(seed)
    correlation, slopes = _core.correlate_b_factors(given, atoms, profiles, b_factors, threads=1)
    assert correlation == pytest.approx(slow.correlation(given, atoms, profiles, b_factors), abs=1e-5)
    expected = slow.slopes(given, atoms, profiles, b_factors)
    np.testing.assert_allclose(slopes, expected, atol=1e-3 * np.abs(expected).max())


def test_b_factors_beyond_the_table_take_its_end():
    given, atoms, profiles, _ = case(0)
    ends = [_core.correlate_b_factors(given, atoms, profiles, np.full(5, b))[0] for b in (70.0, 500.0)]
    assert ends[0] == pytest.approx(ends[1], abs=1e-12)


def test_nothing_inside_correlates_with_nothing():
    (values, inside, spacing), atoms, profiles, b_factors = case(0)
    nowhere = (values, np.zeros_like(inside), spacing)
    correlation, slopes = _core.correlate_b_factors(nowhere, atoms, profiles, b_factors)
    assert correlation == 0
    assert not slopes.any()


def test_threads(same_on_all_threads):
    given, atoms, profiles, b_factors = case(1, 40, (30, 31, 32))

    def arrays(*arguments, threads):
        correlation, slopes = _core.correlate_b_factors(*arguments, threads=threads)
        return np.array([correlation]), slopes

    same_on_all_threads(arrays, given, atoms, profiles, b_factors)


def test_ctrl_c(interrupted):
    given, atoms, profiles, b_factors = case(1, 40_000, (60, 60, 60))
    with interrupted():
        _core.correlate_b_factors(given, atoms, profiles, b_factors, threads=1)


GIVEN, ATOMS, PROFILES, B_FACTORS = case(0)


@pytest.mark.parametrize(
    ("given", "atoms", "profiles", "b_factors", "message"),
    [
        ((GIVEN[0], GIVEN[1][:5], SPACING), ATOMS, PROFILES, B_FACTORS, "map and mask must have the same shape"),
        ((*GIVEN[:2], (1.0, 0.0, 1.0)), ATOMS, PROFILES, B_FACTORS, "spacing must be positive"),
        ((GIVEN[0] * np.nan, *GIVEN[1:]), ATOMS, PROFILES, B_FACTORS, "density must be finite"),
        (GIVEN, (ATOMS[0] * np.inf, *ATOMS[1:]), PROFILES, B_FACTORS, "positions must be finite"),
        (GIVEN, (ATOMS[0], ATOMS[1] + 2, ATOMS[2]), PROFILES, B_FACTORS, "an atom has no profile"),
        (GIVEN, (*ATOMS[:2], ATOMS[2][1:]), PROFILES, B_FACTORS, "must have the same length"),
        (GIVEN, ATOMS, (PROFILES[0], 0.0, 0.2), B_FACTORS, "steps of profiles must be positive"),
        (GIVEN, ATOMS, (PROFILES[0][:, :1].copy(), *STEPS), B_FACTORS, "do not fill profiles"),
        (GIVEN, ATOMS, PROFILES, B_FACTORS[:2].copy(), "an atom has no B factor"),
        (GIVEN, ATOMS, PROFILES, -B_FACTORS, "b_factors must not be negative"),
    ],
)
def test_bad_input(given, atoms, profiles, b_factors, message):
    with pytest.raises(ValueError, match=message):
        _core.correlate_b_factors(given, atoms, profiles, b_factors)
