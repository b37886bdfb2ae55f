"""What a run did, as plain data: the content of `report.json` and of the page."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emodelx.records import CalphaModel, Chain, Placement, Points, Provenance, RefinementReport, Symmetry, Template
from emodelx.report.attention import Concern
from emodelx.report.unbuilt import Unbuilt
from emodelx.scoring.built import BuiltScores
from emodelx.scoring.card import agreement_summary, geometry_summary
from emodelx.symmetry import superpose

CONTRADICTION = 4.0
"""Angstrom between a residue and where a placed template has it, above which the two contradict each other."""
HALF_TURN = 1e-3
"""Twice the sine of an angle below which a rotation is half a turn."""

_MAP_SCORES = ("resolution", "cc_mask", "cc_volume", "b_factor", "q_score")
"""Scores of the map that do not depend on how much of it lies around the model."""


@dataclass(frozen=True)
class InputFile:
    """A file that the run read, and the SHA-256 of its content."""

    path: str
    sha256: str


@dataclass(frozen=True)
class ChainCoverage:
    """How much of a chain was built.

    Attributes
    ----------
    chain, sequence : str
        Name of the chain, and of its sequence in the FASTA file.
    length, built, traced, threaded, bridged, extended, template, symmetric : int
        Residues of the sequence, of the model, and by provenance.
    uncertain : int
        Residues that are kept apart from the model.
    mean_confidence : float
        Of the built residues, 0 to 100.
    """

    chain: str
    sequence: str
    length: int
    built: int
    traced: int
    threaded: int
    bridged: int
    extended: int
    template: int
    symmetric: int
    uncertain: int
    mean_confidence: float


@dataclass(frozen=True)
class SequenceCopies:
    """A sequence and its copies.

    Attributes
    ----------
    name : str
    length, copies : int
    counted : bool
        Whether the copies were counted in the map, because neither the sequence file nor an option told them.
    """

    name: str
    length: int
    copies: int
    counted: bool


@dataclass(frozen=True)
class TemplateUse:
    """What became of a template.

    Attributes
    ----------
    template, sequence : str
        File and chain, and name of the sequence.
    residues, placed : int
        Residues that could be used, and that were found in the map.
    pieces, spare : int
        Rigid pieces that were found, and those of them that belong to copies in excess.
    contradicted : int
        Residues of the model further than 4 A from where the placed template has them.
    searched : int
        Those of the pieces that rigid search found.
    chance : float or None
        Expected number of chance solutions as good as the surest of those; None without any.
    bent : float or None
        Angstrom (root mean square) by which the map bent the template in the one of those that it bent most, hinges
        among it; None without any.
    """

    template: str
    sequence: str
    residues: int
    placed: int
    pieces: int
    spare: int
    contradicted: int
    searched: int = 0
    chance: float | None = None
    bent: float | None = None


@dataclass(frozen=True)
class SymmetryUse:
    """The symmetry of the complex, and what it was used for.

    Attributes
    ----------
    group : str
        C1 where none was found.
    asked : str or None
        The group that was asked for, or `auto`.
    averaged : bool
        Whether the copies were read together and completed; otherwise the symmetry, seen in the chains, only told which
        fragment belongs to which copy.
    centre : list of float
        A point on all axes, in Angstrom.
    rotations : list of list of list of float
        Matrices about the centre, the identity first.
    share : float
        Of the candidates that a rotation brings onto another one, in the mean.
    """

    group: str
    asked: str | None
    averaged: bool
    centre: list[float]
    rotations: list[list[list[float]]]
    share: float


@dataclass(frozen=True)
class RunReport:
    """Facts of one run.

    Attributes
    ----------
    started : str
        Local time, ISO 8601.
    inputs : dict of InputFile
        By role: map, fasta, mask, prediction, weights, template 1, template 2, ...
    assumptions : list of str
        What was read from the inputs and what was assumed, one line each.
    residues_built, residues_uncertain : int
        In the model, and kept apart from it because their confidence is below `min_confidence`.
    residues_expected : int
        Of all copies of all sequences; of the traced chains, missing candidates included, where none are given.
    sequences : list of SequenceCopies
        Empty where none are given.
    symmetry : SymmetryUse or None
        None where chains are traced without sequences.
    scores : dict
        Of the whole model, by the names of `emodelx score`; empty where nothing can be measured.
    unbuilt : list of Unbuilt
    unexplained : int
        Calpha candidates that no residue of the model explains.
    unexplained_chains : list of ChainCoverage
        Long chains of such candidates, traced without sequences.
    concerns : list of Concern
        What to look at first.
    b_factors : bool
        Whether the B-factor column of the model holds B factors, instead of the confidence.
    resolution : float or None
        At which the map was read, given or estimated, in Angstrom; None where it made no difference.
    stage_seconds : dict of float
        Wall time by stage; a stage taken from an earlier run counts the time of reading it.
    peak_memory_bytes : int or None
        Largest resident size of the process; None where the system does not tell.
    """

    name: str
    command: str
    version: str
    host: str
    device: str
    started: str
    seed: int
    threads: int
    inputs: dict[str, InputFile]
    assumptions: list[str]
    warnings: list[str]
    resolution: float | None
    candidates: int
    residues_built: int
    residues_uncertain: int
    min_confidence: float
    residues_expected: int
    chains: list[ChainCoverage]
    sequences: list[SequenceCopies] = field(default_factory=list)
    templates: list[TemplateUse] = field(default_factory=list)
    symmetry: SymmetryUse | None = None
    refinement: RefinementReport | None = None
    scores: dict[str, float | int | None] = field(default_factory=dict)
    unbuilt: list[Unbuilt] = field(default_factory=list)
    unexplained: int = 0
    unexplained_chains: list[ChainCoverage] = field(default_factory=list)
    concerns: list[Concern] = field(default_factory=list)
    b_factors: bool = False
    stage_seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: int | None = None

    @property
    def completeness(self) -> float:
        """Fraction of the expected residues that the model has."""
        return self.residues_built / max(self.residues_expected, 1)

    @property
    def unexplained_residues(self) -> int:
        """Residues of the chains that the sequences do not explain."""
        return sum(chain.built for chain in self.unexplained_chains)


def chain_coverage(model: CalphaModel, uncertain: CalphaModel) -> list[ChainCoverage]:
    """Count the built residues of every chain and those that are kept apart, in the order of the model."""
    chains = zip(model.chains, uncertain.chains, strict=True)
    return [_coverage_of(c, int(u.placed().sum()), model.sequences[c.sequence].name) for c, u in chains]


def traced_coverage(model: CalphaModel) -> list[ChainCoverage]:
    """Count the residues of chains that were traced without sequences."""
    return [_coverage_of(chain, 0, model.sequences[chain.sequence].name) for chain in model.chains]


def _coverage_of(chain: Chain, uncertain: int, sequence: str) -> ChainCoverage:
    placed = chain.placed()
    return ChainCoverage(
        chain=chain.name,
        sequence=sequence,
        length=len(placed),
        built=int(placed.sum()),
        traced=int((chain.provenance == Provenance.TRACED).sum()),
        threaded=int((chain.provenance == Provenance.THREADED).sum()),
        bridged=int((chain.provenance == Provenance.BRIDGED).sum()),
        extended=int((chain.provenance == Provenance.EXTENDED).sum()),
        template=int((chain.provenance == Provenance.TEMPLATE).sum()),
        symmetric=int((chain.provenance == Provenance.SYMMETRIC).sum()),
        uncertain=uncertain,
        mean_confidence=round(float(np.mean(chain.confidence[placed])), 2) if placed.any() else 0.0,
    )


def sequence_copies(model: CalphaModel) -> list[SequenceCopies]:
    """List the sequences with their copies, in the order of the model."""
    return [SequenceCopies(s.name, len(s.residues), s.copies, not s.told) for s in model.sequences]


def symmetry_use(symmetry: Symmetry, asked: str | None, averaged: bool) -> SymmetryUse:
    """State the symmetry of the complex as plain numbers."""
    return SymmetryUse(
        symmetry.group,
        asked,
        averaged,
        np.round(symmetry.centre, 3).tolist(),
        np.round(symmetry.rotations, 6).tolist(),
        round(symmetry.share, 4),
    )


def symmetry_line(symmetry: Symmetry) -> str:
    """Say which symmetry a complex has, and where."""
    if len(symmetry) == 1:
        return "symmetry: none (C1)"
    centre = ", ".join(f"{x:.1f}" for x in symmetry.centre)
    axis = ", ".join(f"{x:.3f}" for x in main_axis(symmetry))
    return (
        f"symmetry: {symmetry.group} about {centre}, an axis of the highest order along {axis}; "
        f"{symmetry.share:.0%} of the candidates have their images"
    )


def main_axis(symmetry: Symmetry) -> Points:
    """Return the direction of an axis of the highest order: that of the smallest turn. Shape (3,)."""
    rotation = max(symmetry.rotations[1:], key=np.trace)
    vector = np.array(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    length = np.linalg.norm(vector)
    # Half a turn has no such vector; there (R + 1) / 2 projects onto the axis.
    projected = (rotation + np.eye(3))[:, np.argmax(np.diag(rotation))]
    axis = vector if length > HALF_TURN else projected
    return axis / np.linalg.norm(axis)


def template_use(
    templates: Sequence[Template], placements: Sequence[Placement], model: CalphaModel
) -> list[TemplateUse]:
    """Count what was used of every template, in their order."""
    return [_use_of(i, template, placements, model) for i, template in enumerate(templates)]


def _use_of(index: int, template: Template, placements: Sequence[Placement], model: CalphaModel) -> TemplateUse:
    own = [placement for placement in placements if placement.template == index]
    held = {int(number) for placement in own for number in placement.numbers}
    placed = held & {int(number) for number in template.numbers}
    searched = [placement for placement in own if placement.right is not None and placement.score > 0]
    own_chains = [chain for chain in model.chains if chain.sequence == template.sequence]
    off = [
        np.linalg.norm((chain.positions - chain.reference)[template.numbers], axis=1)
        for chain in own_chains
        if chain.reference is not None
    ]
    return TemplateUse(
        template=template.name,
        sequence=model.sequences[template.sequence].name,
        residues=len(template.numbers),
        placed=len(placed),
        pieces=len(own),
        spare=sum(placement.spare for placement in own),
        contradicted=int(sum((distance > CONTRADICTION).sum() for distance in off)),
        searched=len(searched),
        chance=float(np.exp(-max(placement.score for placement in searched))) if searched else None,
        bent=max(_bending(template, placement) for placement in searched) if searched else None,
    )


def _bending(template: Template, placement: Placement) -> float:
    """How far (root mean square, Angstrom) a placement is from its template laid over it."""
    _, own, placed = np.intersect1d(template.numbers, placement.numbers, return_indices=True)
    if not len(own):
        return 0.0
    there = placement.positions[placed]
    rotation, shift = superpose(template.positions[own], there)
    return float(np.sqrt(((template.positions[own] @ rotation.T + shift - there) ** 2).sum(axis=1).mean()))


def score_summary(scores: BuiltScores | None) -> dict[str, float | int | None]:
    """Scores of the whole model by name, rounded; empty without scores."""
    if scores is None:
        return {}
    found = geometry_summary(scores.geometry)
    if scores.agreement is not None:
        known = agreement_summary(scores.agreement)
        found = {name: known[name] for name in _MAP_SCORES} | found
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in found.items()}


def expected_residues(model: CalphaModel) -> int:
    """Return the residues of all copies of all sequences."""
    return sum(len(sequence.residues) * sequence.copies for sequence in model.sequences)


def write_report(path: Path, report: RunReport) -> None:
    """Write `report.json`."""
    content: dict[str, Any] = asdict(report) | {"completeness": round(report.completeness, 4)}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
