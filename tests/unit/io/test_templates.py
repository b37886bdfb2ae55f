"""Template files: reading, pLDDT, PAE, and the match to the user's sequences."""

import json

import gemmi
import numpy as np
import pytest

from emodelx.config import TemplateConfig
from emodelx.constants import THREE_LETTER
from emodelx.errors import InputError
from emodelx.io.pae import read_pae, rigid_parts
from emodelx.io.template_matching import match_templates
from emodelx.io.templates import read_plddt, read_templates
from emodelx.records import Sequence

RESIDUES = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVG"


def write(path, chains, b_factor=90.0, models=1, experimental=False):
    """A structure of Calphas; `chains` are sequences by chain name."""
    structure = gemmi.Structure()
    for number in range(models):
        model = gemmi.Model(number + 1)
        for name, residues in chains.items():
            chain = gemmi.Chain(name)
            for i, letter in enumerate(residues):
                atom = gemmi.Atom()
                atom.name, atom.element, atom.b_iso = "CA", gemmi.Element("C"), b_factor
                atom.pos = gemmi.Position(3.0 * i, 2 * (i % 2), 9.0 * number)
                residue = gemmi.Residue()
                residue.name, residue.seqid = THREE_LETTER[letter], gemmi.SeqId(i + 1, " ")
                residue.add_atom(atom)
                chain.add_residue(residue)
            model.add_chain(chain)
        structure.add_model(model)
    if experimental:
        structure.info["_exptl.method"] = "X-RAY DIFFRACTION"
    structure.setup_entities()
    if path.suffix == ".cif":
        structure.make_mmcif_document().write_file(str(path))
    else:
        structure.write_pdb(str(path))
    return path


def match(path, residues, **config):
    chains = read_templates([path]).chains
    return match_templates(chains, [Sequence("s", residues)], TemplateConfig(**config))


@pytest.mark.parametrize("name", ["a.pdb", "a.cif"])
def test_all_chains_and_models_are_read(tmp_path, name):
    found = read_templates([write(tmp_path / name, {"A": RESIDUES, "B": "GAVLK"}, models=2)])
    assert [chain.residues for chain in found.chains] == [RESIDUES, "GAVLK"] * 2
    assert found.chains[2].name == f"{name} chain A, model 2"
    np.testing.assert_allclose(found.chains[0].plddt, 90)


def test_a_folder_gives_its_structures(tmp_path):
    write(tmp_path / "b.pdb", {"A": RESIDUES})
    write(tmp_path / "a.cif", {"A": RESIDUES})
    (tmp_path / "notes.txt").write_text("nothing")
    assert [path.name for path in read_templates([tmp_path]).files] == ["a.cif", "b.pdb"]


def test_a_folder_without_structures_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no template"):
        read_templates([tmp_path])


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([90.0, 70.0], [90.0, 70.0]),
        ([0.9, 0.7], [90.0, 70.0]),
        ([0.0, 0.0], None),
        ([30.0, 25.0], None),
        ([80.0, 130.0], None),
        ([-1.0, 80.0], None),
    ],
)
def test_plddt_is_told_from_b_factors(column, expected):
    found = read_plddt(np.array(column))
    assert expected is None if found is None else np.allclose(found, expected)


def test_experiments_have_no_plddt(tmp_path):
    (chain,) = read_templates([write(tmp_path / "a.cif", {"A": RESIDUES}, b_factor=80, experimental=True)]).chains
    assert chain.plddt is None


def test_tags_gaps_and_unknown_residues_keep_their_places(tmp_path):
    """The sequence has a tag and an X; the template lacks a loop."""
    sequence = "GSHM" + RESIDUES[:10] + "X" + RESIDUES[11:]
    found = match(write(tmp_path / "a.pdb", {"A": RESIDUES[:18] + RESIDUES[24:]}), sequence)
    (template,) = found.templates
    expected = [4 + i for i in range(len(RESIDUES)) if i != 10 and not 18 <= i < 24]
    assert template.numbers.tolist() == expected
    assert "identity 100%" in found.notes[0]


