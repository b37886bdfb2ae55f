"""Models as users have them: everything odd in one file is scored and refined, and what is not protein stays."""

import json

import gemmi
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from emodelx.cli.refine import refine
from emodelx.cli.score import score
from emodelx.constants import THREE_LETTER
from emodelx.demo.assembly import build_complex
from emodelx.demo.design import ProteinChain
from emodelx.io.atoms import read_model
from emodelx.io.maps import write_map
from emodelx.records import DensityMap
from emodelx.scoring.density import model_density
from emodelx.scoring.scatterers import scatterers_of

LENGTH = 40


def add(structure, chain, number, name, atoms, kind="A"):
    residue = gemmi.Residue()
    residue.name, residue.seqid, residue.het_flag = name, gemmi.SeqId(number, " "), kind
    for atom_name, place, occupancy, label in atoms:
        atom = gemmi.Atom()
        atom.name, atom.occ, atom.b_iso, atom.altloc = atom_name, occupancy, 20.0 + number, label
        atom.element = gemmi.Element("Zn" if name == "ZN" else atom_name[0])
        atom.pos = gemmi.Position(*place)
        residue.add_atom(atom)
    structure[0][chain].add_residue(residue)


def strange(protein: ProteinChain):
    """Two chains on top of each other, with all that can be odd about residues; DNA, a ligand, zinc and water."""
    structure = gemmi.Structure()
    structure.add_model(gemmi.Model(1))
    for name in "ABDLW":
        structure[0].add_chain(gemmi.Chain(name))
    for chain, shift in (("A", 0.0), ("B", 0.3)):
        for i in range(LENGTH):
            mine = np.flatnonzero(protein.residues == i)
            atoms = [(protein.names[k], protein.xyz[k] + shift, 1.0, "\0") for k in mine]
            name = THREE_LETTER[protein.sequence[i]]
            if i == 5:
                name, atoms = "UNK", atoms[:4]
            if i == 9:
                atoms = atoms[:2]  # no carbonyl
            if i == 12:
                atoms = [(n, p, 0.0 if n not in ("N", "CA", "C", "O") else o, a) for n, p, o, a in atoms]
            if i == 15:
                n, place, *_ = atoms[-1]
                atoms[-1:] = [(n, place, 0.4, "A"), (n, place + 0.5, 0.6, "B")]
            if i == 18:
                atoms.append(("H", atoms[0][1] + 0.6, 1.0, "\0"))
            if i not in (22, 23):
                add(structure, chain, i + 1, name, atoms)
    x, y, z = protein.xyz[protein.residues < LENGTH].max(axis=0) + 2
    add(structure, "D", 1, "DA", [(n, (x + k, y, z), 1.0, "\0") for k, n in enumerate(("P", "OP1", "C4'", "N9"))])
    add(structure, "L", 1, "ATP", [("PG", (x, y, z - 4), 1.0, "\0"), ("O1G", (x, y + 1, z - 5), 1.0, "\0")], "H")
    add(structure, "L", 2, "ZN", [("ZN", (x, y - 4, z), 1.0, "\0")], "H")
    add(structure, "W", 1, "HOH", [("O", (x + 3, y + 3, z + 3), 1.0, "\0")], "H")
    structure.setup_entities()
    return structure


@pytest.fixture(scope="module", params=["cif", "pdb"])
def files(request, tmp_path_factory):
    """The model, and a map that ends in the middle of it."""
    folder = tmp_path_factory.mktemp("strange")
    structure, model = strange(build_complex(7)["A"]), folder / f"model.{request.param}"
    structure.make_mmcif_document().write_file(str(model)) if request.param == "cif" else structure.write_pdb(
        str(model)
    )
    file = read_model(model)
    places = file.model.atom_positions()
    low, high = places.min(axis=0) - 6, places.max(axis=0) + 6
    high[2] = np.median(places[:, 2])
    empty = DensityMap(np.zeros(np.ceil(high - low).astype(int), np.float32), low, np.ones(3))
    write_map(folder / "map.mrc", DensityMap(model_density(scatterers_of(file), empty, 3.0), low, np.ones(3)))
    return model, folder / "map.mrc"


def invoke(command, *arguments):
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [*map(str, arguments), "-j", "1"])


def others(path):
    """Places of all that is not protein."""
    kept = {}
    structure = gemmi.read_structure(str(path))
    for chain in structure[0]:
        for residue in chain:
            if residue.name in ("DA", "ATP", "ZN", "HOH"):
                kept |= {(residue.name, atom.name): tuple(np.round(atom.pos.tolist(), 3)) for atom in residue}
    return kept


def test_it_is_scored(files, tmp_path):
    model, density = files
    done = invoke(score, model, "-v", density, "--resolution", 3, "--json", "--table", tmp_path / "t.csv", "-d", "cpu")
    assert done.exit_code == 0, done.exception
    values = json.loads(done.stdout)
    assert (values["nucleotides"], values["ligands"], values["waters"], values["hydrogens"]) == (1, 2, 1, 2)
    assert values["clashscore"] > 100, "the chains lie on top of each other"
    assert values["atoms_outside"] > 50
    assert 0 < values["cc_mask"] <= 1
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 1 + 2 * (LENGTH - 2)


@pytest.mark.parametrize("words", [[], ["--refine-with", "none", "--bfactor", "adp"], ["--refine-with", "openmm"]])
def test_it_is_refined(files, tmp_path, words):
    model, density = files
    if "openmm" in words:
        pytest.importorskip("openmm", reason="the extra 'refine'")
    out = tmp_path / f"out{model.suffix}"
    done = invoke(refine, model, "-v", density, "--resolution", 3, "-o", out, *words)
    assert done.exit_code == 0, done.exception
    assert others(out) == others(model)
    assert len(others(out)) == 8
    before, after = gemmi.read_structure(str(model)), gemmi.read_structure(str(out))
    assert named(after) == named(before)
    sites = list(after[0].all())
    assert np.isfinite([site.atom.pos.tolist() for site in sites]).all()
    assert not [str(site) for site in sites if site.atom.is_hydrogen() or site.atom.has_altloc()]
    assert sum(site.atom.occ == 0 for site in sites) == sum(site.atom.occ == 0 for site in before[0].all()) > 0


def named(structure):
    return [[(residue.name, str(residue.seqid)) for residue in chain] for chain in structure[0]]
