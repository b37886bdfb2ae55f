"""Counted copies, and true sequences found among those of many real structures, on simulated cases."""

import subprocess
import sys

import numpy as np
import pytest

from emodelx import BuildConfig, build
from emodelx.io.sequences import read_sequences
from emodelx.io.structures import read_calphas
from emodelx.scoring import compare

pytestmark = pytest.mark.shared

SEED = "31"
LETTERS = np.array(list("ARNDCQEGHILKMFPSTWYVX"))
"""One-letter codes in the order of the pack of structures."""


@pytest.fixture(scope="module")
def simulated(shared, tmp_path_factory):
    """Simulated probabilities of a case."""
    folder = tmp_path_factory.mktemp("simulated")

    def make(name, level):
        truth = shared / "cases" / f"{name}_truth.pdb.gz"
        words = [sys.executable, shared / "cases/simulate.py", truth, folder, name, level, SEED]
        subprocess.run(list(map(str, words)), check=True, stdout=subprocess.DEVNULL)
        return folder / f"{name}_{level}.npz"

    return make


@pytest.fixture(scope="module")
def database(shared, tmp_path_factory):
    """The protein chains of the structures for training, and the true sequence of 7cxr last."""
    path = tmp_path_factory.mktemp("database") / "db.fasta"
    with np.load(shared / "structures/train.npz") as pack:
        types, kind = pack["res_type"], (pack["res_flags"] >> 2) & 3
        ends = np.cumsum(pack["chain_nres"])
    chains = [
        types[end - n : end][kind[end - n : end] == 0] for n, end in zip(np.diff(ends, prepend=0), ends, strict=True)
    ]
    sequences = {"".join(LETTERS[np.minimum(chain, 20)]) for chain in chains if len(chain) >= 30}
    assert len(sequences) > 2000
    records = [f">s{i} mol:protein\n{sequence}\n" for i, sequence in enumerate(sorted(sequences))]
    path.write_text("".join(records) + (shared / "cases/7cxr_A.fasta").read_text())
    return path


def test_the_true_sequence_is_found_first(shared, simulated, database, tmp_path):
    pytest.importorskip("pyhmmer")
    from emodelx.search import search_profiles

    result = build(BuildConfig(tmp_path / "m", no_sequence=True, prediction=simulated("7cxr_A", "hard")))
    against = compare(read_calphas(result.files.model), read_calphas(shared / "cases/7cxr_A_truth.pdb.gz"))
    assert against.ca_recall > 0.75
    assert against.ca_precision > 0.9
    found = search_profiles(database, result.files.profiles)
    assert found.sequences()[0].header.name == "7cxr_A_1"
    assert min(hit.e_value for hit in found.hits) < 1e-15


def test_copies_are_counted(shared, simulated, tmp_path):
    (told,) = read_sequences(shared / "cases/7ng9.fasta").sequences
    fasta = tmp_path / "silent.fasta"
    fasta.write_text(f">spike\n{told.residues}\n")
    result = build(BuildConfig(tmp_path / "m", fasta, prediction=simulated("7ng9", "hard")))
    assert [(s.copies, s.counted) for s in result.report.sequences] == [(told.copies, True)] == [(3, True)]
