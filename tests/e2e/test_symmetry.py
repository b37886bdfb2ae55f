"""A symmetric complex from its prediction to the report, with the right group, a wrong one, and auto."""

import json

import gemmi
import numpy as np
import pytest

from emodelx import BuildConfig, build
from emodelx.config import RunConfig, TemplateConfig
from emodelx.constants import AMINO_ACIDS, THREE_LETTER
from emodelx.demo.fold import BACKBONE, fold
from emodelx.io.structures import read_calphas
from emodelx.symmetry import superpose

PLAN = "LLL" + "H" * 14 + "LLLL" + "H" * 13 + "LLL" + "E" * 6 + "LLLL"
COPIES = 3


@pytest.fixture(scope="module")
def trimer(tmp_path_factory):
    """Three copies about an axis along z; each lacks some residues, and types are read with errors."""
    folder = tmp_path_factory.mktemp("trimer")
    rng = np.random.default_rng(2)
    backbone = fold(PLAN, rng)
    calphas = backbone.xyz[:, 1]
    calphas = calphas - calphas.mean(axis=0) + [19.0, 3, 0]
    codes = rng.integers(0, 20, len(calphas))
    turned = [calphas @ rotation_about_z(120 * n).T for n in range(COPIES)]
    points = np.concatenate(turned)
    middle = np.ceil(np.abs(points).max(axis=0)) + 6
    shape = tuple((2 * middle + 1).astype(int))
    kept = rng.random(len(points)) > 0.15
    ca, bb = (np.zeros(shape, np.float32) for _ in range(2))
    aa = np.full((20, *shape), 0.05, np.float32)
    for place, true, there in zip(points + middle, np.tile(codes, COPIES), kept, strict=True):
        low = np.maximum(np.rint(place).astype(int) - 4, 0)
        near = tuple(slice(a, a + 9) for a in low)
        grid = np.stack(np.meshgrid(*(np.arange(a, a + 9) for a in low), indexing="ij"), axis=-1)
        square = ((grid - place) ** 2).sum(axis=-1)
        np.maximum(bb[near], 0.9 * np.exp(-square / 6), out=bb[near])
        if there:
            np.maximum(ca[near], 0.9 * np.exp(-square / 2), out=ca[near])
            seen = true if rng.random() < 0.6 else rng.integers(0, 20)
            aa[(slice(None), *near)][:, square < 4] = 0.5 / 19
            aa[(seen, *near)][square < 4] = 0.5
    np.savez_compressed(folder / "t.npz", ca_prob=ca, bb_prob=bb, aa_prob=aa, origin=-middle)
    letters = "".join(AMINO_ACIDS[code] for code in codes)
    write_template(folder / "predicted.pdb", backbone.xyz, letters)
    write_template(folder / "other.pdb", fold(PLAN[::-1], rng).xyz, letters)
    (folder / "t.fasta").write_text(f">t|Chains A, B, C|planted|none\n{letters}\n")
    return folder


def write_template(path, xyz, letters):
    """The monomer as it was folded, elsewhere than in the map."""
    structure = gemmi.Structure()
    monomer = structure.add_model(gemmi.Model(1)).add_chain(gemmi.Chain("A"))
    for number, (letter, atoms) in enumerate(zip(letters, xyz, strict=True), start=1):
        residue = gemmi.Residue()
        residue.name, residue.seqid = THREE_LETTER[letter], gemmi.SeqId(number, " ")
        for name, place in zip(BACKBONE, atoms, strict=True):
            atom = gemmi.Atom()
            atom.name, atom.element, atom.b_iso = name, gemmi.Element(name[0]), 90
            atom.pos = gemmi.Position(*place)
            residue.add_atom(atom)
        monomer.add_residue(residue)
    structure.setup_entities()
    structure.write_pdb(str(path))


def model_of(folder):
    return (folder / "m" / "m.cif").read_text()


def rotation_about_z(degrees):
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def built(trimer, folder, asked, *templates):
    config = BuildConfig(
        prediction=trimer / "t.npz",
        fasta=trimer / "t.fasta",
        output=folder / "m",
        symmetry=asked,
        templates=TemplateConfig(files=templates),
        run=RunConfig(threads=1),
    )
    return build(config).report


