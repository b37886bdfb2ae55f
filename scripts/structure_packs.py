"""All residues of the structures of a pack, their atoms in slots (layout of packs in docs/training.md)."""

import csv
from collections.abc import Container, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, MOST_ATOMS
from emodelx.training.structures import COORDINATE_UNIT, PACK_AMINO_ACIDS

OTHER = 20
LONGEST_PEPTIDE_BOND = 1.6
FEWEST_RESIDUES = 4
COMPLETE, MODIFIED = 2, 1
"""Bits of `res_flags`."""
B_FACTOR_UNIT = 0.5


class Residues(NamedTuple):
    """All residues of a structure.

    Attributes
    ----------
    entry : str
    types : ndarray, dtype=int64, shape=(n,)
        Index in `AMINO_ACIDS`, or `OTHER`.
    atoms : ndarray, dtype=float64, shape=(n, 14, 3)
        In Angstrom, in the order of `HEAVY_ATOMS`; NaN where an atom is absent.
    chain : ndarray, dtype=int64, shape=(n,)
    whole : ndarray, dtype=bool, shape=(n,)
        Whether the residue is unmodified and has all its atoms.
    hottest : ndarray, dtype=float64, shape=(n,)
        Largest B factor.
    """

    entry: str
    types: NDArray[np.int64]
    atoms: NDArray[np.float64]
    chain: NDArray[np.int64]
    whole: NDArray[np.bool_]
    hottest: NDArray[np.float64]

    def follows(self) -> NDArray[np.bool_]:
        """Whether every residue but the first is bonded to the one before. Shape (n - 1,)."""
        bond = np.linalg.norm(self.atoms[1:, 0] - self.atoms[:-1, 2], axis=1)
        return (self.chain[1:] == self.chain[:-1]) & (bond < LONGEST_PEPTIDE_BOND)


def read_facts(folder: Path, split: str) -> dict[str, dict[str, str]]:
    """Rows of `manifest.csv` of one split, by entry."""
    with (folder / "manifest.csv").open() as file:
        return {row["id"]: row for row in csv.DictReader(file) if row["split"] == split}


def sharp_entries(folder: Path, split: str, resolution: float) -> list[str]:
    """Entries at least as good as a resolution in Angstrom."""
    facts = read_facts(folder, split).items()
    return [name for name, row in facts if row["resolution"] and float(row["resolution"]) <= resolution]


def read_residues(folder: Path, split: str, wanted: Container[str] | None = None) -> Iterator[Residues]:
    """Read the structures of `folder/<split>.npz`, those of some entries or all."""
    with np.load(folder / f"{split}.npz") as stored:
        pack = {name: stored[name] for name in stored.files}
    slots = _slots([str(name) for name in pack["atom_names"]])
    b_factors = np.cumsum(_signed(pack["b_delta_planes"])) * B_FACTOR_UNIT
    counts = (pack[name].tolist() for name in ("entry_natom", "entry_nres", "entry_nchain"))
    starts = zip(*(pairwise(np.cumsum([0, *count])) for count in counts), strict=True)
    for name, spans in zip(map(str, pack["entry_id"]), starts, strict=True):
        if wanted is None or name in wanted:
            yield _entry(name, pack, [slice(*span) for span in spans], slots, b_factors)


def _entry(
    name: str, pack: dict[str, NDArray[Any]], spans: list[slice], slots: NDArray[np.int64], b_factors: NDArray[Any]
) -> Residues:
    atoms, residues, chains = spans
    xyz = np.cumsum(_signed(pack["xyz_delta_planes"][:, :, atoms]), axis=1).T * COORDINATE_UNIT
    flags, lengths = pack["res_flags"][residues], pack["chain_nres"][chains]
    types = _types(pack["res_type"][residues], flags)
    owner = np.repeat(np.arange(len(types)), pack["res_natom"][residues])
    slot = slots[types[owner], pack["atom_name_id"][atoms]]
    placed = np.full((len(types), MOST_ATOMS, 3), np.nan)
    placed[owner[slot >= 0], slot[slot >= 0]] = xyz[slot >= 0]
    hottest = np.full(len(types), -np.inf)
    np.maximum.at(hottest, owner, b_factors[atoms])
    whole = (flags & (COMPLETE | MODIFIED)) == COMPLETE
    return Residues(name, types, placed, np.repeat(np.arange(len(lengths)), lengths), whole, hottest)


def _signed(planes: NDArray[Any]) -> NDArray[np.int64]:
    """Numbers from their byte planes, little-endian two's complement."""
    sign = 1 << (8 * len(planes) - 1)
    value = sum(plane.astype(np.int64) << (8 * i) for i, plane in enumerate(planes))
    return (value ^ sign) - sign


def _slots(names: list[str]) -> NDArray[np.int64]:
    """Slot of every atom name in every amino acid; -1 where it has none, and everywhere in other residues."""
    orders = [*(HEAVY_ATOMS[letter].split() for letter in AMINO_ACIDS), []]
    return np.array([[order.index(name) if name in order else -1 for name in names] for order in orders])


def _types(pack: NDArray[Any], flags: NDArray[Any]) -> NDArray[np.int64]:
    """Index in `AMINO_ACIDS`, or `OTHER`."""
    index = np.array([AMINO_ACIDS.index(letter) for letter in PACK_AMINO_ACIDS] + [OTHER] * (256 - OTHER))
    return np.where((flags >> 2) & 3 == 0, index[pack], OTHER)


class Run(NamedTuple):
    """Residues of one chain that are bonded to each other, with complete main chains; arrays as in `Residues`."""

    entry: str
    types: NDArray[np.int64]
    atoms: NDArray[np.float64]


def read_runs(folder: Path, split: str, wanted: Container[str] | None = None) -> list[Run]:
    """Read the runs of some entries, or of all."""
    return [run for entry in read_residues(folder, split, wanted) for run in _split(entry)]


def _split(entry: Residues) -> Iterator[Run]:
    """Cut where a main-chain atom is missing or no peptide bond leads on."""
    whole = (entry.types < OTHER) & np.isfinite(entry.atoms[:, :4]).all(axis=(1, 2))
    bonded = whole[1:] & whole[:-1] & entry.follows()
    for start, end in pairwise([0, *(np.flatnonzero(~bonded) + 1), len(entry.types)]):
        if end - start >= FEWEST_RESIDUES and whole[start]:
            yield Run(entry.entry, entry.types[start:end], entry.atoms[start:end])
