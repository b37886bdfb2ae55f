"""From a prediction to chains without sequences, from their profiles to the sequences, and on to the usual build."""

import json

import gemmi
import numpy as np
import pytest

from emodelx.constants import AMINO_ACIDS

FILES = {
    "m.cif", "m_init.cif", "residues.csv", "report.json", "report.html", "m.cxc", "unmodelled.fasta", "run.log", "work",
    "hmm_profiles",
}  # fmt: skip


@pytest.fixture(scope="module")
def traced(planted, emodelx, tmp_path_factory):
    output = tmp_path_factory.mktemp("traced") / "m"
    done = emodelx("build", "--no-sequence", "--prediction", planted.prediction, "-o", output)
    assert done.returncode == 0, done.stderr
    return output, done


@pytest.fixture(scope="module")
def database(planted, tmp_path_factory):
    """The planted sequences, without chains, among random ones."""
    rng = np.random.default_rng(5)
    records = [(f"r{i}", "".join(rng.choice(list(AMINO_ACIDS), 120))) for i in range(60)]
    records[20:20] = [(f"planted_{chain}", residues) for chain, residues in planted.residues.items()]
    path = tmp_path_factory.mktemp("database") / "db.fasta"
    path.write_text("".join(f">{name} text\n{residues}\n" for name, residues in records))
    return path


def test_both_helices_are_traced_and_typed(traced, planted):
    output, _ = traced
    assert {path.name for path in output.iterdir()} == FILES
    structure = gemmi.read_structure(str(output / "m.cif"))
    assert [chain.name for chain in structure[0]] == ["A", "B"]
    truth = np.concatenate(list(planted.positions.values()))
    letters = "".join(planted.residues.values())
    right = built = 0
    for chain in structure[0]:
        assert len(chain) >= 45
        for residue in chain:
            distance = np.linalg.norm(truth - residue[0].pos.tolist(), axis=1)
            assert distance.min() < 1.5
            right += gemmi.find_tabulated_residue(residue.name).one_letter_code == letters[distance.argmin()]
            built += 1
    assert right > 0.9 * built


def test_the_report_says_how_many_chains_and_how_long(traced):
    output, done = traced
    report = json.loads((output / "report.json").read_text())
    assert report["sequences"] == []
    assert [chain["chain"] for chain in report["chains"]] == ["A", "B"]
    (said,) = [line for line in report["assumptions"] if line.startswith("traced without sequences")]
    assert f"{report['residues_built']} residues in 2 chains" in said
    assert "fasta" not in report["inputs"]
    assert f"emodelx search DATABASE.fasta --profiles {output / 'hmm_profiles'}" in done.stdout


def test_a_profile_per_chain(traced):
    names = sorted(path.name for path in (traced[0] / "hmm_profiles").iterdir())
    assert names == ["A.csv", "A.hmm", "B.csv", "B.hmm"]


def test_resume_and_threads_change_nothing(traced, planted, emodelx, tmp_path):
    words = ["build", "--no-sequence", "--prediction", planted.prediction, "-o", tmp_path / "m", "-j", 1]
    assert emodelx(*words, "-q").returncode == 0
    again = emodelx(*words, "--resume")
    assert "paths: taken from the earlier run" in again.stderr
    for name in ("m.cif", "hmm_profiles/A.hmm", "hmm_profiles/B.csv"):
        assert (tmp_path / "m" / name).read_bytes() == (traced[0] / name).read_bytes()


def test_a_build_with_sequences_takes_old_profiles_away(planted, emodelx, tmp_path):
    words = ["build", "--prediction", planted.prediction, "-o", tmp_path / "m", "-q"]
    assert emodelx(*words, "--no-sequence").returncode == 0
    assert emodelx(*words, "-f", planted.fasta).returncode == 0
    assert not (tmp_path / "m" / "hmm_profiles").exists()


def test_sequences_are_found_and_built(traced, planted, database, emodelx, tmp_path):
    pytest.importorskip("pyhmmer")
    hits, best = tmp_path / "hits.csv", tmp_path / "best.fasta"
    words = ["search", database, "--profiles", traced[0] / "hmm_profiles", "-o", hits, "--write-fasta", best, "-j", 1]
    done = emodelx(*words)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 chains have a hit" in done.stdout
    assert hits.read_text().startswith("chain,direction,sequence,length,e_value,score,")
    built = emodelx("build", "--prediction", planted.prediction, "-f", best, "-o", tmp_path / "model", "-j", 1)
    assert built.returncode == 0, built.stderr
    report = json.loads((tmp_path / "model" / "report.json").read_text())
    counts = {(s["name"], s["copies"], s["counted"]) for s in report["sequences"]}
    assert counts == {("planted_A", 1, True), ("planted_B", 1, True)}
    assert report["residues_built"] > 90
    assert "sequence planted_A: copies counted in the map: 1" in report["assumptions"]


def test_no_hit_is_exit_code_3(traced, emodelx, tmp_path):
    pytest.importorskip("pyhmmer")
    (tmp_path / "other.fasta").write_text(">other\n" + "WGPCH" * 30 + "\n")
    done = emodelx("search", tmp_path / "other.fasta", "--profiles", traced[0] / "hmm_profiles")
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert "no sequence matches any of 2 profiles" in line
