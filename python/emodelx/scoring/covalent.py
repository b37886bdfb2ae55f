"""Bonds, angles and Cbeta positions against those of well resolved structures."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS
from emodelx.records import AtomicChain, Points
from emodelx.scoring.text_tables import read_tables
from emodelx.scoring.torsions import CA, CB, OXYGEN, C, N
from emodelx.vectors import angle, place, unit

CBETA_LIMIT = 0.25
"""Angstrom; a Cbeta further from its ideal place is an outlier (Lovell et al., Proteins 50, 437-450, 2003)."""

_IDEAL_CBETA = {
    "A": (1.536, 110.1, 122.9, 110.6, -122.6),
    "P": (1.530, 112.2, 115.1, 103.0, -120.7),
    "I": (1.540, 109.1, 123.4, 111.5, -122.0),
    "T": (1.540, 109.1, 123.4, 111.5, -122.0),
    "V": (1.540, 109.1, 123.4, 111.5, -122.0),
}
_OTHER_CBETA = (1.530, 110.1, 122.8, 110.5, -122.6)
"""CA-CB, C-CA-CB, torsion N-C-CA-CB, N-CA-CB, torsion C-N-CA-CB (same source)."""


@dataclass(frozen=True)
class Deviations:
    """Measured minus ideal lengths or angles, and what deviation is usual; Angstrom or degrees. Shape (n,)."""

    difference: NDArray[np.float64]
    usual: NDArray[np.float64]

    def rms(self) -> float | None:
        """Root mean square deviation; None without any."""
        return _rms(self.difference)

    def rms_z(self) -> float | None:
        """Root mean square deviation in usual ones; None without any."""
        return _rms(self.difference / self.usual)


def _rms(values: NDArray[np.float64]) -> float | None:
    return float(np.sqrt(np.mean(np.square(values)))) if len(values) else None


def bond_deviations(chain: AtomicChain, bonded: NDArray[np.bool_]) -> Deviations:
    """All bonds, peptides included; `bonded` says which residues are bonded to the one before. Shape (r,)."""
    parts = []
    for kind, a, b, ideal, usual in read_tables("covalent")["bond"]:
        mine = chain.atoms[chain.types == kind]
        parts.append(_part(np.linalg.norm(mine[:, int(a)] - mine[:, int(b)], axis=1), ideal, usual))
    for one, other, rows in _peptides(chain, bonded):
        parts.append(_part(np.linalg.norm(one[:, C] - other[:, N], axis=1), *rows[0]))
    return _joined(parts)


def angle_deviations(chain: AtomicChain, bonded: NDArray[np.bool_]) -> Deviations:
    """All angles, peptides included."""
    parts = []
    for kind, a, b, c, ideal, usual in read_tables("covalent")["angle"]:
        mine = chain.atoms[chain.types == kind]
        parts.append(_part(angle(mine[:, int(a)], mine[:, int(b)], mine[:, int(c)]), ideal, usual))
    for one, other, rows in _peptides(chain, bonded):
        measured = (
            angle(one[:, CA], one[:, C], other[:, N]),
            angle(one[:, OXYGEN], one[:, C], other[:, N]),
            angle(one[:, C], other[:, N], other[:, CA]),
        )
        parts += [_part(values, *row) for values, row in zip(measured, rows[1:], strict=True)]
    return _joined(parts)


def _peptides(chain: AtomicChain, bonded: NDArray[np.bool_]) -> list[tuple[Points, Points, NDArray[np.float32]]]:
    """Bonded neighbours with the ideals of their peptide; that before proline has its own."""
    proline = chain.types == AMINO_ACIDS.index("P")
    groups = [(bonded & ~proline).nonzero()[0], (bonded & proline).nonzero()[0]]
    tables = read_tables("covalent")["peptide"]
    return [(chain.atoms[mine - 1], chain.atoms[mine], table) for mine, table in zip(groups, tables, strict=True)]


def _part(values: NDArray[np.float64], ideal: float, usual: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = values[np.isfinite(values)]
    return values - ideal, np.full(len(values), float(usual))


def _joined(parts: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Deviations:
    difference, usual = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Deviations(difference, usual)


def cbeta_deviations(chain: AtomicChain) -> NDArray[np.float64]:
    """Distance of every Cbeta from the place that N, CA and C give it, in Angstrom; NaN without. Shape (r,)."""
    ideal = np.full((len(chain), 3), np.nan)
    for index, code in enumerate(AMINO_ACIDS):
        mine = chain.types == index
        length, at_c, torsion_c, at_n, torsion_n = _IDEAL_CBETA.get(code, _OTHER_CBETA)
        n, ca, c = (chain.atoms[mine, slot] for slot in (N, CA, C))
        places = place(n, c, ca, length, at_c, torsion_c), place(c, n, ca, length, at_n, torsion_n)
        ideal[mine] = ca + length * unit((places[0] + places[1]) / 2 - ca)
    return np.linalg.norm(chain.atoms[:, CB] - ideal, axis=1)


@cache
def bonds_of(code: str) -> dict[int, tuple[int, ...]]:
    """Slots that every slot of an amino acid is bonded to."""
    rows = read_tables("covalent")["bond"]
    pairs = [(int(a), int(b)) for kind, a, b, *_ in rows if int(kind) == AMINO_ACIDS.index(code)]
    slots = sorted({slot for pair in pairs for slot in pair})
    return {slot: tuple(b if a == slot else a for a, b in pairs if slot in (a, b)) for slot in slots}
