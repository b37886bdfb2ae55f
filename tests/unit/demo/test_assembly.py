"""The complex of the demo is good protein: measured on its atoms, not on how they were made."""

from itertools import combinations, pairwise

import gemmi
import numpy as np
import pytest
from scipy.spatial import KDTree

from emodelx.constants import AMINO_ACIDS
from emodelx.demo.assembly import PLANS, build_complex
from emodelx.demo.example import SEED

BONDS = {("N", "CA"): 1.46, ("CA", "C"): 1.525, ("C", "O"): 1.23, ("CA", "CB"): 1.53}
PEPTIDE_BOND = 1.33
TRANS_STEP = 3.8


def residues(chain):
    """Positions by atom name, of every residue."""
    found = [{} for _ in chain.sequence]
    for name, residue, xyz in zip(chain.names, chain.residues, chain.xyz, strict=True):
        found[residue][name] = xyz
    return found


def length(a, b):
    return float(np.linalg.norm(a - b))


def test_three_chains_of_two_sequences(chains):
    assert list(chains) == ["A", "B", "C"]
    assert chains["A"].sequence == chains["B"].sequence != chains["C"].sequence
    assert 250 <= sum(len(chain.sequence) for chain in chains.values()) <= 400
    assert set("".join(chain.sequence for chain in chains.values())) >= set(AMINO_ACIDS) - set("CP")


def test_the_repeated_chain_is_moved_not_mirrored(chains):
    first, second = ([gemmi.Position(*xyz) for xyz in chains[name].xyz] for name in "AB")
    fit = gemmi.superpose_positions(first, second)
    assert fit.rmsd < 1e-6
    assert np.linalg.det(fit.transform.mat.tolist()) == pytest.approx(1)
    assert chains["A"].xyz.mean(axis=0) != pytest.approx(chains["B"].xyz.mean(axis=0), abs=10)


def test_bond_lengths(chains):
    for chain in chains.values():
        for residue in residues(chain):
            for (a, b), ideal in BONDS.items():
                assert b not in residue or length(residue[a], residue[b]) == pytest.approx(ideal, abs=0.02)
        for before, after in pairwise(residues(chain)):
            assert length(before["C"], after["N"]) == pytest.approx(PEPTIDE_BOND, abs=0.02)
            assert length(before["CA"], after["CA"]) == pytest.approx(TRANS_STEP, abs=0.05)


def test_amino_acids_are_left_handed(chains):
    for chain in chains.values():
        for at in residues(chain):
            if "CB" in at:
                bonds = [at[name] - at["CA"] for name in ("N", "C", "CB")]
                assert np.linalg.det(bonds) == pytest.approx(2.5, abs=0.2)


def test_helices_are_right_handed_and_hydrogen_bonded(chains):
    """Inside a helix O of residue i meets N of i + 4."""
    for plan, chain in zip((PLANS[0], PLANS[1]), (chains["A"], chains["C"]), strict=True):
        at = residues(chain)
        turns = [i for i in range(1, len(plan) - 5) if plan[i - 1 : i + 6] == "H" * 7]
        assert len(turns) >= 20
        bonds = [length(at[i]["O"], at[i + 4]["N"]) for i in turns]
        assert 2.7 < np.median(bonds) < 3.3
        calphas = [[gemmi.Position(*at[i + k]["CA"]) for k in range(4)] for i in turns]
        torsions = np.degrees([gemmi.calculate_dihedral(*four) for four in calphas])
        assert np.median(torsions) == pytest.approx(50, abs=8)


def test_no_atoms_clash(chains):
    for chain in chains.values():
        pairs = KDTree(chain.xyz).query_pairs(2.5, output_type="ndarray")
        apart = np.abs(np.diff(chain.residues[pairs], axis=1))
        assert len(pairs) > 1000, "the test must see the bonded pairs"
        assert apart.max() <= 1
    for one, other in combinations(chains.values(), 2):
        assert KDTree(one.xyz).query(other.xyz)[0].min() > 3.5


def test_chains_touch_each_other(chains):
    for name, chain in chains.items():
        others = np.concatenate([other.xyz for key, other in chains.items() if key != name])
        assert KDTree(others).query(chain.xyz)[0].min() < 4


def test_the_same_seed_makes_the_same_complex(chains):
    again = build_complex(SEED)
    for name, chain in chains.items():
        assert chain.names == again[name].names
        assert chain.xyz.tobytes() == again[name].xyz.tobytes()
