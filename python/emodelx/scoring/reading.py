"""What the network reads in the map where a model puts its Calphas, in the spirit of DAQ.

Terashi et al., Nature Methods 19, 1116-1125 (2022): log-odds of a residue's type, averaged along the chain, are
negative where the sequence is out of register or the trace is wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emodelx.records import ODDS_FLOOR, Floats, Ints, Points, Prediction
from emodelx.scoring.register_shift import UNKNOWN_TYPE, find_shifts
from emodelx.scoring.windows import averaged, window_sizes

TYPE_RADIUS = 2.0
"""Angstrom; types are averaged over the voxels this close, with the weights of their Calpha probability."""
CALPHA_RADIUS = 1.5
"""Angstrom; the best Calpha probability this close counts."""
SURPRISE = 2.5
"""Standard deviations by which types must disagree before they are called wrong."""
LEAST_GAIN = 5.0
"""Log-odds by which types must fit better elsewhere in the sequence before a residue is called out of register. Set on
six maps of 1.8 to 3.4 A, where it flags at most three residues in a thousand that are right, and four of five planted
errors."""

_REACH = int(np.ceil(TYPE_RADIUS)) + 1


@dataclass(frozen=True)
class ReadResidues:
    """What the network says of every residue of a model. All arrays have shape (r,), float32 unless said otherwise.

    Attributes
    ----------
    calpha : ndarray
        Probability of a Calpha where the model has one.
    calpha_score : ndarray
        Log-odds of that probability against the threshold at which the network calls a voxel a Calpha, averaged along
        the chain; negative where the chain is probably elsewhere.
    type : ndarray
        Log-odds of the residue's type against all residues of the model; 0 where the type is unknown.
    type_score : ndarray
        The same averaged along the chain; negative where wrong types are likelier than right ones.
    type_surprise : ndarray
        How far that average is from what the network's own probabilities lead one to expect of right types, in
        standard deviations. It keeps a map in which no types can be read from having them all called wrong.
    shift : ndarray, dtype=int64
        How many places further along its chain the residue's surroundings find the types that the network reads there.
    shift_gain : ndarray
        Log-odds by which they fit better there than where the model has them, summed over the surroundings.
    """

    calpha: Floats
    calpha_score: Floats
    type: Floats
    type_score: Floats
    type_surprise: Floats
    shift: Ints
    shift_gain: Floats

    def misplaced(self) -> NDArray[np.bool_]:
        """Which residues lie in stretches where the network sees no Calphas."""
        return self.calpha_score < 0

    def mistyped(self) -> NDArray[np.bool_]:
        """Which residues lie in stretches whose types the network does not see."""
        return (self.type_score < 0) & (self.type_surprise < -SURPRISE)

    def shifted(self) -> NDArray[np.bool_]:
        """Which residues lie in stretches that are out of register."""
        return self.shift_gain > LEAST_GAIN


def read_residues(calphas: Points, types: Ints, lengths: Sequence[int], prediction: Prediction) -> ReadResidues:
    """Look up what the network says at the Calphas of a model.

    Parameters
    ----------
    calphas : ndarray, dtype=float64, shape=(r, 3)
        NaN where a residue has none; it then scores as outside the map.
    types : ndarray, dtype=int64, shape=(r,)
        Index in `AMINO_ACIDS`, `UNKNOWN_TYPE` where not known.
    lengths : sequence of int
        Residues of every chain, in order.
    prediction : Prediction
    """
    calpha, type_prob = _look_up(calphas, prediction)
    placed = _log_odds(calpha, np.full(1, prediction.threshold, np.float32))
    odds = _log_odds(type_prob, type_prob.mean(axis=0))
    own = np.where(types == UNKNOWN_TYPE, 0, odds[np.arange(len(types)), types]).astype(np.float32)
    score = averaged(own, lengths)
    surprise = _surprise(score, odds, type_prob, lengths)
    shifts = find_shifts(odds, types, lengths)
    return ReadResidues(calpha, averaged(placed, lengths), own, score, surprise, *shifts)


def _surprise(score: Floats, odds: Floats, type_prob: Floats, lengths: Sequence[int]) -> Floats:
    """Averaged scores against mean and deviation of averages over types drawn from the network's probabilities."""
    expected = (type_prob * odds).sum(axis=1)
    variance = (type_prob * odds**2).sum(axis=1) - expected**2
    deviation = np.sqrt(np.maximum(averaged(variance, lengths), 1e-6) / window_sizes(lengths))
    return ((score - averaged(expected, lengths)) / deviation).astype(np.float32)


def _log_odds(probability: Floats, background: Floats) -> Floats:
    return np.log(ODDS_FLOOR + (1 - ODDS_FLOOR) * probability / np.maximum(background, 1e-4))


def _look_up(calphas: Points, prediction: Prediction) -> tuple[Floats, Floats]:
    """Calpha probability (r,) and amino-acid probabilities (r, 20) around points."""
    rows = np.full(prediction.ca_prob.size, -1)
    rows[prediction.type_voxels] = np.arange(len(prediction.type_voxels))
    known = np.isfinite(calphas).all(axis=1)
    calpha = np.zeros(len(calphas), np.float32)
    types = np.full((len(calphas), 20), 1 / 20, np.float32)
    for i in known.nonzero()[0]:
        voxels, distance = _voxels_around(calphas[i] - prediction.origin, prediction.ca_prob.shape)
        if len(voxels) == 0:
            continue
        flat = np.ravel_multi_index(tuple(voxels.T), prediction.ca_prob.shape)
        prob = prediction.ca_prob.ravel()[flat]
        calpha[i] = prob[distance <= CALPHA_RADIUS].max(initial=0)
        seen = rows[flat] >= 0
        weight = (prob * np.exp(-(distance**2) / 2))[seen]
        if weight.sum() > 0:
            types[i] = weight @ prediction.type_prob[rows[flat][seen]] / weight.sum()
    return calpha, types


def _voxels_around(place: Points, shape: tuple[int, ...]) -> tuple[Ints, NDArray[np.float64]]:
    """Voxels of the grid within `TYPE_RADIUS` of a place, and how far they are."""
    centre = np.rint(place).astype(np.int64)
    reach = np.arange(-_REACH, _REACH + 1)
    voxels = centre + np.stack(np.meshgrid(reach, reach, reach, indexing="ij"), axis=-1).reshape(-1, 3)
    distance = np.linalg.norm(voxels - place, axis=1)
    kept = (distance <= TYPE_RADIUS) & ((voxels >= 0) & (voxels < shape)).all(axis=1)
    return voxels[kept], distance[kept]
