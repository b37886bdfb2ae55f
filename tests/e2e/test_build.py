"""From a prediction to all files of a run."""

import csv
import json
from dataclasses import replace
from html.parser import HTMLParser

import gemmi
import numpy as np
import pytest

from emodelx import BuildConfig, build
from emodelx.cli.build import _print_result
from emodelx.errors import InputError
from emodelx.io.maps import read_map, write_map
from emodelx.io.predictions import read_prediction
from emodelx.records import DensityMap

NAMES = {
    "m.cif",
    "m_init.cif",
    "residues.csv",
    "report.json",
    "report.html",
    "m.cxc",
    "unmodelled.fasta",
    "run.log",
    "work",
}


@pytest.fixture(scope="module")
def run(planted, emodelx, tmp_path_factory):
    output = tmp_path_factory.mktemp("build") / "m"
    done = emodelx("build", "--prediction", planted.prediction, "-pf", planted.fasta, "-o", output)
    assert done.returncode == 0, done.stderr
    return output, done


def test_the_planted_helices_are_recovered(run, planted):
    structure = gemmi.read_structure(str(run[0] / "m.cif"))
    assert {chain.name for chain in structure[0]} == {"A", "B"}
    for chain in structure[0]:
        numbers = np.array([residue.label_seq - 1 for residue in chain])
        found = np.array([residue["CA"][0].pos.tolist() for residue in chain])
        assert len(numbers) >= 45
        error = np.linalg.norm(found - planted.positions[chain.name][numbers], axis=1)
        assert error.max() < 1.0
        names = [gemmi.find_tabulated_residue(residue.name).one_letter_code for residue in chain]
        assert "".join(names) == "".join(planted.residues[chain.name][i] for i in numbers)


def test_every_file_is_there_and_nothing_else(run):
    output, _ = run
    assert {path.name for path in output.iterdir()} == NAMES
    assert all(path.suffix == ".npz" for path in (output / "work").iterdir())


def test_stdout_tells_what_was_built_and_where_it_is(run):
    output, done = run
    lines = done.stdout.splitlines()
    report = json.loads((output / "report.json").read_text())
    built = [f"chain {c['chain']} ({c['sequence']}): {c['built']} of 50 residues, mean" for c in report["chains"]]
    assert [line[: len(words)] for line, words in zip(lines, built, strict=False)] == built
    assert lines[len(built)].startswith(f"built: {report['residues_built']} of 100 residues (")
    assert lines[-3:] == [
        f"report: {output / 'report.html'}, warnings: {len(report['warnings'])}",
        f"to look at it: chimerax {output / 'm.cxc'}",
        f"model: {output / 'm.cif'}",
    ]


def test_progress_is_plain_lines_without_a_terminal(run):
    lines = run[1].stderr.splitlines()
    assert [line for line in lines if line.startswith("candidates: ")]
    assert "\x1b" not in run[1].stderr
    assert "\r" not in run[1].stderr


def test_residues_table_agrees_with_the_model(run):
    output, _ = run
    with (output / "residues.csv").open() as file:
        rows = list(csv.DictReader(file))
    structure = gemmi.read_structure(str(output / "m.cif"))
    written = [(chain.name, residue) for chain in structure[0] for residue in chain]
    assert len(rows) == len(written) > 0
    for row, (chain, residue) in zip(rows, written, strict=True):
        assert (row["chain"], int(row["label_seq"])) == (chain, residue.label_seq)
        assert gemmi.expand_one_letter(row["aa"], gemmi.ResidueKind.AA) == residue.name
        np.testing.assert_allclose([float(row[x]) for x in "xyz"], residue["CA"][0].pos.tolist(), atol=2e-3)
        assert float(row["confidence"]) == pytest.approx(residue[0].b_iso, abs=0.01)
        assert row["clash"], "the geometry is measured"
        assert row["provenance"] in ("traced", "threaded", "bridged", "extended", "template")
        if row["p_A"]:
            assert sum(float(row[f"p_{letter}"]) for letter in "ACDEFGHIKLMNPQRSTVWY") == pytest.approx(1, abs=2e-3)


