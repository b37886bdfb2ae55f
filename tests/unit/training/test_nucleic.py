"""Training of the network that tells nucleic acids from protein: labels, windows, and a whole run on tiny ones."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from emodelx.errors import InputError, WeightsError
from emodelx.network.bends import CEILING, BendConfig, BendNetwork
from emodelx.network.nucleic import NucleicNetwork
from emodelx.network.predict import torch_threads
from emodelx.network.unet import NetworkConfig, build_network
from emodelx.network.weights import load_bends, load_nucleic, load_weights, save_weights
from emodelx.training import nucleic
from emodelx.training.data import WindowConfig
from emodelx.training.labels import IGNORED
from emodelx.training.nucleic import NucleicTraining, NucleicWindows
from emodelx.training.structures import NUCLEIC, OTHER, PROTEIN

CPU = torch.device("cpu")
SHAPE = NetworkConfig(widths=(4, 6), encoder_blocks=(1, 1), decoder_blocks=(1,))
FEW = NucleicTraining(steps=3, batch=2, window=24, validation_windows=2, warmup_steps=2)


def quiet(line):
    pass


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    with torch_threads(1):
        yield


class Planted:
    """Windows in which nucleic acid is three times as bright as protein."""

    def __init__(self, count):
        rng = np.random.default_rng(0)
        kinds = torch.from_numpy(rng.integers(0, 2, (count, 2, 2, 2)).repeat(8, 1).repeat(8, 2).repeat(8, 3))
        noise = torch.from_numpy(rng.normal(0, 0.1, kinds.shape)).float()
        self.windows = list(zip((0.5 + kinds.float() + noise)[:, None], kinds, strict=True))

    def __len__(self):
        return len(self.windows)

    def __getitem__(self, index):
        return self.windows[index]


def test_labels_are_their_slow_twin():
    rng = np.random.default_rng(1)
    xyz = rng.uniform(-3, 13, (40, 3)).astype(np.float32)
    kind = rng.choice([PROTEIN, NUCLEIC, OTHER], 40).astype(np.int8)
    labels = nucleic.nucleic_labels(SimpleNamespace(xyz=xyz, kind=kind), 10)
    known = kind != OTHER
    for voxel in np.ndindex(10, 10, 10):
        distance = np.linalg.norm(xyz[known] - np.array(voxel), axis=1)
        nearest = distance.argmin()
        expected = IGNORED if distance[nearest] >= 2 else int(kind[known][nearest] == NUCLEIC)
        assert labels[voxel] == expected, voxel


def test_no_atoms_no_labels():
    nothing = SimpleNamespace(xyz=np.zeros((0, 3), np.float32), kind=np.zeros(0, np.int8))
    assert (nucleic.nucleic_labels(nothing, 6) == IGNORED).all()


def test_windows_repeat_and_vary(pack):
    drawn = WindowConfig(24, 1, **nucleic.SHARES)
    plain, varied = (NucleicWindows(pack, drawn, 3, varied) for varied in (False, True))
    density, labels = plain[1]
    again, other = varied[1], varied[1]
    assert density.shape == (1, 24, 24, 24)
    assert density.max() <= CEILING
    assert torch.equal(again[0], other[0])
    assert torch.equal(labels, again[1])
    assert not torch.equal(density, again[0])


def test_variation_is_bounded_and_keeps_what_is_brighter():
    density = torch.linspace(0, 2, 1000).view(10, 10, 10)
    for seed in range(20):
        varied = nucleic.vary(density, torch.Generator().manual_seed(seed))
        smooth = varied.view(20, 50).mean(1)
        assert (smooth.diff() > 0).all()
        assert 0.5 < varied.mean() / density.mean() < 1.6


def test_loss_is_over_the_labelled_voxels():
    log_odds = torch.tensor([2.0, -1.0, 5.0])
    labels = torch.tensor([1, 0, IGNORED])
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))) / 2
    assert nucleic.loss_of(log_odds, labels).item() == pytest.approx(expected)
    assert nucleic.loss_of(log_odds, torch.full((3,), IGNORED)) == 0


def test_training_tells_planted_molecules_apart(monkeypatch):
    monkeypatch.setattr(nucleic, "computes_half", lambda _: False)
    torch.manual_seed(0)
    config = replace(FEW, steps=60, batch=4, learning_rate=2e-2, average_decay=0.9)
    start = NucleicNetwork(SHAPE)
    network = nucleic.train_network(start, Planted(240), config, CPU, quiet)
    found = nucleic.figures(network, Planted(8))
    assert not network.training
    assert found["loss"] < 0.3
    assert found["protein_lost"] < 0.1
    assert found["nucleic_kept"] < 0.1


def test_it_starts_with_what_the_unet_has_learned():
    first = build_network(SHAPE).eval()
    start = nucleic.starting_at(first).eval()
    x = torch.rand(1, 1, 8, 8, 8)
    assert (start(x) == 0).all()
    assert torch.equal(start.unet.stem.weight, first.unet.stem.weight)
    cascade = build_network(replace(SHAPE, cascade=True))
    assert torch.equal(nucleic.starting_at(cascade).unet.stem.weight, cascade.backbone.stem.weight)


def test_the_learning_rate_rises_then_falls():
    config = NucleicTraining(steps=900)
    rates = [config.learning_rate_at(step) for step in (0, 25, 49, 450, 899)]
    assert rates[0] < rates[1] < rates[2] > rates[3] > rates[4]
    assert rates[2] == pytest.approx(6e-4, rel=0.02)


def test_a_window_that_is_no_number_stops_the_training():
    windows = Planted(6)
    windows.windows = [(density * math.nan, labels) for density, labels in windows.windows]
    with pytest.raises(InputError, match="the gradient of step 1 is not a number"):
        nucleic.train_network(NucleicNetwork(SHAPE), windows, FEW, CPU, quiet)


def test_the_command_adds_a_network_and_leaves_the_others(unet_file, data_folder, tmp_path, capsys):
    start, out = tmp_path / "start.safetensors", tmp_path / "out.safetensors"
    unet, info = load_weights(unet_file)
    bends = BendNetwork(BendConfig(4, 8, 6))
    save_weights(start, unet, info, bends=bends)
    options = ["--steps", "2", "--batch", "1", "--window", "24", "--validation-windows", "3", "--device", "cpu"]
    assert nucleic.main([str(start), str(data_folder), str(out), *options]) == 0
    assert "protein_lost" in capsys.readouterr().out
    network, written = load_weights(out)
    for name, value in load_weights(start)[0].state_dict().items():
        assert torch.equal(value, network.state_dict()[name]), name
    second, third = load_bends(out), load_nucleic(out)
    assert second is not None
    assert torch.equal(second.conv1.weight, bends.conv1.weight.half().float())
    assert third is not None
    assert third.config == info.network
    record = written.training["nucleic"]
    assert (record["settings"]["steps"], record["settings"]["window"]) == (2, 24)
    assert set(record["validation"]) == {"loss", "protein_lost", "nucleic_kept"}
    assert str(tmp_path) not in json.dumps(written.training)


def test_what_cannot_be_used_is_refused(unet_file, data_folder, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out.safetensors"
    assert nucleic.main([str(unet_file), str(data_folder), str(tmp_path / "none" / "out")]) == InputError.exit_code
    assert "no such folder" in capsys.readouterr().err
    assert nucleic.main([str(tmp_path / "w"), str(data_folder), str(out)]) == WeightsError.exit_code
    monkeypatch.setattr(nucleic.StructurePack, "nucleotide_counts", lambda _: np.zeros(3, np.int64))
    assert nucleic.main([str(unet_file), str(data_folder), str(out)]) == InputError.exit_code
    assert "holds no nucleic acids" in capsys.readouterr().err
