"""Examples for the second network: bends of candidates in simulated windows, with what is to be said of them.

The U-Net of the weights reads the windows, candidates are proposed from what it says as the program does, and the
bends that these could make are labelled by the model (:mod:`emodelx.network.bends`).

Candidates and bends are found here with torch and numpy alone, since training runs where the rest of the program is
not; the tests hold them against `_core` and :mod:`emodelx.stages.bends`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from emodelx.constants import AMINO_ACIDS, BEND_SPAN, BEND_STEP
from emodelx.errors import InputError
from emodelx.network.bends import BACKWARD, CEILING, FORWARD, WRONG, bend_distances, cut_boxes, frames, log_types
from emodelx.network.device import computes_half
from emodelx.network.orientations import orientations, read_in
from emodelx.network.unet import Cascade, Reading, Trunk, read_logits
from emodelx.network.weights import WeightsInfo
from emodelx.training.data import SimulatedWindows, WindowConfig
from emodelx.training.structures import NO_TYPE, NUCLEIC, Structure, StructurePack

ORIENTATIONS = 4
"""In which the U-Net reads a window, as where maps are read."""
OWNED = 2.5
"""Angstrom within which a candidate stands for a Calpha."""
LONGEST_BOND = 4.3
"""Angstrom between Calphas; more is a gap of the model."""
MARGIN = 5.0
"""Angstrom from the middle of a bend to the edge of its window, at least: the box is to hold what is there."""
BACKWARD_SHARE, WRONG_SHARE, WRONG_EXTRA = 0.4, 0.8, 3
"""Bends that run backwards and wrong ones, for each that runs forward; and some wrong ones where none does."""
IN_NUCLEIC, MOST_IN_NUCLEIC = 3.0, 120
"""Angstrom from an atom of a nucleic acid to the middle of a bend that is in it, and so many of these are learned from
beside the others: about as many as of a window of protein are wrong."""
MOVED_SHARE = 0.5
"""Windows whose candidates have moved towards their Calphas, as they do between the looks of a build."""
DRAW = 3
"""Keeps the draw of bends apart from the random numbers of their window."""
REPORTED_WINDOWS = 50

Ints = NDArray[np.int64]
Points = NDArray[np.float64]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Examples:
    """Bends with what is to be said of them; every tensor has one entry per bend.

    Attributes
    ----------
    boxes
        ``(n, 2, 11, 12, 12)`` float16.
    log_types
        ``(n, 20)`` float16, of the middle candidate.
    distances
        ``(n, 3)`` float32, less 3.8 A.
    amino
        Type of the residue in the middle where the chain runs forward, else `NO_TYPE`; int64.
    course
        `FORWARD`, `BACKWARD` or `WRONG`; int64.
    shift
        ``(n, 3)`` float32, from the middle candidate to its Calpha in the frame of the bend; NaN where it has none.
    """

    boxes: Tensor
    log_types: Tensor
    distances: Tensor
    amino: Tensor
    course: Tensor
    shift: Tensor

    def __len__(self) -> int:
        return len(self.course)

    def select(self, which: Tensor | slice, device: torch.device) -> Examples:
        """Return some of them on a device."""
        return Examples(*(getattr(self, f.name)[which].to(device) for f in fields(self)))

    @classmethod
    def join(cls, parts: list[Examples]) -> Examples:
        """Put examples end to end."""
        return cls(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(cls)))


@dataclass(frozen=True)
class FoundCandidates:
    """Positions in voxels, ``(n, 3)`` float64, and types by the U-Net, ``(n, 20)`` float32; both on the CPU."""

    positions: Tensor
    types: Tensor


class WindowReader:
    """Reads windows with the U-Net of a weights file, as the program reads maps.

    Parameters
    ----------
    network
        It is moved to the device.
    info
        What the weights file says about it.
    device
        Where it computes.
    """

    def __init__(self, network: Trunk | Cascade, info: WeightsInfo, device: torch.device) -> None:
        self.network = network.eval().to(device).to(memory_format=torch.channels_last_3d)
        self.info, self.device, self.half = info, device, computes_half(device)
        self.around = orientations(ORIENTATIONS)
        self.columns = [info.amino_order.index(letter) for letter in AMINO_ACIDS]

    @torch.no_grad()
    def read(self, density: Tensor) -> Reading:
        """Read a window ``(size, size, size)``; the types are in the order of `AMINO_ACIDS`."""
        ceiling = self.info.normalisation.ceiling
        read = read_in(self.around, self._read_once, density.clamp(max=ceiling)[None, None])
        return Reading(read.backbone[0], read.calpha[0], read.amino[0, self.columns])

    def _read_once(self, windows: Tensor) -> Reading:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            logits = self.network(windows.contiguous(memory_format=torch.channels_last_3d))
        return read_logits(logits, self.info.network, self.info.temperature)


def find_peaks(calpha: Tensor, threshold: float) -> Tensor:
    """Voxels above the threshold that none of the 26 around them exceeds; of equal neighbours the first stays.

    Parameters
    ----------
    calpha
        Probability of a Calpha, ``(nx, ny, nz)``.
    threshold

    Returns
    -------
    Tensor
        int64 ``(n, 3)``, in the order of their flat indices.
    """
    highest = functional.max_pool3d(calpha[None, None], 3, 1, 1)[0, 0]
    peaks = ((calpha == highest) & (calpha > threshold)).nonzero()
    taken = np.zeros(np.add(calpha.shape, 2), bool)  # a voxel wider on all sides
    kept = []
    for number, (x, y, z) in enumerate(peaks.tolist()):
        if not taken[x : x + 3, y : y + 3, z : z + 3].any():
            taken[x + 1, y + 1, z + 1] = True
            kept.append(number)
    return peaks[kept]


def find_candidates(reading: Reading, threshold: float) -> FoundCandidates:
    """Propose candidates: peaks of the Calpha probability, moved to the centroid of their 27 voxels.

    Parameters
    ----------
    reading
        Of one window: ``(nx, ny, nz)`` and ``(20, nx, ny, nz)``.
    threshold
        Calpha probability that a peak exceeds.
    """
    peaks = find_peaks(reading.calpha, threshold)
    step = torch.arange(-1, 2, device=peaks.device)
    voxels = peaks[:, None] + torch.cartesian_prod(step, step, step)
    most = torch.tensor(reading.calpha.shape, device=peaks.device) - 1
    inside = ((voxels >= 0) & (voxels <= most)).all(2)
    x, y, z = voxels.clamp(min=0).minimum(most).unbind(2)
    weights = (reading.calpha[x, y, z] * inside).double()
    weights = weights / weights.sum(1, keepdim=True)
    positions = (weights[..., None] * voxels).sum(1)
    types = torch.einsum("nk,tnk->nt", weights, reading.amino[:, x, y, z].double())
    return FoundCandidates(positions.cpu(), types.float().cpu())


def possible_bends(positions: Points) -> Ints:
    """All triples of candidates at the distances of three consecutive residues, in both orders, ``(m, 3)``.

    Parameters
    ----------
    positions
        ``(n, 3)`` in Angstrom.
    """
    apart = _distances(positions, positions)
    consecutive = (apart > BEND_STEP[0]) & (apart <= BEND_STEP[1])
    ends = (apart > BEND_SPAN[0]) & (apart < BEND_SPAN[1])
    found = [np.zeros((0, 3), np.int64)]
    for middle, near in enumerate(consecutive):
        around = np.flatnonzero(near)
        before, after = np.nonzero(ends[np.ix_(around, around)])
        found.append(np.column_stack([around[before], np.full(len(before), middle), around[after]]))
    return np.concatenate(found)


def _distances(points: Points, others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of all to all, ``(n, m)``; by differences, since products of coordinates would lose digits."""
    a, b = torch.from_numpy(points), torch.from_numpy(others)
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist").numpy()


