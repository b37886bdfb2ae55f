import csv
import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emodelx.records import DensityMap, Placement, Template
from emodelx.report.bands import BANDS, UNBUILT_COLOUR
from emodelx.report.findings import find
from emodelx.report.page import coverage_bar, write_page
from emodelx.report.residues import write_residues
from emodelx.report.result_files import ResultFiles
from emodelx.report.results import write_models
from emodelx.report.summary import (
    InputFile,
    RunReport,
    chain_coverage,
    expected_residues,
    template_use,
    write_report,
)
from emodelx.report.unmodelled import missing_stretches, write_unmodelled
from emodelx.report.viewer import surface_level, write_viewer_script


@pytest.fixture
def report(model):
    kept, apart = model.split(15)
    return RunReport(
        name="m<1>",
        command="emodelx build",
        version="1",
        host="h",
        device="cpu",
        started="now",
        seed=0,
        threads=1,
        inputs={"map": InputFile("/a/b.mrc", "00")},
        assumptions=["one & two"],
        warnings=["a <doubt>"],
        resolution=3.04,
        candidates=2,
        residues_built=kept.placed_count(),
        residues_uncertain=apart.placed_count(),
        min_confidence=15,
        residues_expected=expected_residues(model),
        chains=chain_coverage(kept, apart),
        stage_seconds={"links": 1.5},
        peak_memory_bytes=10**9,
    )


def test_coverage_counts(model):
    a, b = chain_coverage(*model.split(15))
    assert (a.length, a.built, a.traced, a.threaded, a.bridged) == (5, 3, 2, 1, 0)
    assert a.mean_confidence == pytest.approx(75)
    assert (b.built, b.threaded, b.bridged, b.uncertain, b.mean_confidence) == (1, 0, 1, 1, 20)
    assert expected_residues(model) == 12


def test_report_is_plain_json(report, tmp_path):
    write_report(tmp_path / "r.json", report)
    content = json.loads((tmp_path / "r.json").read_text())
    assert content["completeness"] == pytest.approx(4 / 12, abs=1e-4)
    assert content["chains"][0]["chain"] == "A"
    assert content["inputs"]["map"]["path"] == "/a/b.mrc"


def test_residues_table(model, candidates, tmp_path):
    parts = dict(zip(("model", "uncertain"), model.split(20), strict=True))
    found = {name: (part, find(part, part.without_side_chains(), None)) for name, part in parts.items()}
    write_residues(tmp_path / "r.csv", found, candidates)
    with (tmp_path / "r.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["chain"], r["label_seq"], r["aa"], r["part"], r["provenance"]) for r in rows] == [
        ("A", "2", "K", "model", "traced"),
        ("A", "3", "V", "model", "traced"),
        ("A", "5", "A", "model", "threaded"),
        ("B", "2", "G", "model", "bridged"),
        ("B", "1", "G", "uncertain", "threaded"),
    ]
    assert (rows[0]["ca_prob"], rows[0]["p_K"], rows[0]["p_A"]) == ("0.9000", "1.0000", "0.0000")
    assert (rows[2]["ca_prob"], rows[2]["p_A"]) == ("", ""), "no candidate, so nothing was read there"
    assert {rows[0][name] for name in ("cc", "q_score", "phi", "flags", "b_factor")} == {""}, "nothing was measured"


def test_unmodelled_names_stretches_and_missing_copies(model, tmp_path):
    write_unmodelled(tmp_path / "u.fasta", model)
    assert (tmp_path / "u.fasta").read_text() == (
        ">A 1-1 of 5 | one <&>\nM\n>A 4-4 of 5 | one <&>\nL\n>not found, copy 2 of 2 | one <&>\nMKVLA\n"
    )


@given(st.lists(st.booleans()))
def test_missing_stretches_are_the_runs_of_false(placed):
    stretches = missing_stretches(np.array(placed, bool))
    covered = [i for first, end in stretches for i in range(first, end)]
    assert covered == [i for i, there in enumerate(placed) if not there]
    assert all(second > end for (_, end), (second, _) in itertools.pairwise(stretches))


