"""Stub of the Rust extension.

Every step takes the number of `threads` (0 takes all that the process may use; the result does not depend on it) and
`progress`, which is called as `progress(done, total)` from the calling thread; an exception out of it, or Ctrl-C, ends
the step. Arrays must be C-contiguous and finite; what is wrong raises `ValueError` with the argument's name, a wrong
type `TypeError`. Sparse matrices are rows (CSR): starts (n + 1,), columns (m,) ascending within a row, values (m,).
Distances are in Angstrom; volumes are indexed [x, y, z], voxels by their flat C-order index.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

__version__: str

_Progress = Callable[[int, int], object] | None
_Field = tuple[NDArray[np.float32], Sequence[float], Sequence[float]]
_ModelArrays = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
_DensityArrays = tuple[NDArray[np.float32], tuple[float, float, float]]
_SparseArrays = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]

def dbscan(
    points: NDArray[np.float64], eps: float, min_samples: int, *, threads: int = 0, progress: _Progress = None
) -> NDArray[np.int64]:
    """Cluster points as scikit-learn's DBSCAN does.

    Parameters
    ----------
    points : ndarray, shape=(n, 3)
    eps : float
        Radius of a neighbourhood, border included.
    min_samples : int
        Points of a neighbourhood, its centre included, that make the centre a core point.

    Returns
    -------
    ndarray, shape=(n,)
        Cluster of every point, -1 for noise.
    """

def find_peaks(
    ca_prob: NDArray[np.float32],
    voxels: NDArray[np.int64],
    radius: float,
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> NDArray[np.int64]:
    """Find the voxels that none within `radius` exceeds; of equal ones the first stays.

    Parameters
    ----------
    ca_prob : ndarray, shape=(nx, ny, nz)
    voxels : ndarray, shape=(m,), ascending
        Those that may be peaks.
    radius : float

    Returns
    -------
    ndarray, shape=(n,), ascending
    """

def refine_candidates(
    ca_prob: NDArray[np.float32],
    voxels: NDArray[np.int64],
    type_voxels: NDArray[np.int64],
    type_prob: NDArray[np.float32],
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Move peaks to the centroids of their 3x3x3 voxels (eq. 10) and average the type probabilities there.

    Parameters
    ----------
    ca_prob : ndarray, shape=(nx, ny, nz)
    voxels : ndarray, shape=(n,)
        The peaks.
    type_voxels : ndarray, shape=(m,), ascending
        Voxels of known type probabilities; they are uniform elsewhere.
    type_prob : ndarray, shape=(m, 20)

    Returns
    -------
    positions : ndarray, shape=(n, 3)
        In voxels.
    type_prob : ndarray, shape=(n, 20)
    """

