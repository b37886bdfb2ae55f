"""Models written pass gemmi's validation against the part of the PDB's dictionary that they use."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, MOST_ATOMS
from emodelx.io.structures import write_mmcif
from emodelx.records import AtomicChain, AtomicModel, Sequence

_PART = importlib.util.spec_from_file_location("pdbx", Path(__file__).with_name("pdbx.py"))
pdbx = importlib.util.module_from_spec(_PART)
_PART.loader.exec_module(pdbx)


@pytest.fixture(scope="module")
def validate():
    """Give what gemmi finds wrong with a document."""
    said = []
    checker = gemmi.cif.Ddl(logger=said.append, print_unknown_tags=True)
    checker.read_ddl(gemmi.cif.read_string(pdbx.dictionary()))
    assert not said, "the dictionary itself is in order"

    def check(document):
        said.clear()
        document.check_for_duplicates()
        document.check_for_missing_values()
        checker.validate_cif(document)  # it returns True where keys and parents are wrong, but says so
        return list(said)

    return check


@pytest.fixture
def model():
    """Two copies of a sequence with unusual residues, and another one; chain names of two letters; a gap."""
    letters = "MAGUXO" + AMINO_ACIDS

    def chain(name, sequence, numbers):
        codes = [letters[n] if letters[n] in AMINO_ACIDS else "C" for n in numbers]
        atoms = np.random.default_rng(0).uniform(-99, 99, (len(numbers), MOST_ATOMS, 3))
        for own, code in zip(atoms, codes, strict=True):
            own[len(HEAVY_ATOMS[code].split()) :] = np.nan
        types = np.array([AMINO_ACIDS.index(code) for code in codes], np.uint8)
        return AtomicChain(name, sequence, numbers, types, atoms, np.linspace(0, 100, len(numbers)).astype(np.float32))

    everything = np.arange(len(letters))
    chains = (chain("A", 0, everything), chain("AB", 0, np.r_[0:5, 9:26]), chain("z", 1, everything[:8]))
    return AtomicModel((Sequence("p", letters, (), 2), Sequence("q", letters[:8])), chains)


@pytest.fixture(params=[False, True], ids=["confidence", "B factors"])
def written(request, model, tmp_path):
    if request.param:
        chains = tuple(replace(c, b_factors=np.full(len(c), 33.3, np.float32)) for c in model.chains)
        model = replace(model, chains=chains)
    write_mmcif(tmp_path / "a model.cif", model)
    return gemmi.cif.read(str(tmp_path / "a model.cif"))


def test_the_file_is_valid(written, validate):
    assert validate(written) == []


@pytest.mark.parametrize(
    ("tag", "row", "value", "said"),
    [
        ("_atom_site.id", 1, "1", "duplicated key"),
        ("_atom_site.label_asym_id", 0, "Q", "missing parent"),
        ("_atom_site.label_comp_id", 0, "XYZ", "missing parent"),
        ("_atom_site.type_symbol", 0, "Zn", "missing parent"),
        ("_atom_site.Cartn_x", 3, "near", "expected number"),
        ("_entity.type", 0, "fish", "not one of the allowed values"),
        ("_struct_asym.entity_id", 0, "7", "missing parent"),
    ],
)
def test_what_is_wrong_would_be_seen(written, validate, tag, row, value, said):
    written.sole_block().find_values(tag)[row] = value
    assert any(said in line for line in validate(written))


def test_items_that_must_be_there(written):
    """Mandatory items of the categories in use, and what viewers look for."""
    block = written.sole_block()
    tags = {tag for item in block for tag in ([item.pair[0]] if item.pair else item.loop.tags if item.loop else [])}
    used = {tag.split(".")[0] for tag in tags}
    mandatory = {f"_{word.split('!')[0]}" for word in pdbx.ITEMS.split() if "!" in word}
    assert not {tag for tag in mandatory if tag.split(".")[0] in used} - tags
    needed = ("_entity", "_entity_poly", "_entity_poly_seq", "_struct_asym", "_chem_comp", "_atom_site", "_software")
    assert used >= set(needed)
    assert tags >= {f"_atom_site.auth_{name}" for name in ("seq_id", "comp_id", "asym_id", "atom_id")}


def test_atoms_stand_where_the_sequence_says(written, model):
    """Every residue of `_atom_site` is that of `_entity_poly_seq` at its number; every strand is a chain."""
    block = written.sole_block()
    names = {(row[0], row[1]): row[2] for row in block.find("_entity_poly_seq.", ["entity_id", "num", "mon_id"])}
    tags = ["label_entity_id", "label_seq_id", "label_comp_id", "auth_seq_id", "auth_comp_id", "occupancy"]
    for entity, number, name, author, author_name, occupancy in block.find("_atom_site.", tags):
        assert names[entity, number] == name == author_name
        assert (number, float(occupancy)) == (author, 1.0)
    strands = ",".join(gemmi.cif.as_string(v) for v in block.find_values("_entity_poly.pdbx_strand_id")).split(",")
    assert strands == [chain.name for chain in model.chains]