def test_the_page_escapes_what_users_wrote(report, model, tmp_path):
    write_page(tmp_path / "p.html", report, find(model, model.without_side_chains(), None), "")
    text = (tmp_path / "p.html").read_text()
    for escaped in ("m&lt;1&gt;", "a &lt;doubt&gt;", "one &lt;&amp;&gt;", "one &amp; two"):
        assert escaped in text
    assert "4 of 12 residues (33.3%)" in text
    assert "1 more, with a confidence below 15, are kept apart" in text


def test_the_page_counts_residues_by_provenance(report, model, tmp_path):
    write_page(tmp_path / "p.html", report, find(model, model.without_side_chains(), None), "")
    _, *rows = re.findall(r"<tr><th>.*?</tr>", (tmp_path / "p.html").read_text().split("<h2>Chains</h2>")[1])
    assert re.findall(r'<td class="number">(.*?)</td>', rows[0]) == ["3 of 5", "2", "1", "0", "0", "0", "0", "0", "75"]
    assert re.findall(r'<td class="number">(.*?)</td>', rows[1]) == ["1 of 2", "0", "0", "1", "0", "0", "0", "1", "20"]


def test_the_bar_shows_every_residue_in_its_colour(model):
    bar = coverage_bar(find(model, model.without_side_chains(), None)[0], residue_width=10)
    boxes = re.findall(r'<rect x="([\d.]+)" width="([\d.]+)" height="14.0" fill="(#\w+)"><title>(.+?)</title>', bar)
    (_, dark, _), (_, light, _), (_, yellow, _), _ = BANDS
    assert boxes == [
        ("0.0", "10.00", UNBUILT_COLOUR, "1-1: not built"),
        ("10.0", "10.00", dark, "2-2: very high"),
        ("20.0", "10.00", light, "3-3: high"),
        ("30.0", "10.00", UNBUILT_COLOUR, "4-4: not built"),
        ("40.0", "10.00", yellow, "5-5: low"),
    ]


def test_the_viewer_script_opens_map_and_model(tmp_path):
    script = tmp_path / "m.cxc"
    write_viewer_script(script, "m.cif", {}, Path("/data/my map.map.gz"), 0.25)
    lines = script.read_text().splitlines()
    assert lines[0] == 'open "/data/my map.map.gz" id #1 format mrc'
    assert "level 0.25" in lines[1]
    assert lines[2:4] == ['open "m.cif" id #2', "color bfactor #2 palette alphafold"]
    write_viewer_script(script, "m.cif", {}, None, None)
    assert script.read_text().splitlines()[0] == 'open "m.cif" id #2'
    write_viewer_script(script, "m.cif", {}, None, None, b_factors=True)
    assert script.read_text().splitlines()[1] == "color bfactor #2"
    write_viewer_script(script, "m.cif", {"m_uncertain.cif": "#999999", "m_unexplained.cif": "#e07000"}, None, None)
    assert script.read_text().splitlines()[1:] == [
        'open "m_uncertain.cif" id #3', 'open "m_unexplained.cif" id #4', "color bfactor #2 palette alphafold",
        "color #3 #999999", "color #4 #e07000", "view #2",
    ]  # fmt: skip


def test_the_surface_covers_most_calphas(model):
    values = np.zeros((10, 10, 10), np.float32)
    values[1, 0, 0], values[2, 0, 0], values[3, 0, 0], values[7, 7, 7] = 4, 5, 6, 3
    density = DensityMap(values, np.zeros(3), np.ones(3))
    assert surface_level(density, model) == pytest.approx(3)
    away = replace(density, origin=np.full(3, 1000.0))
    assert surface_level(away, model) is None


def test_the_initial_model_holds_what_is_sure(model, tmp_path):
    files = ResultFiles(tmp_path, "m")
    assert write_models(files, *model.without_side_chains().split(0), pdb=True) == []
    assert gemmi.read_structure(str(files.model))[0].count_atom_sites() == 5
    assert gemmi.read_structure(str(files.initial))[0].count_atom_sites() == 2
    assert files.pdb.exists()


