"""Averages of weights."""

from dataclasses import replace

import pytest
import torch

from emodelx.errors import InputError
from emodelx.network.bends import BendConfig, BendNetwork
from emodelx.network.normalise import PAPER
from emodelx.network.unet import NetworkConfig, build_network
from emodelx.network.weights import WeightsInfo, load_weights, read_info, save_weights
from emodelx.training.average import average, main

SMALL = NetworkConfig(widths=(8, 8), encoder_blocks=(1, 1), decoder_blocks=(1,))
INFO = WeightsInfo(SMALL, PAPER, window=16, training={"run": 1})


@pytest.fixture
def pair(tmp_path):
    """Two weights files of one network."""
    paths = tmp_path / "start.safetensors", tmp_path / "end.safetensors"
    for seed, path in enumerate(paths):
        torch.manual_seed(seed)
        save_weights(path, build_network(SMALL), replace(INFO, training={"run": seed}), torch.float32)
    return paths


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_every_weight_is_the_weighted_mean(pair, tmp_path, share):
    out = tmp_path / "out.safetensors"
    info = average(*pair, share, out)
    start, end, mixed = (load_weights(path)[0].state_dict() for path in (*pair, out))
    for name, value in mixed.items():
        expected = (1 - share) * start[name].double() + share * end[name].double()
        torch.testing.assert_close(value.double(), expected, atol=1e-3, rtol=1e-3)
    assert info.training == {"share_of_end": share, "start": {"run": 0}, "end": {"run": 1}}


def test_no_second_network_is_kept(pair, tmp_path):
    """It was trained on what one of the two reads, not on what the average reads."""
    network, _ = load_weights(pair[0])
    save_weights(pair[0], network, INFO, torch.float32, BendNetwork(BendConfig(width=4, hidden=8)))
    assert read_info(pair[0]).bends is not None
    out = tmp_path / "out.safetensors"
    assert average(*pair, 0.5, out).bends is None
    assert read_info(out).bends is None


def test_other_networks_are_refused(pair, tmp_path):
    other = tmp_path / "other.safetensors"
    config = replace(SMALL, widths=(8, 16))
    save_weights(other, build_network(config), replace(INFO, network=config))
    with pytest.raises(InputError, match="one network"):
        average(pair[0], other, 0.5, tmp_path / "out.safetensors")


def test_a_share_is_between_0_and_1(pair, tmp_path):
    with pytest.raises(InputError, match="between 0 and 1"):
        average(*pair, 1.5, tmp_path / "out.safetensors")


def test_the_command_writes_the_file(pair, tmp_path, capsys):
    out = tmp_path / "out.safetensors"
    assert main([str(pair[0]), str(pair[1]), "0.5", str(out)]) == 0
    assert out.is_file()
    assert "wrote" in capsys.readouterr().out
    assert main(["too few"]) == 2
    assert main([str(pair[0]), str(pair[1]), "half", str(out)]) == 2
