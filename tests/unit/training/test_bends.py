"""Training of the second network: its losses, its settings, and a whole run on tiny windows."""

import json
import math
from dataclasses import fields, replace

import pytest
import torch

from emodelx.errors import InputError, WeightsError
from emodelx.network.bends import BACKWARD, FORWARD, WRONG, BendConfig, BendNetwork, BendOutput
from emodelx.network.predict import torch_threads
from emodelx.network.weights import load_bends, load_weights, save_weights
from emodelx.training import bends
from emodelx.training.bend_examples import Examples, make_examples
from emodelx.training.bend_variation import Variation
from emodelx.training.bends import BendTraining
from emodelx.training.structures import NO_TYPE

CPU = torch.device("cpu")
SMALL = BendTraining(
    windows=12, validation_windows=2, window=32, steps=40, batch=32, warmup_steps=5, network=BendConfig(8, 16, 12)
)


FIGURES = {"amino", "amino_accuracy", "course", "course_accuracy", "distance", "distance_left"}


def quiet(line):
    pass


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    with torch_threads(1):
        yield


@pytest.fixture(scope="module")
def examples(pack, reader):
    return make_examples(pack, reader, bends._windows(SMALL), SMALL.windows, quiet)


def test_types_count_where_the_chain_runs_forward_and_places_where_there_is_one():
    course, amino = torch.tensor([FORWARD, FORWARD, BACKWARD, WRONG]), torch.tensor([4, NO_TYPE, NO_TYPE, NO_TYPE])
    shift = torch.tensor([[0.0, 0, 0], [0.2, 0, 0], [0, 3.0, 0], [torch.nan] * 3])
    some = Examples(torch.zeros(4), torch.zeros(4), torch.zeros(4), amino, course, shift)
    logits = BendOutput(torch.randn(4, 20), torch.randn(4, 3), torch.zeros(4, 3))
    of_types, of_course, of_shift = bends.bend_losses(logits, some)
    assert of_shift.item() == pytest.approx((0.2**2 / (2 * bends.NEAR) + 3 - bends.NEAR / 2) / 9)
    assert of_types.item() == pytest.approx(-logits.amino[0].log_softmax(0)[4].item(), abs=1e-5)
    expected = -sum(row.log_softmax(0)[kind] for row, kind in zip(logits.course, course, strict=True)) / 4
    assert of_course.item() == pytest.approx(expected.item(), abs=1e-5)
    none = replace(some, amino=torch.full((4,), NO_TYPE), shift=torch.full((4, 3), torch.nan))
    assert bends.bend_losses(logits, none)[::2] == (0, 0)


def test_figures_of_a_network_that_says_nothing(examples, monkeypatch):
    """Untrained, it repeats the types of the U-Net, and any course is as likely."""
    monkeypatch.setattr(bends, "computes_half", lambda _: False)
    monkeypatch.setattr(bends, "AT_ONCE", 7)
    network = BendNetwork(SMALL.network).eval()
    torch.nn.init.zeros_(network.trusted.bias)
    torch.nn.init.zeros_(network.head.bias)
    network.head.bias.data[20 + BACKWARD] = 1.0
    found = bends.figures(network, examples)
    forward = examples.amino >= 0
    types, truth = examples.log_types[forward].float(), examples.amino[forward]
    assert found["amino"] == pytest.approx(torch.nn.functional.cross_entropy(types, truth).item(), rel=1e-4)
    assert found["amino_accuracy"] == pytest.approx((types.argmax(1) == truth).float().mean().item())
    backward = (examples.course == BACKWARD).float().mean().item()
    assert found["course"] == pytest.approx(math.log(2 + math.e) - backward, rel=1e-4)
    assert found["course_accuracy"] == pytest.approx(backward)
    ways = examples.shift[examples.course == FORWARD]
    assert found["distance"] == found["distance_left"] == pytest.approx((ways**2).sum(1).mean().sqrt().item())


def test_training_lowers_the_losses_and_repeats(examples):
    torch.manual_seed(SMALL.seed)
    before = bends.figures(BendNetwork(SMALL.network).eval(), examples)
    network = bends.train_network(examples, SMALL, CPU, quiet)
    after = bends.figures(network, examples)
    assert not network.training
    assert after["course"] < 0.95 * before["course"]
    assert after["amino"] < 0.98 * before["amino"]
    assert after["distance_left"] < 0.99 * after["distance"]
    again = bends.train_network(examples, SMALL, CPU, quiet).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("other", [{"average_decay": 0.0}, {"shift_weight": 0.0}, {"weight_decay": 9.0}, {"seed": 2}])
def test_settings_take_part(examples, other):
    few = replace(SMALL, steps=3)
    one, two = (bends.train_network(examples, config, CPU, quiet) for config in (few, replace(few, **other)))
    assert not torch.equal(one.joined.weight, two.joined.weight)


@pytest.mark.parametrize("setting", [f.name for f in fields(Variation)])
def test_examples_vary_in_training(examples, setting):
    few = replace(SMALL, steps=2)
    still = replace(few, variation=replace(few.variation, **{setting: 0.0}))
    one, two = (bends.train_network(examples, config, CPU, quiet) for config in (few, still))
    assert not torch.equal(one.joined.weight, two.joined.weight)


