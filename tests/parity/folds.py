"""Planted Calpha chains that are as compact and bend as proteins do."""

from functools import cache

import numpy as np
from scipy.spatial.transform import Rotation

from emodelx.demo.fold import fold

PIECES = {"helix": (10, 16), "strand": (5, 8)}
LETTER = {"helix": "H", "strand": "E"}


@cache
def folded(seed, pieces=8):
    """Calphas of helices and strands with loops between them, shape (length, 3), centred."""
    rng = np.random.default_rng(seed)
    plan = "".join(
        "L" * rng.integers(3, 6) + LETTER[kind] * rng.integers(*PIECES[kind])
        for kind in rng.choice(list(PIECES), pieces)
    )
    calphas = fold(plan, rng).xyz[:, 1]
    return calphas - calphas.mean(axis=0)


def moved(rng, points, shift):
    """The points turned at random and shifted."""
    return points @ Rotation.random(random_state=int(rng.integers(2**31))).as_matrix().T + shift
