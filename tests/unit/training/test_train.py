"""Data, training loop, calibration and export on structures of a hundred residues."""

import json
import math
from dataclasses import replace

import pytest
import torch

from emodelx.errors import InputError
from emodelx.network.normalise import SPECTRUM
from emodelx.network.unet import Logits, NetworkConfig, build_network
from emodelx.network.weights import WeightsInfo, load_weights, save_weights
from emodelx.training import export
from emodelx.training.calibrate import (
    ODDS_BINS,
    best_temperature,
    calibrate,
    count_odds,
    fit_odds,
    match_counts,
    remove_class_weights,
)
from emodelx.training.data import SimulatedWindows, WindowConfig, batches
from emodelx.training.labels import IGNORED, TARGET
from emodelx.training.loss import LossConfig, Targets
from emodelx.training.train import Progress, RunningMean, Trainer, TrainingConfig, learning_rate, read_checkpoint, train

CPU = torch.device("cpu")
TINY = NetworkConfig(widths=(4, 6), encoder_blocks=(1, 1), decoder_blocks=(1,))
WINDOWS = WindowConfig(size=16)


@pytest.fixture
def config(data_folder, tmp_path):
    return TrainingConfig(
        data_folder,
        tmp_path,
        steps=4,
        batch=2,
        warmup_steps=2,
        validation_windows=2,
        log_steps=2,
        windows=WINDOWS,
        network=TINY,
    )


def quiet(record):
    pass


def test_windows_depend_on_seed_and_number_alone(pack):
    windows = SimulatedWindows(pack, WINDOWS, 8, CPU)
    again = SimulatedWindows(pack, WINDOWS, 8, CPU)
    assert all(torch.equal(a, b) for a, b in zip(windows[3], again[3], strict=True))
    assert not torch.equal(windows[3][0], windows[4][0])
    other = SimulatedWindows(pack, replace(WINDOWS, seed=2), 8, CPU)
    assert not torch.equal(windows[3][0], other[3][0])


def test_window_shapes_and_range(pack):
    density, *labels = SimulatedWindows(pack, WINDOWS, 4, CPU)[3]
    assert density.shape == (1, 16, 16, 16)
    assert density.dtype == torch.float32
    assert 0 <= density.min() < density.max() <= SPECTRUM.ceiling
    assert [volume.shape for volume in labels] == [(16, 16, 16)] * 3


def test_windows_of_noise_hold_nothing_at_full_scale(pack):
    windows = SimulatedWindows(pack, replace(WINDOWS, noise_share=1.0), 8, CPU)
    masked = 0
    for density, backbone, calpha, amino in (windows[i] for i in range(8)):
        inside = density > 0.02
        assert 0.003 < (density[inside] > 1).float().mean() < 0.12
        masked += inside.float().mean() < 0.25
        assert (backbone == 0).all()
        assert (calpha == 0).all()
        assert (amino == IGNORED).all()
    assert 0 < masked < 8
    assert torch.equal(windows[1][0], windows[1][0])


def test_windows_of_noise_leave_the_others_as_they_are(pack):
    some, none = (SimulatedWindows(pack, replace(WINDOWS, noise_share=share), 12, CPU) for share in (0.3, 0.0))
    same = [torch.equal(some[i][0], none[i][0]) for i in range(12)]
    assert 0 < sum(same) < 12


def test_batches_start_anywhere_and_workers_change_nothing(pack):
    windows = SimulatedWindows(pack, WINDOWS, 6, CPU)
    alone = list(batches(windows, 2, 0, 0))
    assert len(alone) == 3
    assert torch.equal(next(batches(windows, 2, 2, 0))[0], alone[2][0])
    helped = list(batches(windows, 2, 0, 1))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(alone, helped, strict=True))


def test_schedule_rises_then_falls():
    config = TrainingConfig(data=".", out=".", steps=1000, warmup_steps=100)
    rates = [learning_rate(config, Progress(step)) for step in (0, 50, 99, 500, 1000)]
    assert rates[0] < rates[1] < rates[2] > rates[3] > rates[4]
    assert rates[4] == pytest.approx(config.least_learning_rate)


def test_training_learns_one_batch(config):
    trainer = Trainer(replace(config, steps=60, learning_rate=5e-3), CPU)
    batch = next(batches(trainer.windows, 2, 0, 0))
    losses = [trainer.step(*batch)["total"] for _ in range(25)]
    assert losses[-1] < 0.85 * losses[0]


