"""Calpha candidates from the network's probabilities: threshold, clusters, peaks, centroids."""

import numpy as np
from numpy.typing import NDArray

from emodelx import _core
from emodelx.config import CandidateConfig, RunConfig
from emodelx.errors import NothingBuildableError
from emodelx.records import Candidates, Floats, Ints, Points, Prediction

SMALLEST_CLUSTER = 1 / 10
"""Clusters with less of the largest cluster's summed main-chain score are dropped (published code) ..."""
LARGE_CLUSTER = 500.0
"""... unless their own sum is larger: about 50 residues, as a small protein between the RNA of a ribosome has."""
FAINTEST_CLUSTER = 1 / 2
"""Clusters with less of the best remaining mean main-chain score are dropped (published code)."""


def propose_candidates(prediction: Prediction, config: CandidateConfig, run: RunConfig) -> Candidates:
    """Propose one Calpha candidate per peak of the Calpha probability.

    Voxels above the threshold are clustered (DBSCAN), far-off and faint clusters dropped, the peaks found, and
    every peak moved to the centroid of its 3x3x3 voxels, eq. 10.

    Parameters
    ----------
    prediction : Prediction
    config : CandidateConfig
    run : RunConfig

    Returns
    -------
    Candidates
        In the order of their voxels.

    Raises
    ------
    NothingBuildableError
        No voxel passes the threshold and the clustering.
    """
    threshold = prediction.threshold if config.threshold is None else config.threshold
    voxels = np.flatnonzero(prediction.ca_prob > threshold)
    voxels = voxels[_main_clusters(prediction, voxels, config, run)]
    if len(voxels) == 0:
        raise NothingBuildableError(_nothing_found(prediction, threshold))
    peaks = _core.find_peaks(prediction.ca_prob, voxels, config.nms_radius, threads=run.threads)
    grid, type_prob = _core.refine_candidates(
        prediction.ca_prob, peaks, prediction.type_voxels, prediction.type_prob, threads=run.threads
    )
    return Candidates(
        positions=grid + prediction.origin,
        ca_score=prediction.ca_prob.ravel()[peaks],
        bb_score=prediction.bb_prob.ravel()[peaks],
        type_prob=type_prob,
    )


def _main_clusters(prediction: Prediction, voxels: Ints, config: CandidateConfig, run: RunConfig) -> NDArray[np.bool_]:
    """Which voxels belong to a cluster that is large and bright enough. Shape (len(voxels),)."""
    points = _grid_points(prediction, voxels)
    label = _core.dbscan(points, config.cluster_eps, config.cluster_min_samples, threads=run.threads)
    return keep_main_clusters(label, prediction.bb_prob.ravel()[voxels])


def keep_main_clusters(label: Ints, bb_score: Floats) -> NDArray[np.bool_]:
    """Tell the voxels of the molecule from far-off noise by their clusters.

    Parameters
    ----------
    label : ndarray, dtype=int64, shape=(n,)
        Cluster of every voxel, -1 for noise.
    bb_score : ndarray, dtype=float32, shape=(n,)
        Main-chain probability of every voxel.

    Returns
    -------
    ndarray, dtype=bool, shape=(n,)
        Whether the voxel's cluster has enough of the largest cluster's summed score and, among those, of the best
        mean score.
    """
    in_cluster = label >= 0
    if not in_cluster.any():
        return in_cluster
    total = np.bincount(label[in_cluster], bb_score[in_cluster])
    mean = total / np.bincount(label[in_cluster])
    large = total > min(total.max() * SMALLEST_CLUSTER, LARGE_CLUSTER)
    bright = mean > mean[large].max(initial=0.0) * FAINTEST_CLUSTER
    return in_cluster & (large & bright)[label]


def _grid_points(prediction: Prediction, voxels: Ints) -> Points:
    """Indices of the voxels along x, y and z. Shape (n, 3)."""
    return np.column_stack(np.unravel_index(voxels, prediction.ca_prob.shape)).astype(np.float64)


def _nothing_found(prediction: Prediction, threshold: float) -> str:
    above = int((prediction.ca_prob > threshold).sum())
    highest = float(prediction.ca_prob.max(initial=0.0))
    reason = f"{above} voxels exceed the Calpha probability {threshold:.2f} (highest: {highest:.2f}); check"
    if highest == 0:
        reason = "nothing in the map stands out of noise; check that the molecule is bright in it,"
    return (
        f"no Calpha found: {reason} the hand of the map (try it mirrored), its resolution (better than about 4.5 A), "
        "its voxel size, and that the contour or mask leaves the molecule in"
    )
