"""Training of the second network: its candidates and labels against slow twins, and a whole run on tiny windows."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from emodelx import _core
from emodelx import bends as program
from emodelx.config import CandidateConfig
from emodelx.constants import AMINO_ACIDS
from emodelx.errors import InputError, WeightsError
from emodelx.io.predictions import type_voxels
from emodelx.network.bends import BACKWARD, FORWARD, WRONG, BendConfig, BendLogits, BendNetwork, cut_boxes, frames
from emodelx.network.normalise import SPECTRUM
from emodelx.network.predict import torch_threads
from emodelx.network.unet import NetworkConfig, Reading, build_network
from emodelx.network.weights import WeightsInfo, load_bends, load_weights, save_weights
from emodelx.training import bends
from emodelx.training.bends import BendTraining, Examples, WindowReader
from emodelx.training.data import SimulatedWindows, WindowConfig
from emodelx.training.structures import NO_TYPE, PROTEIN, Structure

CPU = torch.device("cpu")
TINY = NetworkConfig(widths=(8, 8), encoder_blocks=(1, 1), decoder_blocks=(1,))
INFO = WeightsInfo(TINY, replace(SPECTRUM, ceiling=1.0), window=16, calpha_threshold=0.2, training={"run": 1})
SMALL = BendTraining(
    windows=12, validation_windows=2, window=32, steps=40, batch=32, warmup_steps=5, network=BendConfig(8, 16)
)


def quiet(line):
    pass


def make_calphas(xyz, residue, chain, amino):
    """Calphas alone."""
    count, yes = len(xyz), np.ones(len(xyz), bool)
    return Structure(
        np.asarray(xyz, np.float32),
        np.asarray(residue, np.int32),
        np.asarray(chain, np.int32),
        np.asarray(amino, np.int8),
        np.full(count, PROTEIN, np.int8),
        np.ones(count, np.float32),
        np.zeros(count, np.int8),
        yes,
        yes,
        ~yes,
    )


def trace(count):
    """Calphas of a helix along z."""
    turn = np.radians(100) * np.arange(count)
    return np.column_stack([2.3 * np.cos(turn), 2.3 * np.sin(turn), 1.5 * np.arange(count)])


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    with torch_threads(1):
        yield


@pytest.fixture(scope="module")
def unet_file(tmp_path_factory):
    """Weights of a U-Net that passes the density on to its head: peaks of the density are its Calphas."""
    torch.manual_seed(0)
    network = build_network(TINY)
    unet = network.unet
    for name, value in network.named_parameters():
        if "norm" not in name:
            torch.nn.init.zeros_(value)
    voxels = torch.eye(8)
    unet.stem.weight.data[:, :, 1, 1, 1] = voxels
    unet.head.weight.data[5 * 8 : 6 * 8, :, 0, 0, 0] = 4 * voxels  # the third class of Calphas
    unet.head.bias.data[5 * 8 : 6 * 8] = -3
    torch.nn.init.normal_(unet.head.weight.data[6 * 8 :])
    path = tmp_path_factory.mktemp("weights") / "unet.safetensors"
    save_weights(path, network, INFO)
    return path


@pytest.fixture(scope="module")
def reader(unet_file):
    return WindowReader(*load_weights(unet_file), CPU)


@pytest.fixture(scope="module")
def examples(pack, reader):
    return bends.make_examples(pack, reader, bends._windows(SMALL), SMALL.windows, quiet)


@pytest.mark.parametrize("steps", [4, 4000])
def test_candidates_are_those_of_the_program(steps):
    """With few steps many neighbours are equal."""
    generator = torch.Generator().manual_seed(steps)
    calpha = (torch.rand(14, 12, 13, generator=generator) * steps).round() / steps
    amino = torch.rand(20, 14, 12, 13, generator=generator).softmax(0)
    found = bends.find_candidates(Reading(calpha, calpha, amino), 0.5)
    volume = calpha.numpy()
    peaks = _core.find_peaks(volume, np.flatnonzero(volume > 0.5), CandidateConfig().nms_radius, threads=1)
    known = type_voxels(volume, 0.5)
    types = np.ascontiguousarray(amino.reshape(20, -1)[:, known].T)
    positions, types = _core.refine_candidates(volume, peaks, known, types, threads=1)
    assert len(peaks) > 20
    np.testing.assert_allclose(found.positions, positions, atol=1e-9)
    np.testing.assert_allclose(found.types, types, atol=1e-6)


def test_possible_bends_are_those_of_the_program():
    positions = np.random.default_rng(0).uniform(0, 20, (120, 3))
    mine, theirs = bends.possible_bends(positions), program.possible_bends(positions)
    assert len(mine) > 500
    assert sorted(map(tuple, mine)) == sorted(map(tuple, theirs))
    assert bends.possible_bends(np.zeros((0, 3))).shape == (0, 3)


def slow_owner(positions, calphas):
    owner = [-1] * len(positions)
    for candidate, position in enumerate(positions):
        closest = bends.OWNED
        for number, calpha in enumerate(calphas):
            apart = [math.dist(calpha, other) for other in positions]
            if apart[candidate] == min(apart) and apart[candidate] < closest:
                owner[candidate], closest = number, math.dist(calpha, position)
    return owner


def test_the_nearest_calpha_owns_a_candidate():
    rng = np.random.default_rng(2)
    positions, calphas = rng.uniform(0, 8, (25, 3)), rng.uniform(0, 8, (40, 3)).astype(np.float32)
    found = bends.find_owners(positions, calphas)
    assert found.tolist() == slow_owner(positions, calphas)
    assert 5 < (found >= 0).sum() < 25
    assert bends.find_owners(positions[:0], calphas).tolist() == []
    assert bends.find_owners(positions, calphas[:0]).tolist() == [-1] * 25


def slow_label(triple, owner, calphas):
    """Twin of label_bends for one triple."""

    def follows(first, second):
        return (
            calphas.residue[second] == calphas.residue[first] + 1
            and calphas.chain[second] == calphas.chain[first]
            and math.dist(calphas.xyz[first], calphas.xyz[second]) < 4.3
        )

    a, b, c = (owner[candidate] for candidate in triple)
    if min(a, b, c) < 0:
        return WRONG, NO_TYPE
    if follows(a, b) and follows(b, c):
        return FORWARD, calphas.amino[b]
    return (BACKWARD if follows(c, b) and follows(b, a) else WRONG), NO_TYPE


@pytest.fixture(scope="module")
def planted():
    """A chain that lacks residue 6 and has a gap after residue 9, a second one that begins where it ends; candidates.

    The candidates stand in reverse order, the last four are false ones.
    """
    xyz = trace(16)
    xyz[10:, 0] += 4  # 9 and 10 are too far apart
    residue = np.array([0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15])
    xyz = xyz[residue]
    amino = np.arange(15)
    amino[2] = NO_TYPE
    calphas = make_calphas(xyz, residue, residue >= 13, amino)
    rng = np.random.default_rng(1)
    positions = np.concatenate([xyz[::-1] + rng.normal(0, 0.2, (15, 3)), rng.uniform(3, 15, (4, 3))])
    return positions, calphas


def test_labels_of_a_planted_chain(planted):
    positions, calphas = planted
    owner = bends.find_owners(positions, calphas.xyz)
    assert owner.tolist() == [*range(14, -1, -1), -1, -1, -1, -1]
    place = {number: 14 - row for row, number in enumerate(calphas.residue)}  # candidate of a residue
    triples = [
        (0, 1, 2),
        (2, 1, 0),
        (1, 2, 3),
        (4, 5, 7),
        (8, 9, 10),
        (9, 10, 11),
        (10, 11, 12),
        (11, 12, 13),
        (1, 3, 2),
    ]
    course, amino = bends.label_bends(np.array([[place[r] for r in t] for t in triples]), owner, calphas)
    assert course.tolist() == [FORWARD, BACKWARD, FORWARD, WRONG, WRONG, WRONG, FORWARD, WRONG, WRONG]
    assert amino.tolist() == [1, NO_TYPE, NO_TYPE, -1, -1, -1, 10, -1, -1]


def test_labels_are_their_slow_twin(planted):
    positions, calphas = planted
    owner = bends.find_owners(positions, calphas.xyz)
    triples = np.random.default_rng(3).integers(0, len(positions), (2000, 3))
    triples = np.concatenate([triples, bends.possible_bends(positions)])
    course, amino = bends.label_bends(triples, owner, calphas)
    expected = [slow_label(triple, owner, calphas) for triple in triples]
    assert list(zip(course, amino, strict=True)) == expected
    assert set(course) == {FORWARD, BACKWARD, WRONG}
    nobody = calphas.select(np.zeros(15, bool))
    assert set(bends.label_bends(triples, np.full(19, -1), nobody)[0]) == {WRONG}


def test_all_forward_bends_are_drawn_and_some_of_the_others():
    course = np.random.default_rng(0).permutation(np.repeat([FORWARD, BACKWARD, WRONG], [20, 20, 500]))
    drawn = bends.draw_bends(course, np.random.default_rng(1))
    assert np.bincount(course[drawn]).tolist() == [20, 8, 19]
    assert len(set(drawn)) == len(drawn)
    assert drawn.tolist() == bends.draw_bends(course, np.random.default_rng(1)).tolist()
    assert drawn.tolist() != bends.draw_bends(course, np.random.default_rng(2)).tolist()
    assert len(bends.draw_bends(np.full(9, WRONG), np.random.default_rng(1))) == 3


def test_a_molecule_is_what_the_window_shows(pack):
    windows = SimulatedWindows(pack, WindowConfig(24, noise_share=0), 4, CPU)
    for index in range(4):
        density, atoms = windows.molecule(index)
        assert torch.equal(density, windows[index][0][0])
        assert atoms.calpha.any()
    noise = SimulatedWindows(pack, WindowConfig(24, noise_share=1), 4, CPU)
    assert torch.equal(noise.molecule(3)[0], density)


class OracleReader:
    """Says what the model says: a peak at every Calpha, and there the type of its residue."""

    def __init__(self, calphas):
        self.calphas, self.device, self.info = calphas, CPU, SimpleNamespace(calpha_threshold=0.3)

    def read(self, density):
        voxel = torch.stack(torch.meshgrid(*[torch.arange(len(density))] * 3, indexing="ij"), -1).float()
        apart = torch.stack([(voxel - torch.from_numpy(xyz)).norm(dim=-1) for xyz in self.calphas.xyz])
        types = torch.from_numpy(self.calphas.amino).long()[apart.argmin(0)]
        calpha = torch.exp(-(apart.amin(0) ** 2) / 1.5)
        return Reading(calpha, calpha, torch.nn.functional.one_hot(types, 20).movedim(-1, 0).float())


def test_examples_of_an_oracle_show_the_planted_chain():
    sequence = np.arange(18)
    calphas = make_calphas(trace(18) + np.array([16, 16, 3]), sequence, np.zeros(18), sequence)
    density = torch.rand(32, 32, 32, generator=torch.Generator().manual_seed(0)) * 4
    found = bends.examples_of_window(density, calphas, OracleReader(calphas), np.random.default_rng(0))
    forward = found.course == FORWARD
    # the middles lie 5 A and more inside: z of residue i is 3 + 1.5 i
    assert sorted(found.amino[forward].tolist()) == list(range(2, 16))
    assert torch.equal(found.log_types[forward].float().argmax(1), found.amino[forward])
    assert (found.amino[~forward] == NO_TYPE).all()
    assert (found.course == BACKWARD).sum() == int(0.4 * 14)
    assert found.distances[forward].abs()[:, :2].max() < 0.6
    # the box is of the clipped density, and in the frame of its own bend
    first = int(found.amino.eq(8).nonzero()[0, 0])
    bend = torch.from_numpy(calphas.xyz[7:10])[None]
    volume = torch.stack([density.clamp(max=2.5), OracleReader(calphas).read(density).backbone])
    truth = cut_boxes(volume, bend)[0]
    assert torch.corrcoef(torch.stack([found.boxes[first, 1].float().flatten(), truth[1].flatten()]))[0, 1] > 0.95
    assert found.boxes[:, 0].max() <= 2.5 * 0.8 + 1e-3
    assert torch.det(frames(bend)).item() == pytest.approx(1, abs=1e-5)


def test_the_reader_clips_and_puts_types_in_order(unet_file):
    network, info = load_weights(unet_file)
    density = torch.rand(16, 16, 16, generator=torch.Generator().manual_seed(0)) * 2.5
    read = WindowReader(network, info, CPU).read(density)
    clipped = WindowReader(network, info, CPU).read(density.clamp(max=1.0))
    assert torch.equal(read.amino, clipped.amino)
    assert read.amino.sum(0).mean().item() == pytest.approx(1, abs=1e-3)
    other = WindowReader(network, replace(info, amino_order=AMINO_ACIDS[::-1]), CPU).read(density)
    assert torch.equal(other.amino, read.amino.flip(0))
    assert torch.equal(other.calpha, read.calpha)


def test_examples_depend_on_the_seed_alone(pack, reader, examples):
    again = bends.make_examples(pack, reader, bends._windows(SMALL), SMALL.windows, quiet)
    assert torch.equal(again.boxes, examples.boxes)
    other = bends.make_examples(pack, reader, bends._windows(replace(SMALL, seed=2)), 3, quiet)
    assert not torch.equal(other.boxes[:5], examples.boxes[:5])
    assert examples.boxes.dtype == torch.float16


def test_types_count_where_the_chain_runs_forward_alone():
    course, amino = torch.tensor([FORWARD, FORWARD, BACKWARD, WRONG]), torch.tensor([4, NO_TYPE, NO_TYPE, NO_TYPE])
    some = Examples(torch.zeros(4), torch.zeros(4), torch.zeros(4), amino, course)
    logits = BendLogits(torch.randn(4, 20), torch.randn(4, 3))
    of_types, of_course = bends.bend_losses(logits, some)
    assert of_types.item() == pytest.approx(-logits.amino[0].log_softmax(0)[4].item(), abs=1e-5)
    expected = -sum(row.log_softmax(0)[kind] for row, kind in zip(logits.course, course, strict=True)) / 4
    assert of_course.item() == pytest.approx(expected.item(), abs=1e-5)
    none = replace(some, amino=torch.full((4,), NO_TYPE))
    assert bends.bend_losses(logits, none)[0] == 0


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


def test_training_lowers_the_losses_and_repeats(examples):
    torch.manual_seed(SMALL.seed)
    before = bends.figures(BendNetwork(SMALL.network).eval(), examples)
    network = bends.train_network(examples, SMALL, CPU, quiet)
    after = bends.figures(network, examples)
    assert not network.training
    assert after["course"] < 0.95 * before["course"]
    assert after["amino"] < 0.98 * before["amino"]
    again = bends.train_network(examples, SMALL, CPU, quiet).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("other", [{"average_decay": 0.0}, {"brightness": 0.0}, {"weight_decay": 9.0}, {"seed": 2}])
def test_settings_take_part(examples, other):
    few = replace(SMALL, steps=3)
    one, two = (bends.train_network(examples, config, CPU, quiet) for config in (few, replace(few, **other)))
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
    assert set(record["validation"]) == {"amino", "amino_accuracy", "course", "course_accuracy"}
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


def test_a_unet_that_finds_nothing_is_refused(pack, unet_file):
    network, info = load_weights(unet_file)
    blind = WindowReader(network, replace(info, calpha_threshold=0.9999), CPU)
    with pytest.raises(InputError, match="no three Calphas in a row"):
        bends.make_examples(pack, blind, bends._windows(SMALL), 1, quiet)
