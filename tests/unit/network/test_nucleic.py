"""The network that tells nucleic acids from protein: what it takes away, and how it is stored."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from emodelx.config import ReadingConfig, RunConfig
from emodelx.errors import WeightsError
from emodelx.network.bends import CEILING, BendConfig, BendNetwork
from emodelx.network.device import Device
from emodelx.network.normalise import PAPER, normalise
from emodelx.network.nucleic import NucleicNetwork, shows_nucleic
from emodelx.network.predict import read_density
from emodelx.network.unet import NetworkConfig, build_network
from emodelx.network.weights import WeightsInfo, load_bends, load_nucleic, load_weights, save_weights, verify_weights
from emodelx.records import DensityMap

CPU = Device(torch.device("cpu"), "CPU", False)
SMALL = NetworkConfig(widths=(8, 8), encoder_blocks=(1, 1), decoder_blocks=(1,))
INFO = WeightsInfo(SMALL, replace(PAPER, percentile=90.0), window=16, calpha_threshold=0.1)
READING = ReadingConfig(empty=0, orientations=1)


def nucleic_network(bias=0.0):
    """One that gives the same answer everywhere."""
    torch.manual_seed(3)
    network = NucleicNetwork(SMALL).eval()
    torch.nn.init.zeros_(network.unet.head.weight)
    torch.nn.init.constant_(network.unet.head.bias, bias)
    return network


@pytest.fixture
def first():
    torch.manual_seed(0)
    return build_network(SMALL).eval()


@pytest.fixture
def density():
    values = np.random.default_rng(0).uniform(0.3, 1, (16, 16, 16)).astype(np.float32) ** 12
    return DensityMap(values, np.zeros(3), np.ones(3))


def read(density, path):
    return read_density(density, path, CPU, config=READING, run=RunConfig(threads=1))


@pytest.mark.parametrize(("count", "shown"), [(0, False), (4, False), (5, True), (100, True)])
def test_a_map_shows_nucleic_acid_where_many_calphas_are_likely_its(count, shown):
    calpha, nucleic = torch.zeros(10, 10, 10), torch.ones(10, 10, 10)
    calpha[0], nucleic[0] = 0.6, 0.79
    nucleic[0].view(-1)[:count] = 0.81
    assert shows_nucleic(calpha, nucleic, 0.5) is shown
    assert shows_nucleic(calpha, nucleic, 0.7) is False


@pytest.mark.parametrize(("bias", "share"), [(-30.0, 1.0), (0.0, 1.0), (2.0, 1 / (1 + math.e**2)), (30.0, 0.0)])
def test_what_is_read_in_nucleic_acids_is_taken_away(first, density, tmp_path, bias, share):
    alone, beside = tmp_path / "alone.safetensors", tmp_path / "beside.safetensors"
    save_weights(alone, first, INFO)
    save_weights(beside, first, INFO, nucleic=nucleic_network(bias))
    expected, found = read(density, alone), read(density, beside)
    assert expected.bb_prob.max() > 0.1
    np.testing.assert_allclose(found.bb_prob, share * expected.bb_prob, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.ca_prob, share * expected.ca_prob, rtol=1e-5, atol=1e-7)
    assert found.density is None


def test_it_sees_density_above_the_ceiling_of_the_first_network(first, density, tmp_path, monkeypatch):
    seen = []
    forward = NucleicNetwork.forward
    monkeypatch.setattr(NucleicNetwork, "forward", lambda self, x: (seen.append(x.clone()), forward(self, x))[1])
    path = tmp_path / "w.safetensors"
    save_weights(path, first, INFO, nucleic=nucleic_network())
    read(density, path)
    rule = replace(INFO.normalisation, ceiling=CEILING)
    np.testing.assert_array_equal(seen[0][0, 0].numpy(), normalise(density.values, rule).values)
    assert seen[0].max() > INFO.normalisation.ceiling


def test_all_three_networks_come_back(first, tmp_path):
    path = tmp_path / "w.safetensors"
    bends = BendNetwork(BendConfig(width=4, hidden=8))
    save_weights(path, first, INFO, torch.float32, bends, nucleic_network(0.5))
    info = verify_weights(path)
    assert (info.network, info.bends, info.nucleic) == (SMALL, bends.config, SMALL)
    stored = first, bends, nucleic_network(0.5)
    for network, loaded in zip(stored, (load_weights(path)[0], load_bends(path), load_nucleic(path)), strict=True):
        assert loaded is not None
        assert not loaded.training
        values = loaded.state_dict()
        assert values.keys() == network.state_dict().keys()
        assert all(torch.equal(value, values[name]) for name, value in network.state_dict().items())


def test_a_file_without_it_has_none_whatever_it_says(first, tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(path, first, replace(INFO, nucleic=SMALL))
    assert load_nucleic(path) is None
    fields = json.loads(INFO.to_json())
    del fields["nucleic"]
    assert WeightsInfo.from_json(json.dumps(fields)) == INFO


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("nucleic.unet.head.bias"), "does not fit its own network configuration"),
        (lambda tensors: tensors["nucleic.unet.head.bias"].fill_(torch.nan), r"not finite \(nucleic\.unet\.head\.bias"),
    ],
)
def test_a_damaged_one_is_refused(first, tmp_path, change, message):
    path = tmp_path / "w.safetensors"
    save_weights(path, first, INFO, nucleic=nucleic_network())
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"emodelx": replace(INFO, nucleic=SMALL).to_json()})
    with pytest.raises(WeightsError, match=message):
        verify_weights(path)
