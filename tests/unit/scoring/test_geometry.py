"""Geometry of peptides with planted torsions, clashes and faults."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emodelx.constants import AMINO_ACIDS
from emodelx.records import AtomicModel
from emodelx.scoring.covalent import bonds_of, cbeta_deviations
from emodelx.scoring.geometry import measure_geometry
from emodelx.scoring.hydrogens import place_hydrogens
from emodelx.scoring.scatterers import scatterers_of
from emodelx.scoring.torsions import backbone, side_chains
from emodelx.vectors import torsion

TORSIONS = [(-60, -45, 180), (-120, 130, 175), (60, 40, -178), (-80, 150, 2), (-70, -30, 90), (-62, -42, 180)]


def geometry_of(model_file, chain):
    file = model_file(chain)
    return measure_geometry(file.model, scatterers_of(file))


def test_torsion_of_a_right_angle_and_its_mirror_image():
    points = np.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 1]])[:, None]
    assert torsion(*points) == pytest.approx(90)
    assert torsion(*(points * [1, -1, 1])) == pytest.approx(-90)
    assert torsion(*points[::-1]) == pytest.approx(90)


def test_planted_torsions_are_measured(peptide):
    measured = backbone(peptide("AAAPAA", TORSIONS))
    phi, psi, omega = np.array(TORSIONS, float).T
    np.testing.assert_allclose(measured.phi[1:], phi[1:], atol=1e-6)
    np.testing.assert_allclose(measured.psi[:-1], psi[:-1], atol=1e-6)
    np.testing.assert_allclose(measured.omega[1:], omega[1:], atol=1e-6)
    assert np.isnan(measured.phi[0])
    assert np.isnan(measured.psi[-1])
    assert list(measured.bonded) == [False, True, True, True, True, True]


def test_a_gap_ends_the_chain(peptide):
    chain = peptide("AAAAAA")
    kept = np.array([0, 1, 2, 4, 5])
    measured = backbone(replace(chain, numbers=kept, types=chain.types[kept], atoms=chain.atoms[kept],
                                confidence=chain.confidence[kept]))  # fmt: skip
    assert list(measured.bonded) == [False, True, True, False, True]
    assert np.isnan(measured.psi[2])
    assert np.isnan(measured.phi[3])


def test_peptides_are_counted_by_omega(peptide, model_file):
    found = geometry_of(model_file, peptide("AAAPAA", TORSIONS))
    assert (found.cis_peptides, found.cis_prolines, found.twisted_peptides) == (0, 1, 1)
    found = geometry_of(model_file, peptide("AAAAAA", TORSIONS))
    assert (found.cis_peptides, found.cis_prolines, found.twisted_peptides) == (1, 0, 1)


def test_a_helix_is_favoured_and_a_forbidden_turn_an_outlier(peptide, model_file):
    helix = geometry_of(model_file, peptide("A" * 12))
    assert (helix.ramachandran_favoured, helix.ramachandran_outliers) == (1, 0)
    torsions = [(-62, -42, 180)] * 5 + [(100, -90, 180)] + [(-62, -42, 180)] * 6
    bent = geometry_of(model_file, peptide("A" * 12, torsions))
    assert bent.residues.ramachandran_outlier.nonzero()[0].tolist() == [5]
    assert bent.ramachandran_outliers == pytest.approx(0.1)


def test_glycine_may_go_where_alanine_may_not(peptide, model_file):
    torsions = [(-62, -42, 180)] * 3 + [(85, 5, 180)] + [(-62, -42, 180)] * 4
    glycine = geometry_of(model_file, peptide("AAAGAAAA", torsions)).residues.ramachandran[3]
    alanine = geometry_of(model_file, peptide("AAAAAAAA", torsions)).residues.ramachandran[3]
    assert glycine > 0.3 > alanine


def test_ideal_geometry_deviates_little_and_a_moved_cbeta_is_found(peptide, model_file):
    chain = peptide("A" * 10)
    found = geometry_of(model_file, chain)
    assert found.bond_rms < 0.02
    assert found.angle_rms < 3
    assert found.cbeta_outliers == 0
    assert cbeta_deviations(chain).max() < 1e-2
    chain.atoms[4, 4] += 0.3 * np.array([1.0, 0, 0])
    assert geometry_of(model_file, chain).residues.cbeta[4] == pytest.approx(0.3, abs=0.05)


def test_a_stretched_bond_counts(peptide, model_file):
    chain = peptide("A" * 10)
    before = geometry_of(model_file, chain)
    chain.atoms[5:] += 0.2 * (chain.atoms[5, 0] - chain.atoms[4, 2]) / 1.329
    after = geometry_of(model_file, chain)
    assert after.bond_rms > before.bond_rms + 0.02


def test_two_overlapping_copies_clash_and_apart_they_do_not(peptide, model_file):
    chain = peptide("A" * 8)
    alone = geometry_of(model_file, chain).clashscore
    for shift, clashing in ((30.0, False), (1.5, True)):
        file = model_file(chain)
        other = replace(file.model.chains[0], name="B", atoms=file.model.chains[0].atoms + shift)
        model = AtomicModel(file.model.sequences, (*file.model.chains, other))
        both = replace(file, model=model, labels=file.labels * 2)
        found = measure_geometry(model, scatterers_of(both))
        assert (found.clashscore > alone + 50) == clashing


def test_atoms_without_occupancy_do_not_clash(peptide, model_file):
    file = model_file(peptide("A" * 8))
    copy = replace(file.model.chains[0], name="B", atoms=file.model.chains[0].atoms + 1.5)
    empty = replace(file.labels[0], occupancy=np.zeros_like(file.labels[0].occupancy))
    model = AtomicModel(file.model.sequences, (file.model.chains[0], copy))
    both = replace(file, model=model, labels=(file.labels[0], empty))
    alone = measure_geometry(file.model, scatterers_of(file)).clashscore
    assert measure_geometry(model, scatterers_of(both)).clashscore == alone


def test_hydrogens_of_alanine(peptide):
    """One on N, one on CA and three on CB, all at the right distance and none on top of another."""
    chain = peptide("AAA")
    placed = place_hydrogens(chain, backbone(chain).bonded)
    middle = placed.residues == 1
    slots = np.bincount(placed.slots[middle], minlength=5)
    assert list(slots) == [1, 1, 0, 0, 3]
    distance = np.linalg.norm(placed.positions - chain.atoms[placed.residues, placed.slots], axis=1)
    np.testing.assert_allclose(distance, np.where(placed.slots == 0, 0.86, 0.97), atol=1e-6)
    mine = placed.positions[middle]
    apart = np.linalg.norm(mine[:, None] - mine, axis=2)[np.triu_indices(5, 1)]
    assert apart.min() > 1.4


def test_motion_changes_nothing(peptide, model_file):
    chain = peptide("AAAPAA", TORSIONS)
    moved = replace(chain, atoms=Rotation.random(rng=np.random.default_rng(1)).apply(
        chain.atoms.reshape(-1, 3)).reshape(chain.atoms.shape) + 7)  # fmt: skip
    before, after = geometry_of(model_file, chain), geometry_of(model_file, moved)
    assert after.clashscore == before.clashscore
    np.testing.assert_allclose(after.residues.phi, before.residues.phi, atol=0.2)  # files keep three decimals
    assert after.bond_rms == pytest.approx(before.bond_rms, abs=1e-3)


def test_calphas_alone_have_no_geometry(peptide, model_file):
    chain = peptide("AAAAAA")
    chain.atoms[:, [0, 2, 3, 4]] = np.nan
    found = geometry_of(model_file, chain)
    assert found.ramachandran_favoured is None
    assert found.bond_rms is None
    assert found.cbeta_outliers is None


def test_every_amino_acid_has_its_bonds():
    rings = {"F": 1, "Y": 1, "H": 1, "P": 1, "W": 2}
    for code in AMINO_ACIDS:
        bonds = sum(map(len, bonds_of(code).values())) // 2
        assert bonds == len(bonds_of(code)) - 1 + rings.get(code, 0), code


def test_equal_ends_of_symmetric_side_chains_give_one_chi(peptide):
    chain = peptide("D")
    chain.atoms[0, 5:8] = [[1.0, 2.5, 0.3], [1.9, 3.2, 0.4], [0.1, 2.9, 0.9]]
    swapped = replace(chain, atoms=chain.atoms[:, [0, 1, 2, 3, 4, 5, 7, 6, *range(8, 14)]])
    one, other = side_chains(chain)[0, 1], side_chains(swapped)[0, 1]
    assert -90 <= one <= 90
    assert -90 <= other <= 90
