"""Sequences that are nearly the same: who belongs together, and whose chain is whose."""

from dataclasses import replace

import numpy as np
import pytest
from planted import plant

from emodelx.config import RegistrationConfig, RunConfig
from emodelx.constants import AMINO_ACIDS
from emodelx.io.alignment import UNPLACED
from emodelx.records import CalphaModel, Candidates, Chain, Connected, Provenance, Sequence, Symmetry, Template
from emodelx.stages.alike import find_families, tell_apart
from emodelx.stages.chains import register_chains
from emodelx.stages.register import register_sequences

RUN = RunConfig(threads=1)
LETTERS = np.array(list(AMINO_ACIDS))
LONG = "".join(np.random.default_rng(0).choice(LETTERS, 80))
OTHER = "".join(np.random.default_rng(1).choice(LETTERS, 80))


def exchanged(residues, *places):
    """The next type of the alphabet at some places."""
    codes = [AMINO_ACIDS.index(letter) for letter in residues]
    return "".join(AMINO_ACIDS[(c + 1) % 20] if i in places else AMINO_ACIDS[c] for i, c in enumerate(codes))


def families(*residues, told=True):
    return find_families([Sequence(f"s{i}", r, told=told) for i, r in enumerate(residues)])


@pytest.mark.parametrize(
    "near",
    [
        LONG[5:],
        LONG[:-12] + "GS",
        "MGSHHHHHH" + LONG,
        exchanged(LONG, 10, 40, 41),
        LONG[:30] + LONG[36:],
        LONG[:30] + "GGSGGS" + LONG[30:],
        "X" + LONG[1:],
    ],
    ids=["cut", "end", "tag", "exchange", "loop-lacks", "loop-more", "unknown"],
)
@pytest.mark.parametrize("turn", [1, -1])
def test_what_is_nearly_the_same_is_one_family(near, turn):
    found = families(*(LONG, near)[::turn], OTHER)
    assert found.family == (0, 0, 1)
    assert found.read[0].residues in (LONG, near)
    assert len(found.read[0].residues.strip("X")) == max(len(LONG), len(near.strip("X")))
    assert found.read[0].copies == 2
    assert found.read[1].residues == OTHER
    assert list(found.joined()) == ["s0, s1"]
    for residues, partners in zip((LONG, near)[::turn], found.partners[:2], strict=True):
        same = [a == found.read[0].residues[p] for a, p in zip(residues, partners, strict=True) if p != UNPLACED]
        assert np.mean(same) > 0.95
        assert (np.diff(partners[partners != UNPLACED]) > 0).all()


@pytest.mark.parametrize(
    "far", [LONG[:50], exchanged(LONG, *range(0, 80, 5)), OTHER, LONG[::-1], "A" * 80, "GS"], ids=str
)
def test_what_is_not_stays_apart(far):
    found = families(LONG, far)
    assert found.family == (0, 1)
    assert found.read == found.told
    assert not list(found.joined())


def test_copies_are_unknown_where_those_of_a_member_are():
    told, silent = Sequence("a", LONG, ("X", "Y"), 3), Sequence("b", LONG[2:], told=False)
    assert [(s.copies, s.told, s.chains) for s in find_families([told, silent]).read] == [(4, False, ())]


def test_templates_go_to_the_sequence_of_the_family():
    found = families(OTHER, LONG[2:] + "GG", "MK" + LONG)
    template = Template("t", 1, np.array([0, 1, 79]), np.arange(9.0).reshape(3, 3))
    moved = found.template(template)
    assert (moved.sequence, moved.numbers.tolist()) == (1, [4, 5])  # the glycines at the end have no partner
    np.testing.assert_array_equal(moved.positions, template.positions[:2])


def read_as(residues):
    """Candidates whose types are read right with 60 %."""
    codes = [AMINO_ACIDS.index(letter) for letter in residues]
    types = np.full((len(codes), 20), 0.4 / 19, np.float32)
    types[np.arange(len(codes)), codes] = 0.6
    ones = np.ones(len(codes), np.float32)
    return Candidates(np.arange(3.0 * len(codes)).reshape(-1, 3), ones, ones, types)


def chain(candidates, first, length):
    """A copy of the family of `length` residues, whose candidates are consecutive from `first` on; -1 where none."""
    own = np.arange(first, first + length) if first >= 0 else np.full(length, -1)
    positions = np.where(own[:, None] >= 0, candidates.positions[own], np.nan)
    provenance = np.where(own >= 0, Provenance.TRACED, Provenance.MISSING).astype(np.uint8)
    confidence = np.where(own >= 0, 90, 0).astype(np.float32)
    return Chain(0, "?", positions, own, provenance, confidence, reference=positions + 1.0)


