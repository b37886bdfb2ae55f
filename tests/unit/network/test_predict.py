"""Reading a map: stitching, sparse types, batches, memory, interruption."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from emodelx.config import ReadingConfig, RunConfig
from emodelx.constants import AMINO_ACIDS
from emodelx.errors import ResourceError
from emodelx.io.predictions import type_voxels
from emodelx.network.bends import CEILING, BendConfig, BendNetwork
from emodelx.network.device import Device
from emodelx.network.normalise import PAPER, SPECTRUM, normalise
from emodelx.network.orientations import orientations
from emodelx.network.predict import CAUTION, Stitcher, masked, predict, read_density, read_tiles, with_density
from emodelx.network.resample import to_working_grid
from emodelx.network.tiling import TilePlan
from emodelx.network.unet import Logits, NetworkConfig, Reading, build_network, read_logits
from emodelx.network.weights import WeightsInfo, save_weights
from emodelx.records import DensityMap, VoxelOdds

CPU = Device(torch.device("cpu"), "CPU", False)
SMALL = NetworkConfig(widths=(8, 8), encoder_blocks=(1, 1), decoder_blocks=(1,))
INFO = WeightsInfo(SMALL, PAPER, window=16)


EVERY_WINDOW = ReadingConfig(empty=0, orientations=1)
SIDE_BY_SIDE = ReadingConfig(empty=0, overlap=0, orientations=1)
ONE_THREAD = RunConfig(threads=1)


def read(density, network, info=INFO, device=CPU, config=EVERY_WINDOW, run=ONE_THREAD):
    return predict(density, network, info, device, config, run)


def on_grid(values, origin=(0.0, 0.0, 0.0)):
    return DensityMap(np.ascontiguousarray(values, np.float32), np.array(origin), np.ones(3))


def random_map(shape, seed=0):
    return np.random.default_rng(seed).uniform(0.3, 1, shape).astype(np.float32)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_network(SMALL).eval()


def typed(x):
    """Amino-acid probabilities that depend on the voxel alone, types first."""
    return torch.stack([x * (k + 1) for k in range(20)]).softmax(0)


def voxelwise(windows):
    """A network that says of each voxel what stands in it."""
    x = windows[:, 0]
    return Reading(x**2, x, typed(x).movedim(0, 1))


def stitch(volume, plan, read_windows, batch=3, floor=0.0):
    stitcher = Stitcher(volume, plan, torch.device("cpu"), floor)
    tiles = plan.with_density(volume, 0)
    assert list(read_tiles(stitcher, tiles, read_windows, batch))[-1] == len(tiles)
    return stitcher


edges = st.integers(2, 30)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(edges, edges, edges),
    window=st.sampled_from([8, 12, 16]),
    overlap=st.sampled_from([0, 0.25, 0.6]),
    batch=st.integers(1, 9),
)
def test_what_the_network_says_of_a_voxel_comes_out_at_this_voxel(shape, window, overlap, batch):
    volume = random_map(shape)
    stitcher = stitch(volume, TilePlan.cover(shape, window, overlap), voxelwise, batch)
    np.testing.assert_allclose(stitcher.ca_prob.numpy(), volume, rtol=1e-5)
    np.testing.assert_allclose(stitcher.bb_prob.numpy(), volume**2, rtol=1e-5)
    voxels, type_prob = stitcher.types(np.arange(volume.size))
    assert (voxels == np.arange(volume.size)).all()
    np.testing.assert_allclose(type_prob, typed(torch.from_numpy(volume.ravel())).T.numpy(), rtol=1e-4)


def by_place(windows):
    """A network whose answer depends on the place in the window, as that of a real one does."""
    batch, _, edge = windows.shape[:3]
    x, y, z = torch.meshgrid(*[torch.arange(float(edge))] * 3, indexing="ij")
    amino = torch.stack([(x * (k + 1) + y * k - z).cos() for k in range(20)]).softmax(0)
    calpha = windows[:, 0] * ((x + 2 * y + 3 * z) / 3).sin() ** 2
    return Reading(windows[:, 0], calpha, amino.expand(batch, -1, -1, -1, -1))


def dense_stitch(volume, plan, floor):
    """Slow twin: every window and class in full; types only from windows that see a Calpha next to the voxel."""
    ca, types = np.zeros(volume.shape), np.zeros((20, *volume.shape))
    weight = np.zeros(volume.shape)
    for tile in plan.with_density(volume, 0):
        in_map, in_window = plan.inside(tile)
        window = np.zeros((plan.window,) * 3, np.float32)
        window[in_window] = volume[in_map]
        reading = by_place(torch.from_numpy(window)[None, None])
        calpha, share = reading.calpha[0].numpy(), plan.share(tile)
        near = np.zeros(calpha.shape, bool)
        near.ravel()[type_voxels(calpha, floor)] = True
        ca[in_map] += (calpha * share)[in_window]
        weight[in_map] += (share * near)[in_window]
        types[(slice(None), *in_map)] += (reading.amino[0].numpy() * share * near)[(slice(None), *in_window)]
    return ca, weight > 0, types / np.maximum(weight, 1e-30)


@pytest.mark.parametrize("floor", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("shape", [(20, 9, 31), (16, 16, 16)])
def test_sparse_types_equal_the_dense_twin(shape, floor):
    volume = random_map(shape)
    plan = TilePlan.cover(shape, 12, 0.25)
    stitcher = stitch(volume, plan, by_place, floor=floor)
    ca, known, types = dense_stitch(volume, plan, floor)
    voxels, type_prob = stitcher.types(np.arange(volume.size))
    np.testing.assert_allclose(stitcher.ca_prob.numpy(), ca, atol=1e-5)
    assert (voxels == np.flatnonzero(known)).all()
    np.testing.assert_allclose(type_prob, types[:, known].T, atol=1e-4)
    assert type_prob.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_only_the_types_of_wanted_voxels_are_put_together():
    volume, wanted = random_map((20, 9, 31)), np.arange(7, 20 * 9 * 31, 11)
    plan = TilePlan.cover(volume.shape, 12, 0.25)
    voxels, type_prob = stitch(volume, plan, by_place, floor=0.8).types(np.arange(volume.size))
    of_wanted, their_prob = stitch(volume, plan, by_place, floor=0.8).types(wanted)
    both = np.isin(voxels, wanted)
    assert 0 < both.sum() < len(wanted), "some wanted voxels have no types"
    assert (of_wanted == voxels[both]).all()
    np.testing.assert_array_equal(their_prob, type_prob[both])


def test_a_map_of_one_window_is_read_as_the_network_reads_it(network):
    volume = random_map((16, 16, 16))
    found = read(on_grid(volume, (5.0, -3.0, 1.5)), network)
    with torch.inference_mode():
        whole = read_logits(network(torch.from_numpy(volume)[None, None]), SMALL)
    np.testing.assert_allclose(found.ca_prob, whole.calpha[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(found.bb_prob, whole.backbone[0].numpy(), atol=1e-5)
    assert (found.type_voxels == type_voxels(found.ca_prob)).all()
    assert len(found.type_voxels) > 1000
    amino = whole.amino[0].numpy().reshape(20, -1)[:, found.type_voxels].T
    np.testing.assert_allclose(found.type_prob, amino, atol=1e-5)
    assert (found.origin == (5.0, -3.0, 1.5)).all()
    assert found.threshold == INFO.calpha_threshold


def test_what_probabilities_mean_comes_from_the_weights(network):
    volume, odds = on_grid(random_map((16, 16, 16))), VoxelOdds((1.2, 0.5), (1.0, 2.0))
    assert read(volume, network).odds is None
    found = read(volume, network, replace(INFO, odds=odds))
    assert found.odds == odds
    assert (found.calibrated()[1] > found.bb_prob).all()


def test_types_come_in_our_order_whatever_the_order_of_the_weights(network):
    volume = on_grid(random_map((16, 16, 16)))
    backwards = WeightsInfo(SMALL, PAPER, window=16, amino_order=AMINO_ACIDS[::-1])
    ours, theirs = read(volume, network), read(volume, network, backwards, CPU)
    assert (theirs.type_prob == ours.type_prob[:, ::-1]).all()


class ByPlace(nn.Module):
    """Says what `by_place` says."""

    def forward(self, x):
        said = by_place(x)
        low = torch.full_like(x[:, 0], 1e-6)
        task = (torch.stack([low, 1 - p, p], 1).clamp(min=1e-6) for p in (said.backbone, said.calpha))
        return Logits(*(p.log() for p in (*task, said.amino)))


def test_every_voxel_near_a_calpha_has_types():
    info = replace(INFO, calpha_threshold=0.09)
    volume = np.where(random_map((40, 30, 21)) > 0.97, 0.2, 0.02)
    found = read(on_grid(volume), ByPlace(), info)
    assert (found.type_voxels == type_voxels(found.ca_prob, 0.09)).all()
    assert 0 < len(found.type_voxels) < found.ca_prob.size


@pytest.mark.parametrize("batch", [2, 5, 64])
def test_batches_change_nothing(network, batch):
    volume = on_grid(random_map((30, 30, 30)))
    one, many = (read(volume, network, INFO, config=ReadingConfig(batch=n)) for n in (1, batch))
    np.testing.assert_allclose(one.ca_prob, many.ca_prob, atol=1e-5)
    assert len(one.type_voxels) == len(many.type_voxels)


def test_orientations_are_averaged(network):
    volume = on_grid(random_map((16, 16, 16)))
    found = read(volume, network, INFO, config=ReadingConfig(empty=0, orientations=3))
    window = torch.from_numpy(volume.values)[None, None]
    with torch.inference_mode():
        single = [o.turn_back(read_logits(network(o.turn(window)), SMALL).calpha) for o in orientations(3)]
    np.testing.assert_allclose(found.ca_prob, torch.stack(single).mean(0)[0].numpy(), atol=1e-5)
    assert float((single[0] - single[1]).abs().max()) > 1e-3


def test_bfloat16_reads_nearly_the_same(network):
    volume = on_grid(random_map((16, 16, 16)))
    full, half = (read(volume, network, INFO, Device(CPU.torch, "", half)) for half in (False, True))
    assert half.ca_prob.dtype == np.float32
    assert 0 < np.abs(full.ca_prob - half.ca_prob).max() < 0.05


class Counting(nn.Module):
    """Counts windows, and lacks the memory for more than `room` of them at once."""

    def __init__(self, room=1000):
        super().__init__()
        self.room = room
        self.seen = 0

    def forward(self, x):
        if len(x) > self.room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        self.seen += len(x)
        return Logits(*(torch.zeros(len(x), n, *x.shape[2:]) for n in SMALL.classes))


def test_windows_without_density_are_not_read():
    values = np.zeros((64, 64, 64), np.float32)
    values[2:9, 2:9, 2:9] = 1
    values[40, 40, 40] = 1  # a lone voxel is noise
    counting = Counting()
    found = read(on_grid(values), counting, INFO, CPU, ReadingConfig(overlap=0, orientations=1))
    assert counting.seen == 1
    assert (found.ca_prob[:16, :16, :16] > 0.3).all()
    assert not found.ca_prob[16:].any()


def test_a_map_without_density_is_read_as_nothing():
    found = read(on_grid(np.zeros((20, 20, 20))), Counting())
    assert not found.ca_prob.any()
    assert found.type_prob.shape == (0, 20)


def test_a_batch_that_does_not_fit_is_halved():
    volume = on_grid(random_map((32, 32, 32)))
    tight = Counting(room=2)
    found = read(volume, tight, INFO, CPU, ReadingConfig(overlap=0, batch=8, orientations=1))
    assert tight.seen == 8
    assert found.ca_prob == pytest.approx(1 / 3)


def test_a_device_without_room_for_one_window_is_named():
    with pytest.raises(ResourceError, match=r"GPU 7 .*--device cpu") as caught:
        read(on_grid(random_map((16, 16, 16))), Counting(room=0), INFO, Device(CPU.torch, "GPU 7", False))
    assert caught.value.exit_code == 4


def test_progress_counts_the_windows(network):
    heard = []
    run = RunConfig(progress=lambda done, total: heard.append((done, total)))
    read(on_grid(random_map((32, 16, 16))), network, INFO, CPU, ReadingConfig(overlap=0, batch=1), run)
    assert heard == [(1, 2), (2, 2)]


def test_an_interruption_gets_through_and_leaves_torch_as_it_was(network):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        read(
            on_grid(random_map((32, 16, 16))), network, INFO, CPU, run=RunConfig(threads=before + 1, progress=interrupt)
        )
    assert torch.get_num_threads() == before


def test_a_file_of_weights_reads_a_map_of_any_voxel_size(network, tmp_path):
    save_weights(tmp_path / "w.safetensors", network, INFO, torch.float32)
    density = DensityMap(random_map((15, 14, 13)), np.array([3.0, 4.0, 5.0]), np.array([1.5, 1.4, 1.3]))
    found = read_density(density, tmp_path / "w.safetensors", CPU, config=EVERY_WINDOW)
    grid = to_working_grid(density)
    expected = read(on_grid(normalise(grid.values, PAPER).values, grid.origin), network)
    assert found.ca_prob.shape == (22, 19, 16)
    np.testing.assert_allclose(found.ca_prob, expected.ca_prob, atol=1e-6)
    assert (found.origin == density.origin).all()


@pytest.mark.parametrize("ceiling", [1.0, 4.0])
def test_a_second_network_gets_the_density_and_changes_no_reading(network, tmp_path, ceiling):
    """Bright side chains are kept for it; the first network still sees what its own rule leaves."""
    values = random_map((16, 16, 16)) ** 12
    info = replace(INFO, normalisation=replace(PAPER, percentile=90.0, ceiling=ceiling))
    alone, beside = tmp_path / "alone.safetensors", tmp_path / "beside.safetensors"
    save_weights(alone, network, info)
    save_weights(beside, network, info, bends=BendNetwork(BendConfig(width=4, hidden=8)))
    expected, found = (read_density(on_grid(values), path, CPU, config=EVERY_WINDOW) for path in (alone, beside))
    assert expected.density is None
    assert found.density is not None
    assert found.density.dtype == np.float32
    assert found.density.max() == CEILING
    seen = normalise(values, replace(info.normalisation, ceiling=CEILING)).values
    np.testing.assert_array_equal(found.density, seen)
    for name in ("ca_prob", "bb_prob", "type_voxels", "type_prob"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize(("rule", "given", "found"), [(PAPER, 3.0, None), (SPECTRUM, 3.0, 3.0), (SPECTRUM, None, 2.5)])
def test_the_prediction_tells_its_resolution(network, tmp_path, monkeypatch, rule, given, found):
    monkeypatch.setattr("emodelx.network.predict.estimate_resolution", lambda _: 2.5)
    save_weights(tmp_path / "w.safetensors", network, WeightsInfo(SMALL, rule, window=16))
    read_map = read_density(on_grid(random_map((16, 16, 16))), tmp_path / "w.safetensors", CPU, given)
    assert read_map.resolution == found
    assert (read_map.directions is None) == (found is None)


def test_a_prediction_gets_its_map_on_its_own_grid(network, tmp_path):
    values = np.pad(random_map((16, 16, 16)) ** 12, 2)
    info = replace(INFO, normalisation=replace(PAPER, percentile=90.0, ceiling=1.0))
    save_weights(tmp_path / "w.safetensors", network, info, bends=BendNetwork(BendConfig(width=4, hidden=8)))
    density = on_grid(values, (5.0, 6.0, 7.0))
    whole = read_density(density, tmp_path / "w.safetensors", CPU, config=EVERY_WINDOW)
    bare = replace(whole, density=None)
    np.testing.assert_array_equal(with_density(bare, density, tmp_path / "w.safetensors").density, whole.density)
    here = np.s_[3:9, 2:, :7]
    cut = {"ca_prob": whole.ca_prob[here], "bb_prob": whole.bb_prob[here], "type_voxels": np.zeros(0, np.int64)}
    part = replace(bare, **cut, type_prob=np.zeros((0, 20), np.float32), origin=whole.origin + np.array([3, 2, 0]))
    found = with_density(part, density, tmp_path / "w.safetensors").density
    assert whole.density is not None
    np.testing.assert_array_equal(found, whole.density[here])
    kept = replace(whole, density=whole.density + 1)
    assert with_density(kept, density, tmp_path / "w.safetensors").density is kept.density


def test_the_map_of_a_prediction_is_normalised_at_the_resolution(network, tmp_path):
    info = replace(INFO, normalisation=SPECTRUM)
    save_weights(tmp_path / "w.safetensors", network, info, bends=BendNetwork(BendConfig(width=4, hidden=8)))
    density = on_grid(np.pad(random_map((18, 18, 18)) > 0.98, 3).astype(np.float32))
    for resolution in (4.0, 3.0):
        whole = read_density(density, tmp_path / "w.safetensors", CPU, resolution, EVERY_WINDOW)
        bare = replace(whole, density=None, resolution=None)
        found = with_density(bare, density, tmp_path / "w.safetensors", resolution)
        assert found.resolution == resolution
        assert repr(found.directions) == repr(whole.directions)
        np.testing.assert_array_equal(found.density, whole.density)
        assert with_density(whole, density, tmp_path / "w.safetensors", resolution).resolution == resolution


def test_an_estimated_resolution_is_taken_with_caution(network, tmp_path, monkeypatch):
    monkeypatch.setattr("emodelx.network.predict.estimate_resolution", lambda _: 4.0)
    save_weights(tmp_path / "w.safetensors", network, WeightsInfo(SMALL, SPECTRUM, window=16))
    atoms = np.pad(random_map((18, 18, 18)) > 0.98, 3)
    density = on_grid(atoms.astype(np.float32))
    estimated, given, at_its_cut = (
        read_density(density, tmp_path / "w.safetensors", CPU, resolution).ca_prob
        for resolution in (None, 4.0, 4.0 * CAUTION)
    )
    np.testing.assert_array_equal(estimated, at_its_cut)
    assert np.abs(estimated - given).max() > 1e-3


def test_a_mask_takes_density_away_and_nothing_else():
    values = random_map((9, 9, 9)) + 7
    mask = np.zeros_like(values)
    mask[3:6] = 1
    mask[2] = 0.5
    left = masked(on_grid(values), mask).values
    floor = np.median(values)
    assert left.dtype == np.float32
    np.testing.assert_allclose(left[3:6], values[3:6], rtol=1e-6)
    np.testing.assert_allclose(left[6:], floor, rtol=1e-6)
    np.testing.assert_allclose(left[2], (values[2] + floor) / 2, rtol=1e-6)


MEASURE = """
import numpy as np
from test_predict import CPU, INFO, SIDE_BY_SIDE, Counting, on_grid, read
from dataclasses import replace
from emodelx.machine import peak_memory

class Sparse(Counting):
    def forward(self, x):
        logits = super().forward(x)
        logits.calpha[:, 0] = 9.0 * (x[:, 0] < 0.5)  # Calphas stand where the density does
        return logits

info = replace(INFO, window=64)
calphas = np.random.default_rng(0).random((192, 192, 128), np.float32) < 0.0005
values = np.where(calphas, np.float32(0.9), np.float32(0.02))
read(on_grid(values[:64, :64, :64]), Sparse(), info, config=SIDE_BY_SIDE)
before = peak_memory()
read(on_grid(values), Sparse(), info, config=SIDE_BY_SIDE)
print((peak_memory() - before) / values.nbytes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs an allocator that gives memory back")
def test_memory_is_a_few_volumes(request):
    returned = {"MALLOC_MMAP_THRESHOLD_": "1000000"}  # freed memory goes back at once, so that only what is held counts
    done = subprocess.run(
        [sys.executable, "-c", MEASURE],
        cwd=request.path.parent,
        env=os.environ | returned,
        capture_output=True,
        text=True,
        check=True,
    )
    volumes = float(done.stdout)
    assert 1 < volumes < 6.5  # the classes alone would be 26
