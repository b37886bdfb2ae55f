"""A copy of a structure file with something else in its B-factor column."""

from collections.abc import Mapping
from pathlib import Path

import gemmi

from emodelx.io.files import replacing
from emodelx.io.structures import NOT_A_B_FACTOR, read_structure

Place = tuple[str, str, str]
"""Chain name, author's number with insertion code, and residue name."""


def write_coloured(path: Path, source: Path, values: Mapping[Place, float], meaning: str) -> None:
    """Copy the first model of a file as mmCIF with a value per residue in the B-factor column; 0 where there is none.

    Parameters
    ----------
    path : Path
    source : Path
        The structure file, mmCIF or PDB.
    values : mapping of (chain, number, name) to float
        0 to 100.
    meaning : str
        What the values are, to follow "The B-factor column holds the".

    Raises
    ------
    InputError
        When the source cannot be read.
    ResourceError
        When the copy cannot be written.
    """
    structure = read_structure(source)
    while len(structure) > 1:
        del structure[-1]
    for chain in structure[0]:
        for residue in chain:
            value = values.get((chain.name, str(residue.seqid), residue.name), 0.0)
            for atom in residue:
                atom.b_iso = round(value, 2)
                atom.aniso = gemmi.SMat33f(0, 0, 0, 0, 0, 0)
    document = structure.make_mmcif_document()
    note = f"{NOT_A_B_FACTOR} {meaning}. It is not a B factor: reset it before refinement."
    document.sole_block().set_pairs("_pdbx_database_remark.", {"id": "999", "text": note})
    with replacing(path) as unfinished:
        document.write_file(str(unfinished))