def test_chains_go_to_the_members_that_their_types_fit():
    near = exchanged(LONG, 10, 40)
    found = families(LONG, near)
    candidates = read_as(near + LONG)
    model = CalphaModel(found.read, (chain(candidates, 0, 80), chain(candidates, 80, 80)))
    apart = tell_apart(model, found, candidates, RUN)
    assert apart.sequences == found.told
    assert [(c.sequence, c.name, c.candidates[0]) for c in apart.chains] == [(0, "A", 80), (1, "B", 0)]


def test_residues_that_a_member_lacks_are_left_out():
    found = families(LONG, LONG[3:] + "GG")
    candidates = read_as(LONG + LONG)
    model = CalphaModel(found.read, (chain(candidates, 0, 80), chain(candidates, 80, 80)))
    whole, short = tell_apart(model, found, candidates, RUN).chains
    assert len(short.positions) == 79
    np.testing.assert_array_equal(short.candidates, [*range(83, 160), -1, -1])
    np.testing.assert_array_equal(short.placed(), short.candidates >= 0)
    np.testing.assert_array_equal(np.isfinite(short.reference[:, 0]), short.placed())
    assert not short.confidence[-2:].any()
    assert whole.placed().all()


def test_told_members_have_all_their_copies_and_no_more():
    found = find_families([Sequence("a", LONG, ("X",)), Sequence("b", exchanged(LONG, 7), ("Y",), 2)])
    candidates = read_as(LONG * 2)
    chains = (chain(candidates, 0, 80), chain(candidates, 80, 80), chain(candidates, -1, 80))
    apart = tell_apart(CalphaModel(found.read, chains), found, candidates, RUN)
    assert [c.name for c in apart.chains] == ["X", "Y", "A"]
    assert sorted(int(c.placed().sum()) for c in apart.chains) == [0, 80, 80]
    assert apart.chains[0].placed().all(), "the types fit the first sequence"


def test_copies_that_nobody_told_are_those_whose_types_fit():
    found = families(LONG, exchanged(LONG, 7, 30), exchanged(LONG, 50), told=False)
    candidates = read_as(LONG * 2 + exchanged(LONG, 50))
    chains = tuple(chain(candidates, first, 80) for first in (0, 80, 160))
    apart = tell_apart(CalphaModel(found.read, chains), found, candidates, RUN)
    assert [s.copies for s in apart.sequences] == [2, 1, 1]
    assert [int(c.placed().sum()) for c in apart.chains] == [80, 80, 0, 80]


def test_sequences_of_their_own_keep_their_chains():
    found = families(LONG, OTHER)
    candidates = read_as(LONG + OTHER)
    chains = (chain(candidates, 0, 80), replace(chain(candidates, 80, 80), sequence=1))
    apart = tell_apart(CalphaModel(found.read, chains), found, candidates, RUN)
    for before, after, name in zip(chains, apart.chains, "AB", strict=True):
        np.testing.assert_array_equal(after.candidates, before.candidates)
        np.testing.assert_array_equal(after.reference, before.reference)
        assert (after.sequence, after.name) == (before.sequence, name)


def built(planted, sequences):
    """The model of planted chains, as far as chain registration."""
    fragments = register_sequences(
        planted.candidates, planted.links, sequences, (), RegistrationConfig(), RUN
    )  # fmt: skip
    return register_chains(
        Connected(fragments, ()), planted.candidates, sequences, (), (), Symmetry(), RUN
    )  # fmt: skip


def test_planted_chains_with_other_ends_are_recovered():
    """Read one by one, each would get half of the posterior of what they share, and nothing would be kept."""
    planted = plant(5, 60, 2, accuracy=0.7)
    whole = planted.sequence().residues
    told = [Sequence("tagged", "GS" + whole), Sequence("cut", whole[2:])]
    found = find_families(told)
    apart = tell_apart(built(planted, found.read), found, planted.candidates, RUN)
    right = 0
    for chain_, first in zip(apart.chains, (-2, 2), strict=True):
        held = np.flatnonzero(chain_.candidates >= 0)
        right += (planted.residue[chain_.candidates[held]] == held + first).sum()
    assert right > 100
    assert built(planted, told).placed_count() < right / 2
