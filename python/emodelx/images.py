"""What the symmetric images of chains say about each other."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emodelx.records import Chain, Points, Provenance, Symmetry
from emodelx.vectors import median_of_known

FAR = 4.0
"""Angstrom between a residue and its image in the same place, above which the two contradict each other."""
ASTRAY = 6.0
"""Angstrom from where the images have a residue, from which it belongs to another copy if that has it there."""
ASIDE = 15.0
"""Angstrom along each axis by which the middle of an image may be off, because other residues are missing."""
LEAST_SHARED = 8
"""Residues that a chain must have with the image of another one that lies there."""


def images_of_copies(chains: Sequence[Chain], symmetry: Symmetry) -> list[Points]:
    """Return where the images of all copies of a chain have its residues, in the middle.

    Parameters
    ----------
    chains : sequence of Chain
    symmetry : Symmetry

    Returns
    -------
    list of ndarray, dtype=float64, shape=(length, 3)
        Of every chain; NaN where no copy has the residue.
    """
    moved = {}
    for sequence in {chain.sequence for chain in chains}:
        copies = [chain.positions for chain in chains if chain.sequence == sequence]
        images = symmetry.images(np.concatenate(copies)).reshape(-1, *copies[0].shape)
        moved[sequence] = images, _middle(images)
    return [_image(chain, *moved[chain.sequence]) for chain in chains]


def _image(chain: Chain, images: Points, middles: Points) -> Points:
    """Where those of the images that lie on a chain have its residues, in the middle."""
    off = np.abs(middles - _middle(chain.positions))
    images = images[(off < ASIDE).all(axis=1)]
    apart = np.linalg.norm(images - chain.positions, axis=2)
    shared, near = np.isfinite(apart).sum(axis=1), (apart < FAR).sum(axis=1)
    here = images[(near >= LEAST_SHARED) & (2 * near > shared)]
    return median_of_known(here) if len(here) else np.full_like(chain.positions, np.nan)


def _middle(points: Points) -> Points:
    """Mean of the points that are known, NaN where none is. Shapes (..., n, 3) to (..., 3)."""
    known = np.isfinite(points[..., :1])
    return np.where(known, points, 0).sum(axis=-2) / np.where(known.any(axis=-2), known.sum(axis=-2), np.nan)


def sort_residues(chains: Sequence[Chain], symmetry: Symmetry) -> list[Chain]:
    """Give residues to the copy that they lie in, where a fragment ran on from one copy into another.

    Parameters
    ----------
    chains : sequence of Chain
    symmetry : Symmetry

    Returns
    -------
    list of Chain
        A residue that lies where another copy must have it is of that copy, unless that has one there already.
    """
    sorted_chains = list(chains)
    expected = images_of_copies(chains, symmetry)
    for sequence in sorted({chain.sequence for chain in chains}):
        own = [c for c, chain in enumerate(chains) if chain.sequence == sequence]
        there = np.stack([expected[c] for c in own])
        for c in own:
            home = _homes(chains[c], expected[c], there)
            for residue in np.flatnonzero(home >= 0):
                _move(sorted_chains, c, own[home[residue]], int(residue))
    return sorted_chains


def _homes(chain: Chain, expected: Points, there: Points) -> NDArray[np.int64]:
    """Which copy every residue of a chain lies in, where that is another one; -1 elsewhere. Shape (length,)."""
    astray = np.linalg.norm(chain.positions - expected, axis=1) > ASTRAY
    apart = np.nan_to_num(np.linalg.norm(there - chain.positions, axis=2), nan=np.inf)
    return np.where(astray & (apart.min(axis=0) < FAR), apart.argmin(axis=0), -1)


def _move(chains: list[Chain], origin: int, target: int, residue: int) -> None:
    """Take a residue from one chain to another that lacks it; it only leaves where the other has it."""
    source, goal = chains[origin], chains[target]
    position, candidate, provenance = (
        source.positions[residue].copy(),
        source.candidates[residue],
        source.provenance[residue],
    )
    chains[origin] = _with(source, residue, np.full(3, np.nan), -1, Provenance.MISSING)
    if not goal.placed()[residue]:
        chains[target] = _with(goal, residue, position, candidate, provenance)


def _with(chain: Chain, residue: int, position: Points, candidate: int, provenance: int) -> Chain:
    positions, candidates, origins = chain.positions.copy(), chain.candidates.copy(), chain.provenance.copy()
    positions[residue], candidates[residue], origins[residue] = position, candidate, provenance
    return replace(chain, positions=positions, candidates=candidates, provenance=origins)
