"""Words that the whole package shares: amino acids and their order."""

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
"""One-letter codes in the order of every array of amino-acid probabilities."""

THREE_LETTER = {
    "A": "ALA", "C": "CYS", "D": "ASP", "E": "GLU", "F": "PHE", "G": "GLY", "H": "HIS", "I": "ILE",
    "K": "LYS", "L": "LEU", "M": "MET", "N": "ASN", "P": "PRO", "Q": "GLN", "R": "ARG", "S": "SER",
    "T": "THR", "V": "VAL", "W": "TRP", "Y": "TYR", "U": "SEC", "O": "PYL", "X": "UNK",
}  # fmt: skip
"""Residue names in files; U, O and X have no probability of their own."""

CA_DISTANCE = 3.8
"""Distance of consecutive Calphas in Angstrom (trans peptide)."""

BEND_STEP = 2.7, 4.9
"""Angstrom between candidates that may be consecutive residues of a bend."""

BEND_SPAN = 4.4, 7.8
"""Angstrom between the ends of a bend."""

HEAVY_ATOMS = {
    "A": "N CA C O CB",
    "C": "N CA C O CB SG",
    "D": "N CA C O CB CG OD1 OD2",
    "E": "N CA C O CB CG CD OE1 OE2",
    "F": "N CA C O CB CG CD1 CD2 CE1 CE2 CZ",
    "G": "N CA C O",
    "H": "N CA C O CB CG ND1 CD2 CE1 NE2",
    "I": "N CA C O CB CG1 CG2 CD1",
    "K": "N CA C O CB CG CD CE NZ",
    "L": "N CA C O CB CG CD1 CD2",
    "M": "N CA C O CB CG SD CE",
    "N": "N CA C O CB CG OD1 ND2",
    "P": "N CA C O CB CG CD",
    "Q": "N CA C O CB CG CD OE1 NE2",
    "R": "N CA C O CB CG CD NE CZ NH1 NH2",
    "S": "N CA C O CB OG",
    "T": "N CA C O CB OG1 CG2",
    "V": "N CA C O CB CG1 CG2",
    "W": "N CA C O CB CG CD1 CD2 NE1 CE2 CE3 CZ2 CZ3 CH2",
    "Y": "N CA C O CB CG CD1 CD2 CE1 CE2 CZ OH",
}
"""Names of the heavy atoms of every amino acid, in the order of the atom slots of `AtomicChain`."""

MOST_ATOMS = 14
"""Atom slots of a residue; tryptophan fills them all."""
SURE_WAY = 25.0
"""Log-odds from which the direction of a chain counts as known: of 423 chains beyond it on ten maps and on 28 simulated
maps of 3.2 to 4.1 A all but one (at 4.5 A) ran that way, of 65 from 13 to 25 58."""
