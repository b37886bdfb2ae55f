"""A compact backbone from a plan of helices, strands and loops.

A plan is a string with one letter per residue: H helix, E strand, T the two-residue turn of a hairpin, L loop. The
chain grows piece by piece, a piece being a loop and what follows it; of many random loops the one is taken that keeps
the chain most compact without touching itself.
"""

import re
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from emodelx.demo.side_chains import BETA
from emodelx.records import Points
from emodelx.vectors import place

BACKBONE = ("N", "CA", "C", "O")
TRIALS = 400
ATTEMPTS = 50
APART = 5.5
"""Least distance in Angstrom of Calphas of different pieces; it leaves room for side chains."""
TOUCH = 2.5
"""Least distance in Angstrom of atoms of residues that are not neighbours."""

# phi, psi and their spread in degrees.
REGULAR = {"H": (-63, -42, 3), "E": (-132, 127, 1)}
TURN = ((55.5, -117.3, 1), (-101, 33, 1))  # type II', closes the hairpin
LOOPS = ((-65, -40, 12), (-120, 130, 15), (-70, 145, 12), (-90, 0, 12), (60, 40, 8))
LOOP_SHARES = (0.25, 0.25, 0.3, 0.12, 0.08)

# Bond, angle and (where it is fixed) torsion of the main chain.
C_N, N_CA, CA_C, C_O = 1.329, 1.458, 1.525, 1.231
CA_C_N, C_N_CA, N_CA_C, CA_C_O = 117.2, 121.7, 111.0, 120.4
OMEGA = 180.0
START = np.array([[0, 0, 0], [N_CA, 0, 0], [2.004, 1.424, 0]])
"""N, CA, C of a residue before the first, from which the chain grows."""


@dataclass(frozen=True)
class Backbone:
    """The main chain of one chain.

    Attributes
    ----------
    plan : str
        H, E, T or L of every residue.
    torsions : ndarray, dtype=float64, shape=(n, 2)
        phi and psi in degrees.
    xyz : ndarray, dtype=float64, shape=(n, 4, 3)
        N, CA, C, O in Angstrom.
    """

    plan: str
    torsions: Points
    xyz: Points


def fold(plan: str, rng: np.random.Generator) -> Backbone:
    """Grow a compact chain.

    Parameters
    ----------
    plan : str
        H, E, T or L of every residue.
    rng : numpy.random.Generator

    Raises
    ------
    RuntimeError
        When the chain ran into itself in `ATTEMPTS` attempts.
    """
    pieces = re.findall(r"L*[HET]+|L+", plan)
    for _ in range(ATTEMPTS):
        chain = _grow(pieces, rng)
        if chain is not None:
            return Backbone(plan, *chain)
    raise RuntimeError(f"no compact chain found for the plan {plan}")


def _grow(pieces: list[str], rng: np.random.Generator) -> tuple[Points, Points] | None:
    """Torsions and atoms of one attempt; None when a piece finds no place."""
    torsions = np.array([REGULAR["H"][:2]], dtype=np.float64)
    xyz = np.empty((0, 4, 3))
    for piece in pieces:
        trials = _draw_torsions(piece, rng)
        tail = xyz[-1, :3] if len(xyz) else START
        places = extend_backbone(tail, torsions[-1, 1], trials)
        best = _most_compact(xyz, places)
        if best is None:
            return None
        torsions = np.concatenate([torsions, trials[best]])
        xyz = np.concatenate([xyz, places[best]])
    return torsions[1:], xyz


def _draw_torsions(piece: str, rng: np.random.Generator) -> Points:
    """Torsions phi and psi of every residue of a piece, shape (TRIALS, n, 2)."""
    basins = np.array(LOOPS)[rng.choice(len(LOOPS), p=LOOP_SHARES, size=(TRIALS, len(piece)))]
    for letter, basin in REGULAR.items():
        basins[:, [i for i, here in enumerate(piece) if here == letter]] = basin
    if "T" in piece:
        basins[:, piece.index("T") : piece.index("T") + 2] = TURN
    return rng.normal(basins[..., :2], basins[..., 2:])


def extend_backbone(tail: Points, psi: float, torsions: Points) -> Points:
    """Return N, CA, C, O of residues with ideal bonds that follow a given one.

    Parameters
    ----------
    tail : ndarray, dtype=float64, shape=(3, 3)
        N, CA, C of the residue before, in Angstrom.
    psi : float
        Its psi in degrees.
    torsions : ndarray, dtype=float64, shape=(trials, n, 2)
        phi and psi of the new residues in degrees; omega is 180.

    Returns
    -------
    ndarray, dtype=float64, shape=(trials, n, 4, 3)
        In Angstrom.
    """
    count, length, _ = torsions.shape
    n, ca, c = (np.broadcast_to(atom, (count, 3)) for atom in tail)
    before = np.full(count, psi)
    xyz = np.empty((count, length, 4, 3))
    for i in range(length):
        phi, psi_here = torsions[:, i].T
        new_n = place(n, ca, c, C_N, CA_C_N, before)
        new_ca = place(ca, c, new_n, N_CA, C_N_CA, np.full(count, OMEGA))
        n, ca, c = new_n, new_ca, place(c, new_n, new_ca, CA_C, N_CA_C, phi)
        xyz[:, i] = np.stack([n, ca, c, place(n, ca, c, C_O, CA_C_O, psi_here + 180)], axis=1)
        before = psi_here
    return xyz


def beta_carbons(xyz: Points) -> Points:
    """Return the Cbetas of a backbone of shape (..., 4, 3), in Angstrom."""
    bond, angle, torsion = map(float, BETA.split()[4:])
    return place(xyz[..., 0, :], xyz[..., 2, :], xyz[..., 1, :], bond, angle, np.float64(torsion))


def _most_compact(chain: Points, places: Points) -> int | None:
    """The trial that keeps the chain most compact of those that keep off it and touch nothing."""
    old = np.broadcast_to(chain, (len(places), *chain.shape))
    calphas = np.concatenate([old, places], axis=1)[:, :, 1]
    spread = calphas.var(axis=1).sum(axis=-1)
    far = KDTree(chain[:-3, 1]).query(places[:, :, 1])[0].min(axis=1)
    for trial in np.argsort(spread, kind="stable"):
        if far[trial] > APART and not _touches(np.concatenate([chain, places[trial]])):
            return int(trial)
    return None


def _touches(xyz: Points) -> bool:
    """Whether two backbone or Cbeta atoms touch that are not of neighbouring residues."""
    atoms = np.concatenate([xyz, beta_carbons(xyz)[:, None]], axis=1)
    pairs = KDTree(atoms.reshape(-1, 3)).query_pairs(TOUCH, output_type="ndarray") // atoms.shape[1]
    return bool(np.any(np.abs(pairs[:, 0] - pairs[:, 1]) > 1))