def test_report_counts_what_is_in_the_files(run, planted):
    output, _ = run
    report = json.loads((output / "report.json").read_text())
    built = len((output / "residues.csv").read_text().splitlines()) - 1
    assert report["residues_built"] == built == sum(chain["built"] for chain in report["chains"])
    assert report["residues_expected"] == 100
    assert report["inputs"]["fasta"]["path"] == str(planted.fasta)
    assert len(report["inputs"]["prediction"]["sha256"]) == 64
    assert report["seed"] == 0
    assert set(report["stage_seconds"]) >= {"candidates", "links", "traces", "scores", "chains", "threading"}


def test_unmodelled_and_model_make_up_the_sequences(run):
    output, _ = run
    missing = sum(len(line) for line in (output / "unmodelled.fasta").read_text().splitlines() if line[0] != ">")
    report = json.loads((output / "report.json").read_text())
    assert missing + report["residues_built"] == report["residues_expected"]


def test_the_page_is_whole_and_loads_nothing(run):
    text = (run[0] / "report.html").read_text()
    opened, closed = [], []

    class Tags(HTMLParser):
        def handle_starttag(self, tag, attrs):
            assert tag not in ("script", "link", "img")
            assert all(value.startswith("data:") for name, value in attrs if name in ("src", "href"))
            opened.append(tag)

        def handle_endtag(self, tag):
            closed.append(tag)

    Tags().feed(text)
    assert opened.count("svg") == closed.count("svg") == 3 + 2 + 2, "three sides, and bar and plot of every chain"
    assert opened.count("table") == closed.count("table") > 0
    assert text.count("<title>A ") == json.loads((run[0] / "report.json").read_text())["chains"][0]["built"]
    assert len(text) < 100_000


def test_a_template_takes_part(planted, emodelx, tmp_path):
    """Both helices as one template, in another place: it is found, reported, and nothing gets worse."""
    structure = gemmi.Structure()
    structure.add_model(gemmi.Model(1))
    for name, positions in planted.positions.items():
        chain = gemmi.Chain(name)
        for i, (letter, place) in enumerate(zip(planted.residues[name], positions - 77.0, strict=True)):
            atom = gemmi.Atom()
            atom.name, atom.element, atom.pos, atom.b_iso = "CA", gemmi.Element("C"), gemmi.Position(*place), 95.0
            residue = gemmi.Residue()
            residue.name = gemmi.expand_one_letter(letter, gemmi.ResidueKind.AA)
            residue.seqid = gemmi.SeqId(i + 1, " ")
            residue.add_atom(atom)
            chain.add_residue(residue)
        structure[0].add_chain(chain)
    structure.setup_entities()
    structure.write_pdb(str(tmp_path / "fold.pdb"))
    done = emodelx(
        "build",
        "--prediction",
        planted.prediction,
        "-pf",
        planted.fasta,
        "-o",
        tmp_path / "m",
        "-t",
        tmp_path / "fold.pdb",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "m" / "report.json").read_text())
    assert [use["template"] for use in report["templates"]] == ["fold.pdb chain A", "fold.pdb chain B"]
    assert all(use["placed"] > 30 and use["contradicted"] == 0 for use in report["templates"])
    assert report["residues_built"] >= 95
    assert report["inputs"]["template 1"]["path"] == str(tmp_path / "fold.pdb")


def test_uncertain_residues_are_kept_apart(planted, tmp_path, monkeypatch, capsys):
    def rate(model, *_):
        rated = (c.placed() * (10 + 80 * (np.arange(len(c.placed())) % 4 > 0)) for c in model.chains)
        chains = (replace(c, confidence=r.astype(np.float32)) for c, r in zip(model.chains, rated, strict=True))
        return replace(model, chains=tuple(chains))

    monkeypatch.setattr("emodelx.pipeline.rate_confidence", rate)
    given = {"prediction": planted.prediction, "fasta": planted.fasta, "output": tmp_path / "m"}
    result = build(BuildConfig(**given, min_confidence=50))
    _print_result(result)
    files, report = result.files, result.report
    kept, apart = (
        {(chain.name, residue.seqid.num) for chain in gemmi.read_structure(str(path))[0] for residue in chain}
        for path in (files.model, files.uncertain)
    )
    assert len(kept) > 60
    assert all(number % 4 != 1 for _, number in kept)
    assert all(number % 4 == 1 for _, number in apart)
    assert (report.residues_built, report.residues_uncertain) == (len(kept), len(apart))
    assert sum(chain.uncertain for chain in report.chains) == len(apart)
    assert f"kept apart: {len(apart)} more, below 50: {files.uncertain}" in capsys.readouterr().out
    assert f"{len(apart)} more, with a confidence below 50, are kept apart" in files.page.read_text()
    with files.residues.open() as file:
        parts = {(row["chain"], int(row["label_seq"])): row["part"] for row in csv.DictReader(file)}
    assert parts == {residue: "model" if residue in kept else "uncertain" for residue in kept | apart}


