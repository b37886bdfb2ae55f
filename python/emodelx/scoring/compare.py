"""A model against a reference, in place: what was found, with the right type, and on the right residue."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree

from emodelx.io.alignment import UNPLACED
from emodelx.io.structures import CalphaChain
from emodelx.records import Points
from emodelx.scoring.numbering import NumberedChain, number_chains
from emodelx.scoring.segments import directions

NEAR = 3.0
"""Angstrom; a Calpha this close to one of the reference has found it."""

_TIE_BREAK = 1e-3  # the TM sum decides between assignments with equally many residues in place


@dataclass(frozen=True)
class Comparison:
    """How a model agrees with a reference; all fractions are 0 to 1.

    Attributes
    ----------
    n_true, n_model : int
        Residues with a Calpha.
    ca_recall : float
        Reference residues with any model Calpha within 3 A.
    ca_precision : float
        Model Calphas within 3 A of any reference Calpha.
    seq_recall : float
        Reference residues with a model Calpha of the same type within 3 A.
    reg_acc : float
        Register accuracy: reference residues whose own residue in the matched chain is within 3 A. The chains of one
        sequence are matched one to one, so that most residues are in place.
    reg_precision : float
        The same residues as a fraction of the model's.
    reg_any : float
        As `reg_acc`, but any copy of the sequence may hold the residue.
    tm : float
        TM-score of the complex in place (no superposition), by residue in the matched chains, normalised by the
        reference.
    coverage : float
        Reference residues that the matched chain holds, wherever they are.
    rmsd : float or None
        Over the reference residues of `ca_recall`, to the nearest model Calpha, in Angstrom; None without any.
    forward_rate : float
        Model residues that run along the reference in its direction (`scoring.segments`).
    mean_length : float
        Mean length in residues of the segments that do.
    """

    n_true: int
    n_model: int
    ca_recall: float = 0.0
    ca_precision: float = 0.0
    seq_recall: float = 0.0
    reg_acc: float = 0.0
    reg_precision: float = 0.0
    reg_any: float = 0.0
    tm: float = 0.0
    coverage: float = 0.0
    rmsd: float | None = None
    forward_rate: float = 0.0
    mean_length: float = 0.0


def compare(model: Sequence[CalphaChain], reference: Sequence[CalphaChain]) -> Comparison:
    """Compare a model with a reference in the same frame.

    Residues are matched through common sequences (`scoring.numbering`); neither chain names nor numbers need agree.

    Parameters
    ----------
    model, reference : sequence of CalphaChain
        As `read_calphas` gives them; the reference must not be empty.
    """
    n_true, n_model = sum(map(len, reference)), sum(map(len, model))
    result = Comparison(n_true, n_model)
    if n_model == 0:
        return result
    result = _by_distance(result, model, reference)
    result = _by_direction(result, model, reference)
    return _by_residue(result, model, reference)


def _by_distance(result: Comparison, model: Sequence[CalphaChain], reference: Sequence[CalphaChain]) -> Comparison:
    """Fill in what ignores the register."""
    built, true = _all_positions(model), _all_positions(reference)
    tree, true_tree = KDTree(built), KDTree(true)
    nearest = tree.query(true)[0]
    found = nearest[nearest < NEAR]
    pairs = true_tree.sparse_distance_matrix(tree, NEAR, output_type="ndarray")
    same_type = _all_types(reference)[pairs["i"]] == _all_types(model)[pairs["j"]]
    return replace(
        result,
        ca_recall=len(found) / len(true),
        ca_precision=float((true_tree.query(built)[0] < NEAR).mean()),
        seq_recall=len(np.unique(pairs["i"][same_type])) / len(true),
        rmsd=float(np.sqrt((found**2).mean())) if len(found) else None,
    )


def _by_direction(result: Comparison, model: Sequence[CalphaChain], reference: Sequence[CalphaChain]) -> Comparison:
    """Fill in what asks where the chain goes."""
    direction = directions(model, reference, NEAR)
    mean_length = direction.forward / direction.segments if direction.segments else 0.0
    return replace(result, forward_rate=direction.forward / result.n_model, mean_length=mean_length)


def _by_residue(result: Comparison, model: Sequence[CalphaChain], reference: Sequence[CalphaChain]) -> Comparison:
    """Fill in what needs the register and the assignment of chains."""
    placed, true_placed = number_chains(model, reference)
    in_place = held = anywhere = 0
    tm_sum = 0.0
    for sequence in {chain.sequence for chain in placed} - {UNPLACED}:
        mine, theirs = _stack(model, placed, sequence), _stack(reference, true_placed, sequence)
        length = min(mine.shape[1], theirs.shape[1])
        matches = _match(mine[:, :length], theirs[:, :length], _tm_scale(result.n_true))
        rows, columns = linear_sum_assignment(matches.in_place + _TIE_BREAK * matches.tm_sum, maximize=True)
        in_place += int(matches.in_place[rows, columns].sum())
        held += int(matches.held[rows, columns].sum())
        tm_sum += float(matches.tm_sum[rows, columns].sum())
        anywhere += matches.anywhere
    return replace(
        result,
        reg_acc=in_place / result.n_true,
        reg_precision=in_place / result.n_model,
        reg_any=anywhere / result.n_true,
        tm=tm_sum / result.n_true,
        coverage=held / result.n_true,
    )


@dataclass(frozen=True)
class _Matches:
    """Every model chain of a sequence against every reference chain; arrays of shape (chains, reference chains)."""

    held: NDArray[np.int64]
    in_place: NDArray[np.int64]
    tm_sum: NDArray[np.float64]
    anywhere: int


def _match(mine: Points, theirs: Points, tm_scale: float) -> _Matches:
    """Compare chains residue by residue.

    Parameters
    ----------
    mine, theirs : ndarray, shape=(chains, length, 3)
        NaN where a chain lacks the residue.
    """
    shape = (len(mine), len(theirs))
    held, in_place, tm_sum = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape)
    anywhere = np.zeros(theirs.shape[:2], bool)
    for row, chain in enumerate(mine):
        distance = np.linalg.norm(theirs - chain, axis=2)
        near = distance < NEAR
        held[row] = np.isfinite(distance).sum(axis=1)
        in_place[row] = near.sum(axis=1)
        tm_sum[row] = np.nansum(1 / (1 + (distance / tm_scale) ** 2), axis=1)
        anywhere |= near
    return _Matches(held, in_place, tm_sum, int(anywhere.sum()))


def _stack(chains: Sequence[CalphaChain], numbered: Sequence[NumberedChain], sequence: int) -> Points:
    """Positions of all chains of a sequence, shape (chains, length, 3), NaN where a chain lacks the residue."""
    members = [(chain, at.positions) for chain, at in zip(chains, numbered, strict=True) if at.sequence == sequence]
    length = max((int(positions.max(initial=UNPLACED)) + 1 for _, positions in members), default=0)
    stacked = np.full((len(members), length, 3), np.nan)
    for row, (chain, positions) in enumerate(members):
        known = positions != UNPLACED
        stacked[row, positions[known]] = chain.positions[known]
    return stacked


def _tm_scale(n_true: int) -> float:
    """d0 of the TM-score in Angstrom; below 22 residues the formula has no meaning and 22 is taken."""
    return 1.24 * np.cbrt(max(n_true, 22) - 15) - 1.8


def _all_positions(chains: Sequence[CalphaChain]) -> Points:
    return np.concatenate([chain.positions for chain in chains])


def _all_types(chains: Sequence[CalphaChain]) -> NDArray[np.uint8]:
    return np.frombuffer("".join(chain.residues for chain in chains).encode("ascii"), np.uint8)
