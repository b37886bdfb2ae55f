"""Labels and masks, against slow twins."""

import numpy as np
import pytest
import torch

from emodelx.network.normalise import SPECTRUM
from emodelx.training.augment import MOLECULE_RANKS, NOISE_RANKS, random_mask, random_rotation, random_scale
from emodelx.training.labels import CALPHA_RADIUS, IGNORED, NONE, OTHER_ATOM, TARGET, dilate, make_labels

CPU = torch.device("cpu")
SIZE = 40


@pytest.fixture(scope="module")
def atoms(pack):
    structure = pack[1]
    xyz = structure.xyz - structure.xyz.mean(0) + SIZE / 2
    return structure.select(np.ones(len(xyz), bool), xyz=xyz.astype(np.float32))  # some atoms are outside the window


def slow_dilate(mask, steps):
    """Twin of dilate: every voxel within `steps` of city-block distance."""
    out = mask.copy()
    for voxel in np.argwhere(mask):
        distance = np.abs(np.indices(mask.shape).T - voxel).sum(-1).T
        out |= distance <= steps
    return out


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_dilate_is_its_slow_twin(steps):
    mask = np.random.default_rng(steps).random((9, 9, 9)) > 0.99
    mask[0, 0, 0] = mask[8, 4, 8] = True
    np.testing.assert_array_equal(dilate(torch.from_numpy(mask), steps).numpy(), slow_dilate(mask, steps))


def slow_calpha(atoms):
    """Calpha classes voxel by voxel, with the order of importance of the paper."""
    out = np.full((SIZE,) * 3, NONE)
    protein = atoms.xyz[atoms.kind == 0]
    rounded = np.round(protein).astype(int)
    rounded = rounded[((rounded >= 0) & (rounded < SIZE)).all(1)]
    mask = np.zeros((SIZE,) * 3, bool)
    mask[tuple(rounded.T)] = True
    out[slow_dilate(mask, 2)] = IGNORED
    other = np.round(atoms.xyz[~atoms.calpha]).astype(int)
    for voxel in other[((other >= 0) & (other < SIZE)).all(1)]:
        out[tuple(voxel)] = OTHER_ATOM
    for point in atoms.xyz[atoms.calpha]:
        for voxel in np.argwhere(np.ones((3, 3, 3))) + np.round(point).astype(int) - 1:
            if ((voxel >= 0) & (voxel < SIZE)).all() and ((voxel - point) ** 2).sum() < CALPHA_RADIUS**2:
                out[tuple(voxel)] = TARGET
    return out


def test_calpha_labels_are_their_slow_twin(atoms):
    labels = make_labels(atoms, SIZE, CPU)
    inside = ((atoms.xyz > -0.5) & (atoms.xyz < SIZE - 0.5)).all(1)
    np.testing.assert_array_equal(labels.calpha.numpy(), slow_calpha(atoms.select(inside)))


def test_main_chain_wins_and_types_stand_at_calphas(atoms):
    labels = make_labels(atoms, SIZE, CPU)
    inside = ((atoms.xyz > 0) & (atoms.xyz < SIZE - 1)).all(1)
    main = np.round(atoms.xyz[atoms.main_chain & inside]).astype(int)
    assert (labels.backbone.numpy()[tuple(main.T)] == TARGET).all()
    chosen = atoms.calpha & inside
    at = labels.amino.numpy()[tuple(np.round(atoms.xyz[chosen]).astype(int).T)]
    assert np.mean(at == atoms.amino[chosen]) > 0.9  # neighbours overlap here and there
    assert (labels.amino == IGNORED).float().mean() > 0.8


def test_nucleic_acid_is_background(pack):
    structure = pack[0]
    phosphates = structure.select(structure.kind == 1, xyz=np.full((12, 3), 20, np.float32))
    labels = make_labels(phosphates, SIZE, CPU)
    assert (labels.backbone == NONE).all()
    assert (labels.calpha == NONE).all()
    assert (labels.amino == IGNORED).all()


def test_rotations_are_rotations():
    rng = np.random.default_rng(1)
    for _ in range(20):
        turn = random_rotation(rng)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
        assert np.linalg.det(turn) == pytest.approx(1)  # a reflection would turn proteins into their mirror image


def test_masks_hide_labels_with_the_density(atoms):
    labels = make_labels(atoms, SIZE, CPU)
    kinds = set()
    for seed in range(40):
        mask, left = random_mask(atoms, labels, np.random.default_rng(seed))
        if mask is None:
            kinds.add("none")
            assert torch.equal(left.calpha, labels.calpha)
            continue
        hidden = mask == 0
        zone = not torch.equal(left.calpha, labels.calpha)
        kinds.add("zone" if zone else "tight")
        assert 0 <= mask.min() <= mask.max() <= 1 + 1e-6
        if zone:
            assert (left.calpha[hidden] == NONE).all()
            assert (left.amino[hidden] == IGNORED).all()
        else:
            assert not (labels.near & hidden).any()
    assert kinds == {"none", "zone", "tight"}


def test_scale_brings_the_molecule_to_the_top(atoms):
    labels = make_labels(atoms, SIZE, CPU)
    density = labels.near.float() * 37 + torch.rand(SIZE, SIZE, SIZE)
    scaled = random_scale(density, labels.near, np.random.default_rng(1))
    assert 0 <= scaled.min() <= scaled.max() <= SPECTRUM.ceiling
    assert scaled[labels.near].mean() > 0.9
    assert scaled[~labels.near].mean() < 0.1


@pytest.mark.parametrize("ranks", [MOLECULE_RANKS, NOISE_RANKS])
def test_scale_leaves_the_asked_share_below_1(ranks):
    near = torch.rand(SIZE, SIZE, SIZE) < 0.5
    density = torch.rand(SIZE, SIZE, SIZE) ** 4  # high values far apart: the shift of the zero hardly counts
    scaled = [random_scale(density, near, np.random.default_rng(seed), ranks) for seed in range(20)]
    below = [(one[near] < 1).float().mean().item() for one in scaled]
    assert ranks[0] - 0.03 < min(below) < max(below) < ranks[1] + 0.03
    assert np.mean(below) == pytest.approx(np.mean(ranks), abs=0.04)
