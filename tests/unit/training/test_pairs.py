"""Tables of real maps and models: a map and its model go all the way into a training; wrong ones are named."""

import json
from dataclasses import replace

import gemmi
import numpy as np
import pytest
import torch

from emodelx.cli.app import main
from emodelx.constants import AMINO_ACIDS
from emodelx.demo.example import make_example
from emodelx.errors import InputError
from emodelx.io.atoms import read_model
from emodelx.io.maps import read_map, write_map
from emodelx.network.normalise import SPECTRUM
from emodelx.network.predict import prepare
from emodelx.network.unet import NetworkConfig
from emodelx.pairs import atoms_of, prepare_pairs, read_pairs
from emodelx.training.data import WindowConfig
from emodelx.training.export import export
from emodelx.training.pairs import load_pairs
from emodelx.training.structures import NO_TYPE, OTHER, PROTEIN
from emodelx.training.train import TrainingConfig, train

HEADER = "map,model,resolution\n"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    return make_example(tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def table(example):
    """A table beside its files, with a column more and a mark of the byte order."""
    path = example.map.parent / "pairs.csv"
    path.write_text("emdb," + HEADER + "1,example.mrc,truth.cif, 3.0\n", encoding="utf-8-sig")
    return path


@pytest.fixture(scope="module")
def prepared(table):
    folder = table.parent / "prepared"
    prepare_pairs(table, folder, SPECTRUM)
    return folder


def test_a_prepared_map_is_what_the_network_reads(example, prepared):
    (pair,) = load_pairs(prepared)
    density = read_map(example.map).density
    expected = prepare(density, SPECTRUM, 3.0).density
    np.testing.assert_allclose(np.clip(pair.density, 0, SPECTRUM.ceiling), expected.values, atol=1e-3)
    assert pair.density.max() > 1
    calphas = np.concatenate([chain.xyz[np.array(chain.names) == "CA"] for chain in example.chains.values()])
    np.testing.assert_allclose(pair.atoms.xyz[pair.atoms.calpha], calphas - density.origin, atol=0.01)
    types = "".join(AMINO_ACIDS[t] for t in pair.atoms.amino[pair.atoms.calpha])
    assert types == "".join(chain.sequence for chain in example.chains.values())


def test_prepared_maps_are_kept_and_others_go(table, prepared):
    (path,) = prepared.glob("*.npz")
    before = path.stat().st_mtime_ns
    (prepared / "of_another_table.npz").write_bytes(b"")
    told = []
    prepare_pairs(table, prepared, SPECTRUM, told.append)
    assert [p.name for p in prepared.glob("*.npz")] == [path.name]
    assert path.stat().st_mtime_ns == before
    assert not told


def test_what_is_no_protein_and_unknown_residues_are_told_apart(tmp_path):
    structure = gemmi.Structure()
    chain = gemmi.Chain("A")
    for number, (name, atoms) in enumerate((("ALA", "N CA C O CB"), ("UNK", "N CA C O CB"), ("MSE", "N CA C O SE")), 1):
        residue = gemmi.Residue()
        residue.name, residue.seqid, residue.entity_type = name, gemmi.SeqId(number, " "), gemmi.EntityType.Polymer
        for i, label in enumerate(atoms.split()):
            atom = gemmi.Atom()
            atom.name, atom.element = label, gemmi.Element("Se" if label == "SE" else label[0])
            atom.pos = gemmi.Position(3.8 * number, i, 0)
            residue.add_atom(atom)
        chain.add_residue(residue)
    ligand, atom = gemmi.Residue(), gemmi.Atom()
    ligand.name, ligand.seqid, ligand.het_flag = "ZN", gemmi.SeqId(9, " "), "H"
    atom.name, atom.element, atom.pos = "ZN", gemmi.Element("Zn"), gemmi.Position(1, 2, 3)
    ligand.add_atom(atom)
    chain.add_residue(ligand)
    model = gemmi.Model(1)
    model.add_chain(chain)
    structure.add_model(model)
    structure.write_pdb(str(tmp_path / "m.pdb"))
    atoms = atoms_of(read_model(tmp_path / "m.pdb"), np.array([1.0, 2.0, 3.0]))
    assert atoms.kind.tolist() == [PROTEIN] * 15 + [OTHER]
    assert atoms.amino[atoms.calpha].tolist() == [AMINO_ACIDS.index("A"), NO_TYPE, AMINO_ACIDS.index("M")]
    np.testing.assert_allclose(atoms.xyz[-1], [0, 0, 0], atol=1e-5)
    assert atoms.main_chain.sum() == 12


def test_a_network_trains_on_pairs(prepared, data_folder, tmp_path):
    config = TrainingConfig(
        data_folder, tmp_path, steps=3, batch=2, validation_windows=2, log_steps=1, windows=WindowConfig(size=16),
        network=NetworkConfig(widths=(4, 6), encoder_blocks=(1, 1), decoder_blocks=(1,)),
        pairs=prepared, validation_pairs=prepared, real_share=0.7,
    )  # fmt: skip
    records = []
    checkpoint = train(config, CPU, None, False, records.append)
    assert {"total", "real_total", "real_calpha", "real_backbone", "real_amino"} <= records[-1].keys()
    info = export(checkpoint, data_folder, tmp_path / "w.safetensors", windows=2)
    assert info.training["settings"]["real_share"] == 0.7
    assert str(prepared) not in json.dumps(info.training)


def row(tmp_path, example, **replaced):
    cells = {"map": example.map, "model": example.truth, "resolution": "3"} | replaced
    path = tmp_path / "pairs.csv"
    path.write_text(HEADER + ",".join(map(str, cells.values())) + "\n")
    return path


WRONG_TABLES = {
    "": "the file is empty",
    "map,model\na,b\n": "no column 'resolution'",
    HEADER: "holds no pairs",
}


@pytest.mark.parametrize("text", WRONG_TABLES)
def test_wrong_tables_are_named(tmp_path, text):
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(InputError, match=WRONG_TABLES[text]):
        read_pairs(tmp_path / "pairs.csv")


@pytest.mark.parametrize("resolution", ["", "sharp", "0", "-3", "320", "nan", "inf"])
def test_wrong_resolutions_are_named(tmp_path, example, resolution):
    with pytest.raises(InputError, match=rf"line 2: resolution '{resolution}'; give Angstrom"):
        read_pairs(row(tmp_path, example, resolution=resolution))


@pytest.mark.parametrize("column", ["map", "model"])
def test_missing_and_damaged_files_are_named(tmp_path, example, column):
    with pytest.raises(InputError, match=f"line 2: no {column} 'gone"):
        read_pairs(row(tmp_path, example, **{column: "gone.x"}))
    (tmp_path / "bad.cif").write_text("nothing")
    with pytest.raises(InputError, match=r"pairs.csv, line 2: .*bad.cif"):
        prepare_pairs(row(tmp_path, example, **{column: "bad.cif"}), tmp_path / "out", SPECTRUM)


@pytest.mark.parametrize(("shift", "message"), [(300.0, "0% of its Calphas are inside"), (14.0, "no higher")])
def test_a_model_beside_its_map_is_refused(tmp_path, example, shift, message):
    density = read_map(example.map).density
    write_map(tmp_path / "moved.mrc", replace(density, origin=density.origin + shift * np.array([1, 1, 0])))
    with pytest.raises(InputError, match=rf"line 2: the model does not lie in the map.*{message}"):
        prepare_pairs(row(tmp_path, example, map="moved.mrc"), tmp_path / "out", SPECTRUM)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--real-share", "0"], "--real-share 0"),
        (["--real-share", "1.5"], "at most 1"),
        (["--pairs", "gone.csv"], "gone.csv: no such file"),
    ],
)
def test_the_command_names_wrong_options(tmp_path, data_folder, capsys, words, message):
    with pytest.raises(SystemExit) as stop:
        main(["train", "--data", str(data_folder), "-o", str(tmp_path), "--steps", "1", "-d", "cpu", *words])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
