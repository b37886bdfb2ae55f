"""Simulated network outputs of complexes of any size: `val` structures side by side, with known truth.

The errors are those of the medium level of the simulated cases (docs/performance.md): types right at half of the
residues, 6 % of the Calphas missing in runs, 8 % false ones, 0.4 A of jitter. Types are made only where a candidate can
be, so that memory does not grow with 20 volumes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree
from structure_packs import read_runs

from emodelx.constants import AMINO_ACIDS, CA_DISTANCE
from emodelx.demo.assembly import slide
from emodelx.io.predictions import TYPE_FLOOR, type_voxels
from emodelx.records import Floats, Points, Prediction, Sequence
from emodelx.training.augment import random_rotation

CORRECT, MISSING, FALSE, JITTER = 0.5, 0.06, 0.08, 0.4
PEAK, PEAK_SPREAD, FALSE_PEAK = 0.84, 0.08, 0.58
MAIN_CHAIN, MAIN_CHAIN_NOISE, WEAK = 0.86, 0.08, 0.55
SURE, UNSURE = 0.6, 0.42
"""Probability of the best type where it is right and where it is not."""
CALPHA_WIDTH, MAIN_CHAIN_WIDTH = 0.8, 1.0
RUN_END = 0.3
"""Probability that a run of missing Calphas ends at a residue."""
SIDE_CHAIN = (2.5, 4.5)
"""Angstrom from a Calpha at which false ones lie."""
MARGIN = 12.0
"""Angstrom around all."""
SHORTEST, KMER = 60, 20
"""Residues of a body at least; bodies that share so many residues in a row are of one kind."""
CALPHA = 1
"""Index in N, CA, C, O."""

Body = tuple[NDArray[np.int64], Points]
"""Types (n,) and main chain (n, 4, 3) of residues that are bonded to each other."""


@dataclass(frozen=True)
class TrueChain:
    """Residues of a chain that the map shows: numbers in the sequence, and N, CA, C, O of shape (n, 4, 3)."""

    sequence: int
    numbers: NDArray[np.int64]
    atoms: Points


@dataclass(frozen=True)
class Complex:
    """Sequences, and the chains that have them."""

    sequences: tuple[Sequence, ...]
    chains: tuple[TrueChain, ...]

    def residues(self) -> int:
        """Number of residues that the map shows."""
        return sum(len(chain.numbers) for chain in self.chains)


def read_bodies(structures: Path) -> Iterator[Body]:
    """Unbroken chains of the `val` structures, each kind once."""
    seen: set[bytes] = set()
    for run in read_runs(structures, "val"):
        codes = run.types.astype(np.uint8).tobytes()
        words = {codes[i : i + KMER] for i in range(len(codes) - KMER)}
        if len(codes) >= SHORTEST and not words & seen:
            seen |= words
            yield run.types, run.atoms[:, : CALPHA + 3]


def with_residues(bodies: Iterator[Body], residues: int) -> list[Body]:
    """The first bodies with so many residues; the last one is cut."""
    taken: list[Body] = []
    missing = residues
    while missing >= SHORTEST:
        types, atoms = next(bodies)
        taken.append((types[:missing], atoms[:missing]))
        missing -= len(taken[-1][0])
    return taken


def separate_chains(bodies: list[Body], copies: int, rng: np.random.Generator) -> Complex:
    """A sequence per body, and as many copies of each."""
    sequences = [Sequence(f"body {i}", letters(types), copies=copies) for i, (types, _) in enumerate(bodies)]
    placed = tile([atoms for _, atoms in bodies for _ in range(copies)], rng)
    chains = [TrueChain(i // copies, np.arange(len(atoms)), atoms) for i, atoms in enumerate(placed)]
    return Complex(tuple(sequences), tuple(chains))


def one_chain(bodies: list[Body], rng: np.random.Generator) -> Complex:
    """One sequence: the bodies are its domains, joined by linkers that the map does not show."""
    placed = tile([atoms for _, atoms in bodies], rng)
    residues, numbers = "", []
    for i, ((types, _), atoms) in enumerate(zip(bodies, placed, strict=True)):
        if i:
            apart = np.linalg.norm(atoms[0, CALPHA] - placed[i - 1][-1, CALPHA])
            residues += letters(rng.integers(20, size=int(1.2 * apart / CA_DISTANCE) + 2))
        numbers.append(len(residues) + np.arange(len(types)))
        residues += letters(types)
    chain = TrueChain(0, np.concatenate(numbers), np.concatenate(placed))
    return Complex((Sequence("one chain", residues),), (chain,))


def letters(types: NDArray[np.int64]) -> str:
    """One-letter codes of types."""
    return "".join(AMINO_ACIDS[t] for t in types)


def tile(bodies: list[Points], rng: np.random.Generator) -> list[Points]:
    """Turn bodies at random and let them touch in rows, the rows in layers, and the layers in one block."""
    groups = [[(body.reshape(-1, 3) @ random_rotation(rng).T).reshape(body.shape)] for body in bodies]
    edge = int(np.ceil(np.cbrt(len(bodies))))
    for axis in range(3):
        groups = [stack(groups[i : i + edge], np.eye(3)[axis]) for i in range(0, len(groups), edge)]
    return groups[0]


def stack(groups: list[list[Points]], direction: Points) -> list[Points]:
    """Slide groups of bodies along a direction until each touches the one before."""
    placed = groups[:1]
    for group in groups[1:]:
        before, own = (np.concatenate(g).reshape(-1, 3) for g in (placed[-1], group))
        shift = middle(before) - middle(own)
        shift = shift + slide(before, own + shift, direction) * direction
        placed.append([body + shift for body in group])
    return [body for group in placed for body in group]


def middle(points: Points) -> Points:
    """Middle of the box around points."""
    return 0.5 * (points.min(axis=0) + points.max(axis=0))


def simulate(truth: Complex, rng: np.random.Generator) -> Prediction:
    """What a network would say of a map of the complex."""
    atoms = np.concatenate([chain.atoms for chain in truth.chains])
    codes = np.concatenate([truth.sequences[c.sequence].codes()[c.numbers] for c in truth.chains]).astype(np.int64)
    origin = np.floor(atoms.min(axis=(0, 1)) - MARGIN)
    shape = tuple((np.ceil(atoms.max(axis=(0, 1)) + MARGIN) - origin).astype(int))
    missing = missing_runs(len(codes), rng)
    calphas = atoms[:, CALPHA] + rng.normal(0, JITTER / np.sqrt(3), (len(atoms), 3))
    height = np.where(missing, rng.uniform(0, 0.3, len(codes)), rng.normal(PEAK, PEAK_SPREAD, len(codes)))
    owner = rng.choice(len(codes), round(FALSE * len(codes)), replace=False)
    false = calphas[owner] + rng.uniform(*SIDE_CHAIN, (len(owner), 1)) * unit(rng.normal(size=(len(owner), 3)))
    false_height = rng.normal(FALSE_PEAK, 0.12, len(owner))
    points, heights = np.concatenate([calphas, false]), np.concatenate([height, false_height])
    ca = np.abs(rng.normal(0, 0.02, shape).astype(np.float32))
    stamp(ca, points - origin, heights.clip(0, 0.99), CALPHA_WIDTH)
    bb = main_chain_noise(shape, rng)
    weak = np.where(missing, rng.uniform(WEAK, 1, len(codes)), 1) * MAIN_CHAIN
    stamp(bb, atoms.reshape(-1, 3) - origin, np.repeat(weak, atoms.shape[1]), MAIN_CHAIN_WIDTH)
    between = 0.5 * (false + calphas[owner])
    stamp(bb, between - origin, rng.uniform(0.1, 0.6, len(between)), MAIN_CHAIN_WIDTH)
    read = read_types(codes, rng)
    voxels = type_voxels(ca, TYPE_FLOOR)
    vectors = np.concatenate([read, 0.5 * read[owner] + 0.5 * read[rng.permutation(owner)]])
    return Prediction(ca, bb, voxels, spread_types(voxels, shape, points - origin, vectors, rng), origin)


def missing_runs(residues: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Residues whose Calphas the network did not see, in runs."""
    missing = np.zeros(residues, np.bool_)
    starts = rng.choice(residues, round(MISSING * RUN_END * residues), replace=False)
    for start in starts:
        missing[start : start + rng.geometric(RUN_END)] = True
    return missing


