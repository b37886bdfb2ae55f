"""The reader of structure packs."""

import numpy as np
import pytest

from emodelx.constants import AMINO_ACIDS
from emodelx.errors import InputError
from emodelx.training.structures import NO_TYPE, NUCLEIC, PROTEIN, StructurePack


def test_coordinates_come_back_to_the_unit_of_the_pack(pack):
    structure = pack[1]
    calphas = structure.xyz[structure.calpha]
    assert calphas[0] == pytest.approx([-100 + 2.3, -40, 3], abs=0.0026)
    steps = np.linalg.norm(np.diff(calphas[:50], axis=0), axis=1)
    assert steps == pytest.approx(3.8, abs=0.05)


def test_residues_chains_and_types_are_counted_from_zero(pack, protein_letters):
    structure = pack[1]
    assert structure.residue[structure.calpha].tolist() == list(range(100))
    assert structure.chain[structure.calpha].tolist() == [0] * 50 + [1] * 50
    assert "".join(AMINO_ACIDS[k] for k in structure.amino[structure.calpha]) == protein_letters * 2


def test_nucleic_acid_is_no_protein(pack):
    structure = pack[0]
    phosphates = structure.kind == NUCLEIC
    assert phosphates.sum() == 12
    assert (structure.amino[phosphates] == NO_TYPE).all()
    assert not structure.main_chain[phosphates].any()
    assert structure.scattering[phosphates] == pytest.approx(5.5)


def test_remoteness_and_roles(pack):
    structure = pack[1]
    residue = structure.residue == 1  # a cysteine: N CA C O CB CG
    assert structure.remoteness[residue].tolist() == [0, 0, 0, 0, 1, 2]
    assert structure.main_chain[residue].tolist() == [True] * 4 + [False] * 2
    assert structure.carbonyl[residue].tolist() == [False, False, False, True, False, False]


def test_counts_over_the_pack(pack):
    assert len(pack) == 2
    assert pack.calpha_counts().tolist() == [50, 100]
    assert pack.nucleotide_counts().tolist() == [12, 0]


def test_select_replaces_arrays(pack):
    structure = pack[0]
    moved = structure.select(structure.calpha, xyz=np.zeros((50, 3), np.float32))
    assert len(moved) == 50
    assert not moved.xyz.any()
    assert (moved.kind == PROTEIN).all()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short"])
def test_what_is_no_pack_is_named(tmp_path, content):
    path = tmp_path / "train.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not a structure pack"):
        StructurePack(path)


def test_missing_pack_and_missing_array_are_named(tmp_path):
    with pytest.raises(InputError, match="is not a structure pack"):
        StructurePack(tmp_path / "train.npz")
    np.savez(tmp_path / "other.npz", entry_id=np.array(["x"]))
    with pytest.raises(InputError, match="entry_natom"):
        StructurePack(tmp_path / "other.npz")
