import gemmi
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emodelx.vectors import median_of_known, place


@given(st.floats(1.0, 2.0), st.floats(60.0, 170.0), st.floats(-179.0, 179.0), st.integers(0, 2**31))
def test_bond_angle_and_torsion_are_those_asked_for(bond, angle, torsion, seed):
    """gemmi measures what we built."""
    corner = np.array([[0, 0, 0], [9, 0, 0], [9, 9, 0]])
    a, b, c = np.random.default_rng(seed).normal(corner)
    atoms = [gemmi.Position(*xyz) for xyz in (a, b, c, place(a, b, c, bond, angle, np.float64(torsion)))]
    np.testing.assert_allclose(atoms[3].dist(atoms[2]), bond)
    np.testing.assert_allclose(np.degrees(gemmi.calculate_angle(*atoms[1:])), angle)
    np.testing.assert_allclose(np.degrees(gemmi.calculate_dihedral(*atoms)), torsion, atol=1e-6)


def test_many_atoms_are_placed_as_one_by_one():
    a, b, c = np.random.default_rng(1).normal(size=(3, 5, 3))
    torsions = np.linspace(-150, 150, 5)
    many = place(a, b, c, 1.5, 110.0, torsions)
    alone = [place(*atoms, 1.5, 110.0, torsion) for *atoms, torsion in zip(a, b, c, torsions, strict=True)]
    np.testing.assert_allclose(many, alone)


@given(st.integers(1, 7), st.integers(1, 4), st.floats(0, 1), st.integers(0, 2**31))
def test_the_median_of_what_is_known_is_numpys(count, residues, unknown, seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, residues, 3))
    points[rng.random((count, residues)) < unknown] = np.nan
    found, held = median_of_known(points), np.isfinite(points).any(axis=0)
    np.testing.assert_array_equal(found[held], [np.nanmedian(points[:, r, x]) for r, x in np.argwhere(held)])
    assert np.isnan(found[~held]).all()
