"""Planted sequences are found among random ones and decoys."""

import builtins
import csv

import numpy as np
import pytest

from emodelx.constants import AMINO_ACIDS
from emodelx.errors import InputError
from emodelx.io.profiles import BACKGROUND, emissions, write_hmm
from emodelx.io.sequences import read_sequences
from emodelx.records import Profile
from emodelx.search import search_profiles, write_fasta, write_hits

pytest.importorskip("pyhmmer")

LETTERS = np.array(list(AMINO_ACIDS))
SHARE = BACKGROUND / BACKGROUND.sum()


def drawn(rng, length):
    return "".join(rng.choice(LETTERS, length, p=SHARE))


def read_off(rng, sequence, accuracy=0.5):
    """What a network might read of a sequence."""
    codes = np.array([AMINO_ACIDS.index(letter) for letter in sequence])
    favoured = np.where(rng.random(len(codes)) < accuracy, codes, rng.integers(0, 20, len(codes)))
    odds = 0.05 + 0.95 * (0.5 * np.eye(20)[favoured] + 0.5 * rng.dirichlet(np.ones(20), len(codes))) / BACKGROUND
    return emissions(odds)


def shuffled(rng, sequence):
    return "".join(rng.permutation(list(sequence)))


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A database of 200 proteins, two planted ones among their shuffled decoys; profiles of stretches of them."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("search")
    one, two = drawn(rng, 220), drawn(rng, 150)
    decoys = [shuffled(rng, s) for s in (one, two) for _ in range(20)]
    others = [drawn(rng, int(rng.integers(60, 400))) for _ in range(160)]
    records = [(f"d{i}", s) for i, s in enumerate(decoys + others)]
    records[50:50] = [("one", one)]
    records[120:120] = [("two", two)]
    text = "".join(f">{name} some protein\n{residues}\n" for name, residues in records)
    (folder / "db.fasta").write_text(text + ">dna\nACGTACGTACGTACGT\n")
    (folder / "hmm").mkdir()
    stretches = {"A": one[10:80], "B": two[40:100][::-1], "C": one[100:190][::-1]}
    for name, stretch in stretches.items():
        write_hmm(folder / "hmm" / f"{name}.hmm", Profile(name, stretch, read_off(rng, stretch)))
    write_hmm(folder / "hmm" / "D.hmm", Profile("D", "X" * 8, emissions(np.ones((8, 20)))))
    return folder


def test_planted_sequences_are_found_with_their_direction(planted):
    found = search_profiles(planted / "db.fasta", planted / "hmm", threads=1)
    assert found.chains == ("A", "B", "C", "D")
    assert [(h.chain, h.direction, h.sequence) for h in found.best()] == [
        ("A", "forward", "one"), ("B", "reverse", "two"), ("C", "reverse", "one"),
    ]  # fmt: skip
    assert all(hit.e_value < 1e-6 for hit in found.best())
    assert {hit.sequence for hit in found.hits} == {"one", "two"}, "no decoy is as good"
    first, last = found.best()[0].sequence_range
    assert 9 <= first < 40 < 50 < last <= 82
    assert [record.header.name for record in found.sequences()] == ["one", "two"]


def test_one_file_is_searched_alone(planted):
    assert search_profiles(planted / "db.fasta", planted / "hmm" / "B.hmm").chains == ("B",)


def test_nothing_is_found_where_nothing_is(planted):
    found = search_profiles(planted / "db.fasta", planted / "hmm" / "D.hmm")
    assert (found.hits, found.best(), found.sequences()) == ((), (), ())


def test_the_table_and_the_sequences(planted, tmp_path):
    found = search_profiles(planted / "db.fasta", planted / "hmm", threads=1)
    write_hits(tmp_path / "hits.csv", found)
    with (tmp_path / "hits.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["sequence"] for row in rows] == [hit.sequence for hit in found.hits]
    assert rows[0]["length"] == "220"
    write_fasta(tmp_path / "best.fasta", found.sequences())
    read = read_sequences(tmp_path / "best.fasta").sequences
    assert [(s.name, len(s.residues), s.told) for s in read] == [("one", 220, False), ("two", 150, False)]


def test_a_chain_of_the_database_is_not_one_of_the_map(planted, tmp_path):
    text = (planted / "db.fasta").read_text().replace(">one some protein", ">AB")
    (tmp_path / "db.fasta").write_text(text)
    found = search_profiles(tmp_path / "db.fasta", planted / "hmm" / "A.hmm")
    write_fasta(tmp_path / "best.fasta", found.sequences())
    (sequence,) = read_sequences(tmp_path / "best.fasta").sequences
    assert (sequence.name, sequence.chains, sequence.told) == ("hit_AB", (), False)


def test_relatives_are_one_explanation(planted, tmp_path):
    """Each of two mutants is the better one for one of the chains; the one with more evidence takes both."""
    lines = (planted / "db.fasta").read_text().splitlines()
    one = lines[lines.index(">one some protein") + 1]
    mutant = one[:150] + "".join("G" if i % 20 == 0 else c for i, c in enumerate(one[150:]))
    other = "".join("G" if i % 20 == 0 and 15 < i < 70 else c for i, c in enumerate(one))
    text = (planted / "db.fasta").read_text().replace(one, f"{mutant}\n>relative\n{other}")
    (tmp_path / "db.fasta").write_text(text)
    found = search_profiles(tmp_path / "db.fasta", planted / "hmm")
    assert len(found.sequences()) == 2
    assert found.sequences()[1].header.name == "two"


@pytest.mark.parametrize(
    ("profiles", "said"),
    [("none", "no such file or folder"), ("empty", "holds no .hmm files"), ("bad.hmm", "not a HMMER3 profile")],
)
def test_bad_profiles(planted, tmp_path, profiles, said):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.hmm").write_text("no profile\n")
    with pytest.raises(InputError, match=said):
        search_profiles(planted / "db.fasta", tmp_path / profiles)


def test_a_database_without_proteins(planted, tmp_path):
    (tmp_path / "dna.fasta").write_text(">x\nACGTACGTACGTACGT\n")
    with pytest.raises(InputError, match="no protein sequence"):
        search_profiles(tmp_path / "dna.fasta", planted / "hmm")


def test_without_pyhmmer_it_is_said_how_to_get_it(planted, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "pyhmmer":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'emodelx\[search\]'"):
        search_profiles(planted / "db.fasta", planted / "hmm")
