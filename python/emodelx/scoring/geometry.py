"""Geometry of a model: torsions, clashes and covalent geometry, residue by residue and summed up."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS
from emodelx.records import AtomicChain, AtomicModel, Floats
from emodelx.scoring import ramachandran, rotamers
from emodelx.scoring.clashes import find_clashes, worst_overlap
from emodelx.scoring.covalent import CBETA_LIMIT, angle_deviations, bond_deviations, cbeta_deviations
from emodelx.scoring.scatterers import Scatterers
from emodelx.scoring.torsions import Backbone, backbone


@dataclass(frozen=True)
class ResidueGeometry:
    """Geometry residue by residue; NaN where it cannot be measured. All arrays have shape (r,).

    Attributes
    ----------
    phi, psi, omega : ndarray, dtype=float64
        In degrees; omega of the peptide before the residue.
    ramachandran, rotamer : ndarray, dtype=float64
        Share of well resolved residues with rarer torsions, 0 to 1.
    ramachandran_outlier, rotamer_outlier : ndarray, dtype=bool
    cbeta : ndarray, dtype=float64
        Distance of the Cbeta from its ideal place in Angstrom.
    clash : ndarray, dtype=float32
        Largest overlap with another atom in Angstrom, 0 without a clash.
    """

    phi: NDArray[np.float64]
    psi: NDArray[np.float64]
    omega: NDArray[np.float64]
    ramachandran: NDArray[np.float64]
    rotamer: NDArray[np.float64]
    ramachandran_outlier: NDArray[np.bool_]
    rotamer_outlier: NDArray[np.bool_]
    cbeta: NDArray[np.float64]
    clash: Floats


@dataclass(frozen=True)
class Geometry:
    """Geometry of a model; shares are 0 to 1, of what can be measured, and None without any.

    Attributes
    ----------
    ramachandran_favoured, ramachandran_outliers : float or None
        Shares of the residues with phi and psi; the rest is allowed.
    rotamer_favoured, rotamer_outliers : float or None
        Shares of the side chains that are complete as far as chi angles go.
    clashscore : float or None
        Clashes per 1,000 atoms, hydrogens included.
    cbeta_outliers : float or None
        Share of the Cbetas more than 0.25 A from their ideal place.
    cis_peptides, cis_prolines, twisted_peptides : int
        Peptides with omega within 30 degrees of 0, before other residues and before proline, and those that are 30 to
        150 degrees from it.
    bond_rms, angle_rms : float or None
        Root mean square deviation from ideal values, in Angstrom and degrees.
    bond_rms_z, angle_rms_z : float or None
        The same in standard deviations.
    residues : ResidueGeometry
    """

    ramachandran_favoured: float | None
    ramachandran_outliers: float | None
    rotamer_favoured: float | None
    rotamer_outliers: float | None
    clashscore: float | None
    cbeta_outliers: float | None
    cis_peptides: int
    cis_prolines: int
    twisted_peptides: int
    bond_rms: float | None
    angle_rms: float | None
    bond_rms_z: float | None
    angle_rms_z: float | None
    residues: ResidueGeometry


def joined(model: AtomicModel) -> AtomicChain:
    """All residues of a model in one chain; where chains end is seen from their missing peptide bonds."""
    chains = model.chains
    return AtomicChain(
        name="",
        sequence=0,
        numbers=np.concatenate([chain.numbers for chain in chains]),
        types=np.concatenate([chain.types for chain in chains]),
        atoms=np.concatenate([chain.atoms for chain in chains]),
        confidence=np.concatenate([chain.confidence for chain in chains]),
    )


def measure_geometry(model: AtomicModel, scatterers: Scatterers) -> Geometry:
    """Measure the geometry of a model.

    Parameters
    ----------
    model : AtomicModel
    scatterers : Scatterers
        All its heavy atoms, as `scatterers_of` lists them.
    """
    chain = joined(model)
    measured = backbone(chain)
    bonded = measured.bonded
    clashes = find_clashes(chain, bonded, scatterers)
    residues = _residues(chain, measured, worst_overlap(clashes, len(chain)))
    bonds, angles = bond_deviations(chain, bonded), angle_deviations(chain, bonded)
    cis, twisted, proline = _peptides(chain, measured)
    return Geometry(
        ramachandran_favoured=_share(residues.ramachandran, residues.ramachandran >= ramachandran.FAVOURED),
        ramachandran_outliers=_share(residues.ramachandran, residues.ramachandran_outlier),
        rotamer_favoured=_share(residues.rotamer, residues.rotamer >= rotamers.FAVOURED),
        rotamer_outliers=_share(residues.rotamer, residues.rotamer_outlier),
        clashscore=clashes.score(),
        cbeta_outliers=_share(residues.cbeta, residues.cbeta > CBETA_LIMIT),
        cis_peptides=int((cis & ~proline).sum()),
        cis_prolines=int((cis & proline).sum()),
        twisted_peptides=int(twisted.sum()),
        bond_rms=bonds.rms(),
        angle_rms=angles.rms(),
        bond_rms_z=bonds.rms_z(),
        angle_rms_z=angles.rms_z(),
        residues=residues,
    )


def _residues(chain: AtomicChain, measured: Backbone, clash: Floats) -> ResidueGeometry:
    rarity = ramachandran.rarities(chain, measured)
    rotamer = rotamers.rarities(chain)
    return ResidueGeometry(
        measured.phi,
        measured.psi,
        measured.omega,
        rarity,
        rotamer,
        ramachandran.outliers(chain, measured, rarity),
        rotamer < rotamers.OUTLIER,
        cbeta_deviations(chain),
        clash,
    )


def _peptides(chain: AtomicChain, measured: Backbone) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Which peptides are cis, which twisted, and which come before proline."""
    turn = np.abs(measured.omega)
    cis = turn < ramachandran.CIS_LIMIT
    return cis, ~cis & (turn < ramachandran.TRANS_LIMIT), chain.types == AMINO_ACIDS.index("P")


def _share(values: NDArray[np.float64], chosen: NDArray[np.bool_]) -> float | None:
    """Share of the chosen among the values that are known."""
    known = np.isfinite(values)
    return float((chosen & known).sum() / known.sum()) if known.any() else None