def link_candidates(
    points: NDArray[np.float64],
    bb_prob: NDArray[np.float32],
    min_distance: float,
    max_distance: float,
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> _SparseArrays:
    """Estimate the likelihood H that candidates are consecutive residues (eq. 22-24).

    Parameters
    ----------
    points : ndarray, shape=(n, 3)
        In voxels of `bb_prob`.
    bb_prob : ndarray, shape=(nx, ny, nz)
    min_distance, max_distance : float
        Pairs outside of this range have no entry.

    Returns
    -------
    sparse matrix (n, n)
        Symmetric.
    """

def sample_hops(
    links: _SparseArrays,
    hops: int,
    neighbours: int,
    floor: float,
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> list[_SparseArrays]:
    """Estimate the likelihoods H(n) that candidates are n residues apart (eq. 25).

    Parameters
    ----------
    links : sparse matrix (n, n)
        H, symmetric.
    hops : int
        Largest n; at most 16.
    neighbours : int
        Best links followed from each candidate.
    floor : float
        Smallest factor of a product of likelihoods.

    Returns
    -------
    list of sparse matrices (n, n)
        H(1) .. H(hops); every column sums to 1, or is empty.
    """

def propagate_types(
    type_prob: NDArray[np.float32], hops: Sequence[_SparseArrays], *, threads: int = 0, progress: _Progress = None
) -> list[NDArray[np.float32]]:
    """Sum what the n-hop neighbours k' of every candidate k say: p(k', a) H(n)[k', k] over k' (eq. 26).

    Parameters
    ----------
    type_prob : ndarray, shape=(n, 20)
    hops : sequence of sparse matrix (n, n)
        H(1), H(2), ...

    Returns
    -------
    list of ndarray, shape=(n, 20)
        One per hop.
    """

def register_runs(
    points: NDArray[np.float64],
    links: _SparseArrays,
    odds: NDArray[np.float32],
    sequences: Sequence[NDArray[np.int8]],
    copies: Sequence[int],
    rounds: Sequence[tuple[int, float, float]],
    *,
    hints: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]] | None = None,
    bends: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]] | None = None,
    threads: int = 0,
    progress: _Progress = None,
) -> list[tuple[int, int, NDArray[np.int64], NDArray[np.float32]]]:
    """Find runs of candidates that follow a sequence.

    Parameters
    ----------
    points : ndarray, shape=(n, 3)
    links : sparse matrix (n, n)
        H, symmetric.
    odds : ndarray, shape=(n, 20)
        Odds of every type of every candidate.
    sequences : sequence of ndarray, shape=(length,)
        Types of the residues, 0 to 19; anything else is unknown and has odds 1.
    copies : sequence of int
        Of each sequence; no residue is in more runs.
    rounds : sequence of (int, float, float)
        Per round of alignment: fewest matches of a run, lowest posterior of a match that extends it, and lowest mean.
    hints : (ndarray, ndarray, ndarray, ndarray), shape=(m,) each
        Candidates, sequences, 0-based positions in them, and the odds that the candidate is that residue for other
        reasons than its type.
    bends : (ndarray, ndarray, ndarray, ndarray), shape=(m,) each
        Candidates before, in the middle and after, and the odds that the chain runs so; without them all odds are 1.

    Returns
    -------
    list of (int, int, ndarray, ndarray)
        Per run: its sequence, the 0-based position of its first residue, and per residue the candidate (-1 where a
        walk jumped over it) and the posterior. The run with most expected residues is first.
    """

def assign_chains(
    pieces: Sequence[tuple[int, int, NDArray[np.float64]]],
    copies: Sequence[int],
    *,
    images: Sequence[tuple[Sequence[Sequence[float]], Sequence[float]]] | None = None,
    threads: int = 0,
    progress: _Progress = None,
) -> list[tuple[int, int] | None]:
    """Assign pieces of chains to the copies of their sequences (Algorithm 1).

    Parameters
    ----------
    pieces : sequence of (int, int, ndarray)
        Sequence, position of the first residue, points (n, 3) (NaN where none; the first and the last are there).
    copies : sequence of int
        Of each sequence.
    images : sequence of (rotation, shift)
        Motions of a group, the identity first: every piece may be any of its images. None for the identity alone.

    Returns
    -------
    list of (int, int) or None
        Copy of every piece, 0 being the one with most residues, and index of its image that lies there; None where the
        copies do not suffice.
    """

