"""Completion: residues that could not be read are taken from templates and symmetric copies, if the density agrees."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.spatial import KDTree

from emodelx.config import RunConfig, TemplateConfig
from emodelx.images import images_of_copies
from emodelx.records import CalphaModel, Chain, Points, Prediction, Provenance, Symmetry
from emodelx.support import support, usual_support

AROUND = 7
"""Residues over which the main chain is averaged: a template is right or wrong in stretches."""
CLASH = 2.8
"""Nearest two Calphas of different residues can be, in Angstrom."""
FAR = 4.0
"""Angstrom; where a placed residue is further from the template than this, the template is wrong there."""


def complete_chains(
    model: CalphaModel, prediction: Prediction, symmetry: Symmetry, config: TemplateConfig, _: RunConfig
) -> CalphaModel:
    """Add residues of placed templates, and of symmetric copies, that are not in the model yet.

    A residue is added where the main-chain probability along it and its neighbours reaches a good part of what it is
    along the rest of the model, and nothing is in its way. Placed residues stay: where they contradict the template,
    the map wins.

    Parameters
    ----------
    model : CalphaModel
    prediction : Prediction
    symmetry : Symmetry
        That of the copies; C1 where they are not to be completed.
    config : TemplateConfig

    Returns
    -------
    CalphaModel
        The same chains with the added residues, marked as such.
    """
    least = config.least_support * usual_support(model, prediction)
    if len(symmetry) > 1:
        model = _completed(model, images_of_copies(model.chains, symmetry), Provenance.SYMMETRIC, prediction, least)
    if any(chain.reference is not None for chain in model.chains):
        model = _completed(model, [chain.reference for chain in model.chains], Provenance.TEMPLATE, prediction, least)
    return model


def _completed(
    model: CalphaModel,
    references: Sequence[Points | None],
    provenance: Provenance,
    prediction: Prediction,
    least: float,
) -> CalphaModel:
    """The chains with what their references add, the fullest first."""
    chains = list(model.chains)
    for i in np.argsort([-chain.placed().sum() for chain in chains], kind="stable"):
        reference = references[i]
        if reference is not None:
            taken = np.concatenate([chain.positions[chain.placed()] for chain in chains])
            bent = _bent(chains[i], reference)
            added = _added(chains[i], bent, taken, prediction, least)
            origin = np.where(added, provenance, chains[i].provenance).astype(np.uint8)
            chains[i] = replace(
                chains[i], positions=np.where(added[:, None], bent, chains[i].positions), provenance=origin
            )
    return replace(model, chains=tuple(chains))


def _added(chain: Chain, bent: Points, taken: Points, prediction: Prediction, least: float) -> NDArray[np.bool_]:
    """Which residues of a bent reference are to be added. Shape (length,)."""
    placed = chain.placed()
    along = np.nan_to_num(support(np.where(placed[:, None], chain.positions, bent), prediction))
    good = uniform_filter1d(along, AROUND) >= least
    added = ~placed & np.isfinite(bent[:, 0]) & good
    added[added] = ~_clashes(bent[added], taken)
    return added


def _bent(chain: Chain, reference: Points) -> Points:
    """The reference, moved along each gap by what the placed residues at its ends are off, unless they are far off."""
    off = chain.positions - reference
    known = np.flatnonzero(np.isfinite(off[:, 0]) & (np.linalg.norm(np.nan_to_num(off), axis=1) < FAR))
    if len(known) == 0:
        return reference
    numbers = np.arange(len(off))
    moved = np.stack([np.interp(numbers, known, off[known, axis]) for axis in range(3)], axis=1)
    return reference + moved


def _clashes(points: Points, taken: Points) -> NDArray[np.bool_]:
    """Whether a placed residue lies too near. Shape (len(points),)."""
    if len(taken) == 0 or len(points) == 0:
        return np.zeros(len(points), np.bool_)
    return KDTree(taken).query(points)[0] < CLASH
