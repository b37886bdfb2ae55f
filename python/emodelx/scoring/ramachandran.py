"""Ramachandran scores: how common the (phi, psi) of a residue is in well resolved structures.

The classes, and the shares of residues that are favoured or outliers, are those of MolProbity (Williams et al., Protein
Science 27, 293-315, 2018); the distributions are our own (`scripts/derive_validation_tables.py`).
"""

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS
from emodelx.records import AtomicChain
from emodelx.scoring.rarity import look_up
from emodelx.scoring.text_tables import read_tables
from emodelx.scoring.torsions import Backbone

CLASSES = ("general", "glycine", "isoleucine or valine", "before proline", "trans proline", "cis proline")
GENERAL, GLYCINE, BRANCHED, BEFORE_PROLINE, TRANS_PROLINE, CIS_PROLINE = range(6)
FAVOURED = 0.02
"""Residues whose place is rarer than that of this share of residues are not favoured."""
OUTLIER = np.array([0.0005, 0.001, 0.001, 0.001, 0.001, 0.002])
"""Residues rarer than this are outliers, by class."""
CIS_LIMIT = 30.0
"""Degrees; a peptide is cis when its omega is closer to 0."""
TRANS_LIMIT = 150.0
"""Degrees; and trans when it is further from 0; between it is twisted."""

_GLY, _PRO, _ILE, _VAL = (AMINO_ACIDS.index(code) for code in "GPIV")


def classify(chain: AtomicChain, measured: Backbone) -> NDArray[np.int64]:
    """Class of every residue, as an index of `CLASSES`."""
    types = chain.types
    classes = np.full(len(chain), GENERAL)
    classes[(types == _ILE) | (types == _VAL)] = BRANCHED
    before_proline = np.zeros(len(chain), bool)
    before_proline[:-1] = (types[1:] == _PRO) & measured.bonded[1:]
    classes[before_proline] = BEFORE_PROLINE
    classes[types == _GLY] = GLYCINE
    with np.errstate(invalid="ignore"):
        cis = np.abs(measured.omega) < CIS_LIMIT
    classes[types == _PRO] = TRANS_PROLINE
    classes[(types == _PRO) & cis] = CIS_PROLINE
    return classes


def rarities(chain: AtomicChain, measured: Backbone) -> NDArray[np.float64]:
    """Share of well resolved residues of the class that are rarer, 0 to 1; NaN without phi or psi. Shape (r,)."""
    classes = classify(chain, measured)
    tables = read_tables("ramachandran")["rarity"]
    result = np.full(len(chain), np.nan)
    known = np.isfinite(measured.phi) & np.isfinite(measured.psi)
    for index in range(len(CLASSES)):
        mine = known & (classes == index)
        result[mine] = look_up(tables[index], np.stack([measured.phi[mine], measured.psi[mine]], axis=1))
    return result


def outliers(chain: AtomicChain, measured: Backbone, rarity: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which residues are rarer than their class allows."""
    with np.errstate(invalid="ignore"):
        return rarity < OUTLIER[classify(chain, measured)]
