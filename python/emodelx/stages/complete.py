"""Completion: residues that could not be read are taken from placed templates, where the density agrees."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.spatial import KDTree

from emodelx.config import RunConfig, TemplateConfig
from emodelx.records import CalphaModel, Chain, Points, Prediction, Provenance
from emodelx.support import support, usual_support

AROUND = 7
"""Residues over which the main chain is averaged: a template is right or wrong in stretches."""
CLASH = 2.8
"""Nearest two Calphas of different residues can be, in Angstrom."""
FAR = 4.0
"""Angstrom; where a placed residue is further from the template than this, the template is wrong there."""


def complete_chains(model: CalphaModel, prediction: Prediction, config: TemplateConfig, _: RunConfig) -> CalphaModel:
    """Add residues of placed templates that are not in the model yet.

    A residue is added where the main-chain probability along it and its neighbours reaches a good part of what it is
    along the rest of the model, and nothing is in its way. Placed residues stay: where they contradict the template,
    the map wins.

    Parameters
    ----------
    model : CalphaModel
    prediction : Prediction
    config : TemplateConfig

    Returns
    -------
    CalphaModel
        The same chains with the added residues, marked as such.
    """
    if all(chain.reference is None for chain in model.chains):
        return model
    least = config.least_support * usual_support(model, prediction)
    chains = list(model.chains)
    for i in np.argsort([-chain.placed().sum() for chain in chains], kind="stable"):
        taken = np.concatenate([chain.positions[chain.placed()] for chain in chains])
        chains[i] = _complete(chains[i], taken, prediction, least)
    return replace(model, chains=tuple(chains))


def _complete(chain: Chain, taken: Points, prediction: Prediction, least: float) -> Chain:
    if chain.reference is None:
        return chain
    placed = chain.placed()
    bent = _bent(chain)
    along = np.nan_to_num(support(np.where(placed[:, None], chain.positions, bent), prediction))
    good = uniform_filter1d(along, AROUND) >= least
    added = ~placed & np.isfinite(bent[:, 0]) & good
    added[added] = ~_clashes(bent[added], taken)
    provenance = np.where(added, Provenance.TEMPLATE, chain.provenance).astype(np.uint8)
    return replace(chain, positions=np.where(added[:, None], bent, chain.positions), provenance=provenance)


def _bent(chain: Chain) -> Points:
    """The template, moved along each gap by what the placed residues at its ends are off, unless they are far off."""
    assert chain.reference is not None
    off = chain.positions - chain.reference
    known = np.flatnonzero(np.isfinite(off[:, 0]) & (np.linalg.norm(np.nan_to_num(off), axis=1) < FAR))
    if len(known) == 0:
        return chain.reference
    numbers = np.arange(len(off))
    moved = np.stack([np.interp(numbers, known, off[known, axis]) for axis in range(3)], axis=1)
    return chain.reference + moved


def _clashes(points: Points, taken: Points) -> NDArray[np.bool_]:
    """Whether a placed residue lies too near. Shape (len(points),)."""
    if len(taken) == 0 or len(points) == 0:
        return np.zeros(len(points), np.bool_)
    return KDTree(taken).query(points)[0] < CLASH