def test_a_window_that_is_no_number_stops_the_run_before_it_harms_the_weights(config):
    trainer = Trainer(config, CPU)
    density, targets = next(batches(trainer.windows, 2, 0, 0))
    density[0, 0, 3, 3, 3] = math.nan
    before = {name: value.clone() for name, value in trainer.network.named_parameters()}
    with pytest.raises(InputError, match="the gradient of step 1 is not a number"):
        trainer.step(density, targets)
    assert all(torch.equal(value, before[name]) for name, value in trainer.network.named_parameters())


def test_a_resumed_run_is_the_run_that_was_not_cut(config, tmp_path):
    whole = read_checkpoint(train(replace(config, out=tmp_path / "whole"), CPU, None, False, quiet))
    cut = Trainer(replace(config, out=tmp_path), CPU)
    stream = batches(cut.windows, 2, 0, 0)
    for _ in range(2):
        cut.step(*next(stream))
    cut.save()
    resumed = read_checkpoint(train(config, CPU, None, True, quiet))
    assert resumed["progress"]["step"] == whole["progress"]["step"] == 4
    for name, tensor in whole["averaged"].items():
        assert torch.equal(tensor, resumed["averaged"][name]), name


def test_log_has_training_and_validation_lines(config, tmp_path):
    seen = []
    train(config, CPU, None, False, seen.append)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == seen
    assert [line["kind"] for line in lines] == ["train", "train", "validation"]
    assert {"step", "seconds", "learning_rate", "backbone", "calpha", "amino", "total"} <= lines[0].keys()


def test_budget_in_hours_ends_a_run(config):
    trainer = Trainer(replace(config, hours=1e-9), CPU)
    trainer.run(quiet)
    assert trainer.progress.step == 1


def test_averages_follow_the_network(config):
    trainer = Trainer(config, CPU)
    name = "unet.head.bias"
    before = trainer.averaged.values[name].clone()
    with torch.no_grad():
        trainer.network.unet.head.bias += 1
    trainer.averaged.update(trainer.network, 10**6)
    moved = trainer.averaged.values[name] - before
    assert torch.allclose(moved, torch.full_like(moved, 1 - config.average_decay), atol=1e-5)


def test_running_mean_leaves_out_what_is_no_number():
    mean = RunningMean()
    mean.add({"a": 1.0, "b": math.nan})
    mean.add({"a": 3.0, "b": 5.0})
    assert mean.take() == {"a": 2.0, "b": 5.0}
    assert mean.take() == {}


def test_start_weights_of_another_shape_are_refused(config, tmp_path):
    other = NetworkConfig(widths=(4, 8), encoder_blocks=(1, 1), decoder_blocks=(1,))
    path = tmp_path / "start.safetensors"
    save_weights(path, build_network(other), WeightsInfo(other, export.SPECTRUM))
    with pytest.raises(InputError, match="another shape"):
        Trainer(config, CPU, path)


def test_resume_without_or_with_a_foreign_checkpoint_is_refused(config, tmp_path):
    with pytest.raises(InputError, match="not a training checkpoint"):
        train(config, CPU, None, True, quiet)
    Trainer(config, CPU).save()
    wider = NetworkConfig(widths=(4, 8), encoder_blocks=(1, 1), decoder_blocks=(1,))
    with pytest.raises(InputError, match="another shape"):
        train(replace(config, network=wider), CPU, None, True, quiet)
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match="not a training checkpoint"):
        read_checkpoint(tmp_path / "checkpoint.pt")


def test_class_weights_leave_the_probabilities():
    network = build_network(TINY).eval()
    x = torch.rand(1, 1, 8, 8, 8)
    before = network(x)
    loss = LossConfig()
    remove_class_weights(network, loss)
    after = network(x)
    shift = torch.tensor(loss.calpha_classes).log().view(1, 3, 1, 1, 1)
    assert torch.allclose(after.calpha, before.calpha - shift, atol=1e-5)
    assert torch.equal(after.amino, before.amino)


@pytest.mark.parametrize("planted", [0.6, 1.0, 1.7])
def test_temperature_is_recovered(planted):
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(20_000, 20, generator=generator) * 1.5
    types = torch.distributions.Categorical(logits=honest).sample()
    assert best_temperature(honest * planted, types) == pytest.approx(planted, abs=0.051)


