"""Refinement: what it measures against its twin, and planted models that come back."""

from dataclasses import replace

import numpy as np
import pytest
from oracle import refine as slow
from proteins import SPACING, WIDTH, density_of, distorted, protein, rms, with_atoms

from emodelx import _core
from emodelx.config import RefinementConfig, RefinementRound, RunConfig
from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS
from emodelx.errors import InputError
from emodelx.records import AtomicModel
from emodelx.stages.refine import loss, refine_model

RUN = RunConfig(threads=1)
WEIGHTS = (1.5, 0.3, 40.0, 10.0, 0.0, True)


@pytest.fixture(scope="module")
def truth():
    return protein()


@pytest.fixture(scope="module")
def density(truth):
    return density_of(truth)


def arrays(model, origin=0.0):
    """The model as the core takes it."""
    (chain,) = model.chains
    n = len(chain)
    return chain.types, np.zeros(n, np.int64), chain.numbers, np.ascontiguousarray(chain.atoms - origin)


def refined(model, density, **changed):
    return refine_model(model, density, None, replace(RefinementConfig(), **changed), RUN)


@pytest.mark.parametrize("seed", range(3))
def test_geometry_is_measured_right(truth, seed):
    types, *_, atoms = given = arrays(distorted(truth, seed=seed))
    count, bond_rms, _, residues, favoured, outliers, _ = _core.measure_geometry(given)
    assert count == np.isfinite(atoms[..., 0]).sum()
    assert bond_rms == pytest.approx(slow.bond_rms(types, atoms), rel=1e-9)
    assert (residues, favoured, outliers) == slow.ramachandran(types, atoms)


def test_angles_are_measured_in_degrees(truth):
    """One carbonyl oxygen bent by ten degrees in its plane moves two angles by that much."""
    before = _core.measure_geometry(arrays(truth))[2]
    atoms = truth.chains[0].atoms.copy()
    ca, c, o = atoms[30, 1:4]
    normal = np.cross(ca - c, o - c)
    normal /= np.linalg.norm(normal)
    arm, turn = o - c, np.radians(10)
    atoms[30, 3] = c + arm * np.cos(turn) + np.cross(normal, arm) * np.sin(turn)
    after = _core.measure_geometry(arrays(with_atoms(truth, atoms)))[2]
    angles = sum(1 for _ in slow.found(truth.chains[0].types, atoms, "angle"))
    assert (after**2 - before**2) * angles == pytest.approx(200, rel=0.35)


def test_clashes_are_counted(truth):
    atoms = truth.chains[0].atoms.copy()
    before = _core.measure_geometry(arrays(truth))[6]
    atoms[50] += atoms[10, 1] - atoms[50, 1] + 0.5
    assert _core.measure_geometry(arrays(with_atoms(truth, atoms)))[6] > before + 3


def test_correlation(truth, density):
    small = with_atoms(truth, np.where(np.arange(70)[:, None, None] < 12, truth.chains[0].atoms, np.nan))
    types, *_, atoms = given = arrays(small, density.origin)
    there = np.isfinite(atoms[..., 0])
    element = {"C": 1.0, "N": 0.9, "O": 0.8, "S": 2.0}
    names = [HEAVY_ATOMS[AMINO_ACIDS[t]].split() for t in types]
    weights = [element[names[r][s][0]] for r, s in np.argwhere(there)]
    (found,) = _core.map_correlations(given, (density.values, tuple(SPACING)), [WIDTH])
    expected = slow.correlation(atoms[there], weights, density.values, SPACING, WIDTH)
    assert found == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("seed", range(2))
def test_a_distorted_model_comes_back(truth, density, seed):
    start = distorted(truth, seed=seed)
    model, report = (result := refined(start, density)).model, result.report
    assert rms(start, truth) > 0.5
    assert rms(model, truth, slice(0, 4)) < 0.3
    assert report.kept
    assert report.after.bond_rms < 0.02
    assert report.after.angle_rms < 2.5
    assert report.after.outliers <= report.before.outliers
    assert report.after.clashscore < 4
    assert report.after.correlation > report.before.correlation + 0.1


def test_turned_peptides_come_back(truth, density):
    """Every tenth peptide is turned by half a turn about its Calphas."""
    atoms = truth.chains[0].atoms.copy()
    turned = [r for r in range(5, 60, 10) if AMINO_ACIDS[truth.chains[0].types[r + 1]] != "P"]
    for r in turned:
        axis = atoms[r + 1, 1] - atoms[r, 1]
        axis /= np.linalg.norm(axis)
        for residue, slot in ((r, 2), (r, 3), (r + 1, 0)):
            arm = atoms[residue, slot] - atoms[r, 1]
            atoms[residue, slot] = atoms[r, 1] + 2 * axis * (axis @ arm) - arm
    start = with_atoms(truth, atoms)
    back = refined(start, density).model.chains[0].atoms
    off = np.linalg.norm(back[turned, 3] - truth.chains[0].atoms[turned, 3], axis=-1)
    assert (np.linalg.norm(atoms[turned, 3] - truth.chains[0].atoms[turned, 3], axis=-1) > 2).all()
    assert (off < 1).mean() >= 0.8


