"""Atomic structures to simulate maps from, read from structure packs.

A pack is one ``.npz`` with the arrays of many structures laid end to end (layout in ``docs/training.md``).
Coordinates are Angstrom, ``(x, y, z)``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS
from emodelx.errors import InputError

COORDINATE_UNIT = 0.005
PROTEIN, NUCLEIC, OTHER = 0, 1, 2
NO_TYPE = -1

# Residue types 0..19 of a pack; larger numbers are other residues.
PACK_AMINO_ACIDS = "ARNDCQEGHILKMFPSTWYV"
MAIN_CHAIN = ("N", "CA", "C", "O")
# Greek letter of an atom name: bonds between the Calpha and the atom.
REMOTENESS = {"B": 1, "G": 2, "D": 3, "E": 4, "Z": 5, "H": 6}
# Mean electron scattering of an element relative to hydrogen-free organic matter, by atomic number.
SCATTERING = {6: 2.5, 7: 2.2, 8: 2.0, 12: 5.2, 15: 5.5, 16: 5.2, 20: 9.9, 26: 7.1, 30: 6.1, 34: 6.5}
OTHER_SCATTERING = 3.0


@dataclass(frozen=True)
class Structure:
    """The atoms of one structure, or of one window of it; every array has one entry per atom.

    Attributes
    ----------
    xyz
        ``(n, 3)`` float32, Angstrom.
    residue, chain
        Running numbers, int32.
    amino
        Index into `AMINO_ACIDS`, or `NO_TYPE`; int8.
    kind
        `PROTEIN`, `NUCLEIC` or `OTHER`; int8.
    scattering
        Amplitude, float32.
    remoteness
        Bonds from the Calpha for side-chain atoms of proteins, 0 for all others; int8.
    calpha, main_chain, carbonyl
        Is the atom a Calpha; one of N, CA, C, O; a carbonyl O. bool, proteins only.
    """

    xyz: NDArray[np.float32]
    residue: NDArray[np.int32]
    chain: NDArray[np.int32]
    amino: NDArray[np.int8]
    kind: NDArray[np.int8]
    scattering: NDArray[np.float32]
    remoteness: NDArray[np.int8]
    calpha: NDArray[np.bool_]
    main_chain: NDArray[np.bool_]
    carbonyl: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.xyz)

    def select(self, atoms: NDArray[Any], **replaced: NDArray[Any]) -> Structure:
        """Return the chosen atoms (mask or indices), with the arrays in `replaced` instead of their own."""
        own = {f.name: getattr(self, f.name)[atoms] for f in fields(self) if f.name not in replaced}
        return Structure(**own, **replaced)


class StructurePack:
    """All structures of one pack; ``pack[i]`` is a :class:`Structure`.

    Raises
    ------
    InputError
        When the file is missing or is not a structure pack.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file, np.load(file) as stored:
                arrays = {name: stored[name] for name in stored.files}
            self._unpack(arrays)
        except (OSError, EOFError, TypeError, AttributeError, ValueError, KeyError, BadZipFile) as error:
            raise InputError(f"{path} is not a structure pack ({error}); see docs/training.md") from error

    def _unpack(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.names = [str(name) for name in arrays["entry_id"]]
        self._atom_start = _starts(arrays["entry_natom"])
        self._residue_start = _starts(arrays["entry_nres"])
        self._chain_start = _starts(arrays["entry_nchain"])
        self._chain_residues = arrays["chain_nres"]
        self._residue_atoms = arrays["res_natom"]
        self._residue_type = _amino_of_type(arrays["res_type"])
        self._residue_kind = ((arrays["res_flags"] >> 2) & 3).astype(np.int8)
        self._atom_name = arrays["atom_name_id"]
        self._vocabulary = _Vocabulary.of(arrays["atom_names"])
        self._element = arrays["atom_element"]
        self._steps = arrays["xyz_delta_planes"]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Structure:
        atoms = slice(*self._atom_start[index : index + 2])
        residues = slice(*self._residue_start[index : index + 2])
        chains = slice(*self._chain_start[index : index + 2])
        residue = np.repeat(np.arange(residues.stop - residues.start, dtype=np.int32), self._residue_atoms[residues])
        chain = np.repeat(np.arange(chains.stop - chains.start, dtype=np.int32), self._chain_residues[chains])
        kind = self._residue_kind[residues][residue]
        protein = kind == PROTEIN
        name = self._atom_name[atoms]
        words = self._vocabulary
        main_chain = protein & words.main_chain[name]
        return Structure(
            xyz=_integrate(self._steps[:, :, atoms]),
            residue=residue,
            chain=chain[residue],
            amino=np.where(protein, self._residue_type[residues][residue], NO_TYPE).astype(np.int8),
            kind=kind,
            scattering=_scattering_table()[self._element[atoms]],
            remoteness=np.where(protein & ~main_chain, words.remoteness[name], 0).astype(np.int8),
            calpha=protein & words.calpha[name],
            main_chain=main_chain,
            carbonyl=protein & words.carbonyl[name],
        )

    def calpha_counts(self) -> NDArray[np.int64]:
        """Number of Calphas of every structure."""
        kind = np.repeat(self._residue_kind, self._residue_atoms)
        calpha = (kind == PROTEIN) & self._vocabulary.calpha[self._atom_name]
        return np.add.reduceat(calpha.astype(np.int64), self._atom_start[:-1])

    def nucleotide_counts(self) -> NDArray[np.int64]:
        """Number of nucleotides of every structure."""
        return np.add.reduceat((self._residue_kind == NUCLEIC).astype(np.int64), self._residue_start[:-1])


@dataclass(frozen=True)
class _Vocabulary:
    """What each atom name of a pack means."""

    calpha: NDArray[np.bool_]
    carbonyl: NDArray[np.bool_]
    main_chain: NDArray[np.bool_]
    remoteness: NDArray[np.int8]

    @classmethod
    def of(cls, names: NDArray[np.str_]) -> _Vocabulary:
        remoteness = [REMOTENESS.get(str(name)[1:2], 0) for name in names]
        return cls(names == "CA", names == "O", np.isin(names, MAIN_CHAIN), np.array(remoteness, np.int8))


def _starts(counts: NDArray[Any]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def _amino_of_type(residue_type: NDArray[np.uint8]) -> NDArray[np.int8]:
    table = np.full(256, NO_TYPE, np.int8)
    table[: len(PACK_AMINO_ACIDS)] = [AMINO_ACIDS.index(letter) for letter in PACK_AMINO_ACIDS]
    return table[residue_type]


def _scattering_table() -> NDArray[np.float32]:
    table = np.full(256, OTHER_SCATTERING, np.float32)
    for element, amplitude in SCATTERING.items():
        table[element] = amplitude
    return table


def _integrate(planes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Coordinates from the steps between atoms: little-endian byte planes ``(3, axes, n)``, two's complement."""
    low, middle, high = planes.astype(np.int32)
    steps = low | middle << 8 | high.astype(np.uint8).astype(np.int8).astype(np.int32) << 16
    return (np.cumsum(steps, axis=1, dtype=np.int64).T * COORDINATE_UNIT).astype(np.float32)
