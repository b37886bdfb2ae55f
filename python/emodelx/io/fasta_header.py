"""What FASTA headers of the common sources say: a name, chains, and sometimes the kind of molecule.

Each source has its own dialect:

=========== ============================================================ ===============
source      header                                                       name, chains
=========== ============================================================ ===============
RCSB        ``7W72_1|Chains A, B[auth C]|Some protein|Homo sapiens``     7W72_1; A, C
RCSB, old   ``1ABC:A|PDBID|CHAIN|SEQUENCE``                              1ABC:A; A
PDB seqres  ``101m_A mol:protein length:154  MYOGLOBIN``                 101m_A; A
UniProt     ``sp|P12345|NAME_HUMAN Some protein OS=Homo sapiens OX=9606``  P12345; none
NCBI        ``NP_000508.1 hemoglobin``, ``gi|1|ref|NP_000508.1| ...``    NP_000508.1; none
NCBI of PDB ``6LU7_A Chain A, protease``, ``pdb|6LU7|A Chain A, ...``    6LU7_A; A
chains only ``A,B,C,D``, ``A``, ``Chains A, B``                          A,B,C,D; A, B, C, D
=========== ============================================================ ===============
"""

import re
from dataclasses import dataclass
from typing import Literal

_DATABASES = frozenset({"sp", "tr", "gb", "ref", "emb", "dbj", "pir", "prf", "gnl", "lcl", "tpg", "tpe", "tpd"})
_CHAIN_FIELD = re.compile(r"chains?[\s:]+(\S.*)", re.IGNORECASE)
_NCBI_CHAIN = re.compile(r"\S+\s+chain (\w+),", re.IGNORECASE)
_OLD_RCSB = re.compile(r"\w{4}:(\w+)\|PDBID\|", re.IGNORECASE)
_AUTHOR_NAME = re.compile(r"(\S+?)\s*\[\s*auth\s+(\S+?)\s*\]", re.IGNORECASE)
# A lone word is a chain only when it is short: `>GFP` names a protein.
_BARE_CHAINS = re.compile(r"\w{1,2}|\w{1,4}(\s*,\s*\w{1,4})+")
_MOLECULE_TAG = re.compile(r"\bmol:(\w+)", re.IGNORECASE)
# `DNA (5'-...)`, `16S rRNA` and `tRNA-Phe`, but neither `RNA polymerase` nor `DNA-binding protein`.
_NUCLEIC_WORD = re.compile(r"\b[a-z]{0,2}[dr]na\b(?![- ]?[a-z]{4,})", re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """A FASTA header, understood.

    Attributes
    ----------
    name : str
        First identifier of the record; empty where the header is.
    chains : tuple of str
        Chain names, the author's where given; empty where the header tells none.
    molecule : {"protein", "nucleic", None}
        What a `mol:` tag says; None without one.
    mentions_nucleic : bool
        The description names the molecule as DNA or RNA.
    """

    name: str
    chains: tuple[str, ...] = ()
    molecule: Literal["protein", "nucleic"] | None = None
    mentions_nucleic: bool = False


def parse_header(text: str) -> Header:
    """Read the header line of a FASTA record.

    Parameters
    ----------
    text : str
        The line without its ``>``.
    """
    text = text.strip()
    fields = [field.strip() for field in text.split("|")]
    chains = _chains(text, fields)
    only_chains = _BARE_CHAINS.fullmatch(text) or _CHAIN_FIELD.fullmatch(fields[0])
    return Header(
        name=",".join(chains) if only_chains else _name(fields),
        chains=chains,
        molecule=_molecule(text),
        mentions_nucleic=_NUCLEIC_WORD.search(text) is not None,
    )


def _name(fields: list[str]) -> str:
    source = fields[0].lower()
    if source == "gi" and len(fields) > 3:
        return _name(fields[2:])
    if source == "pdb" and len(fields) > 2:
        return f"{fields[1]}_{_first_word(fields[2])}"
    return _first_word(fields[1] if source in _DATABASES and len(fields) > 1 else fields[0])


def _chains(text: str, fields: list[str]) -> tuple[str, ...]:
    if _BARE_CHAINS.fullmatch(text):
        return _split_chains(text)
    for field in fields:
        if listed := _CHAIN_FIELD.fullmatch(field):
            return _split_chains(listed[1])
    if told := _NCBI_CHAIN.match(text) or _OLD_RCSB.match(text):
        return (told[1],)
    if fields[0].lower() == "pdb" and len(fields) > 2:
        return (_first_word(fields[2]),)
    if _MOLECULE_TAG.search(text) and (entry := re.match(r"\w{4,12}_(\w+)\s", text)):
        return (entry[1],)
    return ()


def _split_chains(listed: str) -> tuple[str, ...]:
    chains = (_AUTHOR_NAME.sub(r"\2", chain.strip()) for chain in listed.split(","))
    return tuple(dict.fromkeys(_first_word(chain) for chain in chains if chain))


def _molecule(text: str) -> Literal["protein", "nucleic"] | None:
    tag = _MOLECULE_TAG.search(text)
    if tag is None:
        return None
    return "protein" if tag[1].lower() == "protein" else "nucleic"


def _first_word(text: str) -> str:
    return text.split()[0] if text.split() else ""