def test_a_threshold_that_leaves_nothing_is_refused(planted, emodelx, tmp_path):
    given = ("--prediction", planted.prediction, "-pf", planted.fasta, "-o", tmp_path / "m", "--min-confidence", "100")
    done = emodelx("build", *given)
    assert done.returncode == 3
    assert "lower --min-confidence" in done.stderr
    assert not (tmp_path / "m" / "m.cif").exists()


@pytest.mark.parametrize(("given", "said"), [(None, "estimated from the map"), (3.04, "as given")])
def test_the_resolution_is_told_everywhere(planted, tmp_path, monkeypatch, given, said):
    read = replace(read_prediction(planted.prediction), resolution=3.04)
    monkeypatch.setattr("emodelx.network.predict.read_density", lambda *_: read)
    write_map(tmp_path / "any.mrc", DensityMap(read.ca_prob, read.origin, np.ones(3)))
    output = tmp_path / "m"
    config = BuildConfig(output, planted.fasta, map=tmp_path / "any.mrc", resolution=given, device="cpu")
    assert build(config).report.resolution == 3.04
    assert json.loads((output / "report.json").read_text())["resolution"] == 3.04
    for file in ("run.log", "report.html"):
        assert f"resolution: 3.04 A, {said}" in (output / file).read_text()
    again = build(replace(config, resume=True))
    assert again.report.resolution == 3.04, "the saved stage remembers"


@pytest.fixture
def read_once(planted, tmp_path, monkeypatch):
    """A build from a map, of which the network says what was planted."""
    read = replace(read_prediction(planted.prediction), resolution=3.0)
    monkeypatch.setattr("emodelx.network.predict.read_density", lambda *_: read)
    write_map(tmp_path / "any.mrc", DensityMap(read.bb_prob, read.origin, np.ones(3)))
    return BuildConfig(tmp_path / "m", planted.fasta, map=tmp_path / "any.mrc", device="cpu")


def test_b_factors_take_the_place_of_the_confidence(read_once):
    result = build(replace(read_once, bfactor="adp", refine_with="none"))
    assert result.report.refinement is None
    assert result.report.b_factors
    with result.files.residues.open() as file:
        rows = list(csv.DictReader(file))
    written = [residue[0].b_iso for chain in gemmi.read_structure(str(result.files.model))[0] for residue in chain]
    assert [float(row["b_factor"]) for row in rows] == pytest.approx(written, rel=1e-3)
    assert max(float(row["confidence"]) for row in rows) > 80
    text = result.files.model.read_text()
    assert "_ma_qa_metric" not in text
    assert "It is not a B factor" not in text
    assert "palette" not in result.files.viewer.read_text()
    assert "holds fitted B factors" in result.files.page.read_text()
    assert json.loads(result.files.report.read_text())["scores"]["b_factor"] is None, "the fitted ones are used"


def test_another_engine_that_loses_is_undone(read_once, tmp_path, monkeypatch):
    """A servalcat that shifts everything by 3 A."""
    program = tmp_path / "bin" / "servalcat"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nawk '/^ATOM/ {$11 = $11 + 3} {print}' \"$3\" > refined.mmcif\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    plain = build(replace(read_once, refine_with="none"))
    model = plain.files.model.read_bytes()
    done = build(replace(read_once, refine_with="servalcat"))
    assert done.report.refinement is not None
    assert not done.report.refinement.kept
    assert done.files.model.read_bytes() == model