def main_chain_noise(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """What the network says of main chain where there is none."""
    noise = gaussian_filter(rng.normal(size=shape).astype(np.float32), 1.0)
    return (0.03 + 0.4 * np.abs(noise) * (MAIN_CHAIN_NOISE / noise.std())).astype(np.float32)


def stamp(volume: Floats, points: Points, heights: NDArray[np.float64], width: float) -> None:
    """Raise a volume to Gaussian peaks at points; where they overlap the higher one counts."""
    nearest = np.rint(points).astype(int)
    reach = int(np.ceil(3 * width))
    for step in np.ndindex(*[2 * reach + 1] * 3):
        voxel = nearest + np.array(step) - reach
        value = heights * np.exp(-((voxel - points) ** 2).sum(axis=1) / (2 * width**2))
        seen = value > 0.03
        np.maximum.at(volume, tuple(voxel[seen].T), value[seen].astype(np.float32))


def read_types(codes: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Type probabilities of every residue: the best one is right at `CORRECT` of them, else often the second."""
    correct = rng.random(len(codes)) < CORRECT
    best = np.where(correct, codes, rng.integers(20, size=len(codes)))
    share = np.where(correct, rng.normal(SURE, 0.18, len(codes)), rng.normal(UNSURE, 0.14, len(codes))).clip(0.2, 0.95)
    rest = rng.dirichlet(np.full(20, 0.3), len(codes)) + 0.01
    rest[np.arange(len(codes)), codes] += rng.beta(2, 3, len(codes))
    probability = (1 - share)[:, None] * rest / rest.sum(axis=1, keepdims=True)
    probability[np.arange(len(codes)), best] += share
    return probability.astype(np.float32)


def spread_types(
    voxels: NDArray[np.int64], shape: tuple[int, ...], points: Points, vectors: NDArray[np.float32],
    rng: np.random.Generator,
) -> Floats:  # fmt: skip
    """Give every voxel the types of the nearest peak, with noise."""
    tree, types = KDTree(points), np.empty((len(voxels), 20), np.float32)
    for part in np.array_split(np.arange(len(voxels)), max(len(voxels) // 1_000_000, 1)):
        nearest = tree.query(np.stack(np.unravel_index(voxels[part], shape), axis=1))[1]
        types[part] = vectors[nearest] * np.exp(rng.normal(0, 0.15, (len(part), 20)))
        types[part] /= types[part].sum(axis=1, keepdims=True)
    return types


def unit(vectors: Points) -> Points:
    """Vectors of length 1 in the same directions."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
