"""Residues of model and reference meet on common sequences, whatever their files number."""

import numpy as np
import pytest

from emodelx.io.alignment import UNPLACED
from emodelx.io.structures import CalphaChain
from emodelx.scoring.numbering import number_chains

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"


def random_sequence(rng, length):
    return "".join(rng.choice(list(AMINO_ACIDS), length))


def make_chain(sequence, keep, numbers=None, full=""):
    """A chain of the residues `keep` of a sequence, without interesting positions."""
    keep = np.asarray(keep)
    numbers = keep + 1 if numbers is None else np.asarray(numbers)
    return CalphaChain("A", "".join(sequence[i] for i in keep), numbers, np.zeros((len(keep), 3)), full)


def meeting(model, reference):
    """Pairs (model residue, reference residue), by index in their chains, that one position joins."""
    (mine,), (theirs,) = number_chains([model], [reference])
    assert mine.sequence == theirs.sequence != UNPLACED
    there = {p: j for j, p in enumerate(theirs.positions) if p != UNPLACED}
    return {(i, there[p]) for i, p in enumerate(mine.positions) if p in there}


def expected(kept, true_kept):
    return {(i, list(true_kept).index(k)) for i, k in enumerate(kept) if k in true_kept}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("offset", [0, 33, 500, -7])
@pytest.mark.parametrize("with_sequence", [True, False])
def test_author_numbers_may_be_moved(seed, offset, with_sequence):
    rng = np.random.default_rng(seed)
    sequence = random_sequence(rng, 150)
    built = np.r_[0:60, 75:140]
    true = np.r_[10:100, 110:150]
    model = make_chain(sequence, built, full=sequence if with_sequence else "")
    reference = make_chain(sequence, true, numbers=true + 1 + offset)
    pairs = meeting(model, reference)
    assert pairs == expected(built, true)


@pytest.mark.parametrize("seed", range(4))
def test_an_insertion_is_aligned(seed):
    """The reference has a loop that the given sequence lacks, and its numbers do not tell."""
    rng = np.random.default_rng(seed)
    sequence = random_sequence(rng, 120)
    built = sequence[:60] + sequence[68:]
    pairs = meeting(make_chain(built, range(112), full=built), make_chain(sequence, range(120), full=sequence))
    wanted = {(i, i if i < 60 else i + 8) for i in range(112)}
    # where the gap ends, equal residues on both sides leave the alignment a choice
    assert len(pairs & wanted) >= 109


def test_numbers_that_do_not_count_in_the_sequence():
    sequence = random_sequence(np.random.default_rng(5), 60)
    for numbers in (np.arange(20) + 1, np.arange(20) + 1000):
        model = make_chain(sequence, range(30, 50), numbers, full=sequence)
        assert meeting(model, make_chain(sequence, range(60))) == {(i, i + 30) for i in range(20)}


def test_insertion_codes_follow_one_another():
    sequence = random_sequence(np.random.default_rng(1), 60)
    numbers = np.r_[1:31, 30, 30, 31:59]
    assert meeting(make_chain(sequence, range(60), full=sequence), make_chain(sequence, range(60), numbers)) == {
        (i, i) for i in range(60)
    }


def test_tags_and_mutations_do_not_matter():
    rng = np.random.default_rng(2)
    core = random_sequence(rng, 100)
    mutant = core[:50] + ("A" if core[50] != "A" else "G") + core[51:]
    model = make_chain("MHHHHHHSSG" + mutant, range(110), full="MHHHHHHSSG" + mutant)
    assert meeting(model, make_chain(core, range(100))) == {(i + 10, i) for i in range(100)}


def test_unknown_residues_keep_their_place():
    sequence = "MKVLAWFDERTHPSNQGICYMKWLAV"
    unknown = sequence[:8] + "XXXX" + sequence[12:]
    assert meeting(make_chain(unknown, range(26), full=unknown), make_chain(sequence, range(26))) == {
        (i, i) for i in range(26)
    }


def test_copies_with_other_gaps_share_a_sequence():
    rng = np.random.default_rng(3)
    sequence = random_sequence(rng, 300)
    chains = [make_chain(sequence, np.flatnonzero(rng.random(300) < 0.8)) for _ in range(6)]
    _, numbered = number_chains(chains, chains)
    assert {chain.sequence for chain in numbered} == {0}
    start = min(chain.numbers[0] for chain in chains)
    for chain, at in zip(chains, numbered, strict=True):
        assert list(at.positions) == list(chain.numbers - start)


def test_different_sequences_stay_apart():
    rng = np.random.default_rng(4)
    chains = [make_chain(s, range(80), full=s) for s in (random_sequence(rng, 80) for _ in range(10))]
    model, reference = number_chains(chains[::-1], chains)
    assert len({chain.sequence for chain in reference}) == 10
    assert [chain.sequence for chain in model[::-1]] == [chain.sequence for chain in reference]


def test_a_strange_chain_is_unplaced():
    reference = make_chain("MKVLAWFDERTHPSNQGICY", range(20))
    (model,), _ = number_chains([make_chain("GGGGGGGGGG", range(10))], [reference])
    assert model.sequence == UNPLACED
    assert set(model.positions) == {UNPLACED}


def test_poly_unknown_chains():
    unknown = make_chain("X" * 30, range(30))
    (model,), (reference,) = number_chains([unknown], [unknown])
    assert model.sequence == UNPLACED
    assert reference.sequence == UNPLACED
