"""Runs of residues without gaps, read from a structure pack (layout in docs/training.md)."""

import csv
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, MOST_ATOMS

PACK_AMINO_ACIDS = "ARNDCQEGHILKMFPSTWYV"
OTHER = 20
LONGEST_PEPTIDE_BOND = 1.6
FEWEST_RESIDUES = 4


class Run(NamedTuple):
    """Residues of one chain that are bonded to each other, with complete main chains.

    Attributes
    ----------
    entry : str
    types : ndarray, dtype=int64, shape=(n,)
        Index in `AMINO_ACIDS`.
    atoms : ndarray, dtype=float64, shape=(n, 14, 3)
        In Angstrom, in the order of `HEAVY_ATOMS`; NaN where an atom is absent.
    """

    entry: str
    types: NDArray[np.int64]
    atoms: NDArray[np.float64]


def read_runs(folder: Path, split: str, resolution: float | None = None) -> list[Run]:
    """Read the runs of `folder/<split>.npz`, of entries at least as good as `resolution` if one is given."""
    with (folder / "manifest.csv").open() as file:
        rows = {row["id"]: row["resolution"] for row in csv.DictReader(file) if row["split"] == split}
    with np.load(folder / f"{split}.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    good = {name for name, value in rows.items() if resolution is None or (value and float(value) <= resolution)}
    return [run for entry in _entries(arrays) if entry.entry in good for run in _split(*entry)]


class _Entry(NamedTuple):
    """All residues of a structure; the arrays of `Run`, and the chain of every residue."""

    entry: str
    types: NDArray[np.int64]
    atoms: NDArray[np.float64]
    chain: NDArray[np.int64]


def _entries(arrays: dict[str, NDArray[np.generic]]) -> Iterator[_Entry]:
    atom, residue, chain = (
        np.concatenate([[0], np.cumsum(arrays[name], dtype=np.int64)])
        for name in ("entry_natom", "entry_nres", "entry_nchain")
    )
    slots = _slots([str(name) for name in arrays["atom_names"]])
    for e, name in enumerate(map(str, arrays["entry_id"])):
        atoms, residues, chains = (slice(start[e], start[e + 1]) for start in (atom, residue, chain))
        xyz = np.cumsum(_signed(arrays["xyz_delta_planes"][:, :, atoms]), axis=1).T * 0.005
        types = _types(arrays["res_type"][residues], arrays["res_flags"][residues])
        owner = np.repeat(np.arange(len(types)), arrays["res_natom"][residues])
        slot = slots[types[owner], arrays["atom_name_id"][atoms]]
        placed = np.full((len(types), MOST_ATOMS, 3), np.nan)
        placed[owner[slot >= 0], slot[slot >= 0]] = xyz[slot >= 0]
        lengths = arrays["chain_nres"][chains]
        yield _Entry(name, types, placed, np.repeat(np.arange(len(lengths)), lengths))


def _signed(planes: NDArray[np.generic]) -> NDArray[np.int64]:
    """Numbers from their byte planes, little-endian two's complement."""
    bits = 8 * len(planes)
    value = sum(plane.astype(np.int64) << (8 * i) for i, plane in enumerate(planes))
    return (value ^ (1 << (bits - 1))) - (1 << (bits - 1))


def _slots(names: list[str]) -> NDArray[np.int64]:
    """Slot of every atom name in every amino acid; -1 where it has none, and everywhere in other residues."""
    orders = [*(HEAVY_ATOMS[letter].split() for letter in AMINO_ACIDS), []]
    return np.array([[order.index(name) if name in order else -1 for name in names] for order in orders])


def _types(pack: NDArray[np.generic], flags: NDArray[np.generic]) -> NDArray[np.int64]:
    """Index in `AMINO_ACIDS`, or `OTHER`."""
    index = np.array([AMINO_ACIDS.index(letter) for letter in PACK_AMINO_ACIDS] + [OTHER] * 11)
    return np.where((flags >> 2) & 3 == 0, index[pack], OTHER)


def _split(entry: str, types: NDArray[np.int64], atoms: NDArray[np.float64], chain: NDArray[np.int64]) -> Iterator[Run]:
    """Cut where a main-chain atom is missing or no peptide bond leads on."""
    whole = (types < OTHER) & np.isfinite(atoms[:, :4]).all(axis=(1, 2))
    bond = np.linalg.norm(atoms[1:, 0] - atoms[:-1, 2], axis=1)
    bonded = whole[1:] & whole[:-1] & (chain[1:] == chain[:-1]) & (bond < LONGEST_PEPTIDE_BOND)
    edges = [0, *(np.flatnonzero(~bonded) + 1), len(types)]
    for start, end in pairwise(edges):
        if end - start >= FEWEST_RESIDUES and whole[start]:
            yield Run(entry, types[start:end], atoms[start:end])