def place_templates(
    points: NDArray[np.float64],
    links: _SparseArrays,
    odds: NDArray[np.float32],
    sequences: Sequence[NDArray[np.int8]],
    templates: Sequence[tuple[int, NDArray[np.int64], NDArray[np.float64]]],
    least: tuple[float, float],
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> list[tuple[int, NDArray[np.int64], NDArray[np.float64], float, float]]:
    """Find rigid pieces of templates among the candidates.

    Parameters
    ----------
    points, links, odds, sequences
        As for `register_runs`.
    templates : sequence of (int, ndarray, ndarray)
        Sequence, 0-based positions of the residues in it (n,), ascending, their points (n, 3).
    least : (float, float)
        Of a piece: log-odds against chance, and standard deviations by which its types must fit better than with the
        sequence shifted along it.

    Returns
    -------
    list of (int, ndarray, ndarray, float, float)
        Per piece, disjoint in candidates: template, its residues in the template (m,), their points (m, 3), and what
        `least` bounds.
    """

def search_body(
    field: NDArray[np.float32],
    coarse: NDArray[np.float32],
    spacing: float,
    body: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]],
    how: tuple[float, int, int, float],
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> list[tuple[NDArray[np.float64], list[float], float]]:
    """Find where a body can be in a map, in any orientation.

    Parameters
    ----------
    field : ndarray, dtype=float32, shape=(nx, ny, nz)
        On the 1 A grid; a pose is worth its mean over the sites of the body. Points are in Angstrom from voxel 0,0,0.
    coarse : ndarray, dtype=float32, shape=(mx, my, mz)
        The same, blurred to voxels of `spacing` Angstrom.
    spacing : float
    body : (ndarray, ndarray, ndarray)
        Numbers of the residues (n,), ascending, their Calphas (n, 3), and atoms and reach of their side chains (n, 2).
    how : (float, int, int, float)
        Radians between rotations; poses that are moved uphill; poses that are returned, and how far apart they are at
        least (root mean square, Angstrom).

    Returns
    -------
    list of (ndarray, list, float)
        Rotation (3, 3), shift, and worth, the best first: `points @ rotation.T + shift` is where the Calphas are.
    """

