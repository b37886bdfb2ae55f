"""Whole simulated maps of the structures of a pack, with sequences and reference models, for other benches."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, MOST_ATOMS
from emodelx.io.maps import write_map
from emodelx.io.structures import write_mmcif
from emodelx.records import AtomicChain, AtomicModel, DensityMap, Sequence
from emodelx.training.simulate import Scene, draw_conditions
from emodelx.training.structures import PROTEIN, Structure, StructurePack

MARGIN = 16.0
"""Angstrom between the molecule and the edge of its map."""
SAME = 0.95
"""Share of equal residues from which two chains have one sequence."""
SHORTEST = 20
"""Residues of a chain."""
CALPHA = HEAVY_ATOMS["G"].split().index("CA")


def write_case(folder: Path, pack: Path, entry: str, resolution: float, seed: int) -> None:
    """Write `map.mrc`, `sequences.fasta` and `reference.cif` of one structure of a pack.

    The map is cut and blurred, and has noise, as the maps of the network's training (`training/simulate.py`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    packed = StructurePack(pack)
    index = packed.names.index(entry)
    atoms, numbers = packed[index], author_numbers(pack, index)
    model = reference(atoms, numbers)
    write_mmcif(folder / "reference.cif", model)
    names = {i: [c.name for c in model.chains if c.sequence == i] for i in range(len(model.sequences))}
    records = (f">{i + 1}|Chains {', '.join(names[i])}|\n{s.residues}\n" for i, s in enumerate(model.sequences))
    (folder / "sequences.fasta").write_text("".join(records))
    write_map(folder / "map.mrc", simulate(atoms, resolution, seed))


def author_numbers(pack: Path, index: int) -> np.ndarray:
    """Residue numbers of one structure of a pack, by the author of its file."""
    with np.load(pack) as stored:
        start = np.concatenate([[0], np.cumsum(stored["entry_nres"])])
        return stored["res_seqid"][start[index] : start[index + 1]]


def simulate(atoms: Structure, resolution: float, seed: int) -> DensityMap:
    """The map of a structure at a resolution in Angstrom, on the 1 A grid."""
    rng = np.random.default_rng(seed)
    low, high = atoms.xyz.min(axis=0), atoms.xyz.max(axis=0)
    size = int(np.ceil((high - low).max() + 2 * MARGIN))
    size += size % 2
    origin = np.round((low + high) / 2 - size / 2)
    moved = replace(atoms, xyz=(atoms.xyz - origin).astype(np.float32))
    scene = Scene(moved, draw_conditions(rng, resolution), size, rng, torch.device("cpu"))
    with torch.inference_mode():
        values = scene.density().numpy()
    room = [slice(int(a - o - MARGIN), int(b - o + MARGIN)) for a, b, o in zip(low, high, origin, strict=True)]
    corner = origin + [part.start for part in room]
    return DensityMap(np.ascontiguousarray(values[tuple(room)], np.float32), corner.astype(np.float64), np.ones(3))


def reference(atoms: Structure, numbers: np.ndarray) -> AtomicModel:
    """Calphas of the protein chains, on their sequences."""
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for chain in range(int(atoms.chain.max()) + 1):
        own = atoms.calpha & (atoms.chain == chain) & (atoms.kind == PROTEIN) & (atoms.amino >= 0)
        place, first = np.unique(numbers[atoms.residue[own]], return_index=True)
        if len(place) >= SHORTEST:
            found.append((place, atoms.amino[own][first], atoms.xyz[own][first].astype(np.float64)))
    groups = list(_groups(found))
    sequences = [_sequence(found, members) for members in groups]
    chains = tuple(_chains(found, groups))
    return AtomicModel(tuple(sequences), chains)


def _groups(found: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Iterator[list[int]]:
    """Chains of one sequence."""
    left = list(range(len(found)))
    while left:
        own = [i for i in left if _same(found[left[0]], found[i])]
        left = [i for i in left if i not in own]
        yield own


def _same(a: tuple[np.ndarray, ...], b: tuple[np.ndarray, ...]) -> bool:
    _, mine, theirs = np.intersect1d(a[0], b[0], return_indices=True)
    return len(mine) > 0.5 * len(a[0]) and float((a[1][mine] == b[1][theirs]).mean()) > SAME


def _sequence(found: list[tuple[np.ndarray, ...]], members: list[int]) -> Sequence:
    first, last = _span(found, members)
    letters = ["X"] * (last - first + 1)
    for i in members:
        for number, amino in zip(*found[i][:2], strict=True):
            letters[number - first] = AMINO_ACIDS[amino]
    return Sequence(f"s{members[0]}", "".join(letters), copies=len(members))


def _span(found: list[tuple[np.ndarray, ...]], members: list[int]) -> tuple[int, int]:
    return min(int(found[i][0][0]) for i in members), max(int(found[i][0][-1]) for i in members)


def _chains(found: list[tuple[np.ndarray, ...]], groups: list[list[int]]) -> Iterator[AtomicChain]:
    for sequence, members in enumerate(groups):
        first, _ = _span(found, members)
        for i in members:
            numbers, types, points = found[i]
            atoms = np.full((len(numbers), MOST_ATOMS, 3), np.nan)
            atoms[:, CALPHA] = points
            name = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij"[i]
            confidence = np.full(len(numbers), 100, np.float32)
            yield AtomicChain(
                name, sequence, (numbers - first).astype(np.int64), types.astype(np.uint8), atoms, confidence
            )


def main() -> None:
    """Write the cases that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--entries", nargs="+", required=True)
    parser.add_argument("--resolutions", nargs="+", type=float, default=[5.0, 7.0])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for entry in options.entries:
        for resolution in options.resolutions:
            write_case(options.output / f"{entry}_{resolution:g}", options.pack, entry, resolution, options.seed)


if __name__ == "__main__":
    main()
