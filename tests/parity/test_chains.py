"""Chain registration against its twin, and planted copies."""

from itertools import pairwise

import numpy as np
import pytest
from folds import folded, moved
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracle import chains as slow
from scipy.optimize import linear_sum_assignment

from emodelx import _core
from emodelx.config import RunConfig
from emodelx.point_groups import rotations_of
from emodelx.records import Candidates, Connected, Fragment, Provenance, Sequence, Symmetry
from emodelx.stages.chains import register_chains


def assign(by_sequence, copies, **run):
    """The copy of every fragment, by sequence; fragments as the twin takes them."""
    pieces = [(i, start, positions) for i, own in enumerate(by_sequence) for start, positions in own]
    found = (place and place[0] for place in _core.assign_chains(pieces, copies, **run))
    return [[next(found) for _ in own] for own in by_sequence]


def cut(rng, chain, longest_gap=6, overlap=3):
    """Fragments of a chain; between two of them is a gap, or the ends of both overlap, and then one lies astray."""
    ends = [0]
    while ends[-1] < len(chain) - 28:
        ends.append(ends[-1] + int(rng.integers(11, 20)))
    fragments = [(0, chain[: ends[1] if len(ends) > 1 else None].copy())]
    for first, end in pairwise([*ends[1:], len(chain)]):
        too_far = int(rng.integers(1, overlap + 1)) if rng.random() < 0.4 else 0
        start = first - too_far if too_far else first + int(rng.integers(0, longest_gap))
        points = chain[start:end].copy()
        points[:2] += rng.normal(0, 2, (2, 3)) * bool(too_far)
        fragments.append((start, points))
    return fragments


def mixed(seed, length, planted, apart, error):
    """Fragments of copies that are more or less alike and apart, some of them false, and some residues missing."""
    rng = np.random.default_rng(seed)
    chain, fragments = folded(seed % 3)[:length], []
    for _ in range(planted):
        copy = moved(rng, chain, rng.normal(0, apart, 3)) + rng.normal(0, error, chain.shape)
        fragments += cut(rng, copy, overlap=6)
    fragments += [(start, moved(rng, points, np.zeros(3))) for start, points in fragments if rng.random() < 0.2]
    for _, points in fragments:
        points[1:-1][rng.random(len(points[1:-1])) < 0.1] = np.nan
    return [fragments[i] for i in rng.permutation(len(fragments))]


@settings(max_examples=60, deadline=None)
@example(seed=5291, length=64, planted=3, apart=5.0, error=0.3, copies=1)  # two fragments share the residues at a gap
@given(
    seed=st.integers(0, 10_000),
    length=st.integers(25, 90),
    planted=st.integers(1, 3),
    apart=st.sampled_from([5.0, 20.0, 40.0]),
    error=st.sampled_from([0.3, 1.0, 4.0]),
    copies=st.integers(1, 4),
)
def test_copies(seed, length, planted, apart, error, copies):
    fragments = mixed(seed, length, planted, apart, error)
    (found,) = assign([fragments], [copies], threads=1)
    assert found == slow.assign(fragments, copies)


def recovered(seed):
    """Share of the fragments of three planted copies, each cut otherwise, that are found together."""
    rng = np.random.default_rng(seed)
    chain, fragments, truth = folded(seed), [], []
    for copy, angle in enumerate(np.deg2rad([0, 120, 240])):
        where = 25 * np.array([np.cos(angle), np.sin(angle), 0])
        own = cut(rng, moved(rng, chain, where) + rng.normal(0, 0.4, chain.shape))
        fragments += own
        truth += [copy] * len(own)
    order = rng.permutation(len(fragments))
    (found,) = assign([[fragments[i] for i in order]], [3])
    table = np.zeros((3, 3))
    for i, copy in zip(order, found, strict=True):
        if copy is not None:
            table[truth[i], copy] += 1
    return table[linear_sum_assignment(-table)].sum() / len(fragments)


def test_planted_copies_come_back():
    shares = [recovered(seed) for seed in range(8)]
    assert min(shares) > 0.8, shares
    assert np.mean(shares) > 0.95, shares


def test_a_wrong_piece_does_not_keep_right_ones_out():
    """It follows on the last piece and cannot follow on the first, so that both together are in no copy."""
    chain = folded(0)[:90]
    away = chain[67] - chain[:51].mean(axis=0)
    astray = chain[67] + 3.6 * np.arange(14, 2, -1)[:, None] * away / np.linalg.norm(away)
    fragments = [(0, chain[:51]), (53, astray), (67, chain[67:])]
    assert assign([fragments[1:]], [1], threads=1) == [[0, 0]]
    assert assign([fragments], [1], threads=1) == [[0, None, 0]] == [slow.assign(fragments, 1)]


def test_symmetry_tells_what_connectivity_cannot():
    """Copies swap domains: the nearest second domain is a neighbour's; one whole copy shows where the own one is."""
    rng = np.random.default_rng(0)
    one, two = folded(0)[:40], folded(1)[:40] + np.array([15, 0, 30])
    copies = [rng.normal(0, 0.3, (110, 3)) + np.concatenate([one, [[np.nan] * 3] * 30, two]) for _ in range(3)]
    copies = [copy + np.array([0, 0, 30 * i]) for i, copy in enumerate(copies)]
    parts = [fragment for copy in copies for fragment in [(0, copy[:40]), (70, copy[70:])]]
    (without,) = assign([parts[2:]], [3])
    assert without[1] == without[2], "connectivity alone takes the neighbour's"
    (found,) = assign([[(0, copies[0]), *parts[2:]]], [3])
    assert found[1] == found[2] != found[3] == found[4]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    length=st.integers(25, 90),
    apart=st.sampled_from([5.0, 20.0]),
    group=st.sampled_from(["C2", "C3", "D2"]),
)
def test_images(seed, length, apart, group):
    fragments = mixed(seed, length, 1, apart, 0.3)
    images = images_of(rotations_of(group), np.array([3.0, -2.0, 8.0]))
    found = _core.assign_chains([(0, *fragment) for fragment in fragments], [1], images=images, threads=1)
    assert found == slow.assign_images(fragments, 1, images)


