"""A second look at the map, along the bends that chains could make: places, types, and which way chains run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import logit

from emodelx.records import Bends, Candidates, Floats, Ints, Points, SecondLook, SeenBends
from emodelx.settling import settle

SUREST = 6.0
"""Bound of the log-odds of a bend among all others."""
VOXEL, AROUND = 4.0, 7.2
"""Angstrom: of the grid on which candidates are counted, and the width of the Gaussian that blurs it."""
STAY = 0.05
"""Weight of staying where it is, against that of the likely bends of a candidate, which is 1 at most."""
MOLECULE, BEST = 0.5, 99.0
"""Part of the best surroundings that those in a molecule have, and the percentile that is best: on nine maps of 3.2 to
4.5 A none loses more than 0.5 % of its residues, and of simulated noise that was read 7 to 39 % stay."""
TRUSTED, UNLIKELY = 3.6, 0.01
"""Angstrom up to which the probability of a candidate to be in a chain means what it says, and what is too low there.
In weaker maps true candidates have as little."""
Doubles = NDArray[np.float64]


def moved(seen: SeenBends) -> Candidates:
    """Move candidates to where their bends show the Calpha, as far as these are likely."""
    candidates, bends = seen.candidates, seen.bends
    n, middle = len(candidates), bends.triples[:, 1]
    likely = settle(n, bends.triples, bends.log_odds).bends
    total = np.column_stack([np.bincount(middle, likely * along_axis, n) for along_axis in seen.shifts.T])
    weight = STAY + np.bincount(middle, likely, n)
    return replace(candidates, positions=candidates.positions + total / weight[:, None])


def without_noise(seen: SeenBends) -> SeenBends:
    """Leave out candidates in noise, with their bends (:func:`in_molecule`)."""
    candidates, bends = seen.candidates, seen.bends
    inside = settle(len(candidates), bends.triples, bends.log_odds).inside
    return seen.among(in_molecule(candidates.positions, inside))


def with_bends(seen: SeenBends) -> SecondLook:
    """Give candidates the types that their bends show and the probability to be in a chain.

    A candidate has the types of its most likely bends; how likely they are, every candidate tells its neighbours,
    because it has one bend only (:func:`emodelx.settling.settle`). What is in no bend keeps the types of the first
    look. Agreed log-odds of a bend are the mean of what it shows itself and of what is left of it when the neighbours
    have spoken.
    """
    candidates, bends = seen.candidates, seen.bends
    settled = settle(len(candidates), bends.triples, bends.log_odds)
    mixed = mixed_types(candidates.type_prob, bends.triples, seen.types, settled.bends)
    among_all = np.clip(logit(settled.bends), -SUREST, SUREST)
    agreed = Bends(bends.triples, ((bends.log_odds + among_all) / 2).astype(np.float32))
    read = replace(candidates, ca_score=settled.inside.astype(np.float32), type_prob=mixed)
    return SecondLook(read, bends, agreed)


def without_unlikely(look: SecondLook, resolution: float | None) -> SecondLook:
    """Leave out candidates that are in no chain, with their bends, in maps that show what is in one.

    Parameters
    ----------
    look : SecondLook
    resolution : float or None
        Of the map, in Angstrom.
    """
    if look.bends is None or look.agreed is None or resolution is None or resolution > TRUSTED:
        return look
    kept = look.candidates.ca_score >= UNLIKELY
    return SecondLook(look.candidates.select(kept), look.bends.among(kept), look.agreed.among(kept))


def in_molecule(positions: Points, inside: Doubles) -> NDArray[np.bool_]:
    """Tell the candidates of a molecule from those in noise, which hardly make chains.

    Parameters
    ----------
    positions : ndarray, dtype=float64, shape=(n, 3)
    inside : ndarray, dtype=float64, shape=(n,)
        Probability of every candidate to be in a chain.

    Returns
    -------
    ndarray, dtype=bool, shape=(n,)
        Whether the candidates around, mostly within 16 A, are at least `MOLECULE` times as likely in chains as where
        the map is best. That is asked of surroundings: single candidates of weak maps are in no chain, and true.
    """
    voxel = ((positions - positions.min(axis=0)) / VOXEL).astype(np.int64)
    shape = tuple(voxel.max(axis=0) + 1)
    total, count = np.zeros(shape), np.zeros(shape)
    np.add.at(total, tuple(voxel.T), inside)
    np.add.at(count, tuple(voxel.T), 1.0)
    total, count = (
        gaussian_filter(values, AROUND / VOXEL, mode="constant")[tuple(voxel.T)] for values in (total, count)
    )
    around = total / count
    return around >= MOLECULE * np.percentile(around, BEST)


def mixed_types(first: Floats, triples: Ints, types: Floats, likely: Doubles) -> Floats:
    """Types of the candidates: of their bends as far as these are likely, else of the first look.

    Parameters
    ----------
    first : ndarray, dtype=float32, shape=(n, 20)
    triples : ndarray, dtype=int64, shape=(m, 3)
    types : ndarray, dtype=float32, shape=(m, 20)
        In the bends.
    likely : ndarray, dtype=float64, shape=(m,)

    Returns
    -------
    ndarray, dtype=float32, shape=(n, 20)
    """
    middle, n = triples[:, 1], len(first)
    rest = np.maximum(1 - np.bincount(middle, likely, n), 0)
    mixed = np.column_stack([np.bincount(middle, likely * of_type, n) for of_type in types.T])
    return (mixed + rest[:, None] * first).astype(np.float32)