def test_low_plddt_is_left_out(tmp_path):
    assert match(write(tmp_path / "a.pdb", {"A": RESIDUES}, b_factor=70), RESIDUES, least_plddt=80).templates == ()


@pytest.mark.parametrize(("plddt", "doubtful"), [(None, 0), (60, len(RESIDUES)), (70, 0)])
def test_what_the_prediction_is_not_sure_of_is_known(tmp_path, plddt, doubtful):
    column = {} if plddt is None else {"b_factor": plddt}
    (template,) = match(write(tmp_path / "a.pdb", {"A": RESIDUES}, **column), RESIDUES).templates
    assert len(template.doubtful) == doubtful
    assert np.isin(template.doubtful, template.numbers).all()


def test_copies_are_taken_once(tmp_path):
    assert len(match(write(tmp_path / "a.pdb", {"A": RESIDUES, "B": RESIDUES}, models=2), RESIDUES).templates) == 1


def test_a_homologue_is_asked_for(tmp_path):
    other = "".join("W" if i % 4 == 0 else letter for i, letter in enumerate(RESIDUES))
    path = write(tmp_path / "a.pdb", {"A": other})
    with pytest.raises(
        InputError, match=r"a.pdb chain A belongs to no sequence: the nearest, s, has .*--template-identity"
    ):
        match(path, RESIDUES)
    assert len(match(path, RESIDUES, least_identity=0.5).templates[0].numbers) >= 25


def test_strangers_beside_a_match_are_named(tmp_path):
    found = match(write(tmp_path / "a.pdb", {"A": RESIDUES, "B": "W" * 30}), RESIDUES)
    assert len(found.templates) == 1
    assert "chain B belongs to no sequence" in found.warnings[0]


def two_domains(size=20, between=25.0):
    pae = np.full((2 * size, 2 * size), between)
    pae[:size, :size] = pae[size:, size:] = 2.0
    return pae


@pytest.mark.parametrize(
    "wrap",
    [
        lambda pae: [{"predicted_aligned_error": pae.tolist()}],
        lambda pae: {"pae": pae.tolist(), "plddt": []},
        lambda pae: [
            {
                "residue1": (np.indices(pae.shape)[0] + 1).ravel().tolist(),
                "residue2": [],
                "distance": pae.ravel().tolist(),
            }
        ],
    ],
    ids=["AlphaFold DB", "AlphaFold 3", "first AlphaFold DB"],
)
def test_pae_of_every_program(tmp_path, wrap):
    path = tmp_path / "pae.json"
    path.write_text(json.dumps(wrap(two_domains())))
    np.testing.assert_allclose(read_pae(path), two_domains())


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"pae": [[1, 2]]}', '{"pae": "no"}'])
def test_what_is_no_pae_is_named(tmp_path, content):
    path = tmp_path / "pae.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"pae\.json"):
        read_pae(path)


def test_parts_are_rigid():
    label = rigid_parts(two_domains().astype(np.float32))
    assert len(set(label[:20])) == len(set(label[20:])) == 1
    assert label[0] != label[20]


def test_pae_beside_a_template_splits_it(tmp_path):
    path = write(tmp_path / "AF-P1-F1-model_v4.cif", {"A": RESIDUES[:40]})
    (tmp_path / "AF-P1-F1-predicted_aligned_error_v4.json").write_text(json.dumps({"pae": two_domains().tolist()}))
    found = match(path, RESIDUES)
    assert sorted(t.numbers[0] for t in found.templates) == [0, 20]
    assert "in 2 rigid parts by PAE" in found.notes[0]


def test_pae_of_another_size_is_not_used(tmp_path):
    path = write(tmp_path / "a.pdb", {"A": RESIDUES})
    (tmp_path / "a.json").write_text(json.dumps({"pae": two_domains().tolist()}))
    assert "its PAE has 40 residues" in read_templates([path]).warnings[0]
