"""Pairs of real maps and models, checked and brought into the form that the training reads."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from io import StringIO
from pathlib import Path

import numpy as np
from scipy.ndimage import map_coordinates

from emodelx.config import RESOLUTION_RANGE
from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS
from emodelx.errors import InputError
from emodelx.io.atoms import ModelFile, OtherAtoms, read_model
from emodelx.io.files import read_bytes
from emodelx.io.maps import read_map
from emodelx.network.normalise import NormalisationRule, to_scale
from emodelx.network.resample import to_working_grid
from emodelx.records import AtomicChain, DensityMap
from emodelx.training.pairs import RealMap
from emodelx.training.structures import (
    MAIN_CHAIN,
    NO_TYPE,
    OTHER,
    OTHER_SCATTERING,
    PROTEIN,
    REMOTENESS,
    SCATTERING,
    Structure,
)

COLUMNS = ("map", "model", "resolution")
TABLE_LIMIT = 64 << 20
LEAST_INSIDE = 0.5
"""Share of a model's Calphas that lie in the box; less is a map of something else, or moved."""
LEAST_CONTRAST = 1.0
"""Standard deviations of the map by which its Calphas stand out on average; right pairs have 3.5 and more."""
ELEMENTS = {"C": 6, "N": 7, "O": 8, "S": 16}


@dataclass(frozen=True)
class Pair:
    """A row of a table of pairs.

    Attributes
    ----------
    where : str
        File and row, for messages.
    map, model : Path
    resolution : float
        In Angstrom.
    """

    where: str
    map: Path
    model: Path
    resolution: float


def read_pairs(table: Path) -> list[Pair]:
    """Read a table of pairs: CSV with the columns `map`, `model`, `resolution`; others are ignored.

    Paths are relative to the folder of the table.

    Raises
    ------
    InputError
        When the file is no such table, a named file is not there, or a resolution is none.
    """
    try:
        rows = csv.DictReader(StringIO(read_bytes(table, TABLE_LIMIT).decode("utf-8-sig")), restval="")
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table}: not a CSV table ({error})") from error
    if missing:
        raise InputError(f"{table}: no column '{missing[0]}'; the table needs {', '.join(COLUMNS)}")
    pairs = [_read_row(table, number, row) for number, row in enumerate(rows, start=2)]
    if not pairs:
        raise InputError(f"{table}: holds no pairs; give a row with {', '.join(COLUMNS)} for each")
    return pairs


def _read_row(table: Path, number: int, row: dict[str, str]) -> Pair:
    where = f"{table}, line {number}"
    files = [table.parent / row[name].strip() for name in COLUMNS[:2]]
    for name, file in zip(COLUMNS, files, strict=False):
        if not file.is_file():
            raise InputError(f"{where}: no {name} '{row[name]}'; give its path from {table.parent.absolute()}")
    try:
        resolution = float(row["resolution"])
    except ValueError:
        resolution = float("nan")
    low, high = RESOLUTION_RANGE
    if not low <= resolution <= high:
        raise InputError(f"{where}: resolution '{row['resolution']}'; give Angstrom between {low:g} and {high:g}")
    return Pair(where, files[0], files[1], resolution)


