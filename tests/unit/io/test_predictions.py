"""Predictions: what is written is read back, types only where they matter; every bad file is named."""

import tracemalloc
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emodelx.errors import InputError
from emodelx.io import predictions
from emodelx.io.predictions import read_prediction, type_voxels, write_prediction
from emodelx.records import Prediction, VoxelOdds

NUMPY_BUFFER = 1 << 24  # numpy writes arrays through one of this size
SHAPE = (6, 7, 8)


def arrays(seed=0, shape=SHAPE):
    """Dense arrays as another network would save them: few Calphas, types known everywhere."""
    rng = np.random.default_rng(seed)
    ca_prob = np.where(rng.random(shape) < 0.01, rng.random(shape), 0).astype(np.float32)
    ca_prob[2, 3, 4] = 0.9
    aa_prob = np.moveaxis(rng.dirichlet(np.ones(20), shape), -1, 0).astype(np.float32)
    return {
        "ca_prob": ca_prob,
        "bb_prob": rng.random(shape, np.float32),
        "aa_prob": aa_prob,
        "origin": np.array([1.5, -2, 30]),
    }


def save(folder, **changed):
    path = folder / "p.npz"
    content = {**arrays(), **changed}
    np.savez_compressed(path, **{name: value for name, value in content.items() if value is not None})
    return path


def slow_type_voxels(ca_prob, floor):
    near = set()
    for index in np.argwhere(ca_prob > floor):
        for step in np.ndindex(3, 3, 3):
            neighbour = index + step - 1
            if (neighbour >= 0).all() and (neighbour < ca_prob.shape).all():
                near.add(int(np.ravel_multi_index(neighbour, ca_prob.shape)))
    return sorted(near)


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(1, 7)] * 3), st.integers(0, 999), st.sampled_from([0.02, 0.1, 0.35]))
def test_types_matter_in_the_surroundings_of_calphas(shape, seed, floor):
    ca_prob = np.random.default_rng(seed).random(shape, np.float32) ** 8
    assert type_voxels(ca_prob, floor).tolist() == slow_type_voxels(ca_prob, floor)


@pytest.mark.parametrize("kind", ["<f2", "<f4", "<f8", ">f4"])
@pytest.mark.parametrize("saver", [np.savez, np.savez_compressed])
def test_what_another_network_saves_is_read(tmp_path, kind, saver):
    dense = {name: value.astype(kind) for name, value in arrays().items()}
    saver(tmp_path / "p.npz", **dense)
    found = read_prediction(tmp_path / "p.npz")
    np.testing.assert_array_equal(found.ca_prob, dense["ca_prob"].astype(np.float32))
    np.testing.assert_array_equal(found.bb_prob, dense["bb_prob"].astype(np.float32))
    assert found.ca_prob.dtype == found.bb_prob.dtype == found.type_prob.dtype == np.float32
    assert found.origin.tolist() == [1.5, -2, 30]
    assert found.type_voxels.tolist() == slow_type_voxels(dense["ca_prob"], 0.1)
    expected = [dense["aa_prob"].reshape(20, -1)[:, voxel] for voxel in found.type_voxels]
    np.testing.assert_array_equal(found.type_prob, np.array(expected, np.float32))


def test_threshold_is_optional_and_lowers_the_floor_of_the_types(tmp_path):
    assert read_prediction(save(tmp_path)).threshold == 0.35
    weak = with_value("ca_prob", 0.07)
    found = read_prediction(save(tmp_path, **weak, threshold=np.float32(0.05)))
    assert found.threshold == pytest.approx(0.05)
    assert found.type_voxels.tolist() == slow_type_voxels(weak["ca_prob"], 0.05)
    assert read_prediction(save(tmp_path, **weak)).type_voxels.tolist() == slow_type_voxels(weak["ca_prob"], 0.1)


def test_volumes_in_fortran_order_are_read(tmp_path):
    plain = arrays()
    found = read_prediction(save(tmp_path, ca_prob=np.asfortranarray(plain["ca_prob"])))
    np.testing.assert_array_equal(found.ca_prob, plain["ca_prob"])
    assert found.ca_prob.flags.c_contiguous


def random_prediction(shape, seed):
    rng = np.random.default_rng(seed)
    ca_prob = np.where(rng.random(shape) < 0.002, 0.7, 0).astype(np.float32)
    voxels = type_voxels(ca_prob)
    types = rng.dirichlet(np.ones(20), len(voxels)).astype(np.float32)
    return Prediction(ca_prob, rng.random(shape, np.float32), voxels, types, rng.normal(size=3), 0.4)


@pytest.mark.parametrize("shape", [(15, 6, 17), (1, 1, 1)], ids=str)
@pytest.mark.parametrize("block", [5, 37, 1 << 20])
def test_what_is_written_is_read_back(tmp_path, monkeypatch, shape, block):
    monkeypatch.setattr(predictions, "BLOCK_VOXELS", block)
    written = random_prediction(shape, 3)
    write_prediction(tmp_path / "p.npz", written)
    found = read_prediction(tmp_path / "p.npz")
    for name in ("ca_prob", "bb_prob", "type_voxels", "type_prob", "origin", "threshold"):
        np.testing.assert_array_equal(getattr(found, name), getattr(written, name))
    assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]