def test_a_box_that_is_no_number_stops_the_training(examples):
    spoilt = replace(examples, boxes=examples.boxes * math.nan)
    with pytest.raises(InputError, match="the gradient of step 1 is not a number"):
        bends.train_network(spoilt, SMALL, CPU, quiet)


def test_the_learning_rate_rises_then_falls():
    config = BendTraining()
    rates = [config.learning_rate_at(step) for step in (0, 100, 199, 6000, 12_000)]
    assert rates[0] < rates[1] < rates[2] > rates[3] > rates[4]
    assert rates[2] == pytest.approx(1.2e-3, rel=1e-3)
    assert rates[4] == pytest.approx(5e-6)


def test_every_example_comes_once_an_epoch():
    stream = bends._shuffled(10, replace(SMALL, batch=5))
    first, second, third, fourth = (next(stream).tolist() for _ in range(4))
    assert sorted(first + second) == sorted(third + fourth) == list(range(10))
    assert first + second != third + fourth
    assert len(next(bends._shuffled(3, SMALL))) == 3


def test_a_training_goes_on_with_a_network(examples):
    """With a rate of nothing the start comes out; from random weights something else does."""
    still = replace(SMALL, steps=1, learning_rate=0.0, least_learning_rate=0.0)
    torch.manual_seed(9)
    start = BendNetwork(BendConfig(4, 8, 6))
    before = {name: value.clone() for name, value in start.named_parameters()}
    after = bends.train_network(examples, still, CPU, quiet, start)
    assert after.config == start.config
    assert all(torch.equal(value, before[name]) for name, value in after.named_parameters())


def test_the_command_goes_on_with_the_second_network_of_the_weights(unet_file, data_folder, tmp_path, capsys):
    start, out, bare = (tmp_path / f"{name}.safetensors" for name in ("start", "out", "bare"))
    unet, info = load_weights(unet_file)
    save_weights(start, unet, info, bends=BendNetwork(BendConfig(4, 8, 6)))
    save_weights(bare, unet, info)
    options = ["--windows", "3", "--validation-windows", "2", "--window", "32", "--steps", "2", "--device", "cpu"]
    assert bends.main([str(start), str(data_folder), str(out), *options, "--go-on", "--learning-rate", "1e-4"]) == 0
    second = load_bends(out)
    assert second is not None
    assert second.config == BendConfig(4, 8, 6)
    assert load_weights(out)[1].training["bends"]["settings"]["learning_rate"] == 1e-4
    assert bends.main([str(bare), str(data_folder), str(out), *options, "--go-on"]) == WeightsError.exit_code
    assert "bare.safetensors has no second network to go on with" in capsys.readouterr().err


@pytest.mark.parametrize("precision", [torch.float16, torch.float32])
def test_the_command_adds_a_network_and_leaves_the_unet(unet_file, data_folder, tmp_path, capsys, precision):
    start, out = tmp_path / "start.safetensors", tmp_path / "out.safetensors"
    unet, info = load_weights(unet_file)
    if precision == torch.float32:
        unet.unet.head.bias.data += 1e-6
    save_weights(start, unet, info, precision)
    options = ["--windows", "3", "--validation-windows", "2", "--window", "32", "--steps", "2", "--device", "cpu"]
    assert bends.main([str(start), str(data_folder), str(out), *options]) == 0
    assert "course_accuracy" in capsys.readouterr().out
    network, written = load_weights(out)
    for name, value in load_weights(start)[0].state_dict().items():
        assert torch.equal(value, network.state_dict()[name]), name
    second = load_bends(out)
    assert second is not None
    assert second.config == written.bends == BendConfig()
    assert (second.head.weight != 0).any()
    record = written.training["bends"]
    assert written.training["run"] == 1
    assert (record["settings"]["windows"], record["settings"]["steps"]) == (3, 2)
    assert set(record["validation"]) == FIGURES
    assert str(tmp_path) not in json.dumps(written.training)
    assert replace(written, training=info.training, bends=None) == info


def test_errors_are_named(unet_file, data_folder, tmp_path, capsys):
    out = str(tmp_path / "out.safetensors")
    assert bends.main([str(unet_file), str(tmp_path), out]) == InputError.exit_code
    assert "train.npz is not a structure pack" in capsys.readouterr().err
    garbage = tmp_path / "garbage.safetensors"
    garbage.write_bytes(b"no weights")
    assert bends.main([str(garbage), str(data_folder), out]) == WeightsError.exit_code
    assert "not a whole .safetensors file" in capsys.readouterr().err
    assert bends.main([str(unet_file), str(data_folder), str(tmp_path / "none" / "out")]) == InputError.exit_code
    assert "no such folder" in capsys.readouterr().err
    assert bends.main([str(unet_file), str(data_folder), out, "--device", "abacus"]) == InputError.exit_code
    assert "unknown device" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        bends.main([str(unet_file), str(data_folder), out, "--steps", "0"])
    assert "no whole number above 0" in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()
