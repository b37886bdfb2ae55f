"""What types say of bodies: against drawing types at random, and of right and wrong bodies."""

from dataclasses import replace

import numpy as np
import pytest

from emodelx.records import Candidates
from emodelx.type_evidence import TRUST, TypeEvidence

ORIGIN = np.array([10.0, -4.0, 2.5])


def read(rng, codes, accuracy=0.3):
    """Candidates on a line 4 A apart; types have `accuracy` for the right one where they are sure of one."""
    n = len(codes)
    seen = np.where(rng.random(n) < accuracy, codes, rng.integers(0, 20, n))
    types = np.full((n, 20), (1 - accuracy) / 20)
    types[np.arange(n), seen] += accuracy
    ones = np.ones(n, np.float32)
    points = np.column_stack([4.0 * np.arange(n), np.zeros((n, 2))])
    return points, Candidates(points + ORIGIN, ones, ones, types.astype(np.float32))


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def codes(rng):
    return rng.integers(0, 20, 120).astype(np.int8)


def test_a_body_in_its_place_is_likelier_and_another_sequence_there_is_not(rng, codes):
    points, candidates = read(rng, codes)
    heard = TypeEvidence.of(candidates, ORIGIN)
    assert heard.log_ratio(points, codes) > 3
    for shift in range(1, 20):
        assert heard.log_ratio(points, np.roll(codes, shift)) < 0


def test_means_and_variance_are_those_of_types_drawn(rng, codes):
    """Slow twin: draw types of a candidate from all, and from its own."""
    _, candidates = read(rng, codes)
    heard = TypeEvidence.of(candidates, ORIGIN)
    types = candidates.type_prob.astype(np.float64)
    for k in (0, 17, 101):
        any_type = heard.log_odds[k, rng.choice(20, 200_000, p=types.mean(axis=0) / types.mean(axis=0).sum())]
        own_type = heard.log_odds[k, rng.choice(20, 200_000, p=types[k] / types[k].sum())]
        assert any_type.mean() == pytest.approx(heard.by_chance[k], abs=0.01)
        assert any_type.var() == pytest.approx(heard.variance[k], abs=0.02)
        assert own_type.mean() == pytest.approx(heard.promised[k], abs=0.01)


def test_it_is_the_ratio_of_two_normal_densities(rng, codes):
    points, candidates = read(rng, codes)
    heard = TypeEvidence.of(candidates, ORIGIN)
    total = heard.log_odds[np.arange(120), codes].sum()
    wrong, variance = heard.by_chance.sum(), heard.variance.sum()
    right = wrong + TRUST * (heard.promised.sum() - wrong)
    expected = ((total - wrong) ** 2 - (total - right) ** 2) / (2 * variance)
    assert heard.log_ratio(points, codes) == pytest.approx(expected)


def test_only_what_was_read_counts(rng, codes):
    points, candidates = read(rng, codes)
    heard = TypeEvidence.of(candidates, ORIGIN)
    unknown = np.where(np.arange(120) < 60, codes, -1).astype(np.int8)
    assert heard.log_ratio(points, unknown) == heard.log_ratio(points[:60], codes[:60])
    far = points + np.where(np.arange(120) < 60, 0.0, 30.0)[:, None]
    assert heard.log_ratio(far, codes) == heard.log_ratio(points[:60], codes[:60])
    assert heard.log_ratio(points + 30.0, codes) == 0
    flat = replace(candidates, type_prob=np.full((120, 20), 0.05, np.float32))
    assert TypeEvidence.of(flat, ORIGIN).log_ratio(points, codes) == 0
    assert TypeEvidence.of(Candidates.none(), ORIGIN) is None
