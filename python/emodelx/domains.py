"""Where a structure may hinge: domains by contacts alone, for templates whose errors nobody predicted."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from emodelx.records import Ints, Points

CONTACT = 10.0
"""Angstrom between Calphas that touch."""
SMALLEST = 60
"""Residues of a domain."""
LOOSE = 0.25
"""Normalised cut (contacts across, over the contacts of the smaller side) up to which two domains are loose."""


def split_domains(points: Points) -> Ints:
    """Split a structure where few contacts cross.

    The second eigenvector of the normalised contact graph orders the residues; the best cut along it (normalised cut)
    is taken when it is loose and both sides are large, and each side is split again.

    Parameters
    ----------
    points : ndarray, dtype=float64, shape=(n, 3)
        Calphas in Angstrom.

    Returns
    -------
    ndarray, dtype=int64, shape=(n,)
        Number of the domain of every residue.
    """
    label = np.zeros(len(points), np.int64)
    waiting = [np.arange(len(points))]
    while waiting:
        members = waiting.pop()
        side = _best_cut(points[members])
        if side is not None:
            label[members[side]] = label.max() + 1
            waiting += [members[side], members[~side]]
    return label


def _best_cut(points: Points) -> NDArray[np.bool_] | None:
    """One side of the best cut; None where it is not loose."""
    if len(points) < 2 * SMALLEST:
        return None
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    contact = np.clip(1.5 - distance / CONTACT, 0, 1) + 1e-6
    degree = contact.sum(axis=1)
    scale = 1 / np.sqrt(degree)
    _, vectors = eigh(np.eye(len(points)) - contact * scale[:, None] * scale, subset_by_index=[1, 1])
    order = np.argsort(vectors[:, 0] * scale, kind="stable")
    inside = np.cumsum(degree[order])
    ordered = contact[np.ix_(order, order)]
    within = np.cumsum([2 * ordered[i, :i].sum() + ordered[i, i] for i in range(len(order))])
    across = inside - within
    cut = across / np.minimum(inside, inside[-1] - inside + 1e-9)
    allowed = slice(SMALLEST - 1, len(points) - SMALLEST)
    best = allowed.start + int(np.argmin(cut[allowed]))
    if cut[best] > LOOSE:
        return None
    side = np.zeros(len(points), np.bool_)
    side[order[: best + 1]] = True
    return side
