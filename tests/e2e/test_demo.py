"""The demo as its users meet it: the shipped weights read a synthetic map, and most of the truth comes back."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest

from emodelx.io.maps import read_map, write_map
from emodelx.io.structures import read_calphas
from emodelx.scoring import compare

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def run(emodelx, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "out"
    done = emodelx("demo", "-o", folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_most_of_the_truth_is_recovered(run):
    folder, _ = run
    found = compare(read_calphas(folder / "model" / "model.cif"), read_calphas(folder / "truth.cif"))
    assert found.reg_acc > 0.85
    assert found.reg_precision > 0.95
    assert found.tm > 0.85


def test_it_prints_the_figures_of_the_files(run):
    folder, done = run
    model, truth = read_calphas(folder / "model" / "model.cif"), read_calphas(folder / "truth.cif")
    found = compare(model, truth)
    assert f"Built {found.n_model} of {found.n_true} residues" in done.stdout
    for share in (found.ca_recall, found.reg_acc, found.reg_precision):
        assert f"  {share:.1%} of " in done.stdout
    assert f"{found.tm:.3f} TM-score" in done.stdout


def test_it_names_files_that_are_there(run):
    folder, done = run
    named = re.findall(rf"{re.escape(str(folder))}\S+", done.stdout)
    assert len(named) == 6
    assert all((folder / name).is_file() for name in named)


def test_the_example_script_builds_the_same(run, tmp_path):
    folder, _ = run
    words = [folder / "example.mrc", folder / "example.fasta", tmp_path / "model"]
    command = [sys.executable, str(EXAMPLES / "coverage.py"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    chains = json.loads((folder / "model" / "report.json").read_text())["chains"]
    assert len(chains) == 3
    for chain in chains:
        assert f"{chain['chain']} ({chain['sequence']}): {chain['built'] / chain['length']:.0%} built" in done.stdout
    assert (tmp_path / "model" / "model.cif").read_bytes() == (folder / "model" / "model.cif").read_bytes()


def test_probabilities_alone_build_the_same_with_their_map(run, emodelx, tmp_path):
    folder, _ = run
    done = emodelx("predict", "-v", folder / "example.mrc", "-o", tmp_path / "whole.npz")
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "whole.npz") as arrays:
        alone = {name: arrays[name] for name in ("ca_prob", "bb_prob", "aa_prob", "origin", "threshold")}
        assert set(arrays.files) == {*alone, "density", "odds", "resolution"}
    np.savez(tmp_path / "plain.npz", **alone)
    words = ["--prediction", tmp_path / "plain.npz", "-v", folder / "example.mrc", "-f", folder / "example.fasta"]
    done = emodelx("build", *words, "-o", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model" / "model.cif").read_bytes() == (folder / "model" / "model.cif").read_bytes()


def test_the_hand_of_the_map_is_told(run, emodelx, tmp_path):
    folder, done = run
    assert "mirror image" not in done.stdout + done.stderr
    density = read_map(folder / "example.mrc").density
    write_map(tmp_path / "map.mrc", replace(density, values=np.ascontiguousarray(density.values[:, ::-1])))
    done = emodelx("check", "-v", tmp_path / "map.mrc", "-f", folder / "example.fasta")
    assert done.returncode == 0, done.stderr
    assert "warning: the map is a mirror image: " in done.stdout


def faded(values, spacing, b_factor):
    """The map with an anisotropic B factor along z."""
    frequency = np.fft.fftfreq(values.shape[2], spacing)
    transform = np.fft.fft(values, axis=2) * np.exp(-b_factor * frequency**2 / 4)
    return np.fft.ifft(transform, axis=2).real


def test_a_map_that_fades_along_a_direction_is_told(run, emodelx, tmp_path):
    folder, _ = run
    density = read_map(folder / "example.mrc").density
    values = faded(density.values, density.spacing[2], 150.0).astype(np.float32)
    write_map(tmp_path / "map.mrc", replace(density, values=values))
    whole, thin = (
        emodelx("check", "--resolution", "3", "-v", path, "-f", folder / "example.fasta").stdout
        for path in (folder / "example.mrc", tmp_path / "map.mrc")
    )
    assert "warning: directions" not in whole
    said = re.search(r"warning: directions: details of 3.0 A are ([\d.]+) times weaker along \(([^)]+)\)", thin)
    assert said is not None, thin
    assert float(said[1]) > 2
    assert abs(float(said[2].split(",")[2])) > 0.9
    read = emodelx("predict", "--resolution", "3", "-v", tmp_path / "map.mrc", "-o", tmp_path / "read.npz")
    assert f"map: {said[0].removeprefix('warning: directions: ')}" in read.stderr


def test_main_chains_are_traced_without_sequences(run, emodelx, tmp_path):
    folder, _ = run
    done = emodelx("build", "--no-sequence", "-v", folder / "example.mrc", "-o", tmp_path / "m")
    assert done.returncode == 0, done.stderr
    assert "the map tells which way all chains run, so they get main chains, up to the Cbeta" in done.stderr
    model, truth = (gemmi.read_structure(str(p))[0] for p in (tmp_path / "m" / "m.cif", folder / "truth.cif"))
    assert {atom.name for chain in model for residue in chain for atom in residue} == {"N", "CA", "C", "O", "CB"}
    true_calphas = places(truth, "CA")
    nearest = np.linalg.norm(places(model, "CA")[:, None] - true_calphas, axis=2).argmin(axis=1)
    for name in ("N", "C", "O"):  # each of its own residue, so the chains run the right way
        assert np.median(np.linalg.norm(places(model, name) - places(truth, name)[nearest], axis=1)) < 0.5
    report = json.loads((tmp_path / "m" / "report.json").read_text())
    assert report["residues_built"] > 0.85 * len(true_calphas)
    assert report["scores"]["ramachandran_favoured"] > 0.9
    assert report["scores"]["cc_mask"] > 0.5


def test_chains_of_other_sequences_are_traced(run, emodelx, tmp_path):
    """Two of three chains have a sequence that is not given."""
    folder, _ = run
    *_, second = (folder / "example.fasta").read_text().split(">")
    (tmp_path / "one.fasta").write_text(f">{second}")
    done = emodelx("build", "-v", folder / "example.mrc", "-f", tmp_path / "one.fasta", "-o", tmp_path / "m")
    assert done.returncode == 0, done.stderr
    truth = read_calphas(folder / "truth.cif")
    found = compare(read_calphas(tmp_path / "m" / "m_unexplained.cif"), truth[:2])
    assert found.ca_recall > 0.85
    assert found.forward_rate > 0.9
    report = json.loads((tmp_path / "m" / "report.json").read_text())
    named = [chain["chain"] for chain in report["unexplained_chains"]]
    assert not set(named) & {chain["chain"] for chain in report["chains"]}
    assert {path.name for path in (tmp_path / "m" / "hmm_profiles").iterdir()} == {
        f"{name}.{kind}" for name in named for kind in ("csv", "hmm")
    }
    residues = sum(chain["built"] for chain in report["unexplained_chains"])
    assert f"of other sequences or copies: {residues} residues: " in done.stdout
    assert any(line.startswith(f"{residues} residues in {len(named)} long chains") for line in report["assumptions"])
    assert 'open "m_unexplained.cif" id #3' in (tmp_path / "m" / "m.cxc").read_text()


def test_a_wrong_sequence_is_doubted(run, emodelx, tmp_path):
    folder, _ = run
    letters = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
    residues = "".join(np.random.default_rng(4).choice(letters, 100))
    (tmp_path / "other.fasta").write_text(f">other|Chain A|\n{residues}\n")
    words = ["build", "-v", folder / "example.mrc", "-f", tmp_path / "other.fasta", "-o", tmp_path / "m"]
    done = emodelx(*words, "--refine-with", "none")
    if done.returncode == 3:
        assert "no residue could be placed with confidence" in done.stderr
        assert not (tmp_path / "m" / "m.cif").exists()
        return
    assert done.returncode == 0, done.stderr
    assert re.search("only about .* % of those that were built are expected to be where they belong", done.stderr)


def places(model, name):
    """Positions of the atoms of a name, residue by residue."""
    return np.array([residue.find_atom(name, "*").pos.tolist() for chain in model for residue in chain])
