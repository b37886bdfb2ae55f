"""The corrected types have the composition of the sequences, and keep what tells candidates apart."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from emodelx.constants import AMINO_ACIDS
from emodelx.records import Candidates, Sequence
from emodelx.stages.composition import PSEUDOCOUNT, composition, correct_composition


def candidates_of(type_prob):
    n = len(type_prob)
    return Candidates(np.zeros((n, 3)), np.ones(n, np.float32), np.ones(n, np.float32), type_prob.astype(np.float32))


def read_with_a_prior(rng, n):
    """Types as a network reads them that has its own prior of every type."""
    types = rng.dirichlet(np.full(20, 0.5), n) * rng.uniform(0.3, 3, 20) + 0.01
    return types / types.sum(1, keepdims=True)


letters = st.text(AMINO_ACIDS + "X", min_size=20, max_size=200)


@settings(max_examples=30, deadline=None)
@given(residues=st.lists(letters, min_size=1, max_size=3), n=st.integers(200, 500), seed=st.integers(0, 10_000))
def test_the_mean_is_the_composition(residues, n, seed):
    sequences = [Sequence(str(i), text, copies=i + 1) for i, text in enumerate(residues)]
    found = correct_composition(candidates_of(read_with_a_prior(np.random.default_rng(seed), n)), sequences)
    np.testing.assert_allclose(found.type_prob.mean(0), composition(sequences), atol=0.01)
    np.testing.assert_allclose(found.type_prob.sum(1), 1, atol=1e-5)


def test_every_type_is_weighted_alike_in_all_candidates():
    before = read_with_a_prior(np.random.default_rng(0), 300)
    after = correct_composition(candidates_of(before), [Sequence("a", "ACDEFGHIKLMNPQRSTVWY" * 3 + "L" * 30)]).type_prob
    weights = after / before
    np.testing.assert_allclose(
        weights / weights[:, :1], np.broadcast_to(weights[0] / weights[0, 0], (300, 20)), rtol=1e-3
    )


def test_a_planted_prior_is_taken_back():
    """A network that reads leucine twice as often as it is there."""
    codes = np.tile(np.arange(20), 10)
    true = 0.6 * np.eye(20)[codes] + 0.02
    prior = np.where(np.arange(20) == AMINO_ACIDS.index("L"), 2.0, 1.0)
    biased = true * prior / (true * prior).sum(1, keepdims=True)
    sequence = Sequence("a", "".join(AMINO_ACIDS[c] for c in codes))
    found = correct_composition(candidates_of(biased), [sequence]).type_prob
    np.testing.assert_allclose(found, true, atol=1e-4)
    assert abs(biased - true).max() > 0.1


def test_composition_counts_all_copies():
    found = composition([Sequence("a", "AAX", copies=2), Sequence("b", "CCCC")])
    np.testing.assert_allclose(found[:2], (0.5 + PSEUDOCOUNT) / (1 + 20 * PSEUDOCOUNT), atol=1e-6)
    np.testing.assert_allclose(found.sum(), 1)
    assert (found > 0).all()


def test_nothing_but_unknown_residues_leaves_all_types_alike():
    np.testing.assert_allclose(composition([Sequence("a", "XXX")]), 0.05)


def test_nothing_else_changes():
    candidates = candidates_of(read_with_a_prior(np.random.default_rng(2), 5))
    found = correct_composition(candidates, [Sequence("a", "ACD")])
    assert found.positions is candidates.positions
    assert found.ca_score is candidates.ca_score
