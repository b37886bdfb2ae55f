"""A sequence and its side chains for a backbone: at every residue the first choice that fits."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from emodelx.demo.fold import BACKBONE, Backbone, beta_carbons
from emodelx.demo.side_chains import ROTAMERS, build_side_chain
from emodelx.records import Ints, Points

LIKED = {
    "H": "AAAEEEEKKKLLLLLQQRRRMIIVVDNSTFFYWH",
    "E": "VVVVVIIIIITTTTYYYFFWLLKKRRQQEEM",
    "T": "GN",
    "L": "GGGDDNNSSSPPPTTKKEQRAHLYFVMIWC",
}
"""What residues of helices, strands, turns and loops are drawn from; a letter stands as often as it is liked."""
CLEARANCE = 3.2
"""Least distance in Angstrom of a side-chain atom to the atoms of other residues."""
NEIGHBOUR_CLEARANCE = 2.9
"""The same to the main chain of the residues before and after, whose bonds bring them near."""


@dataclass(frozen=True)
class ProteinChain:
    """All heavy atoms of one chain.

    Attributes
    ----------
    sequence : str
        One letter per residue.
    names : tuple of str
        Name of every atom.
    residues : ndarray, dtype=int64, shape=(n,)
        0-based residue of every atom; ascending.
    xyz : ndarray, dtype=float64, shape=(n, 3)
        In Angstrom.
    """

    sequence: str
    names: tuple[str, ...]
    residues: Ints
    xyz: Points

    def moved(self, shift: Points) -> "ProteinChain":
        """Return the chain shifted by a vector of shape (3,)."""
        return replace(self, xyz=self.xyz + shift)


def design(backbone: Backbone, rng: np.random.Generator) -> ProteinChain:
    """Give every residue of a backbone an amino acid and a rotamer that touch nothing.

    Parameters
    ----------
    backbone : Backbone
    rng : numpy.random.Generator
        Draws the order in which amino acids are tried.
    """
    length = len(backbone.plan)
    fixed = np.concatenate([backbone.xyz, beta_carbons(backbone.xyz)[:, None]], axis=1)
    owner = np.repeat(np.arange(length), fixed.shape[1])
    obstacles = fixed.reshape(-1, 3)
    sequence, sides = [], []
    for i in range(length):
        letter, side = _first_fit(backbone, i, obstacles, owner, rng)
        sequence.append(letter)
        sides.append(side)
        beyond = [xyz for name, xyz in side.items() if name != "CB"]
        obstacles = np.concatenate([obstacles, np.reshape(beyond, (-1, 3))])
        owner = np.concatenate([owner, np.full(len(beyond), i)])
    return _join("".join(sequence), backbone.xyz, sides)


def _first_fit(
    backbone: Backbone, i: int, obstacles: Points, owner: Ints, rng: np.random.Generator
) -> tuple[str, dict[str, Points]]:
    """Amino acid and side chain of residue i."""
    frame: dict[str, Points] = dict(zip(BACKBONE[:3], backbone.xyz[i], strict=False))
    others = owner != i
    near = np.abs(owner - i) == 1
    clearance = np.where(near, NEIGHBOUR_CLEARANCE, CLEARANCE)[others]
    for letter in _choices(backbone, i, rng):
        for chi in ROTAMERS[letter]:
            side = build_side_chain(letter, frame, chi)
            beyond = np.reshape([xyz for name, xyz in side.items() if name != "CB"], (-1, 1, 3))
            distance = np.linalg.norm(obstacles[others] - beyond, axis=-1)
            if np.all(distance > clearance):
                return letter, side
    raise AssertionError("glycine always fits")


def _choices(backbone: Backbone, i: int, rng: np.random.Generator) -> Iterator[str]:
    """Amino acids that suit the torsions of residue i, each once, in random order; glycine last."""
    phi, psi_before = backbone.torsions[i, 0], backbone.torsions[i - 1, 1]
    liked = LIKED[backbone.plan[i]] if phi < 0 else LIKED["T"]
    order = "".join(rng.permutation(list(liked)))
    for letter in dict.fromkeys(order + "AG"):
        if letter != "P" or (-80 < phi < -50 and psi_before > 90):
            yield letter


def _join(sequence: str, main_chain: Points, sides: list[dict[str, Points]]) -> ProteinChain:
    atoms = [
        (name, i, xyz)
        for i, (own, side) in enumerate(zip(main_chain, sides, strict=True))
        for name, xyz in [*zip(BACKBONE, own, strict=True), *side.items()]
    ]
    names, residues, xyz = zip(*atoms, strict=True)
    return ProteinChain(sequence, names, np.array(residues), np.array(xyz))