def find_owners(positions: Points, calphas: NDArray[np.float32]) -> Ints:
    """Calpha that every candidate stands for, -1 for none: of those to which it is the nearest, the nearest.

    Parameters
    ----------
    positions
        Of candidates, ``(n, 3)``.
    calphas
        ``(m, 3)``.
    """
    owner = np.full(len(positions), -1)
    if len(positions) == 0:
        return owner
    apart = _distances(calphas.astype(np.float64), positions)
    nearest, distance = apart.argmin(1), apart.min(1)
    farthest_first = np.argsort(-distance, kind="stable")
    claims = farthest_first[distance[farthest_first] < OWNED]
    owner[nearest[claims]] = claims  # of several claims to a candidate the last is kept
    return owner


def moved_closer(positions: Points, owner: Ints, calphas: NDArray[np.float32], rng: np.random.Generator) -> Points:
    """Move candidates part of the way to the Calphas that they stand for, ``(n, 3)``; each its own part, by chance."""
    way = np.where(owner[:, None] >= 0, calphas[owner] - positions, 0.0) if len(calphas) else np.zeros_like(positions)
    return positions + rng.uniform(0, 1, (len(positions), 1)) * way


def label_bends(triples: Ints, owner: Ints, calphas: Structure) -> tuple[Ints, Ints]:
    """Say of bends which way the chain runs, and where it runs forward the type in the middle.

    Parameters
    ----------
    triples
        Candidates before, in the middle and after, ``(m, 3)``.
    owner
        Calpha of every candidate, or -1.
    calphas
        The Calphas of the window.

    Returns
    -------
    course
        `FORWARD`, `BACKWARD` or `WRONG`, ``(m,)``.
    amino
        ``(m,)``, `NO_TYPE` where the chain does not run forward or the residue is of no known type.
    """
    course, amino = np.full(len(triples), WRONG), np.full(len(triples), NO_TYPE)
    known = np.flatnonzero((owner[triples] >= 0).all(1))
    owned = owner[triples[known]]
    step, chain = np.diff(calphas.residue[owned]), calphas.chain[owned]
    bond = np.linalg.norm(np.diff(calphas.xyz[owned], axis=1), axis=2)
    bonded = (chain == chain[:, :1]).all(1) & (bond < LONGEST_BOND).all(1)
    forward = bonded & (step == 1).all(1)
    course[known[forward]] = FORWARD
    course[known[bonded & (step == -1).all(1)]] = BACKWARD
    amino[known[forward]] = calphas.amino[owned[forward, 1]]
    return course, amino