def test_density_comes_back_in_half_precision(tmp_path):
    density = np.random.default_rng(5).normal(1, 2, SHAPE).astype(np.float32)
    write_prediction(tmp_path / "p.npz", replace(random_prediction(SHAPE, 3), density=density))
    found = read_prediction(tmp_path / "p.npz").density
    assert found is not None
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, density.astype(np.float16).astype(np.float32))
    with np.load(tmp_path / "p.npz", allow_pickle=False) as written:
        assert written["density"].dtype == np.float16


def test_density_is_optional(tmp_path):
    assert read_prediction(save(tmp_path)).density is None
    write_prediction(tmp_path / "p.npz", random_prediction(SHAPE, 3))
    assert read_prediction(tmp_path / "p.npz").density is None
    with np.load(tmp_path / "p.npz", allow_pickle=False) as written:
        assert "density" not in written


def test_odds_are_optional_and_come_back(tmp_path):
    plain = read_prediction(save(tmp_path))
    assert plain.odds is None
    assert plain.calibrated() == (plain.ca_prob, plain.bb_prob)
    odds = VoxelOdds((1.25, 0.05), (1.1, 0.1))
    write_prediction(tmp_path / "p.npz", replace(random_prediction(SHAPE, 3), odds=odds))
    assert read_prediction(tmp_path / "p.npz").odds == odds


def test_calibrated_odds_are_a_factor_times_a_power():
    values = np.array([0.0, 1e-30, 0.2, 0.5, 0.8, 1.0], np.float32).reshape(1, 2, 3)
    plain = replace(random_prediction((1, 2, 3), 0), ca_prob=values, bb_prob=values, odds=VoxelOdds((1, 0.25), (2, 1)))
    calpha, main_chain = plain.calibrated()
    np.testing.assert_allclose(calpha.ravel(), [0, 2.5e-31, 1 / 17, 0.2, 0.5, 1], rtol=1e-6)
    np.testing.assert_allclose(main_chain.ravel(), [0, 1e-60, 1 / 17, 0.5, 16 / 17, 1], rtol=1e-6, atol=1e-40)
    assert calpha.dtype == main_chain.dtype == np.float32


def test_the_resolution_is_optional_and_comes_back(tmp_path):
    assert read_prediction(save(tmp_path)).resolution is None
    write_prediction(tmp_path / "p.npz", replace(random_prediction(SHAPE, 3), resolution=3.25))
    assert read_prediction(tmp_path / "p.npz").resolution == 3.25
    assert read_prediction(save(tmp_path, resolution=np.float32(4.5))).resolution == 4.5


@pytest.mark.parametrize("kind", ["<f2", ">f4", "<f8", "<i2"])
def test_density_of_another_network_is_read_as_it_is(tmp_path, kind):
    density = np.random.default_rng(5).normal(0, 40, SHAPE).astype(kind)
    found = read_prediction(save(tmp_path, density=np.asfortranarray(density))).density
    assert found is not None
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, density.astype(np.float32))


def test_numpy_reads_what_is_written(tmp_path):
    written = random_prediction((5, 6, 7), 0)
    write_prediction(tmp_path / "p.npz", written)
    with np.load(tmp_path / "p.npz", allow_pickle=False) as found:
        dense = np.full((20, 210), 0.05, np.float32)
        dense[:, written.type_voxels] = written.type_prob.T
        np.testing.assert_array_equal(found["aa_prob"], dense.reshape(20, 5, 6, 7))
        np.testing.assert_array_equal(found["bb_prob"], written.bb_prob)
        assert found["threshold"] == 0.4


def highest_memory(action):
    tracemalloc.start()
    action()
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return highest


def test_memory_does_not_grow_with_the_number_of_types(tmp_path, monkeypatch):
    monkeypatch.setattr(predictions, "BLOCK_VOXELS", 1 << 16)
    written, path = random_prediction((90, 95, 100), 1), tmp_path / "p.npz"
    volume, kept, block = written.ca_prob.nbytes, written.type_prob.nbytes, 4 << 16
    assert 20 * volume > 3 * NUMPY_BUFFER  # otherwise this test could not fail
    assert highest_memory(lambda: write_prediction(path, written)) < 3 * NUMPY_BUFFER
    assert highest_memory(lambda: read_prediction(path)) < 5 * volume + kept + 4 * block


def with_value(name, value):
    changed = arrays()[name].copy()
    changed.reshape(-1)[5] = value
    return {name: changed}


