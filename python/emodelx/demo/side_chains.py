"""Ideal side chains: each atom from the three before it, by bond length, angle and torsion.

Lengths (Angstrom) and angles (degrees) are the usual ones of small-molecule crystals (Engh and Huber, 1991), torsions
the frequent rotamers.
"""

import numpy as np

from emodelx.records import Points
from emodelx.vectors import place

BETA = "CB N C CA 1.53 110.1 122.7"
PROLINE_BETA = "CB N C CA 1.53 111.1 114.2"  # so that the ring closes
_PHENYL = """CG N CA CB 1.50 113.8 chi1; CD1 CA CB CG 1.39 120.7 chi2; CD2 CA CB CG 1.39 120.7 chi2+180;
    CE1 CB CG CD1 1.39 120.7 180; CE2 CB CG CD2 1.39 120.7 180; CZ CG CD1 CE1 1.39 120.0 0"""
_LONG = "CG N CA CB 1.52 114.1 chi1; CD CA CB CG 1.52 111.3 chi2"

# Atom, the three atoms before it, bond, angle, torsion.
ATOMS = {
    "A": "",
    "C": "SG N CA CB 1.81 114.4 chi1",
    "D": "CG N CA CB 1.52 112.6 chi1; OD1 CA CB CG 1.25 118.4 chi2; OD2 CA CB CG 1.25 118.4 chi2+180",
    "E": """CG N CA CB 1.52 114.1 chi1; CD CA CB CG 1.52 112.6 chi2;
        OE1 CB CG CD 1.25 118.4 chi3; OE2 CB CG CD 1.25 118.4 chi3+180""",
    "F": _PHENYL,
    "G": "",
    "H": """CG N CA CB 1.50 113.8 chi1; ND1 CA CB CG 1.38 122.7 chi2; CD2 CA CB CG 1.35 131.2 chi2+180;
        CE1 CB CG ND1 1.32 109.3 180; NE2 CB CG CD2 1.37 107.2 180""",
    "I": "CG1 N CA CB 1.53 110.4 chi1; CG2 N CA CB 1.52 110.5 chi1-122; CD1 CA CB CG1 1.51 113.8 chi2",
    "K": f"{_LONG}; CE CB CG CD 1.52 111.3 chi3; NZ CG CD CE 1.49 111.9 chi4",
    "L": "CG N CA CB 1.53 116.3 chi1; CD1 CA CB CG 1.52 110.7 chi2; CD2 CA CB CG 1.52 110.7 chi2+122",
    "M": "CG N CA CB 1.52 114.1 chi1; SD CA CB CG 1.80 112.7 chi2; CE CB CG SD 1.79 100.9 chi3",
    "N": "CG N CA CB 1.52 112.6 chi1; OD1 CA CB CG 1.23 120.8 chi2; ND2 CA CB CG 1.33 116.4 chi2+180",
    "P": "CG N CA CB 1.495 104.2 chi1; CD CA CB CG 1.505 105.5 chi2",
    "Q": """CG N CA CB 1.52 114.1 chi1; CD CA CB CG 1.52 112.6 chi2;
        OE1 CB CG CD 1.23 120.8 chi3; NE2 CB CG CD 1.33 116.4 chi3+180""",
    "R": f"""{_LONG}; NE CB CG CD 1.46 112.0 chi3; CZ CG CD NE 1.33 124.2 chi4;
        NH1 CD NE CZ 1.33 120.0 0; NH2 CD NE CZ 1.33 119.7 180""",
    "S": "OG N CA CB 1.42 111.1 chi1",
    "T": "OG1 N CA CB 1.43 109.6 chi1; CG2 N CA CB 1.52 110.5 chi1-122",
    "V": "CG1 N CA CB 1.52 110.5 chi1; CG2 N CA CB 1.52 110.5 chi1+122",
    "W": """CG N CA CB 1.50 113.6 chi1; CD1 CA CB CG 1.37 126.9 chi2; CD2 CA CB CG 1.43 126.8 chi2+180;
        NE1 CB CG CD1 1.37 110.2 180; CE2 CB CG CD2 1.41 107.2 180; CE3 CB CG CD2 1.40 133.9 0;
        CZ2 CG CD2 CE2 1.39 122.4 180; CZ3 CG CD2 CE3 1.38 118.6 180; CH2 CD2 CE2 CZ2 1.37 117.5 0""",
    "Y": f"{_PHENYL}; OH CD1 CE1 CZ 1.38 119.9 180",
}

# chi1, chi2, ... of the rotamers, the commonest first.
ROTAMERS: dict[str, tuple[tuple[float, ...], ...]] = {
    "A": ((),),
    "C": ((-62,), (180,), (62,)),
    "D": ((-70, -15), (180, 0), (62, -10)),
    "E": ((-67, 180, -10), (180, 180, 0), (-65, -65, -40), (62, 180, 20)),
    "F": ((-65, -85), (180, 80), (-65, -30), (62, 90)),
    "G": ((),),
    "H": ((-65, -70), (180, 60), (-65, 165), (62, -75)),
    "I": ((-65, 170), (-57, -60), (62, 170), (180, 165)),
    "K": ((-67, 180, 180, 180), (180, 180, 180, 180), (-62, -68, 180, 180), (62, 180, 180, 180), (-67, 180, 68, 180)),
    "L": ((-65, 175), (180, 65), (-85, 65)),
    "M": ((-65, -65, -70), (-67, 180, 75), (180, 65, 75), (62, 180, 75)),
    "N": ((-65, -20), (180, 30), (62, 30), (-65, 120)),
    "P": ((28.7, -34.5), (-28.7, 34.5)),
    "Q": ((-67, 180, -25), (180, 180, 0), (-65, -65, -40), (62, 180, 20)),
    "R": ((-67, 180, 180, 85), (-67, 180, 65, -175), (180, 180, 65, 85), (-62, -68, 180, -85), (62, 180, 180, 180)),
    "S": ((62,), (-65,), (180,)),
    "T": ((-65,), (62,), (180,)),
    "V": ((175,), (-60,), (63,)),
    "W": ((-65, 95), (180, -105), (-65, -5), (62, -90)),
    "Y": ((-65, -85), (180, 80), (-65, -30), (62, 90)),
}


def build_side_chain(letter: str, backbone: dict[str, Points], chi: tuple[float, ...]) -> dict[str, Points]:
    """Return the side-chain atoms of one residue.

    Parameters
    ----------
    letter : str
        One of the 20 amino acids.
    backbone : dict of str to ndarray, shape=(3,)
        Positions of N, CA and C in Angstrom.
    chi : tuple of float
        Side-chain torsions in degrees, one of `ROTAMERS[letter]`.

    Returns
    -------
    dict of str to ndarray, dtype=float64, shape=(3,)
        Positions by atom name, Cbeta first.
    """
    atoms = dict(backbone)
    beta = {"G": "", "P": PROLINE_BETA}.get(letter, BETA)
    for line in filter(str.strip, f"{beta}; {ATOMS[letter]}".split(";")):
        name, a, b, c, bond, angle, torsion = line.split()
        atoms[name] = place(atoms[a], atoms[b], atoms[c], float(bond), float(angle), np.float64(_torsion(torsion, chi)))
    return {name: xyz for name, xyz in atoms.items() if name not in backbone}


def _torsion(text: str, chi: tuple[float, ...]) -> float:
    """The value of `-122.5`, `chi2` or `chi2+180` in degrees."""
    if not text.startswith("chi"):
        return float(text)
    return chi[int(text[3]) - 1] + float(text[4:] or 0)