def prepare_pairs(
    table: Path, folder: Path, rule: NormalisationRule, report: Callable[[str], None] = lambda _: None
) -> None:
    """Prepare the maps and models of a table for the training; those that are prepared already are left alone.

    One map at a time is in memory.

    Parameters
    ----------
    table : Path
        See `read_pairs`.
    folder : Path
        Made if it is not there; it then holds the pairs of the table and no others.
    rule : NormalisationRule
        Of the weights that are to be trained.
    report : callable
        Hears a line per pair.

    Raises
    ------
    InputError
        When a file of a pair cannot be read, or the model does not lie in the map.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pairs = {_name(pair, rule): pair for pair in read_pairs(table)}
    for path in folder.glob("*.np[yz]"):
        if path.stem not in pairs:
            path.unlink()
    for name, pair in pairs.items():
        if not (folder / f"{name}.npz").exists():
            prepared = _prepare(name, pair, rule)
            prepared.save(folder)
            report(f"{pair.map.name}: {int(prepared.atoms.calpha.sum())} residues at {pair.resolution:g} A")


def _name(pair: Pair, rule: NormalisationRule) -> str:
    """A name that changes when the files or the settings do."""
    files = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in (pair.map, pair.model)]
    facts = json.dumps([files, pair.resolution, asdict(rule)])
    return f"{pair.map.name.partition('.')[0]}_{sha256(facts.encode()).hexdigest()[:16]}"


def _prepare(name: str, pair: Pair, rule: NormalisationRule) -> RealMap:
    try:
        grid, model = to_working_grid(read_map(pair.map).density), read_model(pair.model)
        atoms = atoms_of(model, grid.origin)
        _require_inside(grid, atoms)
    except InputError as error:
        raise InputError(f"{pair.where}: {error}") from error
    values = to_scale(grid.values, rule, pair.resolution).values
    return RealMap(name, values.astype(np.float16), atoms, pair.resolution)


def _require_inside(grid: DensityMap, atoms: Structure) -> None:
    """Refuse a model that is not where the density is."""
    calphas = atoms.xyz[atoms.calpha]
    inside = ((calphas >= 0) & (calphas <= np.array(grid.values.shape) - 1)).all(axis=1)
    if inside.mean() < LEAST_INSIDE:
        raise InputError(
            f"the model does not lie in the map, {inside.mean():.0%} of its Calphas are inside the box; "
            "check that they belong together, and the origin of the map"
        )
    height = map_coordinates(grid.values, calphas[inside].T, order=1).mean() - grid.values.mean()
    if height < LEAST_CONTRAST * grid.values.std():
        raise InputError(
            "the model does not lie in the map's density, which is no higher at its Calphas than elsewhere; "
            "check that they belong together, the origin and the hand of the map"
        )


def atoms_of(model: ModelFile, origin: np.ndarray) -> Structure:
    """Return all heavy atoms of a model for the training, in voxel coordinates of a 1 A grid.

    Parameters
    ----------
    model : ModelFile
    origin : ndarray, shape=(3,)
        Of the grid, in Angstrom.
    """
    parts = [*_protein(model), _others(model.others, model)]
    arrays = (np.concatenate(column) for column in zip(*parts, strict=True))
    xyz, *rest = arrays
    return Structure((xyz - origin).astype(np.float32), *rest)


Columns = tuple[np.ndarray, ...]
"""The fields of a `Structure`, in their order."""


def _protein(model: ModelFile) -> Iterator[Columns]:
    """Give the atoms of every chain."""
    first = 0
    for number, chain in enumerate(model.model.chains):
        residue, slot = np.nonzero(np.isfinite(chain.atoms).all(axis=2))
        kinds = zip(chain.types[residue], slot, strict=True)
        names = np.array([HEAVY_ATOMS[AMINO_ACIDS[kind]].split()[s] for kind, s in kinds], "U4")
        main_chain = np.isin(names, MAIN_CHAIN)
        yield (
            chain.atoms[residue, slot],
            (first + residue).astype(np.int32),
            np.full(len(residue), number, np.int32),
            _types(model, chain)[residue],
            np.full(len(residue), PROTEIN, np.int8),
            np.array([SCATTERING[ELEMENTS[name[0]]] for name in names], np.float32),
            np.array([REMOTENESS.get(name[1:2], 0) for name in names], np.int8) * ~main_chain,
            names == "CA",
            main_chain,
            names == "O",
        )
        first += len(chain.types)


def _types(model: ModelFile, chain: AtomicChain) -> np.ndarray:
    """Amino acid of every residue as the file says; residues of unknown type only borrow their slots."""
    letters = model.model.sequences[chain.sequence].residues
    return np.array([AMINO_ACIDS.find(letters[number]) for number in chain.numbers], np.int8)


def _others(others: OtherAtoms, model: ModelFile) -> Columns:
    """Nucleic acids and ligands, which are to be told from protein."""
    count = len(others.positions)
    residues = sum(len(chain.types) for chain in model.model.chains)
    no = np.zeros(count, bool)
    return (
        others.positions,
        np.full(count, residues, np.int32),
        np.full(count, len(model.model.chains), np.int32),
        np.full(count, NO_TYPE, np.int8),
        np.full(count, OTHER, np.int8),
        np.array([SCATTERING.get(int(element), OTHER_SCATTERING) for element in others.elements], np.float32),
        np.zeros(count, np.int8),
        no,
        no,
        no,
    )
