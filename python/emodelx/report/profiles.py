"""`hmm_profiles/`: a profile per chain that was traced without a sequence."""

from pathlib import Path

import numpy as np

from emodelx.io.profiles import emissions, write_hmm, write_table
from emodelx.records import CalphaModel, Candidates, Chain, Floats, Profile


def write_profile_files(folder: Path, model: CalphaModel, candidates: Candidates) -> None:
    """Write `<chain>.hmm` and `<chain>.csv` of every chain into a new folder."""
    folder.mkdir()
    odds = candidates.type_odds()
    for chain in model.chains:
        profile = profile_of(chain, model.sequences[chain.sequence].residues, odds)
        write_hmm(folder / f"{chain.name}.hmm", profile)
        write_table(folder / f"{chain.name}.csv", profile)


def profile_of(chain: Chain, residues: str, odds: Floats) -> Profile:
    """Give the amino-acid probabilities of the residues of a chain.

    Parameters
    ----------
    chain : Chain
    residues : str
        Its types.
    odds : ndarray, dtype=float32, shape=(n, 20)
        Odds of the types of every candidate against a random one: how often the network reads a type at all, in this
        map, tells nothing of a residue.
    """
    read = chain.candidates >= 0
    return Profile(chain.name, residues, emissions(np.where(read[:, None], odds[chain.candidates], 1.0)))
