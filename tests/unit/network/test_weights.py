"""Weights files: what goes in comes out, and every wrong file is named."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from emodelx.errors import WeightsError
from emodelx.network import weights
from emodelx.network.normalise import PUBLISHED, SPECTRUM
from emodelx.network.unet import NetworkConfig, build_network
from emodelx.network.weights import WeightsInfo, find_weights, load_weights, read_info, save_weights, verify_weights

TINY = NetworkConfig(widths=(4, 6), encoder_blocks=(1, 1), decoder_blocks=(1,))


@pytest.fixture
def info():
    return WeightsInfo(TINY, SPECTRUM, window=32, calpha_threshold=0.4, temperature=1.2, training={"steps": 7})


@pytest.fixture
def stored(tmp_path, info):
    path = tmp_path / "tiny.safetensors"
    save_weights(path, build_network(TINY), info)
    return path


def edit_metadata(path, **changes):
    fields = json.loads(read_raw(path)) | changes
    save_file(load_file(path), path, metadata={"emodelx": json.dumps(fields)})


def read_raw(path):
    return weights._read_metadata(path)["emodelx"]


def test_round_trip_in_half_precision(tmp_path, info):
    network = build_network(TINY).eval()
    path = tmp_path / "w.safetensors"
    save_weights(path, network, info)
    loaded, found = load_weights(path)
    assert found == info
    assert not loaded.training
    x = torch.rand(1, 1, 8, 8, 8)
    with torch.no_grad():
        for ours, theirs in zip(loaded(x), network(x), strict=True):
            assert ours.dtype == torch.float32
            assert torch.allclose(ours, theirs, atol=5e-3)
    stored = load_file(path)
    assert {t.dtype for t in stored.values() if t.is_floating_point()} == {torch.float16}


def test_published_rule_survives_the_file(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, build_network(TINY), WeightsInfo(TINY, PUBLISHED))
    assert read_info(path).normalisation == PUBLISHED


def test_values_beyond_half_precision_are_refused(tmp_path, info):
    network = build_network(TINY)
    with torch.no_grad():
        network.unet.head.bias[0] = 1e6
    with pytest.raises(WeightsError, match=r"unet\.head\.bias .* torch.float16"):
        save_weights(tmp_path / "w.safetensors", network, info)


def test_missing_file():
    with pytest.raises(WeightsError, match=r"no weights file 'nowhere\.safetensors'"):
        load_weights(weights.Path("nowhere.safetensors"))


def test_truncated_file(stored):
    stored.write_bytes(stored.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"not a whole \.safetensors file"):
        load_weights(stored)


def test_file_of_another_kind(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"HDF5 or whatever this may be, it is no weights file")
    with pytest.raises(WeightsError, match=r"not a whole \.safetensors file"):
        read_info(path)


def test_safetensors_of_someone_else(stored):
    save_file(load_file(stored), stored)
    with pytest.raises(WeightsError, match="not an emodelx weights file"):
        load_weights(stored)


def test_unknown_version(stored):
    edit_metadata(stored, version=99)
    with pytest.raises(WeightsError, match="weights format 99, this program reads 1"):
        load_weights(stored)


@pytest.mark.parametrize("damage", [{"network": {"depth": 3}}, {"normalisation": {}}, {"network": None}, {"extra": 1}])
def test_damaged_configuration(stored, damage):
    edit_metadata(stored, **damage)
    with pytest.raises(WeightsError, match="damaged configuration"):
        read_info(stored)


def test_configuration_that_is_not_json(stored):
    save_file(load_file(stored), stored, metadata={"emodelx": "{"})
    with pytest.raises(WeightsError, match="damaged configuration"):
        read_info(stored)


@pytest.mark.parametrize("change", [{"widths": [4, 7]}, {"decoder_blocks": [2]}])
def test_shapes_that_do_not_fit(stored, change):
    network = json.loads(read_raw(stored))["network"] | change
    edit_metadata(stored, network=network)
    with pytest.raises(WeightsError, match="does not fit its own network configuration"):
        load_weights(stored)


def test_verify_finds_values_that_are_not_finite(stored):
    assert verify_weights(stored).window == 32
    tensors = load_file(stored)
    tensors["unet.head.bias"][0] = float("nan")
    save_file(tensors, stored, metadata={"emodelx": read_raw(stored)})
    with pytest.raises(WeightsError, match=r"not finite \(unet\.head\.bias\)"):
        verify_weights(stored)


def test_argument_comes_before_environment_before_package(tmp_path, monkeypatch, stored):
    package = tmp_path / "package"
    package.mkdir()
    packaged = package / "default.safetensors"
    packaged.write_bytes(b"")
    monkeypatch.setattr(weights, "PACKAGED", package)
    monkeypatch.delenv("EMODELX_WEIGHTS", raising=False)
    assert find_weights() == packaged
    assert find_weights("default") == packaged
    monkeypatch.setenv("EMODELX_WEIGHTS", str(stored))
    assert find_weights() == stored
    assert find_weights("default") == packaged


def test_unknown_name_lists_what_there_is(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "PACKAGED", tmp_path)
    (tmp_path / "small.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"no weights file 'large'.*\(small\)"):
        find_weights("large")
