"""Every wrong input is named in one line, with the exit code of its kind, before anything is written.

The program was designed against a ranked list of what users of such programs complain about; the numbers in the names
of the tests are rows of that list:

=== ============================================================ ======================================================
row complaint                                                    tests
=== ============================================================ ======================================================
1   silent fall-back to the CPU                                  test_01_*
3   weights missing, truncated, damaged, under a wrong name      test_03_*
4   the network is touched; weights of a shared folder           test_04_*
5   weights and program do not fit each other                    test_05_*
6   the GPU runs out of memory                                   test_06_*
7   the machine runs out of memory                               test_07_*
8   one sequence repeated for every copy                         test_08_*
10  bad input is found late                                      every test (`refused`), test_10_*
11  sequence files of every kind of mess                         test_11_*
12  files written beside the inputs; folders without permission  test_12_*
15  placement: ORIGIN, NSTART, garbage headers                   test_15_*
16  axis order                                                   test_16_*
17  small maps                                                   test_17_*
18  nothing found: cryptic errors, broken files                  test_18_*
19  the wrong hand                                               test_18_*, the message names it
24  success is reported where the run failed                     test_24_*
25  nucleic acids                                                test_25_*
27  GPUs in exclusive mode                                       test_27_*
29  files that differ by case only                               test_29_*
30  what PDB cannot hold                                         test_30_*
34  working folder, relative paths                               test_34_*
35  an example instead of the missing input                      test_35_*
37  resuming                                                     test_37_*
=== ============================================================ ======================================================

Other rows are no inputs (speed, platforms, formats, comparisons: tested elsewhere) or ask for what is not an option yet
(templates, other programs' control files).
"""

import json
import re
import struct
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from emodelx.cli.app import main
from emodelx.errors import NothingBuildableError
from emodelx.io.maps import write_map
from emodelx.io.predictions import read_prediction, write_prediction
from emodelx.network.normalise import PAPER
from emodelx.network.unet import NetworkConfig, build_network
from emodelx.network.weights import WeightsInfo, save_weights
from emodelx.records import DensityMap

INTERNAL, INPUT, NOTHING, RESOURCE, WEIGHTS = 1, 2, 3, 4, 5