@pytest.mark.parametrize("planted", [(1.0, 1.0), (1.3, 0.05), (0.6, 4.0)])
def test_odds_are_recovered(planted):
    """Voxels are right as often as the planted odds say, and those without a label do not count."""
    power, factor = planted
    generator = torch.Generator().manual_seed(0)
    said = torch.rand(200_000, generator=generator)
    odds = factor * (said / (1 - said)) ** power
    labels = torch.where(torch.rand(len(said), generator=generator) < odds / (1 + odds), TARGET, 0)
    labels[::7] = IGNORED
    found = fit_odds(count_odds(said, labels))
    assert found == pytest.approx(planted, rel=0.05)


def test_odds_of_few_voxels_are_finite():
    assert fit_odds(torch.zeros(2, ODDS_BINS)) == pytest.approx((1.0, 1.0), abs=0.3)
    sure = torch.tensor([0.01, 0.99])
    power, factor = fit_odds(count_odds(sure, torch.tensor([0, TARGET])))
    assert 0 < power < 100
    assert 0.1 < factor < 10


def test_counts_of_planted_peaks():
    calpha = torch.zeros(12, 12, 12, dtype=torch.bool)
    calpha[3, 3, 3] = calpha[9, 9, 9] = True
    probability = torch.zeros(12, 12, 12)
    probability[3, 4, 3] = 0.9  # found, 1 A off
    probability[9, 3, 9] = 0.8  # false
    probability[9, 9, 9] = 0.2  # below the threshold
    assert match_counts(probability, calpha, 0.5).tolist() == [1, 2, 1, 2]
    assert match_counts(probability * 0, calpha, 0.5).tolist() == [0, 2, 0, 0]


class Oracle(torch.nn.Module):
    """Says what the labels say, with Calphas at a probability of 0.5."""

    def __init__(self, targets):
        super().__init__()
        self.targets = targets

    def forward(self, _density):
        calpha = (self.targets.calpha == TARGET).float()
        amino = torch.nn.functional.one_hot(self.targets.amino.clamp(min=0), 20).movedim(-1, 1).float() * 5
        background = torch.stack([1 - calpha, torch.zeros_like(calpha) - 20, calpha], 1) * 1.0
        background[:, 0] = torch.where(calpha > 0, 0.0, 5.0)
        background[:, 2] = torch.where(calpha > 0, 0.0, -5.0)
        return Logits(background, background, amino)


def test_calibration_of_an_oracle():
    calpha = torch.zeros(1, 12, 12, 12, dtype=torch.long)
    amino = torch.full_like(calpha, -100)
    for k, voxel in enumerate([(2, 2, 2), (2, 8, 2), (8, 8, 8)]):
        calpha[(0, *voxel)], amino[(0, *voxel)] = TARGET, k
    targets = Targets(calpha, calpha, amino)
    found = calibrate(Oracle(targets), NetworkConfig(), [(torch.zeros(1, 1, 12, 12, 12), targets)])
    assert (found.recall, found.precision, found.amino_accuracy) == (1, 1, 1)
    assert found.calpha_threshold < 0.5
    assert found.temperature == pytest.approx(0.5)  # always right: as cold as may be
    assert found.odds.calpha == found.odds.main_chain
    assert found.odds.calpha[0] > 1  # right more often than it says


def test_exported_weights_load_and_tell_their_story(config, data_folder, tmp_path):
    checkpoint = train(config, CPU, None, False, quiet)
    out = tmp_path / "w.safetensors"
    export.export(checkpoint, data_folder, out, windows=2)
    network, info = load_weights(out)
    assert info.network == TINY
    assert info.training["progress"]["step"] == 4
    assert str(tmp_path) not in json.dumps(info.training)
    assert set(info.training["validation"]) >= {"recall", "precision", "amino_accuracy"}
    assert network(torch.rand(1, 1, 8, 8, 8)).amino.shape == (1, 20, 8, 8, 8)


def test_export_command_names_its_errors(tmp_path, capsys):
    assert export.main([]) == 2
    assert export.main([str(tmp_path / "x.pt"), str(tmp_path), "out.safetensors"]) == 2
    assert "not a training checkpoint" in capsys.readouterr().err
