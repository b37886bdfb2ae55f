"""Chains packed side by side into a complex."""

from dataclasses import replace

import numpy as np
from scipy.spatial import KDTree

from emodelx.demo.design import ProteinChain, design
from emodelx.demo.fold import fold
from emodelx.records import Points
from emodelx.training.augment import random_rotation

ORIENTATIONS = 100
CONTACT = 3.6
"""Least distance in Angstrom of atoms of different chains."""

HAIRPIN = "EEEEEETTEEEEEE"
PLANS = (
    f"LL{'H' * 16}LLLL{'H' * 14}LLLLL{HAIRPIN}LLLL{'H' * 18}LLLL{'H' * 15}LLL",
    f"LL{'H' * 18}LLLLL{'H' * 12}LLLL{'H' * 16}LLLLL{HAIRPIN}LLLL{'H' * 14}LLL",
)
"""Helices, strands, turns and loops of the two proteins; see `fold`."""


def build_complex(seed: int) -> dict[str, ProteinChain]:
    """Make a complex of three chains: two copies of one protein, and another one.

    Parameters
    ----------
    seed : int

    Returns
    -------
    dict of str to ProteinChain
        Chains by name; the centre of the atoms is at 0.
    """
    rng = np.random.default_rng(seed)
    first, second = (design(fold(plan, rng), rng) for plan in PLANS)
    chains = {"A": first}
    for name, chain in {"B": first, "C": second}.items():
        chains[name] = replace(chain, xyz=dock(np.concatenate([c.xyz for c in chains.values()]), chain.xyz, rng))
    centre = np.concatenate([chain.xyz for chain in chains.values()]).mean(axis=0)
    return {name: chain.moved(-centre) for name, chain in chains.items()}


def dock(fixed: Points, moving: Points, rng: np.random.Generator) -> Points:
    """Turn and slide a chain against others until it touches them; of many ways, take the most compact.

    Parameters
    ----------
    fixed, moving : ndarray, dtype=float64, shape=(n, 3) and (m, 3)
        In Angstrom.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, dtype=float64, shape=(m, 3)
        The moved chain, no atom closer than `CONTACT` to a fixed one.
    """
    places = []
    for _ in range(ORIENTATIONS):
        turned = fixed.mean(axis=0) + (moving - moving.mean(axis=0)) @ random_rotation(rng).T
        direction = random_rotation(rng)[0]
        places.append(turned + slide(fixed, turned, direction) * direction)
    return min(places, key=lambda place: np.concatenate([fixed, place]).var(axis=0).sum())


def slide(fixed: Points, moving: Points, direction: Points) -> float:
    """Return how far along `direction` a body must be for its first touch when it comes in from afar, in Angstrom."""
    plane = np.linalg.svd(direction[None])[2][1:]
    meets = KDTree(fixed @ plane.T).sparse_distance_matrix(KDTree(moving @ plane.T), CONTACT, output_type="ndarray")
    ahead = (fixed @ direction)[meets["i"]] - (moving @ direction)[meets["j"]]
    return float((ahead + np.sqrt(CONTACT**2 - meets["v"] ** 2)).max())