def test_the_copies_are_read_together(emodelx, trimer, tmp_path):
    output = tmp_path / "m"
    words = ("--prediction", trimer / "t.npz", "-pf", trimer / "t.fasta", "-o", output, "-j", 1, "--symmetry", "c3")
    done = emodelx("build", *words)
    assert done.returncode == 0, done.stderr
    assert "symmetry: C3 about" in done.stderr + done.stdout
    report = json.loads((output / "report.json").read_text())
    symmetry = report["symmetry"]
    assert (symmetry["group"], symmetry["averaged"]) == ("C3", True)
    assert np.abs(symmetry["centre"][:2]).max() < 0.5
    assert len({chain["built"] for chain in report["chains"]}) == 1
    assert report["completeness"] > 0.9
    assert any(line.startswith("symmetry: C3 about") for line in report["assumptions"])
    assert not any("symmetry" in line for line in report["warnings"])
    assert "C3, copies read together and completed" in (output / "report.html").read_text()


@pytest.mark.parametrize("asked", ["auto", None])
def test_the_group_is_found(trimer, tmp_path, asked):
    report = built(trimer, tmp_path, asked)
    assert (report.symmetry.group, report.symmetry.asked) == ("C3", asked)
    assert report.symmetry.averaged


def test_a_wrong_template_does_not_hide_the_symmetry(trimer, tmp_path):
    """The right sequence on another fold is nowhere in the map, and the model is that without it."""
    alone, wrong = tmp_path / "alone", tmp_path / "wrong"
    built(trimer, alone, None)
    report = built(trimer, wrong, None, trimer / "other.pdb")
    assert [use.placed for use in report.templates] == [0]
    assert (report.symmetry.group, report.symmetry.averaged) == ("C3", True)
    assert model_of(wrong) == model_of(alone)
    assert any("not found in the map" in line for line in report.warnings)


def test_a_template_and_symmetry_go_together(trimer, tmp_path):
    """Each copy has the template, and all that the template has."""
    report = built(trimer, tmp_path, "C3", trimer / "predicted.pdb")
    (use,) = report.templates
    assert (report.symmetry.group, report.symmetry.averaged) == ("C3", True)
    assert use.pieces == COPIES
    assert use.placed == len(PLAN)
    assert (use.spare, use.contradicted) == (0, 0)
    assert report.completeness > 0.99
    assert {chain.built for chain in report.chains} == {len(PLAN)}


def test_a_wrong_group_is_told_what_was_found_instead(trimer, tmp_path):
    report = built(trimer, tmp_path, "C4")
    assert report.symmetry.group == "C3"
    (line,) = (line for line in report.warnings if "symmetry" in line)
    assert line == "--symmetry C4: the map contradicts it; C3 was found instead, and C3 is used"


def test_with_templates_the_symmetry_only_tells_copies_apart(trimer, tmp_path):
    report = built(trimer, tmp_path, None, trimer / "predicted.pdb")
    assert (report.symmetry.group, report.symmetry.asked) == ("C3", None)
    assert not report.symmetry.averaged


def test_copies_can_be_read_one_by_one(trimer, tmp_path):
    report = built(trimer, tmp_path, "C1")
    assert (report.symmetry.group, report.symmetry.averaged) == ("C1", False)


def test_copies_that_were_not_told_are_found_and_left_out(trimer, tmp_path):
    """One copy of three was told: the others keep their candidates, and only one chain is built."""
    letters = (trimer / "t.fasta").read_text().splitlines()[1]
    (tmp_path / "one.fasta").write_text(f">t|Chain A|planted|none\n{letters}\n")
    config = BuildConfig(
        prediction=trimer / "t.npz", fasta=tmp_path / "one.fasta", output=tmp_path / "m", run=RunConfig(threads=1)
    )
    result = build(config)
    (line,) = (line for line in result.report.warnings if "as many residues" in line)
    assert line.startswith("the map shows about 2.")
    assert "3 copies of t were counted" in line
    assert "--copies t=3" in line
    (chain,) = read_calphas(result.files.model)
    (truth,) = read_calphas(trimer / "predicted.pdb")
    rotation, shift = superpose(truth.positions[chain.numbers - 1], chain.positions)
    error = np.linalg.norm(truth.positions[chain.numbers - 1] @ rotation.T + shift - chain.positions, axis=1)
    assert len(error) > 0.85 * len(letters)
    assert (error < 3).mean() > 0.95, "residues of one copy"


def test_copies_that_were_told_are_not(trimer, tmp_path):
    assert not any("as many residues" in line for line in built(trimer, tmp_path, None).warnings)