def test_wrong_rotamers_come_back(truth, density):
    chain = truth.chains[0]
    atoms = chain.atoms.copy()
    turned = [r for r in range(3, 67, 6) if AMINO_ACIDS[chain.types[r]] not in "AGP"]
    for r in turned:
        axis = atoms[r, 4] - atoms[r, 1]
        axis /= np.linalg.norm(axis)
        arm = atoms[r, 5:] - atoms[r, 4]
        cosine, sine = -0.5, np.sqrt(0.75)
        atoms[r, 5:] = atoms[r, 4] + arm * cosine + np.cross(axis, arm) * sine + axis * (arm @ axis)[:, None] * 1.5
    back = refined(with_atoms(truth, atoms), density).model.chains[0].atoms
    off = np.linalg.norm(back[turned, 5] - chain.atoms[turned, 5], axis=-1)
    assert (np.linalg.norm(atoms[turned, 5] - chain.atoms[turned, 5], axis=-1) > 1.5).all()
    assert (off < 1).mean() >= 0.8


def test_a_round_that_loses_is_undone(truth, density):
    """Nothing but a pull on a wrong map, and no geometry: the model stays as it was."""
    ruin = RefinementRound(50, 5000.0, ramachandran=0.0, rotamers=0.0, repulsion=0.0)
    result = refined(truth, replace(density, values=-density.values), approach=(), settling=(ruin,))
    assert not result.report.kept
    assert result.report.before == result.report.after
    np.testing.assert_allclose(result.model.chains[0].atoms, truth.chains[0].atoms, atol=1e-9)


def test_loss_counts_what_users_look_at(density, truth):
    quality = refined(truth, density).report.after
    for field, worse in (
        ("bond_rms", 0.02), ("angle_rms", 2.0), ("outliers", 2.0), ("clashscore", 5.0), ("favoured", -2),
        ("correlation", -0.02),
    ):  # fmt: skip
        changed = replace(quality, **{field: getattr(quality, field) + worse})
        assert loss(changed) == pytest.approx(loss(quality) + 2)


def test_gaps_and_missing_atoms_stay(truth, density):
    (chain,) = distorted(truth).chains
    atoms = chain.atoms.copy()
    atoms[20, 4:] = np.nan
    numbers = np.where(np.arange(70) < 40, np.arange(70), np.arange(70) + 5)
    cut = replace(truth, chains=(replace(chain, atoms=atoms, numbers=numbers),))
    (after,) = refined(cut, density).model.chains
    np.testing.assert_array_equal(np.isfinite(after.atoms), np.isfinite(atoms))
    np.testing.assert_array_equal(after.numbers, numbers)
    assert np.linalg.norm(after.atoms[39, 2] - after.atoms[40, 0]) < 3  # near in the map, though not bonded


def test_empty_models_pass(truth, density):
    empty = AtomicModel(truth.sequences)
    assert refined(empty, density).model is empty


def test_a_model_outside_the_map_is_refused(truth, density):
    with pytest.raises(InputError, match="outside the map"):
        refined(truth, replace(density, origin=density.origin + 500))


def test_threads(truth, density, same_on_all_threads):
    def step(*given, threads):
        return [_core.refine_atoms(*given, threads=threads)]

    start = distorted(truth)
    places = np.full((70, 3), np.nan)
    foreign = np.array([[5.0, 5.0, 5.0]])
    field = (density.values, tuple(SPACING))
    same_on_all_threads(step, arrays(start, density.origin), foreign, field, WEIGHTS, places, 40)


def test_ctrl_c(truth, density, interrupted):
    large = [np.concatenate([part] * 30) for part in arrays(distorted(truth), density.origin)]
    large[1] = np.repeat(np.arange(30), 70)
    large[3] += 60.0 * large[1][:, None, None]  # side by side
    field = (density.values, tuple(SPACING))
    with interrupted():
        _core.refine_atoms(tuple(large), np.zeros((0, 3)), field, WEIGHTS, np.zeros((2100, 3)), 5000, threads=1)


ONE = (np.zeros(1, np.uint8), np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros((1, 14, 3)) * np.nan)
MAP = (np.zeros((4, 5, 6), np.float32), (1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": (*ONE[:3], np.zeros((1, 13, 3)))}, r"atoms must have shape \(n, 14, 3\)"),
        ({"model": (np.zeros(2, np.uint8), *ONE[1:])}, "must have the same length"),
        ({"model": (np.full(1, 20, np.uint8), *ONE[1:])}, "types are 0 to 19"),
        ({"model": (*ONE[:3], np.zeros((1, 14, 3)))}, "slot that its type does not use"),
        ({"model": (ONE[0], -np.ones(1, np.int64), *ONE[2:])}, "chains must not be negative"),
        ({"foreign": np.full((1, 3), np.nan)}, "foreign must be finite"),
        ({"density": (MAP[0] * np.nan, MAP[1])}, "density must be finite"),
        ({"density": (MAP[0], (1.0, 0.0, 1.0))}, "voxel size must be positive"),
        ({"places": np.zeros((2, 3))}, "2 places for 1 residues"),
    ],
)
def test_bad_input(changed, message):
    given = {"model": ONE, "foreign": np.zeros((0, 3)), "density": MAP, "weights": WEIGHTS, "places": np.zeros((1, 3))}
    with pytest.raises(ValueError, match=message):
        _core.refine_atoms(**{**given, **changed}, iterations=1)


def test_blurs_must_be_positive():
    with pytest.raises(ValueError, match="blurs must be positive"):
        _core.map_correlations(ONE, MAP, [0.0])
