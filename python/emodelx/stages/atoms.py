"""All heavy atoms: main chains through the Calphas, and the side chains of the sequence on them."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from emodelx import _core
from emodelx.config import RunConfig
from emodelx.constants import AMINO_ACIDS
from emodelx.records import AtomicChain, AtomicModel, CalphaModel, Chain, DensityMap, Floats, Ints, Points, Prediction

BROKEN = 5.6
"""Angstrom between consecutive Calphas above which the chain is taken to be broken. Predicted Calphas are off by 0.6 A:
with 4.5 A, 9 of 561 steps in EMD-3488 would be torn, and their residues be worse than where the Calphas move."""
MARGIN = 8.0
"""Angstrom around the Calphas in which the map is looked at."""
STANDS_FOR = {"U": "C", "O": "K", "X": "G"}
"""The amino acid whose atoms are built for residues that are none of the 20."""

Field = tuple[Floats, list[float], list[float]]
"""A volume, the centre of its first voxel and its voxel size, as the core takes it."""


def build_atoms(model: CalphaModel, prediction: Prediction, density: DensityMap | None, run: RunConfig) -> AtomicModel:
    """Build all heavy atoms of a model.

    Calphas move a little where their distances are not those of a protein chain. Residues of unknown type get a main
    chain only; selenocysteine and pyrrolysine the atoms that they share with cysteine and lysine.

    Parameters
    ----------
    model : CalphaModel
    prediction : Prediction
        Its main-chain probability guides the main chain.
    density : DensityMap or None
        The input map, as it is; None where the build started from a prediction.
    run : RunConfig

    Returns
    -------
    AtomicModel
        The chains of the model that have residues.
    """
    chains = [chain for chain in model.chains if chain.placed().any()]
    if not chains:
        return AtomicModel(model.sequences)
    numbers = [np.flatnonzero(chain.placed()) for chain in chains]
    types = [_types(model.sequences[c.sequence].residues, n) for c, n in zip(chains, numbers, strict=True)]
    calphas = np.concatenate([chain.positions[n] for chain, n in zip(chains, numbers, strict=True)])
    edges = _run_edges(calphas, numbers)
    atoms = _build(calphas, np.concatenate(types), edges, _guides(prediction, density, calphas), run)
    ends = np.cumsum([len(n) for n in numbers])
    own = np.split(atoms, ends[:-1])
    return AtomicModel(model.sequences, tuple(map(_chain, chains, numbers, types, own)))


def _types(residues: str, numbers: Ints) -> NDArray[np.uint8]:
    letters = (residues[i] for i in numbers)
    return np.array([AMINO_ACIDS.index(STANDS_FOR.get(letter, letter)) for letter in letters], np.uint8)


def _run_edges(calphas: Points, numbers: list[Ints]) -> list[int]:
    """Where runs of residues without a gap begin, and the end of the last."""
    chain = np.repeat(np.arange(len(numbers)), [len(n) for n in numbers])
    number = np.concatenate(numbers)
    distance = np.linalg.norm(np.diff(calphas, axis=0), axis=1)
    broken = (np.diff(chain) != 0) | (np.diff(number) != 1) | (distance > BROKEN)
    return [0, *(np.flatnonzero(broken) + 1).tolist(), len(calphas)]


def _guides(prediction: Prediction, density: DensityMap | None, calphas: Points) -> tuple[Field | None, Field]:
    """The map and the main-chain probability around the Calphas."""
    main_chain = DensityMap(prediction.bb_prob, prediction.origin, np.ones(3))
    return None if density is None else _around(density, calphas), _around(main_chain, calphas)


def _around(density: DensityMap, points: Points) -> Field:
    """The part of a volume that lies around points; at least one voxel."""
    grid = (points - density.origin) / density.spacing
    margin = MARGIN / density.spacing
    last = np.array(density.values.shape) - 1
    low = np.clip(np.floor(grid.min(axis=0) - margin), 0, last).astype(int)
    high = np.clip(np.ceil(grid.max(axis=0) + margin), low, last).astype(int)
    part = density.values[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))]
    return np.ascontiguousarray(part), (density.origin + low * density.spacing).tolist(), density.spacing.tolist()


def _build(
    calphas: Points, types: NDArray[np.uint8], edges: list[int], guides: tuple[Field | None, Field], run: RunConfig
) -> Points:
    """Atoms of all residues, (n, 14, 3)."""
    density, main_chain = guides
    runs = [(calphas[a:b], types[a:b]) for a, b in pairwise(edges)]
    main_chains = _core.build_main_chains(runs, density, main_chain, threads=run.threads)
    return _core.pack_side_chains(
        np.concatenate(main_chains), types, density, threads=run.threads, progress=run.progress
    )


def _chain(chain: Chain, numbers: Ints, types: NDArray[np.uint8], atoms: Points) -> AtomicChain:
    return AtomicChain(chain.name, chain.sequence, numbers, types, atoms, chain.confidence[numbers])