@pytest.fixture
def program(capsys, monkeypatch, tmp_path):
    """Call the program in a folder of its own; give the exit code and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMODELX_WEIGHTS", raising=False)

    def call(*words):
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        call.printed, stderr = capsys.readouterr()
        return ended.value.code, stderr

    return call


@pytest.fixture
def refused(program, tmp_path):
    """Call the program; it must refuse with this code, in one line that says all of `said`, and write nothing."""

    def call(words, code, *said):
        before = sorted(tmp_path.rglob("*"))
        started = time.perf_counter()
        found, stderr = program(*words)
        seconds = time.perf_counter() - started
        assert found == code, stderr
        lines = stderr.splitlines()
        assert len(lines) == 1, stderr
        assert lines[0].startswith("emodelx: error: ")
        for words_said in said:
            assert re.search(words_said, lines[0]), f"{words_said!r} is not said in: {lines[0]}"
        assert "Traceback" not in stderr
        assert sorted(tmp_path.rglob("*")) == before, "something was written"
        assert seconds < 5

    return call


@pytest.fixture(scope="module")
def good(planted, tmp_path_factory):
    """Inputs that are right: each test spoils one."""
    folder = tmp_path_factory.mktemp("good")
    values = np.random.default_rng(0).random((32, 32, 32), np.float32)
    write_map(folder / "map.mrc", DensityMap(values, np.zeros(3), np.ones(3)))
    torch.manual_seed(0)
    network = build_network(NetworkConfig(widths=(8, 8), encoder_blocks=(1, 1), decoder_blocks=(1,)))
    save_weights(folder / "w.safetensors", network.eval(), WeightsInfo(network.config, PAPER, window=32))
    return {
        "map": folder / "map.mrc",
        "fasta": planted.fasta,
        "prediction": planted.prediction,
        "weights": folder / "w.safetensors",
    }


@pytest.fixture
def from_prediction(good):
    return ["build", "--prediction", good["prediction"], "-f", good["fasta"], "-o", "out"]


@pytest.fixture
def from_map(good):
    return ["build", "-v", good["map"], "-f", good["fasta"], "-o", "out", "--weights", good["weights"], "-d", "cpu"]


def with_option(words, option, value):
    """The same command with another value of an option, or with the option added."""
    words = list(words)
    if option in words:
        words[words.index(option) + 1] = value
        return words
    return [*words, option, value]


# The command line (rows 10, 35)


def test_35_nothing_falls_back_to_an_example(refused):
    refused(["build"], INPUT, "Missing option '--output'")
    refused(["build", "-o", "out"], INPUT, "either --fasta or --no-sequence")


def test_no_sequence_contradicts_sequences(refused, from_prediction, good):
    refused([*from_prediction, "--no-sequence"], INPUT, "either --fasta or --no-sequence")
    words = ["build", "--prediction", good["prediction"], "--no-sequence", "-o", "out"]
    refused([*words, "--copies", "x=2"], INPUT, "--copies needs --fasta")


def test_search_names_what_is_wrong(refused, good, tmp_path):
    (tmp_path / "db.fasta").write_text(">a\nMKVLAAGI\n")
    (tmp_path / "bad.hmm").write_text("no profile\n")
    words = ["search", "db.fasta", "--profiles"]
    refused(["search", "db.fasta"], INPUT, "Missing option '--profiles'")
    refused([*words, "none"], INPUT, "none: no such file or folder")
    refused([*words, "bad.hmm"], INPUT, "bad.hmm: not a HMMER3 profile")
    refused([*words, "bad.hmm", "-o", "db.fasta"], INPUT, "would overwrite this input")
    refused([*words, "bad.hmm", "--write-fasta", "none/best.fasta"], INPUT, "folder that exists")
    refused(["search", good["map"], "--profiles", "bad.hmm"], INPUT, "bad.hmm")


def test_35_map_or_prediction_is_required(refused, good):
    refused(["build", "-f", good["fasta"], "-o", "out"], INPUT, "give --map, --prediction, or both")


def test_a_prediction_of_another_map_is_refused(refused, from_prediction, good, tmp_path):
    prediction = read_prediction(good["prediction"])
    write_prediction(tmp_path / "away.npz", replace(prediction, origin=prediction.origin + 500))
    words = with_option(from_prediction, "--prediction", "away.npz")
    refused([*words, "-v", good["map"]], INPUT, "outside of this map", "give the map that it was made from")


def test_a_mask_contradicts_a_prediction(refused, from_prediction, good):
    refused([*from_prediction, "-m", good["map"]], INPUT, "--mask contradicts --prediction")


@pytest.mark.parametrize("value", ["0", "-3", "400", "nan"])
def test_impossible_resolution(refused, from_map, value):
    refused([*from_map, "--resolution", value], INPUT, "--resolution", "Angstrom")


@pytest.mark.parametrize("value", ["-1", "101", "nan"])
def test_impossible_confidence(refused, from_prediction, value):
    refused([*from_prediction, "--min-confidence", value], INPUT, "--min-confidence", "between 0 and 100")


def test_impossible_threads(refused, from_prediction):
    refused([*from_prediction, "-j", "-2"], INPUT, "--threads -2")


def test_unknown_command_and_option(refused, from_prediction):
    refused(["bild"], INPUT, "No such command 'bild'")
    refused([*from_prediction, "--templates", "x"], INPUT, "No such option")


# The output folder (row 12)


def test_12_output_is_a_file(refused, from_prediction, tmp_path):
    (tmp_path / "out").write_text("mine")
    refused(from_prediction, INPUT, "out", "is a file", "give a folder")


def test_12_output_is_not_writable(refused, from_prediction, monkeypatch):
    monkeypatch.setattr(
        "emodelx.inputs.is_writable", lambda _: False
    )  # the tests may run as root, whom no permission stops
    refused(from_prediction, INPUT, "no permission to write")


def test_12_nothing_is_written_beside_the_inputs(program, from_prediction, good):
    folder = good["fasta"].parent
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert program(*from_prediction, "-q") == (0, "")
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_the_output_would_overwrite_an_input(refused, from_prediction, good, tmp_path):
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / "unmodelled.fasta"
    mine.write_bytes(good["fasta"].read_bytes())
    refused(with_option(from_prediction, "-f", mine), INPUT, "would overwrite this input")


# All inputs, by `emodelx check` (row 10)


@pytest.mark.parametrize("option", ["-v", "-f", "--weights", "-m"])
def test_10_check_says_what_build_says(program, from_map, option):
    wrong = with_option(from_map, option, "none.x")
    assert program(*wrong) == program("check", *wrong[1:])


def test_10_inputs_given_in_each_others_place(refused, from_map, good):
    refused(with_option(from_map, "-v", good["fasta"]), INPUT, "planted.fasta", "not a density map")
    refused(with_option(from_map, "-f", good["map"]), INPUT, "map.mrc", "not a text file")
    refused(with_option(from_map, "--weights", good["map"]), WEIGHTS, "map.mrc", "safetensors")
    refused([*from_map, "-m", good["fasta"]], INPUT, "planted.fasta", "not a density map")


# Sequences (rows 8, 11 and 25)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b">only a header\n", "no residues"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "text"),
        (b"PK\x03\x04" + bytes(600), "text"),
        (b"%PDF-1.7\n" + bytes(600), "text"),
        (b">a\nMKV(LAAA)\n", "line 2"),
        (b">a|mol:na\nACGUACGUACGUACGUACGUACGUACGUACGUACGUACGUACGU\n", "nucleic"),
    ],
)
def test_11_sequences(refused, from_prediction, tmp_path, content, said):
    path = tmp_path / "bad.fasta"
    path.write_bytes(content)
    refused(with_option(from_prediction, "-f", path), INPUT, "bad.fasta", said)


def test_11_sequence_file_missing(refused, from_prediction, tmp_path):
    refused(with_option(from_prediction, "-f", "none.fasta"), INPUT, "none.fasta", "no such file")
    refused(with_option(from_prediction, "-f", tmp_path), INPUT, "not a file")


@pytest.fixture
def accepted(program, good, tmp_path):
    """Check a sequence file; it must be accepted; give what is said about it."""

    def call(content):
        path = tmp_path / "odd.fasta"
        path.write_bytes(content)
        return check(program, ["--prediction", good["prediction"], "-f", path])

    return call


def test_08_a_sequence_repeated_for_every_copy_is_one(accepted):
    said = accepted(b"".join(b">copy%d\nMKVLAAGITGKWYRNDEE\n" % n for n in range(24)))
    assert "sequence copy0: 18 residues, 24 copies" in said
    assert said.count("sequence copy") == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xef\xbb\xbf>a\r\nmkvl\r\naagi\r\n", "sequence a: 8 residues"),
        (b">a\n 1 MKVL 5 AAGI *\n", r"warning: sequences: line 1: a: removed .*2 digits, 1 '\*'"),
        (b">a\nMKVLXXAAGI\n", "sequence a: 10 residues"),
        (b">a\nMKVLBZJ\n", "line 1: a: 1 residues B are read as D"),
        (b">a\nMKVL\n>a\nAAGI\n", "line 3: another sequence is called a; this one becomes a_2"),
        (b">sp|P1|X_Y Z\nMKVL\n", "sequence P1: 4 residues, copies to be counted in the map"),
    ],
)
def test_11_what_can_be_read_is_read_and_said(accepted, content, said):
    assert re.search(said, accepted(content))


def test_25_nucleic_acids_are_set_aside(accepted):
    said = accepted(b">p\nMKVLAAGIMKVLAAGI\n>n RNA\nACGUACGUACGU\n")
    assert "warning: sequences: line 3: n is nucleic acid and is set aside" in said
    assert "sequence p" in said


@pytest.mark.parametrize(("copies", "said"), [("nobody=2", "no such sequence"), ("x_1=0", "1 to"), ("x_1", "NAME=n")])
def test_impossible_copies(refused, from_prediction, copies, said):
    refused([*from_prediction, "--copies", copies], INPUT, "--copies", said)


# Maps (rows 15 to 17)


def check(program, words):
    """What `emodelx check` prints of inputs that are right."""
    assert program("check", *words) == (0, "")
    return program.printed


def spoilt(good, tmp_path, change):
    """The good map with bytes changed."""
    content = bytearray(good["map"].read_bytes())
    path = tmp_path / "bad.mrc"
    path.write_bytes(change(content) or content)
    return path


def word(offset, value, form="<i"):
    def change(content):
        struct.pack_into(form, content, offset, value)

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content[:-1000], "cut short"),
        (lambda content: content[:500], "not a density map"),
        (lambda content: bytes(content).replace(b"MAP ", b"PAM ")[:208] + bytes(2000), "not|map"),
        (word(12, 4), "mode 4"),
        (word(0, -5), "not|size"),
        (lambda content: b"\x1f\x8b" + bytes(content[2:]), "damaged"),
        (lambda content: content[:1024] + bytes(len(content) - 1024), "empty, every voxel"),
    ],
)
def test_15_maps(refused, from_map, good, tmp_path, change, said):
    path = spoilt(good, tmp_path, change)
    refused(with_option(from_map, "-v", path), INPUT, "bad.mrc", said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([word(196, -7.5, "<f"), word(16, 3)], "ORIGIN -7.5, 0, 0 A and NSTART 3, 0, 0 A disagree; placed by ORIGIN"),
        ([word(196, 1e30, "<f")], "ORIGIN 1e+30, 0, 0 was never set; placed by NSTART"),
        ([word(16, -(10**9))], "NSTART -1e+09, 0, 0 is far outside the map"),
    ],
)
def test_15_placement_that_is_doubtful_is_said(program, from_map, good, tmp_path, changes, said):
    def change(content):
        for one in changes:
            one(content)

    path = spoilt(good, tmp_path, change)
    assert f"warning: map: {said}" in check(program, with_option(from_map, "-v", path)[1:])


def test_15_a_name_that_makes_chimerax_ignore_the_origin(program, from_map, tmp_path):
    density = DensityMap(np.random.default_rng(0).random((32, 32, 32), np.float32), np.full(3, 50.0), np.ones(3))
    write_map(tmp_path / "a.map", density)
    assert "open this one with 'format mrc'" in check(program, with_option(from_map, "-v", "a.map")[1:])


def test_16_axes_that_are_none(program, from_map, good, tmp_path):
    path = spoilt(good, tmp_path, word(64, 7))
    said = check(program, with_option(from_map, "-v", path)[1:])
    assert "warning: map: MAPC, MAPR, MAPS are 7, 2, 3; taken as 1, 2, 3" in said


def test_map_missing(refused, from_map, tmp_path):
    refused(with_option(from_map, "-v", "none.mrc"), INPUT, "none.mrc", "no such file")
    refused(with_option(from_map, "-v", tmp_path), INPUT, "not a file")


@pytest.mark.parametrize("voxel", [0.25, 12.0])
def test_voxels_of_no_map(refused, from_map, tmp_path, voxel):
    density = DensityMap(np.random.default_rng(0).random((48, 48, 48), np.float32), np.zeros(3), np.full(3, voxel))
    write_map(tmp_path / "odd.mrc", density)
    refused(with_option(from_map, "-v", "odd.mrc"), INPUT, f"{voxel:g} x {voxel:g} x {voxel:g} A", "voxel size")


def test_voxels_that_are_no_numbers_are_counted(program, from_map, tmp_path):
    values = np.random.default_rng(0).random((32, 32, 32), np.float32)
    values[3, :2, 5] = np.nan, np.inf
    write_map(tmp_path / "nan.mrc", DensityMap(values, np.zeros(3), np.ones(3)))
    assert "warning: map: 2 of 32768 voxels were not finite" in check(
        program, with_option(from_map, "-v", "nan.mrc")[1:]
    )


def test_a_stack_of_images(refused, from_map, good, tmp_path):
    (tmp_path / "particles.mrcs").write_bytes(good["map"].read_bytes())
    refused(with_option(from_map, "-v", "particles.mrcs"), INPUT, "particles.mrcs", "stack of images")


def test_17_a_map_too_small_for_a_protein(refused, from_map, tmp_path):
    write_map(
        tmp_path / "tiny.mrc",
        DensityMap(np.eye(4, dtype=np.float32)[..., None] * np.ones(4, np.float32), np.zeros(3), np.ones(3)),
    )
    refused(with_option(from_map, "-v", "tiny.mrc"), INPUT, "tiny.mrc", "too small")


def test_a_mask_that_leaves_nothing(refused, from_map, tmp_path):
    far = DensityMap(np.ones((16, 16, 16), np.float32), np.full(3, 500.0), np.ones(3))
    write_map(tmp_path / "mask.mrc", far)
    refused([*from_map, "-m", "mask.mrc"], INPUT, "mask.mrc", "leaves nothing of the map")


def test_a_map_is_not_a_mask(refused, from_map, tmp_path):
    density = DensityMap(np.linspace(-3, 9, 32**3, dtype=np.float32).reshape(32, 32, 32), np.zeros(3), np.ones(3))
    write_map(tmp_path / "mask.mrc", density)
    refused([*from_map, "-m", "mask.mrc"], INPUT, "mask.mrc", "0 to 1")


# Predictions


def arrays(**changes):
    shape = (12, 12, 12)
    content = {
        "ca_prob": np.zeros(shape, np.float32),
        "bb_prob": np.zeros(shape, np.float32),
        "aa_prob": np.full((20, *shape), 0.05, np.float32),
        "origin": np.zeros(3),
    }
    return {name: array for name, array in (content | changes).items() if array is not None}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"aa_prob": None}, "aa_prob"),
        ({"aa_prob": np.full((12, 12, 12, 20), 0.05, np.float32)}, "aa_prob has shape"),
        ({"bb_prob": np.zeros((12, 12, 13), np.float32)}, "bb_prob|shape"),
        ({"ca_prob": np.full((12, 12, 12), np.nan, np.float32)}, "ca_prob"),
        ({"ca_prob": np.full((12, 12, 12), 7, np.float32)}, "ca_prob"),
        ({"origin": np.zeros(2)}, "origin"),
    ],
)
def test_predictions(refused, from_prediction, tmp_path, changes, said):
    np.savez(tmp_path / "bad.npz", **arrays(**changes))
    refused(with_option(from_prediction, "--prediction", "bad.npz"), INPUT, "bad.npz", said)


def test_a_prediction_that_is_none(refused, from_prediction, good):
    refused(with_option(from_prediction, "--prediction", good["fasta"]), INPUT, "planted.fasta", "npz")
    refused(with_option(from_prediction, "--prediction", "none.npz"), INPUT, "no such file")


# Nothing to build (row 18)


def test_18_nothing_found_is_said_and_leaves_no_model(program, from_prediction, tmp_path):
    np.savez(tmp_path / "empty.npz", **arrays())
    code, stderr = program(*with_option(from_prediction, "--prediction", "empty.npz"), "-q")
    assert code == NOTHING == NothingBuildableError.exit_code
    assert len(stderr.splitlines()) == 1
    assert re.search("hand .* resolution .* voxel size", stderr)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"run.log", "work"}


def test_18_candidates_that_fit_no_sequence(program, from_prediction, planted, tmp_path):
    with np.load(planted.prediction) as file:
        np.savez(tmp_path / "blank.npz", **{**file, "aa_prob": np.full_like(file["aa_prob"], 0.05)})
    code, stderr = program(*with_option(from_prediction, "--prediction", "blank.npz"), "-q")
    assert code == NOTHING
    for advice in ("sequences belong to it", "--template", "--no-sequence"):
        assert advice in stderr
    assert not (tmp_path / "out" / "out.cif").exists()


def test_24_log_and_exit_code_agree(program, from_prediction, tmp_path):
    np.savez(tmp_path / "empty.npz", **arrays())
    program(*with_option(from_prediction, "--prediction", "empty.npz"))
    assert "ended by NothingBuildableError: no Calpha found" in (tmp_path / "out" / "run.log").read_text()


# Devices (rows 1, 6 and 27)


def test_01_a_gpu_that_is_not_there_is_refused(refused, from_map, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    wanted = f"cuda:{torch.cuda.device_count() + 7}"
    refused(with_option(from_map, "-d", wanted), RESOURCE, wanted, "torch", "--device cpu")


def test_01_unknown_device(refused, from_map):
    refused(with_option(from_map, "-d", "tpu"), INPUT, "unknown device 'tpu'", "auto, cpu, cuda")


def test_01_the_choice_is_printed(program, from_map):
    assert "device: CPU" in check(program, from_map[1:])
    assert program(*from_map, "--dry-run") == (0, "")
    assert "device: CPU" in program.printed


@pytest.fixture
def exclusive(monkeypatch):
    """A GPU that is listed, and taken by another process."""
    import torch

    ones = torch.ones

    def busy(*words, device=None, **options):
        if "cuda" in str(device):
            raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable\nCompile with ...")
        return ones(*words, device=device, **options)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", busy)


@pytest.mark.usefixtures("exclusive")
def test_27_a_gpu_that_another_process_holds(refused, from_map):
    refused(
        with_option(from_map, "-d", "0"), RESOURCE, "'cuda:0' cannot be used: .*busy or unavailable", "--device cpu"
    )


@pytest.mark.usefixtures("exclusive")
def test_27_auto_says_why_it_takes_the_cpu(program, from_map):
    assert re.search("device: CPU, .*; .*busy", check(program, with_option(from_map, "-d", "auto")[1:]))


def test_06_a_gpu_that_is_too_small(program, from_map, monkeypatch, tmp_path):
    import torch

    def greedy(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nMore lines")

    monkeypatch.setattr("emodelx.network.unet.Trunk.forward", greedy)
    code, stderr = program(*from_map, "-q")
    assert code == RESOURCE
    assert len(stderr.splitlines()) == 1
    assert "not enough free memory" in stderr
    assert "--device cpu" in stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"run.log", "work"}


# Weights (rows 3 to 5)


def test_03_weights_missing(refused, from_map):
    refused(with_option(from_map, "--weights", "none.safetensors"), WEIGHTS, "none.safetensors")


def test_03_weights_cut_short(refused, from_map, good, tmp_path):
    content = good["weights"].read_bytes()
    (tmp_path / "short.safetensors").write_bytes(content[: len(content) // 2])
    refused(with_option(from_map, "--weights", "short.safetensors"), WEIGHTS, "short.safetensors", "get the file again")


def test_03_weights_under_a_wrong_name(refused, from_map):
    refused(
        with_option(from_map, "--weights", "large"), WEIGHTS, "no weights file 'large'", r"packaged names \(.*default"
    )


def test_03_weights_that_are_a_pickle(refused, from_map, tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"PK\x03\x04" + bytes(500))
    refused(with_option(from_map, "--weights", "model.ckpt"), WEIGHTS, "model.ckpt", "safetensors")


def test_03_weights_that_are_not_finite(refused, from_map, good, tmp_path):
    with safe_open(good["weights"], framework="np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        described = file.metadata()
    spoilt_name = next(name for name, tensor in tensors.items() if tensor.dtype == np.float16)
    tensors[spoilt_name] = np.full_like(tensors[spoilt_name], np.nan)
    save_file(tensors, tmp_path / "nan.safetensors", metadata=described)
    refused(with_option(from_map, "--weights", "nan.safetensors"), WEIGHTS, "nan.safetensors", "not finite")


def test_05_weights_with_a_damaged_configuration(refused, from_map, tmp_path):
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "odd.safetensors", metadata=metadata(network={"depth": 3}))
    refused(
        with_option(from_map, "--weights", "odd.safetensors"), WEIGHTS, "damaged configuration", "get the file again"
    )


def test_05_weights_of_another_program(refused, from_map, tmp_path):
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "foreign.safetensors")
    refused(with_option(from_map, "--weights", "foreign.safetensors"), WEIGHTS, "not an emodelx weights file")


def metadata(**changes):
    fields = json.loads(WeightsInfo(NetworkConfig(), PAPER).to_json()) | changes
    return {"emodelx": json.dumps(fields)}


def test_05_weights_of_another_version(refused, from_map, tmp_path):
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "new.safetensors", metadata=metadata(version=99))
    refused(with_option(from_map, "--weights", "new.safetensors"), WEIGHTS, "format 99", "update")


def test_05_weights_that_do_not_fit_their_configuration(refused, from_map, tmp_path):
    save_file({"w": np.zeros(3, np.float32)}, tmp_path / "odd.safetensors", metadata=metadata())
    refused(with_option(from_map, "--weights", "odd.safetensors"), WEIGHTS, "odd.safetensors", "does not fit")


def test_04_weights_of_the_environment_are_found(program, from_map, monkeypatch, tmp_path):
    monkeypatch.setenv("EMODELX_WEIGHTS", str(tmp_path / "away.safetensors"))
    words = from_map[: from_map.index("--weights")]
    code, stderr = program(*words)
    assert code == WEIGHTS
    assert "away.safetensors" in stderr


def test_04_nothing_is_downloaded(program, from_prediction, from_map, monkeypatch):
    def online(*_, **__):
        raise AssertionError("the network was touched")

    monkeypatch.setattr("socket.socket.connect", online)
    monkeypatch.setattr("socket.getaddrinfo", online)
    assert program(*from_prediction, "-q")[0] == 0
    assert program("check", *from_map[1:])[0] == 0


# Memory and disk (row 7)


def test_07_memory_that_will_not_do(refused, from_prediction, monkeypatch):
    monkeypatch.setattr("emodelx.inputs.available_memory", lambda: 10**6)
    refused(from_prediction, RESOURCE, "GB of memory", "free")


def test_07_memory_that_runs_out(program, from_prediction, monkeypatch, tmp_path):
    def greedy(*_):
        raise MemoryError

    monkeypatch.setattr("emodelx.pipeline.propose_candidates", greedy)
    code, stderr = program(*from_prediction, "-q")
    assert code == RESOURCE
    assert "out of memory" in stderr
    assert not (tmp_path / "out" / "out.cif").exists()


def test_a_disk_that_is_full(refused, from_prediction, monkeypatch):
    monkeypatch.setattr("emodelx.inputs.free_disk", lambda _: 1000)
    refused(from_prediction, RESOURCE, "on the disk")


# What comes out (rows 24, 29, 30, 34 and 37)


def test_24_an_internal_error_is_one_line_and_verbose_shows_where(program, from_prediction, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("emodelx.pipeline.propose_candidates", broken)
    code, stderr = program(*from_prediction, "-q")
    assert code == INTERNAL
    assert stderr.splitlines() == [
        "emodelx: error: internal error: ZeroDivisionError: a bug; please report it with the output of --verbose"
    ]
    code, stderr = program(*from_prediction, "-q", "--verbose")
    assert code == INTERNAL
    assert "Traceback" in stderr
    assert "in broken" in stderr


def test_30_a_model_that_does_not_fit_pdb_is_said_and_the_mmcif_is_there(program, from_prediction, good, tmp_path):
    renamed = tmp_path / "long.fasta"
    renamed.write_text(good["fasta"].read_text().replace("Chain A", "Chain LONG"))
    code, stderr = program(*with_option(from_prediction, "-f", renamed), "--pdb")
    assert code == 0
    assert re.search(r"warning: no PDB file: .*LONG", stderr)
    assert (tmp_path / "out" / "out.cif").exists()
    assert not (tmp_path / "out" / "out.pdb").exists()


def test_29_no_file_is_named_by_a_chain(program, from_prediction, good, tmp_path):
    cased = tmp_path / "cased.fasta"
    cased.write_text(good["fasta"].read_text().replace("Chain A", "Chain Eu").replace("Chain B", "Chain EU"))
    assert program(*with_option(from_prediction, "-f", cased), "-q")[0] == 0
    names = [path.name for path in (tmp_path / "out").rglob("*")]
    assert len(names) == len({name.lower() for name in names})
    assert not [name for name in names if "eu" in name.lower()]


def test_37_damaged_stages_are_made_again(program, from_prediction, tmp_path):
    assert program(*from_prediction, "-q")[0] == 0
    model = (tmp_path / "out" / "out.cif").read_bytes()
    for saved in (tmp_path / "out" / "work").iterdir():
        saved.write_bytes(saved.read_bytes()[:50])
    assert program(*from_prediction, "--resume", "-q") == (0, "")
    assert (tmp_path / "out" / "out.cif").read_bytes() == model


def test_wrong_input_leaves_an_earlier_model_alone(program, from_prediction, tmp_path):
    assert program(*from_prediction, "-q")[0] == 0
    model = (tmp_path / "out" / "out.cif").read_bytes()
    assert program(*with_option(from_prediction, "-f", "none.fasta"))[0] == INPUT
    assert (tmp_path / "out" / "out.cif").read_bytes() == model


def test_34_the_program_leaves_the_working_folder_alone(program, from_prediction, tmp_path):
    assert program(*from_prediction, "-q")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