PLAIN = arrays()
BAD_CONTENT = {
    "nothing but origin": (dict.fromkeys(("ca_prob", "bb_prob", "aa_prob")), "ca_prob, bb_prob, aa_prob missing"),
    "no types": ({"aa_prob": None}, "aa_prob missing"),
    "ca_prob flat": ({"ca_prob": PLAIN["ca_prob"][0]}, "must be volumes of one shape"),
    "no voxels": ({"ca_prob": np.zeros((0, 3, 3)), "bb_prob": np.zeros((0, 3, 3))}, "must be volumes of one shape"),
    "bb_prob of another shape": ({"bb_prob": PLAIN["bb_prob"][:-1]}, r"bb_prob \(5, 7, 8\) must be volumes"),
    "21 types": (
        {"aa_prob": np.zeros((21, *SHAPE), np.float32)},
        r"aa_prob has shape \(21, 6, 7, 8\); it must be \(20",
    ),
    "types last": ({"aa_prob": np.zeros((*SHAPE, 20), np.float32)}, r"aa_prob has shape \(6, 7, 8, 20\)"),
    "types in Fortran order": ({"aa_prob": np.asfortranarray(PLAIN["aa_prob"])}, "ascontiguousarray"),
    "types as numbers": ({"aa_prob": np.zeros((20, *SHAPE), np.int8)}, "aa_prob has type int8"),
    "types pickled": ({"aa_prob": np.array([{}, []], object)}, "aa_prob"),
    "ca_prob pickled": ({"ca_prob": np.array([{}, []], object)}, "ca_prob is no plain array"),
    "text": ({"bb_prob": np.array(["a", "b"])}, "bb_prob has type"),
    "NaN in ca_prob": (with_value("ca_prob", np.nan), "ca_prob holds values from nan"),
    "infinite bb_prob": (with_value("bb_prob", np.inf), "bb_prob holds values from .* to inf"),
    "NaN in aa_prob": (with_value("aa_prob", np.nan), "aa_prob holds values from nan"),
    "scores, not probabilities": (with_value("aa_prob", 7.5), "aa_prob holds values from 0 to 7.5"),
    "negative": (with_value("ca_prob", -0.5), "ca_prob holds values from -0.5"),
    "origin of two numbers": ({"origin": np.zeros(2)}, "three finite numbers"),
    "origin not finite": ({"origin": np.array([0, np.nan, 0])}, "three finite numbers"),
    "density of another shape": ({"density": PLAIN["bb_prob"][:-1]}, r"density must hold .* shape \(6, 7, 8\)"),
    "density flat": ({"density": PLAIN["bb_prob"].ravel()}, "density must hold finite numbers"),
    "NaN in density": ({"density": with_value("bb_prob", np.nan)["bb_prob"]}, "density must hold finite numbers"),
    "infinite density": ({"density": with_value("bb_prob", -np.inf)["bb_prob"]}, "density must hold finite numbers"),
    "density as text": ({"density": np.full(SHAPE, "a")}, "density has type"),
    "density pickled": ({"density": np.array([{}, []], object)}, "density is no plain array"),
    "threshold above 1": ({"threshold": np.array(35.0)}, "one number between 0 and 1"),
    "resolution in nanometres": ({"resolution": np.array(0.32)}, "one number of Angstrom between 0.5 and 20"),
    "resolution not a number": ({"resolution": np.array(np.nan)}, "one number of Angstrom"),
    "many resolutions": ({"resolution": np.array([3.0, 4.0])}, "one number of Angstrom"),
    "odds of one volume": ({"odds": np.ones(2)}, r"odds must be \(2, 2\) positive numbers"),
    "odds of no power": ({"odds": np.array([[0.0, 1], [1, 1]])}, r"odds must be \(2, 2\) positive"),
    "odds not a number": ({"odds": np.array([[np.nan, 1], [1, 1]])}, r"odds must be \(2, 2\) positive"),
    "odds as text": ({"odds": np.full((2, 2), "a")}, r"odds"),
    "many thresholds": ({"threshold": np.array([0.1, 0.2])}, "one number between 0 and 1"),
}


def refused(path, reason):
    with pytest.raises(InputError, match=reason) as caught:
        read_prediction(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", BAD_CONTENT)
def test_bad_content_is_named_in_one_line(tmp_path, case):
    changed, reason = BAD_CONTENT[case]
    refused(save(tmp_path, **changed), reason)


@pytest.mark.parametrize("end", [100, -1, -3000])
def test_incomplete_file_is_named(tmp_path, end):
    path = save(tmp_path)
    path.write_bytes(path.read_bytes()[:end])
    refused(path, "not a complete .npz")


def test_damaged_file_is_named(tmp_path):
    path = save(tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    refused(path, "not a complete .npz")


def test_aa_prob_shorter_than_its_header_is_named(tmp_path):
    path = save(tmp_path)
    shortened = tmp_path / "s.npz"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(shortened, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content[:-8] if name == "aa_prob.npy" else content)
    refused(shortened, "not a complete .npz")


def test_other_files_are_named(tmp_path):
    text = tmp_path / "p.npz"
    text.write_text("no archive")
    refused(text, "not a complete .npz")
    single = tmp_path / "single.npy"
    np.save(single, np.zeros(3))
    refused(single, "not a complete .npz")
    refused(tmp_path / "nowhere.npz", "no such file")


def test_rounding_beyond_one_is_clipped(tmp_path):
    found = read_prediction(save(tmp_path, **with_value("ca_prob", 1.0005)))
    assert found.ca_prob.max() == 1