def test_density_outside_the_mask_moves_no_atom(read_once, tmp_path):
    """A wall beside the helices pulls at the model unless it is outside of the mask."""
    bare = read_map(read_once.map).density
    bare = replace(bare, values=np.where(bare.values < 1e-3, 0, bare.values))
    mask, wall = np.zeros(bare.values.shape, np.float32), bare.values.copy()
    mask[:, :22] = 1.0
    wall[:, 22:25] = 5.0

    def atoms(name, values, **files):
        write_map(tmp_path / f"{name}.mrc", replace(bare, values=values))
        return build(replace(read_once, output=tmp_path / name, map=tmp_path / f"{name}.mrc", **files)).atoms

    write_map(tmp_path / "mask.mrc", replace(bare, values=mask))
    alone = atoms("alone", bare.values * mask, mask=tmp_path / "mask.mrc").atom_positions()
    masked = atoms("masked", wall, mask=tmp_path / "mask.mrc").atom_positions()
    pulled = atoms("pulled", wall).atom_positions()
    assert np.array_equal(masked, alone)
    assert np.abs(pulled - alone).max() > 0.1


def test_a_missing_engine_is_named_before_any_work(read_once, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="servalcat is not on the PATH"):
        build(replace(read_once, refine_with="servalcat"))
    assert not read_once.output.exists()


def test_log_tells_what_ran(run, planted):
    text = (run[0] / "run.log").read_text()
    assert f"fasta: {planted.fasta} sha256 " in text
    assert "stage candidates: " in text
    assert "finished after" in text.splitlines()[-1]


def test_resume_takes_every_stage_and_gives_the_same_bytes(run, planted, emodelx, tmp_path):
    fresh, _ = run
    words = ["build", "--prediction", planted.prediction, "-f", planted.fasta, "-o", tmp_path / "m"]
    assert emodelx(*words, "-q").returncode == 0
    model = (tmp_path / "m" / "m.cif").read_bytes()
    again = emodelx(*words, "--resume")
    assert "candidates: taken from the earlier run" in again.stderr
    assert model == (tmp_path / "m" / "m.cif").read_bytes() == (fresh / "m.cif").read_bytes()


def test_resume_does_not_trust_records_of_other_inputs(planted, emodelx, tmp_path):
    words = ["build", "--prediction", planted.prediction, "-o", tmp_path / "m"]
    assert emodelx(*words, "-f", planted.fasta, "-q").returncode == 0
    other = tmp_path / "other.fasta"
    other.write_text(planted.fasta.read_text().partition(">x_1")[0])
    again = emodelx(*words, "-f", other, "--resume")
    assert "candidates: taken from the earlier run" in again.stderr, "candidates do not depend on the sequences"
    assert "scores: taken" not in again.stderr
    assert {chain.name for chain in gemmi.read_structure(str(tmp_path / "m" / "m.cif"))[0]} == {"A"}


def test_threads_change_nothing(run, planted, emodelx, tmp_path):
    words = ["build", "--prediction", planted.prediction, "-f", planted.fasta, "-q"]
    assert emodelx(*words, "-j", 1, "-o", tmp_path / "m").returncode == 0
    assert (tmp_path / "m" / "m.cif").read_bytes() == (run[0] / "m.cif").read_bytes()


def test_quiet_is_silent_and_pdb_comes_on_request(planted, emodelx, tmp_path):
    words = ["build", "--prediction", planted.prediction, "-f", planted.fasta, "-o", tmp_path / "m", "-q", "--pdb"]
    done = emodelx(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert gemmi.read_structure(str(tmp_path / "m" / "m.pdb"))[0].count_atom_sites() > 90


def test_python_does_the_same_in_three_lines(run, planted, tmp_path):
    result = build(BuildConfig(prediction=planted.prediction, fasta=planted.fasta, output=tmp_path / "m"))
    assert result.files.model.read_bytes() == (run[0] / "m.cif").read_bytes()
    assert result.report.completeness > 0.9


def test_dry_run_and_check_write_nothing(planted, emodelx, tmp_path):
    words = ["--prediction", planted.prediction, "-f", planted.fasta, "-o", tmp_path / "m"]
    for command in (["check", *words], ["build", *words, "--dry-run"]):
        done = emodelx(*command)
        assert done.returncode == 0, done.stderr
        assert "sequence" in done.stdout
        assert "ready to build" in done.stdout
    assert not list(tmp_path.iterdir())


def test_paths_may_be_relative_and_hold_spaces(planted, emodelx, tmp_path):
    words = ["build", "--prediction", planted.prediction, "-f", planted.fasta, "-o", "my model/", "-q"]
    done = emodelx(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "my model" / "my model.cif").exists()
