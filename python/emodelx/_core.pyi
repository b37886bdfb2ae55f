"""Stub of the Rust extension."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__version__: str

_Progress = Callable[[int, int], object] | None
_SparseArrays = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]

def dbscan(
    points: NDArray[np.float64], eps: float, min_samples: int, *, threads: int = 0, progress: _Progress = None
) -> NDArray[np.int64]: ...
def find_peaks(
    ca_prob: NDArray[np.float32],
    voxels: NDArray[np.int64],
    radius: float,
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> NDArray[np.int64]: ...
def refine_candidates(
    ca_prob: NDArray[np.float32],
    voxels: NDArray[np.int64],
    type_voxels: NDArray[np.int64],
    type_prob: NDArray[np.float32],
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> tuple[NDArray[np.float64], NDArray[np.float32]]: ...
def link_candidates(
    points: NDArray[np.float64],
    bb_prob: NDArray[np.float32],
    min_distance: float,
    max_distance: float,
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> _SparseArrays: ...
def sample_hops(
    links: _SparseArrays,
    hops: int,
    neighbours: int,
    floor: float,
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> list[_SparseArrays]: ...