def draw_bends(course: Ints, nucleic: NDArray[np.bool_], rng: np.random.Generator) -> Ints:
    """Choose the bends of a window to learn from: all forward ones, and some of the others.

    There are many more wrong ones, which would take most of the time and are the easier ones. Those in nucleic acids
    are drawn apart, since there are no forward ones to count by.

    Parameters
    ----------
    course
        ``(m,)``.
    nucleic
        Which wrong ones are in a nucleic acid, ``(m,)``.
    rng
    """
    kinds = course == FORWARD, course == BACKWARD, (course == WRONG) & ~nucleic, (course == WRONG) & nucleic
    forward, backward, wrong, in_nucleic = (rng.permutation(np.flatnonzero(kind)) for kind in kinds)
    count = len(forward)
    backward, wrong = backward[: int(BACKWARD_SHARE * count)], wrong[: int(WRONG_SHARE * count) + WRONG_EXTRA]
    return np.concatenate([forward, backward, wrong, in_nucleic[:MOST_IN_NUCLEIC]])


def near_nucleic(positions: Points, atoms: Structure) -> NDArray[np.bool_]:
    """Whether positions, ``(n, 3)``, are among the atoms of a nucleic acid."""
    nucleic = atoms.xyz[atoms.kind == NUCLEIC]
    if not len(nucleic):
        return np.zeros(len(positions), bool)
    return _distances(positions, nucleic.astype(np.float64)).min(1) < IN_NUCLEIC


def examples_of_window(density: Tensor, atoms: Structure, reader: WindowReader, rng: np.random.Generator) -> Examples:
    """Make the examples of a window, on the CPU.

    Parameters
    ----------
    density
        ``(size, size, size)``, scaled, on the device of the reader.
    atoms
        In voxel coordinates of the window.
    reader
    rng
        Of the choice of bends.
    """
    reading = reader.read(density)
    found = find_candidates(reading, reader.info.calpha_threshold)
    positions, calphas = found.positions.numpy(), atoms.select(atoms.calpha)
    owner = find_owners(positions, calphas.xyz)
    if rng.random() < MOVED_SHARE:
        positions = moved_closer(positions, owner, calphas.xyz, rng)
    triples = possible_bends(positions)
    middle = positions[triples[:, 1]]
    triples = triples[((middle > MARGIN) & (middle < len(density) - 1 - MARGIN)).all(1)]
    course, amino = label_bends(triples, owner, calphas)
    drawn = draw_bends(course, near_nucleic(positions, atoms)[triples[:, 1]], rng)
    triples = triples[drawn]
    bends = torch.from_numpy(positions[triples]).float()
    volume = torch.stack([density.clamp(max=CEILING), reading.backbone])
    return Examples(
        cut_boxes(volume, bends.to(volume.device)).half().cpu(),
        log_types(found.types[torch.from_numpy(triples[:, 1])]).half(),
        bend_distances(bends),
        torch.from_numpy(amino[drawn]),
        torch.from_numpy(course[drawn]),
        shifts_to(calphas.xyz, owner[triples[:, 1]], bends),
    )


def shifts_to(calphas: NDArray[np.float32], owner: Ints, bends: Tensor) -> Tensor:
    """Where Calphas are from the middle candidates of bends, in the frames of these; NaN without a Calpha, ``(n, 3)``.

    Parameters
    ----------
    calphas
        ``(m, 3)``.
    owner
        Calpha of every middle candidate, or -1; ``(n,)``.
    bends
        ``(n, 3, 3)``.
    """
    places = torch.full((len(owner), 3), torch.nan)
    known = torch.from_numpy(owner >= 0)
    places[known] = torch.from_numpy(calphas[owner[owner >= 0]])
    return torch.einsum("nij,nj->ni", frames(bends), places - bends[:, 1])


def make_examples(
    pack: StructurePack, reader: WindowReader, drawn: WindowConfig, count: int, report: Report
) -> Examples:
    """Simulate windows and make the examples of all of them.

    Parameters
    ----------
    pack
        Structures to draw from.
    reader
    drawn
        How windows are drawn.
    count
        Number of windows.
    report
        Told how far it is.

    Raises
    ------
    InputError
        When the windows show no bend that runs forward: there is nothing to learn.
    """
    windows = SimulatedWindows(pack, drawn, count, reader.device)
    parts: list[Examples] = []
    for index in range(count):
        rng = np.random.default_rng((drawn.seed, index, DRAW))
        parts.append(examples_of_window(*windows.molecule(index), reader, rng))
        if (index + 1) % REPORTED_WINDOWS == 0:
            report(f"{index + 1} of {count} windows, {sum(map(len, parts))} bends")
    examples = Examples.join(parts)
    if not (examples.amino >= 0).any():
        raise InputError(
            f"in {count} simulated windows the weights find no three Calphas in a row; "
            "give more windows, or weights of a network that is trained"
        )
    return examples
