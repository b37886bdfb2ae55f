"""Windows of real maps: turned, varied and mixed, from prepared pairs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emodelx.errors import InputError
from emodelx.network.normalise import SPECTRUM
from emodelx.training.data import SimulatedWindows, WindowConfig
from emodelx.training.labels import IGNORED, TARGET
from emodelx.training.pairs import RealMap, load_pairs
from emodelx.training.real_windows import ROTATIONS, MixedWindows, RealWindows, cut_out, disturb

CPU = torch.device("cpu")
WINDOWS = WindowConfig(size=16)


@pytest.fixture(scope="module")
def pair(pack):
    """A map whose voxels are bright where the atoms are."""
    structure = pack[0]
    shape = np.ceil(np.ptp(structure.xyz, axis=0)).astype(int) + 12
    xyz = structure.xyz - structure.xyz.min(axis=0) + 6.2  # no coordinate lies half way between voxels
    density = np.zeros(shape, np.float16)
    density[tuple(np.round(xyz).astype(int).T)] = 1.5
    return RealMap("planted", density, structure.select(np.arange(len(structure)), xyz=xyz.astype(np.float32)), 3.0)


def test_points_turn_with_their_voxels():
    cube = torch.arange(4**3).view(4, 4, 4)
    corner = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    turned = set()
    for rotation in ROTATIONS:
        volume, points = rotation.turn(cube), rotation.turn_points(corner, 4)
        assert volume[tuple(points.T)].tolist() == cube[tuple(corner.T)].tolist()
        assert torch.linalg.det((points[1:] - points[0]).float()) == pytest.approx(1)
        turned.add(tuple(volume.flatten().tolist()))
    assert len(turned) == 24


@pytest.mark.parametrize("start", [(2, 3, 4), (-3, -20, 5), (30, 2, -1)])
def test_beyond_the_map_there_is_nothing(start):
    density = np.random.default_rng(0).uniform(size=(9, 8, 12)).astype(np.float16)
    cube = cut_out(density, np.array(start), 6)
    for voxel in np.ndindex(cube.shape):
        place = np.add(voxel, start)
        inside = ((place >= 0) & (place < density.shape)).all()
        assert cube[voxel] == (density[tuple(place)] if inside else 0)


@pytest.mark.parametrize("varied", [False, True])
def test_labels_stay_with_the_density(pair, varied):
    """The voxels of Calphas are bright, however the window was turned."""
    windows = RealWindows([pair], WINDOWS, 12, CPU, varied)
    bright, dark = [], []
    for density, backbone, calpha, amino in (windows[i] for i in range(12)):
        assert density.shape == (1, 16, 16, 16)
        assert 0 <= density.min() <= density.max() <= SPECTRUM.ceiling
        bright += density[0][backbone == TARGET].tolist()
        dark += density[0][backbone == 0].tolist()
        assert (amino[calpha == TARGET] != IGNORED).all()
    assert np.mean(bright) > (0.35 if varied else 0.99)
    assert np.mean(dark) < 0.05


def test_windows_depend_on_seed_and_number_alone(pair):
    windows, again = (RealWindows([pair], WINDOWS, 8, CPU) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(windows[3], again[3], strict=True))
    assert not torch.equal(windows[3][0], windows[4][0])
    assert not torch.equal(RealWindows([pair], replace(WINDOWS, seed=2), 8, CPU)[3][0], windows[3][0])


def test_disturbance_is_mild():
    smooth = torch.nn.functional.avg_pool3d(torch.rand(1, 1, 36, 36, 36), 5, 1, 2)[0, 0]
    smooth = smooth - smooth.mean()
    found = [disturb(smooth, 3.0, np.random.default_rng(seed)) for seed in range(6)]
    alike = [float(torch.corrcoef(torch.stack([f.flatten(), smooth.flatten()]))[0, 1]) for f in found]
    assert min(alike) > 0.8
    assert max(alike) < 0.9999


def test_windows_are_mixed_at_the_share(pair, pack):
    simulated, real = SimulatedWindows(pack, WINDOWS, 9, CPU), RealWindows([pair], WINDOWS, 9, CPU)
    assert torch.equal(MixedWindows(simulated, real, 1.0, 1)[2][0], real[2][0])
    mixed = MixedWindows(simulated, real, 0.5, 1)
    assert len(mixed) == 9
    from_real = [torch.equal(mixed[i][0], real[i][0]) for i in range(9)]
    assert 0 < sum(from_real) < 9
    i = from_real.index(False)
    assert torch.equal(mixed[i][0], simulated[i][0])


def test_a_prepared_pair_comes_back_from_its_files(pair, tmp_path):
    pair.save(tmp_path)
    (found,) = load_pairs(tmp_path)
    assert np.array_equal(found.density, pair.density)
    assert isinstance(found.density, np.memmap)
    assert np.array_equal(found.atoms.xyz, pair.atoms.xyz)
    assert np.array_equal(found.atoms.main_chain, pair.atoms.main_chain)
    assert (found.name, found.resolution) == (pair.name, pair.resolution)


def test_missing_and_damaged_pairs_are_refused(pair, tmp_path):
    with pytest.raises(InputError, match="no prepared maps"):
        load_pairs(tmp_path)
    pair.save(tmp_path)
    (tmp_path / "planted.npy").unlink()
    with pytest.raises(InputError, match="prepare it again"):
        load_pairs(tmp_path)
    (tmp_path / "planted.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="prepare it again"):
        load_pairs(tmp_path)