def settle_body(
    field: NDArray[np.float32],
    body: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]],
    starts: tuple[NDArray[np.float64], NDArray[np.float64]],
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Move a body uphill from each of some poses.

    Parameters
    ----------
    field, body
        As for `search_body`.
    starts : (ndarray, ndarray)
        Rotations (n, 9), row by row, and shifts (n, 3): `points @ rotation.T + shift`.

    Returns
    -------
    (ndarray, ndarray, ndarray)
        The same of where each came to, and its worth (n,).
    """

def bend_bodies(
    field: NDArray[np.float32],
    bodies: Sequence[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]],
    stiffness: tuple[float, float],
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> list[tuple[NDArray[np.float64], float, NDArray[np.float64]]]:
    """Fit placed bodies to a map, each by itself; springs hold the distances of its residues.

    Parameters
    ----------
    field, bodies
        As for `search_body`.
    stiffness : (float, float)
        Of springs between residues up to three apart along the chain, and of the others, which tear.

    Returns
    -------
    list of (ndarray, float, ndarray)
        Calphas (n, 3), mean of the field over the sites, and over the main chain of every residue (n,).
    """

def trace_loops(
    field: NDArray[np.float32],
    chains: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]],
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> list[tuple[int, int, NDArray[np.float64], NDArray[np.float64]]]:
    """Trace what placed chains lack between two of their residues through the field, the shortest loops first.

    Parameters
    ----------
    field : ndarray, dtype=float32, shape=(nx, ny, nz)
        On a 1 A grid, with a standard deviation of 1.
    chains : sequence of (ndarray, ndarray)
        Numbers of the residues that are placed (n,), ascending, and their Calphas (n, 3) in voxels.

    Returns
    -------
    list of (int, int, ndarray, ndarray)
        Chain, number of the first residue, Calphas (m, 3), and the share of the ways, by their likelihood, that have
        each residue within 3 A of there (m,). Up to 30 residues, behind two that are placed; where no way leads, there
        is none.
    """

def trace_paths(
    points: NDArray[np.float64],
    links: _SparseArrays,
    least_step: float,
    least_length: int,
    *,
    bends: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]] | None = None,
    threads: int = 0,
    progress: _Progress = None,
) -> list[tuple[NDArray[np.int64], NDArray[np.float32], float]]:
    """Join candidates into long disjoint paths, without sequences.

    Parameters
    ----------
    points : ndarray, shape=(n, 3)
    links : sparse matrix (n, n)
        H, symmetric.
    least_step : float
        Lowest probability of a step.
    least_length : int
        Fewest candidates of a path.
    bends : (ndarray, ndarray, ndarray, ndarray), shape=(m,) each
        As for `register_runs`: they tell which steps go together, and which way paths run.

    Returns
    -------
    list of (ndarray, ndarray, float)
        Per path, the longest first: candidates (-1 where a step passes over a missing one), the mean probability of
        the steps from and to each residue, and the log-odds that it runs this way (0 without bends).
    """

def thread_chains(
    points: NDArray[np.float64],
    links: _SparseArrays,
    odds: NDArray[np.float32],
    context: NDArray[np.float32],
    sequences: Sequence[NDArray[np.int8]],
    chains: Sequence[tuple[int, NDArray[np.int64], NDArray[np.float64]]],
    search: tuple[int, float, float],
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> list[list[tuple[int, int, float]]]:
    """Thread the residues that chains lack through free candidates (eq. 28).

    Parameters
    ----------
    points, links, odds, sequences
        As for `register_runs`.
    context : ndarray, shape=(n, 6, 20)
        Log-odds of every candidate by the type of the residue 1 to 6 places away, to either side.
    chains : sequence of (int, ndarray, ndarray)
        Sequence, candidates (length,) (-1 where none), positions (length, 3) where other copies have the residues
        (NaN where none has).
    search : (int, float, float)
        Threads kept per residue; lowest log-odds of a thread that ends at a placed residue, and of one that does not.

    Returns
    -------
    list of list of (int, int, float)
        Per chain the residues added: position in the sequence, candidate, log-odds of the thread per residue.
    """

def bridge_chains(
    chains: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    ca_prob: NDArray[np.float32],
    bb_prob: NDArray[np.float32],
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> list[tuple[int, int, NDArray[np.float64], float]]:
    """Close gaps of at most 8 residues along the main chain.

    Parameters
    ----------
    chains : sequence of (ndarray, ndarray)
        Positions of the residues in voxels and where a symmetric chain has them, both (length, 3), NaN where unknown.
    ca_prob, bb_prob : ndarray, shape=(nx, ny, nz)

    Returns
    -------
    list of (int, int, ndarray, float)
        Per bridge, the shortest first: chain, first residue, positions (m, 3), mean main-chain probability along it.
    """

def extend_chains(
    chains: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    ca_prob: NDArray[np.float32],
    bb_prob: NDArray[np.float32],
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> list[tuple[int, int, NDArray[np.float64], float]]:
    """Extend both ends of every chain by at most 4 residues along the main chain.

    Parameters
    ----------
    chains : sequence of (ndarray, ndarray)
        Positions of the residues in voxels and where a symmetric chain has them, both (length, 3), NaN where unknown.
    ca_prob, bb_prob : ndarray, shape=(nx, ny, nz)

    Returns
    -------
    list of (int, int, ndarray, float)
        Per extension, the shortest first: chain, first residue, positions (m, 3), mean main-chain probability along it.
    """

def q_scores(
    values: NDArray[np.float32],
    spacing: Sequence[float],
    atoms: NDArray[np.float64],
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> NDArray[np.float32]:
    """Q-score of every atom (Pintilie et al. 2020, sigma 0.6 A).

    Parameters
    ----------
    values : ndarray, shape=(nx, ny, nz)
        The map.
    spacing : sequence of float
        Voxel size.
    atoms : ndarray, shape=(n, 3)
        All heavy atoms of the model, from the centre of voxel 0, 0, 0.

    Returns
    -------
    ndarray, shape=(n,)
        -1 to 1; NaN outside the map.
    """

def correlate_b_factors(
    density: tuple[NDArray[np.float32], NDArray[np.bool_], Sequence[float]],
    atoms: tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]],
    profiles: tuple[NDArray[np.float32], float, float],
    b_factors: NDArray[np.float64],
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> tuple[float, NDArray[np.float64]]:
    """Correlation of a map with a model that has one B factor per residue, and how it changes with each.

    Parameters
    ----------
    density : (ndarray, ndarray, sequence of float)
        The map (nx, ny, nz), the voxels that count, and the voxel size in Angstrom.
    atoms : (ndarray, ndarray, ndarray)
        Positions (n, 3) in Angstrom from the centre of voxel 0, 0, 0, kinds (n,) and residues (n,).
    profiles : (ndarray, float, float)
        Density of every kind (k, b, s) by B factor and squared distance, in equal steps from 0, and these steps in
        square Angstrom. Between steps it is interpolated; beyond the last distance there is none.
    b_factors : ndarray, shape=(r,)
        Of the residues, in square Angstrom.

    Returns
    -------
    float
        -1 to 1; 0 where one side has no contrast.
    ndarray, shape=(r,)
        Per square Angstrom.
    """

def build_main_chains(
    runs: Sequence[tuple[NDArray[np.float64], NDArray[np.uint8]]],
    density: _Field | None,
    main_chain: _Field | None,
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> list[NDArray[np.float64]]:
    """Build main chains through Calphas.

    Parameters
    ----------
    runs : sequence of (ndarray, ndarray)
        Calphas (n, 3) of residues that follow one another without a gap, and their types (n,), 0 to 19.
    density : (ndarray, (3,), (3,)) or None
        A map (nx, ny, nz), the position of its first voxel and its voxel size in Angstrom.
    main_chain : (ndarray, (3,), (3,)) or None
        Probability of main chain, likewise.

    Returns
    -------
    list of ndarray, shape=(n, 4, 3)
        N, CA, C and O of every residue of every run.
    """

def pack_side_chains(
    main_chains: NDArray[np.float64],
    types: NDArray[np.uint8],
    density: _Field | None,
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> NDArray[np.float64]:
    """Place all side chains of a complex together.

    Parameters
    ----------
    main_chains : ndarray, shape=(n, 4, 3)
        N, CA, C and O of all residues of all chains, in order.
    types : ndarray, shape=(n,)
        0 to 19.
    density : (ndarray, (3,), (3,)) or None
        As for `build_main_chains`.

    Returns
    -------
    ndarray, shape=(n, 14, 3)
        Atoms by slot; NaN where the type has no such atom.
    """

def refine_atoms(
    model: _ModelArrays,
    foreign: NDArray[np.float64],
    density: _DensityArrays,
    weights: tuple[float, float, float, float, float, bool],
    places: NDArray[np.float64],
    iterations: int,
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> NDArray[np.float64]:
    """Move all atoms to where their geometry is right and the map is high.

    Parameters
    ----------
    model : tuple of ndarray
        Of all residues, chain after chain: type (n,), chain (n,), number in the chain (n,), and the atoms (n, 14, 3) in
        the order of `HEAVY_ATOMS`, NaN where absent. Positions are relative to the centre of voxel 0, 0, 0.
    foreign : ndarray, shape=(m, 3)
        Atoms of other molecules; the model keeps away from those that it does not touch.
    density : tuple
        The map (nx, ny, nz) and its voxel size along x, y, z in Angstrom.
    weights : tuple of float
        Of the Ramachandran potential and of the rotamers' (both in units of -ln p), of the repulsion (per squared
        Angstrom of overlap), of the map (per unit at an atom) and of the anchors (per squared Angstrom); bonds, angles,
        planes and hands count in their standard deviations. Last, whether peptides are turned and rotamers changed
        first where that is much better.
    places : ndarray, shape=(n, 3)
        Where the anchors hold the Calphas; NaN where none does.
    iterations : int
        Steps of the minimisation at most.

    Returns
    -------
    ndarray, shape=(n, 14, 3)
    """

def measure_geometry(
    model: _ModelArrays, *, threads: int = 0, progress: _Progress = None
) -> tuple[int, float, float, int, int, int, int]:
    """Measure the geometry of a model.

    Parameters
    ----------
    model : tuple of ndarray
        See `refine_atoms`.

    Returns
    -------
    tuple
        Number of atoms; rms deviation of bonds in Angstrom and of angles in degrees; residues with phi and psi, those
        of them in favoured Ramachandran regions, and outliers; pairs of atoms that clash.
    """

def map_correlations(
    model: _ModelArrays,
    density: _DensityArrays,
    blurs: list[float],
    *,
    threads: int = 0,
    progress: _Progress = None,
) -> NDArray[np.float64]:
    """Correlate a map with a model's density over the voxels within 2.5 A of an atom.

    Parameters
    ----------
    model, density
        See `refine_atoms`.
    blurs : list of float
        Widths (standard deviations) of an atom in Angstrom, each tried for itself.

    Returns
    -------
    ndarray, shape=(len(blurs),)
    """
