"""Chain registration: fragments become the copies of their sequences (Algorithm 1)."""

from collections.abc import Sequence as Sequences
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emodelx.config import RunConfig
from emodelx.folding import assign_copies
from emodelx.images import sort_residues
from emodelx.io.chain_names import name_chains
from emodelx.pieces import Piece, attach, connect, lay, spread, unite, without_contradiction
from emodelx.records import (
    CalphaModel,
    Candidates,
    Chain,
    Connected,
    Placement,
    Points,
    Provenance,
    Sequence,
    Symmetry,
    Template,
)
from emodelx.symmetry import complete

LEAST_FOUND = 0.25
"""Share of the residues of a template that must be placed for it to tell where others are."""


def register_chains(
    connected: Connected,
    candidates: Candidates,
    sequences: Sequences[Sequence],
    templates: Sequences[Template],
    placements: Sequences[Placement],
    symmetry: Symmetry,
    run: RunConfig,
) -> CalphaModel:
    """Find out which copy of its sequence every fragment belongs to (Algorithm 1).

    Fragments join by connectivity (their ends are as far apart as the residues between them span), by packing (their
    residues lie as near to each other as in one chain) and by symmetry (together they superpose on another copy).
    Fragments that lie on one placed template are together from the start. Where the symmetry is known, one unit is put
    together, and the copies follow.

    Parameters
    ----------
    connected : Connected
        The fragments; those that main chain joins are together from the start, too.
    candidates : Candidates
    sequences : sequence of Sequence
    templates : sequence of Template
    placements : sequence of Placement
        Where pieces of the templates are.
    symmetry : Symmetry
    run : RunConfig

    Returns
    -------
    CalphaModel
        A chain per copy of every sequence, the fullest one first (of a unit, with all its images); copies that no
        fragment belongs to are empty.
        Fragments in excess of the copies are left out. With templates every chain has a reference.
    """
    placements = [placement for placement in placements if not placement.spare]
    laid = [lay(fragment, candidates, len(sequences[fragment.sequence].residues)) for fragment in connected.fragments]
    laid = without_contradiction(laid, [placement for placement in placements if placement.is_sure()], sequences)
    pieces = connect(unite(laid, placements, templates, sequences), connected.connections)
    anchors = [piece for piece in pieces if piece.fragments or piece.sure]
    copy_of = assign_copies(anchors, sequences, candidates, symmetry, run)
    chains = []
    for i, (sequence, names) in enumerate(zip(sequences, name_chains(sequences), strict=True)):
        found = [t for j, t in enumerate(templates) if t.sequence == i and _is_found(j, t, placements)]
        models = [spread(t.numbers, t.positions, len(sequence.residues)) for t in found]
        members = [
            [p for p, c in zip(anchors, copy_of, strict=True) if p.sequence == i and c == n] for n in range(len(names))
        ]
        for piece in pieces:
            if piece.sequence == i and piece not in anchors:
                attach(piece, members)
        lacking = _lacking(i, len(sequence.residues), placements, templates)
        chains += [
            _without_loops(_chain(i, name, len(sequence.residues), own, models), lacking)
            for name, own in zip(names, members, strict=True)
        ]
    if len(symmetry) > 1:
        chains = sort_residues(chains, symmetry)
    return CalphaModel(tuple(sequences), tuple(chains))


def _lacking(
    sequence: int, length: int, placements: Sequences[Placement], templates: Sequences[Template]
) -> NDArray[np.bool_]:
    """Which residues are placed, and are not in the template that they were placed with. Shape (length,)."""
    lacking = np.zeros(length, np.bool_)
    for p in placements:
        if p.sequence == sequence:
            lacking[np.setdiff1d(p.numbers, templates[p.template].numbers)] = True
    return lacking


def _without_loops(chain: Chain, lacking: NDArray[np.bool_]) -> Chain:
    """The chain with the loops that rigid search added marked as bridged."""
    loops = lacking & (chain.provenance == Provenance.TEMPLATE)
    return replace(chain, provenance=np.where(loops, Provenance.BRIDGED, chain.provenance).astype(np.uint8))


def _is_found(index: int, template: Template, placements: Sequences[Placement]) -> bool:
    """Whether so much of a template was placed that it may tell where the rest is."""
    placed = [p.numbers for p in placements if p.template == index]
    return bool(placed) and len(np.unique(np.concatenate(placed))) >= LEAST_FOUND * len(template.numbers)


def _chain(sequence: int, name: str, length: int, pieces: Sequences[Piece], models: Sequences[Points]) -> Chain:
    """Lay the pieces of one copy along its sequence."""
    members = np.full(length, -1)
    positions, reference = np.full((length, 3), np.nan), np.full((length, 3), np.nan)
    for piece in pieces:
        reference = np.where(np.isfinite(reference), reference, piece.placed)
        for fragment in piece.fragments:
            held = fragment.members >= 0
            members[held] = fragment.members[held]
            positions[held] = fragment.positions[held]
    known = np.where(np.isfinite(positions), positions, reference)
    sure = np.zeros(length, np.bool_)
    for piece in pieces:
        sure |= piece.sure & np.isfinite(piece.placed[:, 0])
    from_template = sure & (members < 0)
    provenance = np.where(
        members >= 0, Provenance.TRACED, np.where(from_template, Provenance.TEMPLATE, Provenance.MISSING)
    )
    return Chain(
        sequence,
        name,
        positions=np.where(from_template[:, None], reference, positions),
        candidates=members,
        provenance=provenance.astype(np.uint8),
        confidence=np.zeros(length, np.float32),
        reference=complete(reference, known, models) if models else None,
    )
