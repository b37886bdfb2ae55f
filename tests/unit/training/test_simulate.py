"""The simulator, against slow sums over atoms and voxels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emodelx.constants import AMINO_ACIDS
from emodelx.training.simulate import (
    ATOM_B,
    B_CLASSES,
    Scene,
    atom_b_factors,
    atom_mobility,
    atom_occupancies,
    conformations,
    draw_conditions,
    fourier_grid,
    molecule_transform,
    spread_atoms,
)

CPU = torch.device("cpu")


def slow_spread(xyz, weights, size):
    """Twin of spread_atoms: the cubic B-spline of every distance, voxel by voxel."""

    def spline(distance):
        d = abs(distance)
        return 2 / 3 - d**2 + d**3 / 2 if d < 1 else max(2 - d, 0) ** 3 / 6

    out = np.zeros((size,) * 3)
    for point, weight in zip(xyz, weights, strict=True):
        for voxel in np.ndindex(out.shape):
            out[voxel] += weight * np.prod([spline(p - v) for p, v in zip(point, voxel, strict=True)])
    return out


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(*[st.floats(1, 5.99)] * 3), min_size=1, max_size=4))
def test_spreading_is_its_slow_twin(points):
    weights = np.arange(1.0, len(points) + 1)
    xyz = np.array(points, np.float32)
    channels = torch.arange(len(points)) % 2
    fast = spread_atoms(torch.from_numpy(xyz), torch.from_numpy(weights).float(), channels, (2, 8))
    for channel in range(2):
        mine = channels.numpy() == channel
        np.testing.assert_allclose(fast[channel], slow_spread(xyz[mine], weights[mine], 8), atol=1e-5)


def slow_density(xyz, amplitude, b_factor, size):
    """Twin of molecule_transform: Gaussians summed in real space."""
    voxels = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij"), -1)
    out = np.zeros((size,) * 3)
    for point, weight, b in zip(xyz, amplitude, b_factor, strict=True):
        variance = (b + ATOM_B) / (8 * np.pi**2)
        square = ((voxels - point) ** 2).sum(-1)
        out += weight * np.exp(-square / (2 * variance)) / (2 * np.pi * variance) ** 1.5
    return out


@pytest.mark.parametrize("b", [20.0, 33.0, 100.0, 300.0])
def test_molecule_is_a_sum_of_gaussians(b):
    rng = np.random.default_rng(3)
    xyz = rng.uniform(10, 22, (6, 3)).astype(np.float32)
    amplitude = rng.uniform(1, 3, 6).astype(np.float32)
    b_factor = np.full(6, b, np.float32)
    transform = molecule_transform(*(torch.from_numpy(a) for a in (xyz, amplitude, b_factor)), 32)
    fast = torch.fft.irfftn(transform, s=(32,) * 3).numpy()
    slow = slow_density(xyz, amplitude, b_factor, 32)
    # between two classes the sum of their Gaussians stands in for the right one
    assert np.abs(fast - slow).max() < (0.03 if b in B_CLASSES else 0.12) * slow.max()
    assert fast.sum() == pytest.approx(amplitude.sum(), rel=1e-3)


def window_atoms(pack, size=40):
    structure = pack[1]
    xyz = structure.xyz - structure.xyz.mean(0) + size / 2
    inside = ((xyz > 2) & (xyz < size - 3)).all(1)
    return structure.select(inside, xyz=xyz[inside].astype(np.float32))


def test_acids_and_tips_are_weaker_and_main_chain_is_whole(pack):
    atoms = window_atoms(pack)
    drawn = draw_conditions(np.random.default_rng(1))
    even = replace(drawn, side_chain_loss=0.4, acid_occupancy=0.2, residue_spread=0.0)
    calm = np.ones(len(atoms), np.float32)
    seen = atom_occupancies(atoms, calm, even, np.random.default_rng(2))
    amide = atoms.main_chain & ~atoms.carbonyl
    assert seen[amide] == pytest.approx(1)
    acids = np.isin(atoms.amino, [AMINO_ACIDS.index(c) for c in "DE"]) & (atoms.remoteness > 1)
    others = ~np.isin(atoms.amino, [AMINO_ACIDS.index(c) for c in "DE"]) & (atoms.remoteness > 1)
    assert acids.any()
    assert seen[acids].max() < seen[others].min()
    b = atom_b_factors(atoms, calm, even, np.random.default_rng(2))
    assert b[atoms.remoteness == 2].mean() > b[atoms.remoteness == 1].mean() > b[amide].mean()


def test_conformations_differ_by_the_motion(pack):
    atoms = window_atoms(pack)
    still, moving = (replace(draw_conditions(np.random.default_rng(1)), motion=motion) for motion in (0.0, 0.8))
    calm = np.ones(len(atoms), np.float32)
    (same,) = conformations(atoms, calm, still, 40, np.random.default_rng(2))
    np.testing.assert_array_equal(same, atoms.xyz)
    off = [
        np.linalg.norm(xyz - atoms.xyz, axis=1)
        for seed in range(20)
        for xyz in conformations(atoms, calm, moving, 40, np.random.default_rng(seed))
    ]
    assert np.sqrt(np.mean(np.square(off))) == pytest.approx(0.8, rel=0.15)
    first, second = conformations(atoms, calm, moving, 40, np.random.default_rng(3))
    assert np.abs(first - second).max() > 0.2
    bonded = np.linalg.norm(np.diff(atoms.xyz, axis=0), axis=1) < 1.6
    stretched = np.linalg.norm(np.diff(first - atoms.xyz, axis=0), axis=1)[bonded]
    assert np.median(stretched) < 0.3
    loose = np.where(atoms.xyz[:, 0] > 20, 4, 1).astype(np.float32)
    (further, _), (near, _) = (conformations(atoms, m, moving, 40, np.random.default_rng(3)) for m in (loose, calm))
    inner = (loose > 1) & ((atoms.xyz > 6) & (atoms.xyz < 33)).all(axis=1)  # the others may be held at the edge
    np.testing.assert_allclose((further - atoms.xyz)[inner], 2 * (near - atoms.xyz)[inner], atol=1e-5)


def test_density_stands_where_the_atoms_are(pack):
    atoms = window_atoms(pack)
    rng = np.random.default_rng(5)
    density = Scene(atoms, draw_conditions(rng, 3.0), 40, rng, CPU).density().numpy()
    at_calphas = density[tuple(np.round(atoms.xyz[atoms.calpha]).astype(int).T)]
    assert at_calphas.mean() > density.mean() + 3 * density.std()


def test_same_seed_same_density_other_seed_other_noise(pack):
    atoms, conditions = window_atoms(pack), draw_conditions(np.random.default_rng(1), 3.0)
    one, two, other = (Scene(atoms, conditions, 40, np.random.default_rng(s), CPU).density() for s in (7, 7, 8))
    assert torch.equal(one, two)
    assert not torch.allclose(one, other)


def test_noise_takes_over_at_the_resolution(pack):
    atoms = window_atoms(pack)
    conditions = replace(draw_conditions(np.random.default_rng(1), 4.0), noise=1.0, noise_onset=1.0, noise_floor=0.0)
    grid = fourier_grid(40, CPU)
    scene = Scene(atoms, conditions, 40, np.random.default_rng(2), CPU)
    signal = scene._molecule() * scene._fall_off()
    ratio = grid.shell_power(scene._noise(signal)) / grid.shell_power(signal)
    at = lambda spacing: ratio[int((grid.shell_radius - 1 / spacing).abs().argmin())].item()  # noqa: E731
    assert at(10) < 0.1
    assert 0.5 < at(4) < 2.0
    assert at(3) > 3


@pytest.mark.parametrize("evening", [0.0, 0.8])
def test_empty_window_is_noise_without_nan(pack, evening):
    nobody = pack[0].select(np.zeros(len(pack[0]), bool))
    rng = np.random.default_rng(1)
    conditions = replace(draw_conditions(rng), evening=evening)
    assert torch.isfinite(Scene(nobody, conditions, 32, rng, CPU).density()).all()


def test_evening_makes_faint_regions_as_strong(pack):
    atoms, drawn = window_atoms(pack), draw_conditions(np.random.default_rng(1), 3.0)
    # One half of the molecule is seen at a third.
    atoms = replace(atoms, scattering=np.where(atoms.xyz[:, 0] < 20, atoms.scattering, atoms.scattering / 3))
    quiet = replace(drawn, noise=0.01, noise_contrast=0.0, unrest=0.0, exposure=0.0, blobs=0.0)

    def ratio(evening):
        scene = Scene(atoms, replace(quiet, evening=evening), 40, np.random.default_rng(2), CPU)
        values = scene.density().numpy()[tuple(np.round(atoms.xyz).astype(int).T)]
        faint = atoms.xyz[:, 0] >= 20
        return values[faint].mean() / values[~faint].mean()

    assert ratio(0.0) < 0.5
    assert ratio(0.4) > ratio(0.0) + 0.05
    assert ratio(0.8) > ratio(0.4) + 0.05


def test_ripple_changes_the_spectrum_smoothly_by_what_it_says(pack):
    atoms = window_atoms(pack)
    scene = Scene(atoms, draw_conditions(np.random.default_rng(1), 3.0), 40, np.random.default_rng(2), CPU)
    waves = torch.stack([scene._ripple(torch.linspace(0.05, 0.5, 200)) for _ in range(400)])
    assert abs(waves.mean().item()) < 0.1
    assert waves.std().item() == pytest.approx(1, abs=0.1)
    transform = scene.grid.transform(scene._white_noise())
    gains = []
    for ripple in (0.0, 0.1):
        same = Scene(atoms, replace(scene.conditions, ripple=ripple), 40, np.random.default_rng(3), CPU)
        gains.append(same._spectrum_match(transform)[0, 0].log10())
    fine = scene.grid.half_axis > 1 / 12
    difference = (gains[1] - gains[0])[fine]
    assert 0.01 < difference.abs().max() < 0.1 * 3 * np.sqrt(2 / 3) + 1e-4
    assert torch.allclose(gains[1][~fine], gains[0][~fine])


@pytest.mark.parametrize("seed", range(5))
def test_conditions_stay_in_their_ranges(seed):
    conditions = draw_conditions(np.random.default_rng(seed))
    assert 1.9 <= conditions.resolution <= 4.8
    assert 0 <= conditions.solvent <= 1.15
    assert 0 <= conditions.side_chain_loss <= 1.5
    assert draw_conditions(np.random.default_rng(seed), 2.5).resolution == 2.5


def test_side_chains_and_solvent_fade_with_the_resolution():
    def mean(field, resolution):
        drawn = (draw_conditions(np.random.default_rng(seed), resolution) for seed in range(200))
        return np.mean([getattr(conditions, field) for conditions in drawn])

    assert mean("side_chain_b", 4.2) > 2 * (4.2 / 3.2) ** 2 * 0.9 * mean("side_chain_b", 3.2)
    assert mean("side_chain_loss", 3.4) == pytest.approx(2.2 * mean("side_chain_loss", 2.6))
    assert mean("side_chain_loss", 4.2) == pytest.approx(3 * mean("side_chain_loss", 2.6))
    assert mean("solvent", 4.2) < 0.8 * mean("solvent", 3.2)


def test_mobility_differs_by_region_and_exposure(pack):
    atoms = window_atoms(pack)
    drawn = draw_conditions(np.random.default_rng(1))
    nobody = np.ones(len(atoms), np.float32)
    uneven = replace(drawn, unrest=0.5, exposure=0.0)
    field = np.log(atom_mobility(atoms.xyz, nobody, uneven, np.random.default_rng(2)))
    apart = np.linalg.norm(atoms.xyz[:, None] - atoms.xyz, axis=2)
    difference = np.abs(field[:, None] - field)
    assert field.std() > 0.1
    assert difference[(apart > 0) & (apart < 2)].mean() < 0.3 * difference[apart > 15].mean()

    exposed = replace(drawn, unrest=0.0, exposure=0.7)
    depth = -np.linalg.norm(atoms.xyz - atoms.xyz.mean(0), axis=1)
    field = np.log(atom_mobility(atoms.xyz, depth, exposed, np.random.default_rng(2)))
    np.testing.assert_allclose(field, 0.7 * (depth.mean() - depth) / depth.std(), atol=1e-4)


def test_what_is_mobile_is_blurred_and_faded(pack):
    atoms = window_atoms(pack)
    quiet = {"side_chain_loss": 0.0, "acid_occupancy": 1.0, "carbonyl_occupancy": 1.0, "residue_spread": 0.0}
    conditions = replace(draw_conditions(np.random.default_rng(1)), base_b=30.0, fading=0.5, **quiet)
    amide = atoms.main_chain & ~atoms.carbonyl
    for mobility in (0.25, 1.0, 4.0):
        places = np.full(len(atoms), mobility, np.float32)
        assert atom_b_factors(atoms, places, conditions, np.random.default_rng(2))[amide] == pytest.approx(
            8 + 30 * mobility
        )
        seen = atom_occupancies(atoms, places, conditions, np.random.default_rng(2))
        assert seen[amide] == pytest.approx(mobility**-0.5)


def test_buried_atoms_have_more_around_them(pack):
    atoms = window_atoms(pack)
    scene = Scene(atoms, draw_conditions(np.random.default_rng(1)), 40, np.random.default_rng(2), CPU)
    marks = torch.zeros(40, 40, 40)
    marks[tuple(torch.from_numpy(atoms.xyz).round().long().T)] = 1
    around = scene._at_atoms(scene.grid.transform(marks) * scene._gaussian(5.0))
    near = (np.linalg.norm(atoms.xyz[:, None] - atoms.xyz, axis=2) < 8).sum(1)
    assert np.corrcoef(around, near)[0, 1] > 0.8
