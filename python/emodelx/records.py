"""What the stages hand on to each other; every record checks itself when it is made.

Lengths are in Angstrom, points are (x, y, z) in the frame of the input map, volumes are indexed [x, y, z].
"""

from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, MOST_ATOMS

Points = NDArray[np.float64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_CODES = np.full(128, -1, np.int8)
_CODES[list(AMINO_ACIDS.encode())] = np.arange(len(AMINO_ACIDS))

ODDS_FLOOR = 0.05
"""Share of candidates whose type the network is taken to have read at random."""
MOST_BEND = 6.0
"""Bound of the log-odds of a bend: no single look at the map is surer."""

UNEVEN = 2.0
"""A user is warned of details that are this many times stronger along one direction than along another."""
FEWEST_TURNS, CLEAR_RATIO = 15, 4
"""Turns of one hand that tell the hand of a map, and how many times those of the other; in EMD-3240 (4.3 A), which
is right-handed, 13 of 43 turns are left-handed."""

BROKEN, MOST_BROKEN = 12.0, 0.03
"""Angstrom between Calphas of consecutive residues that no chain spans, and the share of such steps that a template may
have: one with more is no chain but a scrambled one."""

SURE_SCORE, SURE_TYPES = 50.0, 5.0
"""From which a placed template is sure; measured on simulated and real maps with distorted and wrong templates."""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class DensityMap:
    """A density map in the frame of its file.

    Attributes
    ----------
    values : ndarray, dtype=float32, shape=(nx, ny, nz)
    origin : ndarray, dtype=float64, shape=(3,)
        Position of the centre of voxel 0,0,0 in Angstrom.
    spacing : ndarray, dtype=float64, shape=(3,)
        Voxel size in Angstrom.
    """

    values: Floats
    origin: Points
    spacing: Points

    def __post_init__(self) -> None:
        _require(self.values.ndim == 3 and self.values.dtype == np.float32, "values must be a float32 volume")
        _require(self.origin.shape == (3,) and self.spacing.shape == (3,), "origin and spacing must have shape (3,)")
        _require(bool((self.spacing > 0).all()), "spacing must be positive")

    def around(self, points: Points, margin: float) -> "DensityMap":
        """The part within `margin` Angstrom of the box around `points`; without voxels where that lies outside."""
        low = np.floor((points.min(axis=0) - margin - self.origin) / self.spacing).astype(int)
        high = np.ceil((points.max(axis=0) + margin - self.origin) / self.spacing).astype(int) + 1
        low, high = (np.clip(edge, 0, self.values.shape) for edge in (low, high))
        part = self.values[tuple(slice(*edges) for edges in zip(low, high, strict=True))]
        return DensityMap(np.ascontiguousarray(part), self.origin + low * self.spacing, self.spacing)


@dataclass(frozen=True)
class Sequence:
    """A unique protein sequence and its copies in the complex.

    Attributes
    ----------
    name : str
        Name of the first record with this sequence.
    residues : str
        One-letter codes, X where unknown.
    chains : tuple of str
        Chain names the header gives, one per copy; may be shorter than `copies`.
    copies : int
        Number of chains with this sequence; at least 1.
    told : bool
        Whether the number of copies is given; otherwise it is counted in the map.
    """

    name: str
    residues: str
    chains: tuple[str, ...] = ()
    copies: int = 1
    told: bool = True

    def __post_init__(self) -> None:
        _require(len(self.residues) > 0, f"sequence {self.name} is empty")
        _require(self.copies >= max(1, len(self.chains)), f"sequence {self.name}: fewer copies than chain names")

    def codes(self) -> NDArray[np.int8]:
        """Index of every residue in `AMINO_ACIDS`; -1 where the type is unknown. Shape (length,)."""
        return _CODES[np.frombuffer(self.residues.encode("ascii", "replace"), np.uint8)]


@dataclass(frozen=True)
class VoxelOdds:
    """How the odds of what a network says of voxels become odds that mean what they say.

    Attributes
    ----------
    calpha, main_chain : (float, float)
        Power, and factor after it.
    """

    calpha: tuple[float, float]
    main_chain: tuple[float, float]

    def __post_init__(self) -> None:
        values = (*self.calpha, *self.main_chain)
        _require(all(np.isfinite(v) and v > 0 for v in values), "powers and factors of odds must be positive")


@dataclass(frozen=True)
class Directions:
    """How unevenly a map shows details along directions.

    Attributes
    ----------
    resolution : float
        Angstrom; of the details.
    weakest : ndarray, dtype=float64, shape=(3,)
        The direction along which they fade most: x, y, z, of length 1.
    ratio : float
        How many times stronger they are along the best direction; 1 where the map is as even as molecules are.
    """

    resolution: float
    weakest: Points
    ratio: float

    def uneven(self) -> bool:
        """Whether a user should know."""
        return self.ratio >= UNEVEN


@dataclass(frozen=True)
class Prediction:
    """What the network says on the 1 A grid.

    Attributes
    ----------
    ca_prob, bb_prob : ndarray, dtype=float32, shape=(nx, ny, nz)
        Probability of a Calpha and of main chain.
    type_voxels : ndarray, dtype=int64, shape=(m,), ascending
        Flat C-order indices of the voxels whose amino-acid probabilities are known (those that can belong to a
        candidate); elsewhere they are uniform. Kept sparse: the dense volume would be 20 times the map.
    type_prob : ndarray, dtype=float32, shape=(m, 20)
        Amino-acid probabilities there, in the order of `AMINO_ACIDS`.
    origin : ndarray, dtype=float64, shape=(3,)
        Centre of voxel 0,0,0 in Angstrom in the frame of the input map.
    threshold : float
        Calpha probability above which the network's author counts a voxel as a Calpha.
    resolution : float or None
        At which the map was read, in Angstrom; None where it is not known or made no difference.
    density : ndarray or None, dtype=float32, shape=(nx, ny, nz)
        The map as it was read, for a second look at the candidates; None where there is none to be had.
    odds : VoxelOdds or None
        What `ca_prob` and `bb_prob` mean (:meth:`calibrated`); None where nobody measured it.
    directions : Directions or None
        How unevenly the map showed details before that was taken out; None where nobody looked.
    """

    ca_prob: Floats
    bb_prob: Floats
    type_voxels: Ints
    type_prob: Floats
    origin: Points
    threshold: float = 0.35
    resolution: float | None = None
    density: Floats | None = None
    odds: VoxelOdds | None = None
    directions: Directions | None = None

    def __post_init__(self) -> None:
        _require(
            self.density is None or self.density.shape == self.ca_prob.shape, "density must have the shape of ca_prob"
        )
        _require(
            self.ca_prob.ndim == 3 and self.ca_prob.shape == self.bb_prob.shape,
            "ca_prob and bb_prob must be volumes of one shape",
        )
        _require(self.type_prob.shape == (len(self.type_voxels), 20), "type_prob must have shape (m, 20)")
        _require(self.origin.shape == (3,), "origin must have shape (3,)")

    def middle(self) -> Points:
        """Return the middle of the box, in Angstrom. Shape (3,)."""
        return self.origin + (np.array(self.ca_prob.shape) - 1) / 2

    def calibrated(self) -> tuple[Floats, Floats]:
        """Return `ca_prob` and `bb_prob` as they mean what they say: of voxels with 0.3, three in ten are right.

        The steps after the network compare the volumes as they are, which say far more than they know: the network
        was trained with Calphas and main chain weighing more than the rest.

        Returns
        -------
        tuple of ndarray
            float32, (nx, ny, nz) each; the volumes themselves where nobody measured what they mean.
        """
        if self.odds is None:
            return self.ca_prob, self.bb_prob
        return _with_odds(self.ca_prob, *self.odds.calpha), _with_odds(self.bb_prob, *self.odds.main_chain)


def _with_odds(probability: Floats, power: float, factor: float) -> Floats:
    """Probability whose odds are `factor` times those of the given one to a power."""
    exact = probability.astype(np.float64)
    above = factor * exact**power
    return (above / (above + (1 - exact) ** power)).astype(np.float32)


@dataclass(frozen=True)
class Candidates:
    """Proposed Calphas.

    Attributes
    ----------
    positions : ndarray, dtype=float64, shape=(n, 3)
        In Angstrom, in the frame of the input map.
    ca_score, bb_score : ndarray, dtype=float32, shape=(n,)
        Calpha and main-chain probability at the candidate; after a second look the first is that to be in a chain.
    type_prob : ndarray, dtype=float32, shape=(n, 20)
        Amino-acid probabilities: averaged over the 27 voxels with the weights of eq. 10, or of a second look.
    """

    positions: Points
    ca_score: Floats
    bb_score: Floats
    type_prob: Floats

    def __post_init__(self) -> None:
        n = len(self.positions)
        _require(self.positions.shape == (n, 3), "positions must have shape (n, 3)")
        _require(self.ca_score.shape == (n,) and self.bb_score.shape == (n,), "scores must have shape (n,)")
        _require(self.type_prob.shape == (n, 20), "type_prob must have shape (n, 20)")

    @classmethod
    def none(cls) -> "Candidates":
        """Return no candidate at all: the network reads nothing."""
        nothing = np.zeros(0, np.float32)
        return cls(np.zeros((0, 3)), nothing, nothing, np.zeros((0, len(AMINO_ACIDS)), np.float32))

    def __len__(self) -> int:
        return len(self.positions)

    def select(self, which: Ints | NDArray[np.bool_]) -> "Candidates":
        """Return some of them."""
        return Candidates(self.positions[which], self.ca_score[which], self.bb_score[which], self.type_prob[which])

    def joined(self, more: "Candidates") -> "Candidates":
        """Return these and then `more`."""
        names = ("positions", "ca_score", "bb_score", "type_prob")
        return Candidates(*(np.concatenate([getattr(self, name), getattr(more, name)]) for name in names))

    def type_odds(self) -> Floats:
        """Odds of every type against a random candidate of the map; never below `ODDS_FLOOR`. Shape (n, 20)."""
        if len(self) == 0:
            return np.zeros_like(self.type_prob)
        background = np.maximum(self.type_prob.mean(axis=0), 1e-4)
        return (ODDS_FLOOR + (1 - ODDS_FLOOR) * self.type_prob / background).astype(np.float32)


@dataclass(frozen=True)
class HelixTurns:
    """How many runs of five candidates wind like a helix of proteins, and like its mirror image.

    Attributes
    ----------
    right, left : int
    """

    right: int
    left: int

    def says_right(self) -> bool:
        """Whether the map has the hand of proteins."""
        return self.right >= FEWEST_TURNS and self.right >= CLEAR_RATIO * self.left

    def says_mirrored(self) -> bool:
        """Whether the map is a mirror image."""
        return HelixTurns(self.left, self.right).says_right()


@dataclass(frozen=True)
class Symmetry:
    """A point group of rotations, where the complex has it.

    Attributes
    ----------
    group : str
        C1, C2, ..., D2, ..., T, O or I.
    rotations : ndarray, dtype=float64, shape=(order, 3, 3)
        The identity first.
    centre : ndarray, dtype=float64, shape=(3,)
        A point on all axes, in Angstrom in the frame of the input map.
    share : float
        Of the candidates: those that a rotation brings onto another one, in the mean.
    """

    group: str = "C1"
    rotations: Points = field(default_factory=lambda: np.eye(3)[None])
    centre: Points = field(default_factory=lambda: np.zeros(3))
    share: float = 1.0

    def __post_init__(self) -> None:
        _require(self.rotations.shape == (len(self.rotations), 3, 3), "rotations must have shape (order, 3, 3)")
        _require(self.centre.shape == (3,), "centre must have shape (3,)")

    def __len__(self) -> int:
        return len(self.rotations)

    def images(self, points: Points) -> Points:
        """Where every rotation takes points of shape (n, 3). Shape (order, n, 3)."""
        return (points - self.centre) @ self.rotations.transpose(0, 2, 1) + self.centre


@dataclass(frozen=True)
class SparseRows:
    """A sparse n x n matrix by rows (CSR); columns ascend within a row.

    Attributes
    ----------
    start : ndarray, dtype=int64, shape=(n + 1,)
    column : ndarray, dtype=int64, shape=(m,)
    value : ndarray, dtype=float32, shape=(m,)
    """

    start: Ints
    column: Ints
    value: Floats

    def __post_init__(self) -> None:
        _require(len(self.start) > 0 and self.start[-1] == len(self.column) == len(self.value), "rows do not fit")

    def among(self, kept: NDArray[np.bool_]) -> "SparseRows":
        """Return the rows and columns that are kept."""
        number = np.cumsum(kept) - 1
        row = np.repeat(np.arange(len(kept)), np.diff(self.start))
        both = kept[row] & kept[self.column]
        start = np.concatenate([[0], np.cumsum(np.bincount(number[row[both]], minlength=int(kept.sum())))])
        return SparseRows(start, number[self.column[both]], self.value[both])


@dataclass(frozen=True)
class Bends:
    """Three candidates each, in the order of the chain, and what a second look at the map says of them.

    Attributes
    ----------
    triples : ndarray, dtype=int64, shape=(m, 3)
        Candidates before, in the middle and after; every one in both orders.
    log_odds : ndarray, dtype=float32, shape=(m,)
        That the chain runs so.
    """

    triples: Ints
    log_odds: Floats

    def __post_init__(self) -> None:
        _require(self.triples.shape == (len(self.log_odds), 3), "triples must have shape (m, 3)")

    def __len__(self) -> int:
        return len(self.log_odds)

    def joined(self, more: "Bends") -> "Bends":
        """Return these and then `more`."""
        return Bends(np.concatenate([self.triples, more.triples]), np.concatenate([self.log_odds, more.log_odds]))

    def among(self, kept: NDArray[np.bool_]) -> "Bends":
        """Return the bends of candidates that are kept, numbered among these."""
        own = kept[self.triples].all(axis=1)
        return Bends((np.cumsum(kept) - 1)[self.triples[own]], self.log_odds[own])


@dataclass(frozen=True)
class Links:
    """How likely candidates follow each other.

    Attributes
    ----------
    likelihood : SparseRows
        H (eq. 22-24) of candidates 2 to 6 A apart; symmetric.
    bends : Bends or None
        None where the map was not looked at a second time.
    """

    likelihood: SparseRows
    bends: Bends | None = None

    def among(self, kept: NDArray[np.bool_]) -> "Links":
        """Return the links and bends of candidates that are kept, numbered among these."""
        return Links(self.likelihood.among(kept), None if self.bends is None else self.bends.among(kept))

    def bend_odds(self) -> tuple[Ints, Ints, Ints, Floats] | None:
        """Bends as walks weigh them: candidates before, in the middle and after, and their odds; None without."""
        if self.bends is None:
            return None
        odds = np.exp(np.clip(self.bends.log_odds, -MOST_BEND, MOST_BEND)).astype(np.float32)
        before, middle, after = np.ascontiguousarray(self.bends.triples.T)
        return before, middle, after, odds


@dataclass(frozen=True)
class SeenBends:
    """Candidates, the bends that they could make, and what these show.

    Attributes
    ----------
    candidates : Candidates
    bends : Bends
    types : ndarray, dtype=float32, shape=(m, 20)
        Probabilities of the amino acid in the middle, if the chain runs so.
    shifts : ndarray, dtype=float32, shape=(m, 3)
        From the candidate in the middle to its Calpha, in Angstrom along the axes of the map.
    """

    candidates: Candidates
    bends: Bends
    types: Floats
    shifts: Floats

    def __post_init__(self) -> None:
        m = len(self.bends)
        _require(self.types.shape == (m, 20) and self.shifts.shape == (m, 3), "every bend needs types and a shift")

    def among(self, kept: NDArray[np.bool_]) -> "SeenBends":
        """Return what is seen of candidates that are kept, numbered among these."""
        own = kept[self.bends.triples].all(axis=1)
        return SeenBends(self.candidates.select(kept), self.bends.among(kept), self.types[own], self.shifts[own])

    def with_more(self, more: "SeenBends") -> "SeenBends":
        """Return the candidates of `more`, of which the first are these, with the bends of both."""
        types, shifts = np.concatenate([self.types, more.types]), np.concatenate([self.shifts, more.shifts])
        return SeenBends(more.candidates, self.bends.joined(more.bends), types, shifts)


@dataclass(frozen=True)
class SecondLook:
    """What a second look at the map leaves of the candidates, with their types, and the bends that they could make.

    Attributes
    ----------
    candidates : Candidates
    bends : Bends or None
        None where the map was not looked at a second time.
    agreed : Bends or None
        The same bends, with log-odds that also tell what their neighbours think of them: sequences are walked along
        these. Whoever lets neighbours speak takes `bends`.
    """

    candidates: Candidates
    bends: Bends | None = None
    agreed: Bends | None = None


@dataclass(frozen=True)
class Orbits:
    """Candidates of a symmetric complex, sorted by what the rotations take onto each other.

    Attributes
    ----------
    candidates : Candidates
        Of the whole complex: those that were found, and images of them that were missed; types averaged.
    unit : Candidates
        One of every orbit, at the mean of all images.
    image : ndarray, dtype=int64, shape=(order, m)
        Candidate of the whole complex that each rotation takes each one of the unit to; -1 where there is none.
    source : ndarray, dtype=int64, shape=(n,)
        Which of the candidates that were found each one of the whole complex is; -1 for those that were missed.
    """

    candidates: Candidates
    unit: Candidates
    image: Ints
    source: Ints

    def __post_init__(self) -> None:
        _require(self.image.shape[1:] == (len(self.unit),), "image must have shape (order, m)")
        _require(self.source.shape == (len(self.candidates),), "source must have shape (n,)")


@dataclass(frozen=True)
class Unit:
    """The unit of a symmetric complex, put together from linked candidates.

    Attributes
    ----------
    candidates : Candidates
    links : Links
    image : ndarray, dtype=int64, shape=(order, m)
        As in `Orbits`.
    whole_links : Links
        Of the candidates of the whole complex, averaged.
    """

    candidates: Candidates
    links: Links
    image: Ints
    whole_links: Links


@dataclass(frozen=True)
class Rest:
    """What the unit of a symmetric complex leaves: candidates, and the residues that are still sought.

    Attributes
    ----------
    index : ndarray, dtype=int64, shape=(n,)
        Of the candidates among those of the whole complex.
    candidates : Candidates
    links : Links
        Among them.
    sequences : tuple of Sequence
        All of them, X where every copy has the residue already.
    """

    index: Ints
    candidates: Candidates
    links: Links
    sequences: tuple[Sequence, ...]


@dataclass(frozen=True)
class Hops:
    """n-hop connection likelihoods H(1) .. H(6), eq. 25.

    Attributes
    ----------
    rows : tuple of SparseRows
        `rows[n - 1]` is H(n); entry (k', k) is in row k'.
    """

    rows: tuple[SparseRows, ...]


@dataclass(frozen=True)
class Scores:
    """Aligning scores S (eq. 26), kept in factors so that S x L x N is never stored.

    S[i, j, k] = own[a(j), k] + sum over n of hop[n - 1, a(j - n), k] + hop[n - 1, a(j + n), k], where a(j) is the type
    of residue j of sequence i, and types outside the sequence or unknown add 0.

    Attributes
    ----------
    own : ndarray, dtype=float32, shape=(20, n)
        S_A by amino-acid type.
    hop : ndarray, dtype=float32, shape=(6, 20, n)
        What the n-hop neighbours of a candidate say, by their type.
    """

    own: Floats
    hop: Floats


class Provenance(IntEnum):
    """How a residue came into the model."""

    MISSING = 0
    TRACED = 1
    THREADED = 2
    BRIDGED = 3
    EXTENDED = 4
    TEMPLATE = 5
    SYMMETRIC = 6


@dataclass(frozen=True)
class Template:
    """Calphas of a predicted or homologous structure on the residues of a sequence; one rigid part of a chain.

    Attributes
    ----------
    name : str
        File and chain, for people.
    sequence : int
        Index of the sequence.
    numbers : ndarray, dtype=int64, shape=(n,), ascending
        0-based position of every residue in it.
    positions : ndarray, dtype=float64, shape=(n, 3)
        In Angstrom, in the frame of its file.
    doubtful : ndarray, dtype=int64, shape=(m,)
        Residues of which the prediction itself is not sure.
    """

    name: str
    sequence: int
    numbers: Ints
    positions: Points
    doubtful: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        _require(self.positions.shape == (len(self.numbers), 3), "positions must have shape (n, 3)")
        _require(bool((np.diff(self.numbers) > 0).all()), "numbers must ascend")

    def is_chain(self) -> bool:
        """Whether consecutive residues are near each other, but for a few; they are not in a scrambled structure."""
        steps = np.linalg.norm(np.diff(self.positions, axis=0), axis=1)[np.diff(self.numbers) == 1]
        return bool((steps > BROKEN).sum() <= MOST_BROKEN * len(steps))


@dataclass(frozen=True)
class Placement:
    """A rigid piece of a template where the map has it.

    Attributes
    ----------
    template : int
        Index of the template.
    sequence : int
        Index of the sequence.
    numbers : ndarray, dtype=int64, shape=(m,), ascending
        0-based position of every residue in it.
    positions : ndarray, dtype=float64, shape=(m, 3)
        In Angstrom, in the frame of the input map.
    score : float
        Log-odds against chance.
    types : float
        Standard deviations by which the types fit better than with the sequence shifted.
    spare : bool
        Whether it belongs to a copy beyond those that the model is to have.
    right : ndarray or None, dtype=float32, shape=(m,)
        Probability that a residue is in its place; only what was found by rigid search has it.
    """

    template: int
    sequence: int
    numbers: Ints
    positions: Points
    score: float
    types: float
    spare: bool = False
    right: Floats | None = None

    def __post_init__(self) -> None:
        _require(self.positions.shape == (len(self.numbers), 3), "positions must have shape (m, 3)")

    def is_sure(self) -> bool:
        """Whether it is right beyond doubt, residue by residue; smaller pieces can be wrong."""
        read = self.score >= SURE_SCORE and self.types >= SURE_TYPES
        return (read or self.right is not None) and not self.spare


@dataclass(frozen=True)
class Fragment:
    """A run of consecutive residues of one sequence on candidates (sequence registration).

    Attributes
    ----------
    sequence : int
        Index of the sequence.
    start : int
        0-based position of its first residue.
    candidates : ndarray, dtype=int64, shape=(length,)
        Candidate of every residue; -1 where it has none. The first and the last have one.
    probability : ndarray, dtype=float32, shape=(length,)
        Posterior of every match; 0 where there is no candidate.
    """

    sequence: int
    start: int
    candidates: Ints
    probability: Floats


@dataclass(frozen=True)
class Connection:
    """Two fragments of one chain: the candidate at which the first ends, and that at which the second begins."""

    first: int
    second: int


@dataclass(frozen=True)
class Connected:
    """Fragments, and which of them main chain joins."""

    fragments: tuple[Fragment, ...]
    connections: tuple[Connection, ...] = ()


@dataclass(frozen=True)
class Chain:
    """One copy of a sequence with the residues placed so far.

    Attributes
    ----------
    sequence : int
        Index of the sequence.
    name : str
        Chain name in files.
    positions : ndarray, dtype=float64, shape=(length, 3)
        Calphas in Angstrom; NaN where the residue is not placed.
    candidates : ndarray, dtype=int64, shape=(length,)
        Candidate of every residue; -1 where none.
    provenance : ndarray, dtype=uint8, shape=(length,)
        Values of `Provenance`.
    confidence : ndarray, dtype=float32, shape=(length,)
        0 to 100; 0 where the residue is not placed, and everywhere until the model is rated.
    reference : ndarray or None, dtype=float64, shape=(length, 3)
        Where templates have the residues, NaN where they do not tell; None without templates.
    forward : float
        Log-odds that a chain traced without sequences runs this way, not the other way round; 0 where nothing tells.
    """

    sequence: int
    name: str
    positions: Points
    candidates: Ints
    provenance: NDArray[np.uint8]
    confidence: Floats
    reference: Points | None = None
    forward: float = 0.0

    def __post_init__(self) -> None:
        n = len(self.positions)
        _require(self.positions.shape == (n, 3), "positions must have shape (length, 3)")
        _require(
            self.candidates.shape == self.provenance.shape == self.confidence.shape == (n,),
            "residue arrays must have one length",
        )

    def placed(self) -> NDArray[np.bool_]:
        """Which residues have a position. Shape (length,)."""
        return np.isfinite(self.positions[:, 0])

    def only(self, kept: NDArray[np.bool_]) -> "Chain":
        """Return the chain with no residues placed but those that are `kept`."""
        return replace(
            self,
            positions=np.where(kept[:, None], self.positions, np.nan),
            candidates=np.where(kept, self.candidates, -1),
            provenance=np.where(kept, self.provenance, Provenance.MISSING).astype(np.uint8),
            confidence=np.where(kept, self.confidence, 0).astype(np.float32),
        )

    def with_stretch(self, first: int, positions: Points, provenance: Provenance) -> "Chain":
        """Return the chain with consecutive residues from `first` on placed without candidates."""
        residues = slice(first, first + len(positions))
        all_positions, all_provenance = self.positions.copy(), self.provenance.copy()
        all_positions[residues], all_provenance[residues] = positions, provenance
        return replace(self, positions=all_positions, provenance=all_provenance)


@dataclass(frozen=True)
class CalphaModel:
    """The registered model of the complex: Calphas of every chain, and the sequences they belong to."""

    sequences: tuple[Sequence, ...]
    chains: tuple[Chain, ...] = field(default=())

    def placed_count(self) -> int:
        """Number of residues with a position."""
        return int(sum(chain.placed().sum() for chain in self.chains))

    def mean_confidence(self) -> float:
        """Mean over the residues with a position, 0 to 100; 0 where there are none."""
        total = sum(float(chain.confidence[chain.placed()].sum()) for chain in self.chains)
        return total / max(self.placed_count(), 1)

    def split(self, least: float) -> "tuple[CalphaModel, CalphaModel]":
        """Return the model with the residues of a confidence of `least` or more, and with the others."""
        sure = [chain.confidence >= least for chain in self.chains]
        parts = ([c.only(s) for c, s in zip(self.chains, kept, strict=True)] for kept in (sure, [~s for s in sure]))
        above, below = (replace(self, chains=tuple(part)) for part in parts)
        return above, below

    def calphas_of(self, atomic: "AtomicModel") -> "CalphaModel":
        """Return the model with its Calphas where the model built from it has them."""
        moved = {chain.name: chain for chain in atomic.chains}
        return replace(self, chains=tuple(_moved(c, moved[c.name]) if c.name in moved else c for c in self.chains))

    def without_side_chains(self) -> "AtomicModel":
        """Return the residues as they are, with no atom but the Calpha."""
        return AtomicModel(self.sequences, tuple(_bare(c, self.sequences[c.sequence]) for c in self.chains))


@dataclass(frozen=True)
class Profile:
    """Which amino acid every residue of a chain is; the direction of the chain is not known.

    Attributes
    ----------
    name : str
        Of the chain.
    residues : str
        Most probable one-letter codes, X where nothing was read.
    probability : ndarray, dtype=float64, shape=(length, 20)
        Of every amino acid, in the order of `AMINO_ACIDS`; rows sum to 1.
    """

    name: str
    residues: str
    probability: NDArray[np.float64]

    def __post_init__(self) -> None:
        _require(self.probability.shape == (len(self.residues), 20), "probability must have shape (length, 20)")


@dataclass(frozen=True)
class AtomicChain:
    """The heavy atoms of one chain, a fixed number of slots per residue.

    Attributes
    ----------
    name : str
        Chain name in files.
    sequence : int
        Index of the sequence.
    numbers : ndarray, dtype=int64, shape=(r,)
        0-based position of every residue in its sequence, ascending; a jump is a gap of the model.
    types : ndarray, dtype=uint8, shape=(r,)
        Index in `AMINO_ACIDS` of the amino acid whose atoms the residue has; the sequence may say U, O or X.
    atoms : ndarray, dtype=float64, shape=(r, 14, 3)
        In Angstrom, in the order of `HEAVY_ATOMS`; NaN where an atom is absent or the slot is not used.
    confidence : ndarray, dtype=float32, shape=(r,)
        0 to 100.
    b_factors : ndarray or None, dtype=float32, shape=(r,)
        One for all atoms of a residue, in square Angstrom; None until they are fitted.
    """

    name: str
    sequence: int
    numbers: Ints
    types: NDArray[np.uint8]
    atoms: Points
    confidence: Floats
    b_factors: Floats | None = None

    def __post_init__(self) -> None:
        n = len(self.numbers)
        _require(self.atoms.shape == (n, MOST_ATOMS, 3), "atoms must have shape (r, 14, 3)")
        _require(self.types.shape == self.confidence.shape == (n,), "residue arrays must have one length")
        _require(self.b_factors is None or self.b_factors.shape == (n,), "residue arrays must have one length")

    def __len__(self) -> int:
        return len(self.numbers)

    def only(self, kept: NDArray[np.bool_]) -> "AtomicChain":
        """Return the chain with no residues but those that are `kept`."""
        return replace(
            self,
            numbers=self.numbers[kept],
            types=self.types[kept],
            atoms=self.atoms[kept],
            confidence=self.confidence[kept],
            b_factors=None if self.b_factors is None else self.b_factors[kept],
        )


@dataclass(frozen=True)
class AtomicModel:
    """A model with all heavy atoms, and the sequences that its chains belong to."""

    sequences: tuple[Sequence, ...]
    chains: tuple[AtomicChain, ...] = field(default=())

    @property
    def has_b_factors(self) -> bool:
        """Whether every residue has a B factor."""
        return all(chain.b_factors is not None for chain in self.chains)

    def split(self, least: float) -> "tuple[AtomicModel, AtomicModel]":
        """Return the model with the residues of a confidence of `least` or more, and with the others."""
        above = tuple(chain.only(chain.confidence >= least) for chain in self.chains)
        below = tuple(chain.only(chain.confidence < least) for chain in self.chains)
        return replace(self, chains=above), replace(self, chains=below)

    def residue_count(self) -> int:
        """Number of residues."""
        return sum(len(chain) for chain in self.chains)

    def atom_count(self) -> int:
        """Number of atoms with a position."""
        return len(self.atom_positions())

    def atom_positions(self) -> Points:
        """Positions of all atoms, residue by residue and slot by slot. Shape (n, 3)."""
        places = [chain.atoms[np.isfinite(chain.atoms[..., 0])] for chain in self.chains]
        return np.concatenate([np.zeros((0, 3)), *places])


_CALPHA = HEAVY_ATOMS["G"].split().index("CA")


def _moved(chain: Chain, atomic: AtomicChain) -> Chain:
    positions = chain.positions.copy()
    positions[atomic.numbers] = atomic.atoms[:, _CALPHA]
    return replace(chain, positions=positions)


def _bare(chain: Chain, sequence: Sequence) -> AtomicChain:
    numbers = np.flatnonzero(chain.placed())
    atoms = np.full((len(numbers), MOST_ATOMS, 3), np.nan)
    atoms[:, _CALPHA] = chain.positions[numbers]
    types = np.maximum(sequence.codes()[numbers], AMINO_ACIDS.index("A")).astype(np.uint8)
    return AtomicChain(chain.name, chain.sequence, numbers, types, atoms, chain.confidence[numbers])


@dataclass(frozen=True)
class ModelQuality:
    """Geometry of a model, and its fit to a map.

    Attributes
    ----------
    bond_rms, angle_rms : float
        Root mean square deviation from ideal values, in Angstrom and degrees.
    favoured, outliers : float
        Percent of the residues with phi and psi in favoured Ramachandran regions, and outside the allowed ones.
    clashscore : float
        Pairs of heavy atoms whose van der Waals spheres overlap by more than 0.4 A (0.6 A for two of N and O), per
        thousand atoms.
    correlation : float
        Of the map with the model's density over the voxels within 2.5 A of an atom.
    """

    bond_rms: float = 0.0
    angle_rms: float = 0.0
    favoured: float = 100.0
    outliers: float = 0.0
    clashscore: float = 0.0
    correlation: float = 0.0


@dataclass(frozen=True)
class RefinementReport:
    """What a refinement has changed.

    Attributes
    ----------
    before, after : ModelQuality
    kept : bool
        False where no round was better than the model given, which was then returned.
    map_weight : float
        Of the round whose model was kept; 0 where none was.
    """

    before: ModelQuality
    after: ModelQuality
    kept: bool
    map_weight: float


@dataclass(frozen=True)
class RefinedModel:
    """A refined model and what the refinement has changed; no report where there was no map to refine against."""

    model: AtomicModel
    report: RefinementReport | None = None