def test_what_is_uncertain_is_kept_apart(model, tmp_path):
    files = ResultFiles(tmp_path, "m")
    write_models(files, *model.without_side_chains().split(60), pdb=True)
    parts = [gemmi.read_structure(str(path))[0] for path in (files.model, files.uncertain, files.pdb)]
    numbers = [[(chain.name, residue.seqid.num) for chain in part for residue in chain] for part in parts]
    sure, unsure = [("A", 2), ("A", 3)], [("A", 5), ("B", 1), ("B", 2)]
    assert numbers == [sure, unsure, sure]


def test_what_cannot_be_written_is_said(model, tmp_path):
    files = ResultFiles(tmp_path, "m")
    unsure = replace(model, chains=(replace(model.chains[1], name="LONG"),))
    refused = write_models(files, *unsure.without_side_chains().split(0), pdb=True)
    assert len(refused) == 2
    assert "no residue has a confidence of 70 or more" in refused[0]
    assert "no PDB file" in refused[1]
    assert files.model.exists()
    assert not files.initial.exists()
    assert not files.pdb.exists()


def test_results_move_together_the_model_last(model, tmp_path, monkeypatch):
    final = ResultFiles(tmp_path, "m")
    draft = final.draft(tmp_path / "work" / "results")
    write_models(draft, *model.without_side_chains().split(15), pdb=False)
    draft.report.write_text("{}")
    moved = []
    replace_file = Path.replace
    monkeypatch.setattr(Path, "replace", lambda a, b: (moved.append(b), replace_file(a, b))[1])
    draft.move_to(final)
    assert moved[-1] == final.model
    assert set(moved) == {final.model, final.initial, final.uncertain, final.report}
    assert not draft.folder.exists()
    final.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


def test_a_draft_starts_empty(tmp_path):
    files = ResultFiles(tmp_path, "m")
    files.draft(tmp_path / "d").model.write_text("left by a killed run")
    assert not list(files.draft(tmp_path / "d").folder.iterdir())


def test_templates_say_how_far_they_were_bent(model):
    """A rigid copy elsewhere is not bent at all; one of two halves, 4 A apart from where it was, is by about 2 A."""
    numbers = np.arange(4)
    points = np.array([[0.0, 0, 0], [40, 0, 0], [0, 40, 0], [40, 40, 0]])
    template = Template("t", 0, numbers, points)
    turned = points @ np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]).T + 7
    halves = points + np.array([[0, 0, 0], [0, 0, 0], [0, 4, 0], [0, 4, 0]])
    right = np.ones(4, np.float32)

    def use(*placements: Placement):
        (found,) = template_use([template], placements, model)
        return found

    rigid = Placement(0, 0, numbers, turned, 20.0, 0.0, right=right)
    assert use(rigid).bent == pytest.approx(0, abs=1e-9)
    assert use(rigid).chance == pytest.approx(np.exp(-20))
    both = use(rigid, Placement(0, 0, numbers, halves, 10.0, 0.0, right=right))
    assert both.bent == pytest.approx(2)
    assert (both.searched, both.pieces, both.chance) == (2, 2, pytest.approx(np.exp(-20)))
    along = use(Placement(0, 0, numbers, halves, 0.0, 0.0, right=right))
    assert (along.searched, along.chance, along.bent) == (0, None, None)
    assert use(Placement(0, 0, numbers, halves, 50.0, 9.0)).bent is None


def test_the_page_names_chains_that_the_sequences_do_not_explain(report, model, tmp_path):
    found = find(model, model.without_side_chains(), None)
    texts = []
    for known in (
        report,
        replace(report, unexplained=30),
        replace(report, unexplained=30, unexplained_chains=report.chains),
    ):
        write_page(tmp_path / "p.html", known, found, "")
        texts.append((tmp_path / "p.html").read_text())
    assert ["look like Calphas to the network" in text for text in texts] == [False, True, True]
    assert ["m&lt;1&gt;_unexplained.cif" in text for text in texts] == [False, False, True]
    lengths = ", ".join(f"{chain.chain} ({chain.built})" for chain in report.chains)
    assert f"traced without sequences: {lengths}." in texts[2]
