"""What the types that the network read say of a body in a map: whether its sequence is there."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from emodelx.records import Candidates, Points

REACH = 2.5
"""Angstrom from a residue to the candidate that may be it."""
TRUST = 0.4
"""Part of what the types promise that they keep: bodies are distorted, so that neighbours are taken for each other,
and types of weak maps promise too much. The bodies in their places on three simulated cases and EMD-30342 and 4118,
distorted and at 4 to 7 A, have 0.4 to 1.3 of it."""
LEAST_DEVIATION = 1e-3
"""Of the sum of the log-odds; below it nothing was read."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class TypeEvidence:
    """The types that were read, ready to be asked about bodies.

    Attributes
    ----------
    places : KDTree
        Of the candidates, in Angstrom from voxel 0,0,0.
    log_odds : ndarray, dtype=float64, shape=(n, 20)
        Of every type, against a random candidate of the map.
    by_chance, variance : ndarray, dtype=float64, shape=(n,)
        Mean and variance of the log-odds of a type drawn from all candidates.
    promised : ndarray, dtype=float64, shape=(n,)
        Mean of the log-odds of a type drawn from the candidate's own.
    """

    places: KDTree
    log_odds: Values
    by_chance: Values
    variance: Values
    promised: Values

    @classmethod
    def of(cls, candidates: Candidates, origin: Points) -> "TypeEvidence | None":
        """Ask these candidates; None where there are none.

        Parameters
        ----------
        candidates : Candidates
            With types corrected by the composition.
        origin : ndarray, dtype=float64, shape=(3,)
            Of the map.
        """
        if len(candidates) == 0:
            return None
        own = candidates.type_prob.astype(np.float64)
        log_odds = np.log(candidates.type_odds().astype(np.float64))
        by_chance = np.einsum("ka,a->k", log_odds, own.mean(axis=0))
        off = log_odds - by_chance[:, None]
        variance = np.einsum("ka,a->k", off**2, own.mean(axis=0))
        promised = np.einsum("ka,ka->k", log_odds, own)
        return cls(KDTree(candidates.positions - origin), log_odds, by_chance, variance, promised)

    def log_ratio(self, points: Points, codes: NDArray[np.int8]) -> float:
        """Log of how much likelier the types are if residues are in these places than if others are.

        The sum of the log-odds of the types is nearly normal: of a wrong body with mean and variance of types drawn
        from all candidates, of a right one with the same variance and a mean nearer to what the types promise.

        Parameters
        ----------
        points : ndarray, dtype=float64, shape=(m, 3)
            In Angstrom from voxel 0,0,0.
        codes : ndarray, dtype=int8, shape=(m,)
            Types; -1 where unknown.

        Returns
        -------
        float
            0 where nothing was read.
        """
        distance, nearest = self.places.query(points)
        met = (distance < REACH) & (codes >= 0)
        k = nearest[met]
        deviation = np.sqrt(self.variance[k].sum())
        if deviation < LEAST_DEVIATION:
            return 0.0
        found = (self.log_odds[k, codes[met]] - self.by_chance[k]).sum() / deviation
        right = TRUST * (self.promised[k] - self.by_chance[k]).sum() / deviation
        return float(right * found - right**2 / 2)