def images_of(rotations, centre):
    """The rotations about a centre, as rotation and shift."""
    return [(rotation.tolist(), (centre - rotation @ centre).tolist()) for rotation in rotations]


@pytest.mark.parametrize("group", ["C2", "C3", "D3", "O"])
def test_pieces_of_a_chain_come_back_from_any_image(group):
    """Every piece lies at another image; together they are the chain again, or an image of it."""
    rng = np.random.default_rng(3)
    rotations, chain = rotations_of(group), folded(1)[:70] + np.array([90.0, 40, 25])
    moves = rng.integers(0, len(rotations), 4)
    pieces = [
        (0, start, np.ascontiguousarray(chain[start:end] @ rotations[g].T))
        for (start, end), g in zip([(0, 18), (20, 36), (37, 52), (54, 70)], moves, strict=True)
    ]
    found = _core.assign_chains(pieces, [1], images=images_of(rotations, np.zeros(3)), threads=1)
    back = [rotations[image] @ rotations[g] for (_, image), g in zip(found, moves, strict=True)]
    np.testing.assert_allclose(back, np.broadcast_to(back[0], (4, 3, 3)), atol=1e-6)


def test_images_must_form_a_group():
    images = images_of(rotations_of("C3")[:2], np.zeros(3))
    with pytest.raises(ValueError, match="images must form a group"):
        _core.assign_chains([(0, 0, folded(0)[:12])], [1], images=images)


def test_sequences_are_told_apart():
    fragment = (0, folded(0)[:20])
    assert assign([[fragment], [], [fragment]], [1, 2, 3]) == [[0], [], [0]]


def test_what_exceeds_the_copies_is_in_none():
    """The longest fragments are kept."""
    chain = folded(0)
    assert assign([[(0, chain[:12]), (0, chain[20:40]), (0, chain[50:66])]], [2]) == [[None, 0, 1]]


def test_fragments_become_chains():
    """Residues come from the fragment; what an overlap misses is taken from the other."""
    chain = folded(0)[:30]
    ones = np.ones(40, np.float32)
    positions = np.concatenate([chain, chain[:10] + 50])
    candidates = Candidates(positions, ones, ones, np.full((40, 20), 0.05, np.float32))
    one = Fragment(0, 1, np.arange(1, 16), np.full(15, 0.9, np.float32))
    two = Fragment(0, 14, np.array([14, -1, *range(16, 28)]), np.full(14, 0.5, np.float32))
    sequences = (Sequence("s", "A" * 30, ("X",), 1), Sequence("t", "G" * 5, (), 2))
    model = register_chains(Connected((one, two)), candidates, sequences, (), (), Symmetry(), RunConfig(threads=1))
    assert [(c.sequence, c.name) for c in model.chains] == [(0, "X"), (1, "A"), (1, "B")]
    first, *empty = model.chains
    assert first.candidates.tolist() == [-1, *range(1, 28), -1, -1]
    assert (first.provenance == np.where(first.candidates >= 0, Provenance.TRACED, Provenance.MISSING)).all()
    np.testing.assert_array_equal(first.positions[1:28], chain[1:28])
    assert np.isnan(first.positions[[0, 28, 29]]).all()
    assert not any(c.placed().any() for c in empty)


def test_threads(same_on_all_threads):
    def step(*arguments, threads):
        return np.array([place or (-1, -1) for place in _core.assign_chains(*arguments, threads=threads)], float)

    points = folded(0)
    pieces = [(s, i, points[i : i + 12]) for i in range(0, 60, 6) for s in (0, 1)]
    same_on_all_threads(step, pieces, [3, 2])


def test_ctrl_c(interrupted):
    points = folded(0)
    pieces = [(0, i % 2000, points[i % 60 : i % 60 + 12]) for i in range(6000)]
    with interrupted():
        _core.assign_chains(pieces, [9], threads=1)


WHOLE = np.zeros((4, 3))
GAP = np.full((1, 3), np.nan)


@pytest.mark.parametrize(
    ("pieces", "error", "message"),
    [
        ([(0, 0, WHOLE[:, :2].copy())], ValueError, r"pieces must have shape \(n, 3\), not \(4, 2\)"),
        ([(1, 0, WHOLE)], ValueError, "pieces name sequences that do not exist"),
        ([(0, 0, WHOLE[:0])], ValueError, "pieces must begin and end with a point"),
        ([(0, 0, np.concatenate([WHOLE, GAP]))], ValueError, "pieces must begin and end with a point"),
        ([(0, 0, np.concatenate([GAP, WHOLE]))], ValueError, "pieces must begin and end with a point"),
        ([(0, 0, WHOLE[::2])], ValueError, "pieces must be C-contiguous"),
        ([(0, 0, WHOLE.astype(np.float32))], TypeError, "pieces"),
        ([(0, -1, WHOLE)], OverflowError, "negative"),
    ],
)
def test_bad_input(pieces, error, message):
    with pytest.raises(error, match=message):
        _core.assign_chains(pieces, [1])
