"""Planted chains: helices of candidates whose types are read with errors, among false candidates."""

from dataclasses import dataclass

import numpy as np
from matrices import sparse
from oracle.links import distance_score

from emodelx.records import Candidates, Links, Sequence, SparseRows

FALSE = -1


@dataclass(frozen=True)
class Planted:
    """Candidates in random order, and the truth: residue and copy of each, `FALSE` where it is none."""

    candidates: Candidates
    links: Links
    codes: np.ndarray
    residue: np.ndarray
    copy: np.ndarray

    def sequence(self, copies=1, unknown=()):
        """The planted sequence; `unknown` residues are X."""
        letters = np.array(list("ACDEFGHIKLMNPQRSTVWY"))[self.codes]
        letters[list(unknown)] = "X"
        return Sequence("planted", "".join(letters), copies=copies)


def plant(seed, length=60, copies=1, *, accuracy=0.55, false=0.2, missing=FALSE):
    """A helix per copy, 25 A apart; `accuracy` of the types are right, `false` candidates come per residue.

    Residue `missing` has no candidate.
    """
    rng = np.random.default_rng(seed)
    chains = [helix(length) + np.array([0, 25 * copy, 0]) for copy in range(copies)]
    true = np.concatenate(chains) + rng.normal(0, 0.2, (copies * length, 3))
    count = int(false * len(true))
    points = np.concatenate([true, true[rng.choice(len(true), count)] + 3 * on_sphere(rng, count)])
    residue = np.concatenate([np.tile(np.arange(length), copies), np.full(count, FALSE)])
    copy = np.concatenate([np.repeat(np.arange(copies), length), np.full(count, FALSE)])
    codes = rng.integers(0, 20, length)
    order = rng.permutation(len(points))
    order = order[(residue[order] == FALSE) | (residue[order] != missing)]
    points, residue, copy = points[order], residue[order], copy[order]
    ones = np.ones(len(points), np.float32)
    candidates = Candidates(points, ones, ones, read_types(rng, codes, residue, accuracy))
    links = Links(SparseRows(*sparse(likelihood(rng, points, residue, copy))))
    return Planted(candidates, links, codes, residue, copy)


def helix(length):
    """Calphas of an ideal alpha helix along x."""
    angle = np.deg2rad(100) * np.arange(length)
    return np.column_stack([1.5 * np.arange(length), 2.3 * np.cos(angle), 2.3 * np.sin(angle)])


def on_sphere(rng, count):
    vectors = rng.normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def read_types(rng, codes, residue, accuracy):
    """Probabilities that favour the right type of `accuracy` of the residues, and any type elsewhere."""
    right = (residue != FALSE) & (rng.random(len(residue)) < accuracy)
    favoured = np.where(right, codes[residue], rng.integers(0, 20, len(residue)))
    return (0.5 * np.eye(20)[favoured] + 0.5 * rng.dirichlet(np.ones(20), len(residue))).astype(np.float32)


def likelihood(rng, points, residue, copy):
    """H with much main chain between consecutive residues and some between all others."""
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    follows = (copy[:, None] == copy) & (abs(residue[:, None] - residue) == 1) & (copy >= 0)
    main_chain = np.where(follows, rng.normal(0.85, 0.05, distance.shape), rng.normal(0.5, 0.1, distance.shape))
    H = (np.vectorize(distance_score)(distance) + np.triu(main_chain) + np.triu(main_chain, 1).T) / 2
    return np.where((distance >= 2) & (distance < 6), H, 0).astype(np.float32)
