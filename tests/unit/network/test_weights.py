"""Weights files: what goes in comes out, and every wrong file is named."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from emodelx.errors import WeightsError
from emodelx.network import weights
from emodelx.network.bends import BendConfig, BendNetwork
from emodelx.network.normalise import PUBLISHED, SPECTRUM
from emodelx.network.unet import NetworkConfig, build_network
from emodelx.network.weights import (
    WeightsInfo,
    find_weights,
    load_bends,
    load_weights,
    read_info,
    save_weights,
    verify_weights,
)
from emodelx.records import VoxelOdds

TINY = NetworkConfig(widths=(4, 6), encoder_blocks=(1, 1), decoder_blocks=(1,))
ODDS = VoxelOdds((1.25, 0.05), (1.1, 0.1))


@pytest.fixture
def info():
    return WeightsInfo(
        TINY, SPECTRUM, window=32, calpha_threshold=0.4, temperature=1.2, training={"steps": 7}, odds=ODDS
    )


@pytest.fixture
def stored(tmp_path, info):
    path = tmp_path / "tiny.safetensors"
    save_weights(path, build_network(TINY), info)
    return path


def test_odds_are_optional(tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, build_network(TINY), WeightsInfo(TINY, SPECTRUM))
    assert read_info(path).odds is None


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


@pytest.mark.parametrize(
    "damage",
    [
        {"network": {"depth": 3}},
        {"normalisation": {}},
        {"network": None},
        {"extra": 1},
        {"odds": {"calpha": [1]}},
        {"odds": {"calpha": [1, -1], "main_chain": [1, 1]}},
    ],
)
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


def small_bends():
    torch.manual_seed(0)
    network = BendNetwork(BendConfig(width=4, hidden=8))
    torch.nn.init.normal_(network.head.weight)
    return network


@pytest.fixture
def both_stored(tmp_path, info):
    path = tmp_path / "both.safetensors"
    save_weights(path, build_network(TINY), info, bends=small_bends())
    return path


def edit_tensors(path, change):
    metadata, tensors = read_raw(path), load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"emodelx": metadata})


def assert_same_tensors(loaded, values):
    found = loaded.state_dict()
    assert found.keys() == values.keys()
    for name, tensor in values.items():
        assert torch.equal(found[name], tensor), name


def test_the_second_network_comes_back_in_half_precision(both_stored):
    loaded = load_bends(both_stored)
    assert loaded is not None
    assert loaded.config == BendConfig(width=4, hidden=8)
    assert not loaded.training
    written = small_bends().state_dict()
    assert_same_tensors(loaded, {n: t.half().float() if t.is_floating_point() else t for n, t in written.items()})
    assert verify_weights(both_stored).bends == loaded.config


def test_the_first_network_is_the_same_beside_a_second(tmp_path, info):
    network, alone, beside = build_network(TINY), tmp_path / "alone.safetensors", tmp_path / "beside.safetensors"
    save_weights(alone, network, info)
    save_weights(beside, network, info, bends=small_bends())
    (expected, _), (found, of_both) = load_weights(alone), load_weights(beside)
    assert_same_tensors(found, expected.state_dict())
    assert of_both == replace(info, bends=BendConfig(width=4, hidden=8))


def test_a_file_with_one_network_has_no_second(tmp_path, stored, info):
    assert load_bends(stored) is None
    save_weights(tmp_path / "w.safetensors", build_network(TINY), replace(info, bends=BendConfig()))
    assert read_info(tmp_path / "w.safetensors").bends is None
    assert load_bends(tmp_path / "w.safetensors") is None


def test_files_from_before_the_second_network_are_read(stored, info):
    fields = json.loads(read_raw(stored))
    del fields["bends"]
    save_file(load_file(stored), stored, metadata={"emodelx": json.dumps(fields)})
    assert load_weights(stored)[1] == info
    assert load_bends(stored) is None


@pytest.mark.parametrize("damage", [{"bends": {"depth": 3}}, {"bends": 3}])
def test_damaged_configuration_of_the_second_network(both_stored, damage):
    edit_metadata(both_stored, **damage)
    with pytest.raises(WeightsError, match="damaged configuration"):
        load_bends(both_stored)


@pytest.mark.parametrize("read", [load_bends, verify_weights])
def test_a_second_network_that_does_not_fit(both_stored, read):
    edit_tensors(both_stored, lambda tensors: tensors.pop("bends.conv2.weight"))
    with pytest.raises(WeightsError, match=r"does not fit its own network configuration \(conv2\.weight\)"):
        read(both_stored)
    load_weights(both_stored)  # the first one is whole


def test_shapes_of_the_second_network_that_do_not_fit(both_stored):
    edit_metadata(both_stored, bends={"width": 4, "hidden": 9})
    with pytest.raises(WeightsError, match="does not fit its own network configuration"):
        load_bends(both_stored)


def test_a_second_network_that_was_announced_but_is_missing(stored):
    edit_metadata(stored, bends={"width": 4, "hidden": 8})
    with pytest.raises(WeightsError, match="does not fit its own network configuration"):
        load_bends(stored)


def test_verify_looks_at_the_second_network(both_stored):
    edit_tensors(both_stored, lambda tensors: tensors["bends.head.bias"].fill_(float("inf")))
    with pytest.raises(WeightsError, match=r"not finite \(bends\.head\.bias\)"):
        verify_weights(both_stored)


def test_a_second_network_beyond_half_precision_is_refused(tmp_path, info):
    bends = small_bends()
    torch.nn.init.constant_(bends.head.bias, 1e6)
    with pytest.raises(WeightsError, match=r"bends\.head\.bias .* torch.float16"):
        save_weights(tmp_path / "w.safetensors", build_network(TINY), info, bends=bends)
