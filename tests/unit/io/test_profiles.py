"""Profiles as HMMER reads them."""

import csv

import numpy as np
import pytest

from emodelx.constants import AMINO_ACIDS
from emodelx.io.profiles import BACKGROUND, REVERSED, emissions, write_hmm, write_table
from emodelx.records import Profile

pyhmmer = pytest.importorskip("pyhmmer")


def profile(rng, length=40):
    """A profile of which half the residues are read right, and its true sequence."""
    codes = rng.choice(20, length, p=BACKGROUND / BACKGROUND.sum())
    favoured = np.where(rng.random(length) < 0.5, codes, rng.integers(0, 20, length))
    odds = 0.05 + 0.95 * (0.5 * np.eye(20)[favoured] + 0.5 * rng.dirichlet(np.ones(20), length)) / BACKGROUND
    probability = emissions(odds)
    letters = np.array(list(AMINO_ACIDS))
    return Profile("AB", "".join(letters[probability.argmax(axis=1)]), probability), "".join(letters[codes])


def read(path):
    with pyhmmer.plan7.HMMFile(path) as file:
        return list(file)


def test_hmmer_reads_both_directions(tmp_path):
    written, _ = profile(np.random.default_rng(0))
    write_hmm(tmp_path / "AB.hmm", written)
    models = read(tmp_path / "AB.hmm")
    assert [model.name for model in models] == ["AB", "AB" + REVERSED]
    for model, expected in zip(models, (written.probability, written.probability[::-1]), strict=True):
        model.validate()
        assert model.M == 40
        np.testing.assert_allclose(np.array(model.match_emissions)[1:], expected, rtol=1e-4)
        np.testing.assert_allclose(np.array(model.transition_probabilities)[:, :3].sum(axis=1), 1, rtol=1e-4)


def test_a_residue_that_was_not_read_has_the_background():
    np.testing.assert_allclose(emissions(np.ones((2, 20))), np.tile(BACKGROUND / BACKGROUND.sum(), (2, 1)))
    read = np.ones((1, 20))
    read[0, 3] = 5
    found = emissions(read)
    np.testing.assert_allclose(found[0, 3] / found[0, 4], 5 * BACKGROUND[3] / BACKGROUND[4])
    np.testing.assert_allclose(found.sum(), 1)


def test_a_profile_that_tells_nothing_can_be_written(tmp_path):
    write_hmm(tmp_path / "A.hmm", Profile("A", "XX", emissions(np.ones((2, 20)))))
    assert [model.consensus for model in read(tmp_path / "A.hmm")] == ["xx", "xx"]


@pytest.mark.parametrize("length", [20, 60, 200])
def test_e_values_count_what_chance_finds(tmp_path, length):
    """Of 300 random sequences, about n have an E-value below n."""
    rng = np.random.default_rng(length)
    alphabet = pyhmmer.easel.Alphabet.amino()
    share = BACKGROUND / BACKGROUND.sum()
    texts = ["".join(rng.choice(list(AMINO_ACIDS), 200, p=share)) for _ in range(300)]
    sequences = [pyhmmer.easel.TextSequence(name=str(i), sequence=t).digitize(alphabet) for i, t in enumerate(texts)]
    block = pyhmmer.easel.DigitalSequenceBlock(alphabet, sequences)
    models = []
    for n in range(3):
        write_hmm(tmp_path / f"{n}.hmm", profile(rng, length)[0])
        models += read(tmp_path / f"{n}.hmm")
    options = {"bias_filter": False, "F1": 1.0, "F2": 1.0, "F3": 1.0, "E": 300}
    found = [hit.evalue for hits in pyhmmer.hmmsearch(models, block, cpus=1, **options) for hit in hits]
    below = sum(value < 10 for value in found) / len(models)
    assert 3 < below < 25, below


def test_the_table(tmp_path):
    written, _ = profile(np.random.default_rng(1), 5)
    write_table(tmp_path / "AB.csv", written)
    with (tmp_path / "AB.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert "".join(row["aa"] for row in rows) == written.residues
    assert [row["position"] for row in rows] == list("12345")
    table = [[float(row[f"p_{letter}"]) for letter in AMINO_ACIDS] for row in rows]
    np.testing.assert_allclose(table, written.probability, atol=1e-5)


def test_shapes_must_fit():
    with pytest.raises(ValueError, match="probability must have shape"):
        Profile("A", "GG", np.ones((3, 20)))
