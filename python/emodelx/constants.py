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
