"""The scores are those of the reference scorer of the cases, and references are numbered as its truth files are."""

import gzip
import json
import runpy

import gemmi
import numpy as np
import pytest

from emodelx.io.chain_names import name_chains
from emodelx.io.sequences import read_sequences
from emodelx.io.structures import read_calphas, write_mmcif
from emodelx.records import CalphaModel, Chain
from emodelx.scoring import compare

pytestmark = pytest.mark.shared

CASES = ["7cxr_A", "7n98", "7ng9", "7ose", "7w72", "7o6e", "7alw"]
MAPS = ["1461_vp6", "20026_3ajo", "2566_3j6b", "30342_7cec", "3240_5fn5", "3488_5ni1", "4118_5ly6", "5185_3j06"]
MAPS += ["5778_3j5p", "8410_5tj6"]


@pytest.fixture(scope="module")
def official(shared):
    """`score(truth, model)` of the cases' scorer."""
    return runpy.run_path(str(shared / "cases/score.py"))["score"]


@pytest.fixture(scope="module")
def make_truth(shared):
    """`make_truth(reference, fasta)` of the maps' truth maker."""
    return runpy.run_path(str(shared / "maps/make_truth.py"))["make_truth"]


def load(truth):
    return json.loads(gzip.decompress(truth.read_bytes()) if truth.suffix == ".gz" else truth.read_text())


def spoil(truth, fasta, seed):
    """A model with the faults of real ones: gaps, noise, shifted stretches and swapped copies."""
    rng = np.random.default_rng(seed)
    sequences = read_sequences(fasta).sequences
    where = {sequence.residues: index for index, sequence in enumerate(sequences)}
    names = [list(chains) for chains in name_chains(sequences)]
    chains = []
    for number, entity in enumerate(truth["entities"]):
        for name in entity["chains"]:
            path = np.full((len(entity["seq"]), 3), np.nan)
            for k, chain, position, _, xyz in truth["residues"]:
                if (k, chain) == (number, name):
                    path[position - 1] = xyz
            index = where[entity["seq"]]
            chains.append(make_chain(index, names[index].pop(0), worsen(path, rng)))
    swap_halves(chains, rng)
    return CalphaModel(sequences, tuple(chains)).without_side_chains()


def worsen(path, rng):
    path = path + rng.normal(0, 1.1, path.shape)
    start = rng.integers(0, len(path))
    path[start : start + 30] = np.roll(path[start : start + 30], 1, axis=0)
    path[rng.random(len(path)) < 0.15] = np.nan
    return path


def make_chain(sequence, name, path):
    n = len(path)
    return Chain(sequence, name, path, np.full(n, -1), np.ones(n, np.uint8), np.full(n, 50, np.float32))


def swap_halves(chains, rng):
    first, second = rng.integers(0, len(chains), 2)
    if chains[first].sequence == chains[second].sequence:
        half = len(chains[first].positions) // 2
        one, other = chains[first].positions, chains[second].positions
        one[:half], other[:half] = other[:half].copy(), one[:half].copy()


def check(reference, model, theirs, tolerance=1e-6):
    ours = compare(read_calphas(model), read_calphas(reference))
    assert 0.2 < theirs["reg_acc"] < 0.95  # a model that is neither right nor useless can tell scorers apart
    for key, value in theirs.items():
        assert getattr(ours, key) == pytest.approx(value, abs=tolerance), key


@pytest.mark.parametrize("case", CASES)
def test_cases(shared, official, tmp_path, case):
    truth, model = shared / f"cases/{case}_truth.json.gz", tmp_path / "model.cif"
    write_mmcif(model, spoil(load(truth), shared / f"cases/{case}.fasta", seed=1))
    check(shared / f"cases/{case}_truth.pdb.gz", model, official(str(truth), str(model)))


@pytest.mark.parametrize("entry", MAPS)
def test_deposited_models_with_their_own_numbers(shared, official, make_truth, tmp_path, entry):
    emdb, _ = entry.split("_")
    reference, fasta = shared / f"maps/emd_{entry}.cif", shared / f"maps/emd_{emdb}.fasta"
    truth, model = tmp_path / "truth.json", tmp_path / "model.cif"
    truth.write_text(json.dumps(make_truth(reference, fasta)))
    write_mmcif(model, spoil(load(truth), fasta, seed=2))
    # the truth made for 8410 has residue 706, alone in a gap, at 622: it aligns, where we read label_seq_id
    check(reference, model, official(str(truth), str(model)), 2 / 890 if emdb == "8410" else 1e-6)


def test_model_without_sequences(shared, tmp_path):
    """A model of another program, PDB, without SEQRES and with numbers of its own, gets the same scores."""
    truth = shared / "cases/7ose_truth.json.gz"
    model = spoil(load(truth), shared / "cases/7ose.fasta", seed=3)
    write_mmcif(tmp_path / "model.cif", model)
    structure = gemmi.read_structure(str(tmp_path / "model.cif"))
    for chain in structure[0]:
        for residue in chain:
            residue.seqid.num += 1000
    structure.write_minimal_pdb(str(tmp_path / "model.pdb"))
    reference = read_calphas(shared / "cases/7ose_truth.pdb.gz")
    one, other = (compare(read_calphas(tmp_path / name), reference) for name in ("model.cif", "model.pdb"))
    assert other.ca_recall == pytest.approx(one.ca_recall, abs=1e-3)
    assert other.reg_acc == pytest.approx(one.reg_acc, abs=1e-3)
