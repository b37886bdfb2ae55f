"""All atoms of a structure file of any program: protein in slots, the rest as points."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, MOST_ATOMS
from emodelx.errors import InputError
from emodelx.io.residue_numbers import own_sequence
from emodelx.io.structures import full_sequence, one_letter, read_structure, require_once
from emodelx.records import AtomicChain, AtomicModel, Floats, Points
from emodelx.records import Sequence as ProteinSequence

FORCE_FIELD_NAMES = {
    "HID": "HIS", "HIE": "HIS", "HIP": "HIS", "HSD": "HIS", "HSE": "HIS", "HSP": "HIS",
    "CYX": "CYS", "CYM": "CYS", "ASH": "ASP", "GLH": "GLU", "LYN": "LYS",
}  # fmt: skip
"""Amino acids by the names of force fields, which say the protonation."""

_SLOTS = {code: {name: slot for slot, name in enumerate(names.split())} for code, names in HEAVY_ATOMS.items()}
_STAND_INS = {"SE": "SD", "CD": "CD1"}
"""Names that stand for the atom of a slot: selenium of MSE (and SEC, below), CD of old isoleucines."""
_ALWAYS_PROTEIN = ("SEC", "PYL")  # gemmi ends a chain at these when the file calls them HETATM
_PARENTS = {"U": "C", "O": "K", "B": "N", "Z": "Q"}
"""Standard amino acid whose slots a letter uses; any other unknown letter uses those of alanine."""


@dataclass(frozen=True)
class OtherAtoms:
    """Heavy atoms without a slot: nucleic acids, ligands, modifications, terminal oxygens.

    Attributes
    ----------
    positions : ndarray, dtype=float64, shape=(m, 3)
        In Angstrom.
    elements : ndarray, dtype=uint8, shape=(m,)
        Atomic numbers.
    occupancy, b_factors : ndarray, dtype=float32, shape=(m,)
    """

    positions: Points
    elements: NDArray[np.uint8]
    occupancy: Floats
    b_factors: Floats


@dataclass(frozen=True)
class ChainLabels:
    """What the file says of the residues and atoms of one chain beside types and positions.

    Attributes
    ----------
    numbers : tuple of str
        Author's number and insertion code of every residue.
    names : tuple of str
        Residue names of the file.
    occupancy, b_factors : ndarray, dtype=float32, shape=(r, 14)
        Of every atom slot, the alternatives of an atom added up; 0 where there is no atom.
    """

    numbers: tuple[str, ...]
    names: tuple[str, ...]
    occupancy: Floats
    b_factors: Floats


@dataclass(frozen=True)
class ModelFile:
    """A model and what its file holds beside it.

    Attributes
    ----------
    model : AtomicModel
        The protein. Residues of unknown type use the slots of alanine and are X in their sequence; modified ones those
        of their parent. The confidence is the B-factor column, cut to 0 to 100.
    labels : tuple of ChainLabels
        One for every chain of the model.
    others : OtherAtoms
    nucleotides, ligands, waters, hydrogens : int
        Residues and atoms that are not in the model.
    """

    model: AtomicModel
    labels: tuple[ChainLabels, ...]
    others: OtherAtoms
    nucleotides: int = 0
    ligands: int = 0
    waters: int = 0
    hydrogens: int = 0


def read_atoms(path: str | Path) -> AtomicModel:
    """Read the protein of a PDB or mmCIF file of any program, plain or gzip; see `read_model`."""
    return read_model(path).model


def read_model(path: str | Path) -> ModelFile:
    """Read all heavy atoms of a PDB or mmCIF file of any program, plain or gzip.

    Of several models the first is read; of alternative locations, and of residues that share a number, those with the
    highest occupancy. Hydrogens and water are counted and left out.

    Raises
    ------
    InputError
        When the file is missing, damaged, no structure, without protein, has a residue twice or an atom without
        coordinates.
    """
    path = Path(path)
    structure = read_structure(path)
    chains = [_read_chain(path, structure, chain) for chain in structure[0]]
    read = [chain for chain in chains if len(chain.residues) > 0]
    if not read:
        raise InputError(f"{path}: holds no protein")
    model, labels = _number(read)
    counts = sum((chain.counts for chain in chains), Counter())
    others = _other_atoms([atom for chain in chains for atom in chain.others])
    if not np.isfinite(others.positions).all():
        raise InputError(f"{path}: an atom outside the protein has no coordinates")
    return ModelFile(model, labels, others, **counts)


@dataclass(frozen=True)
class _AtomSite:
    """One atom, its alternatives reduced to one."""

    name: str
    position: list[float]
    element: int
    occupancy: float
    b_factor: float


@dataclass(frozen=True)
class _ReadResidue:
    """A residue of a protein chain; `slots` are the atoms of its type, by slot."""

    residue: gemmi.Residue
    letter: str
    slots: dict[int, _AtomSite]

    def type(self) -> str:
        """Amino acid whose slots are used."""
        return _slot_type(self.letter)


@dataclass(frozen=True)
class _ReadChain:
    """One chain of a file as read."""

    name: str
    sequence: str
    residues: list[_ReadResidue]
    others: list[_AtomSite]
    counts: Counter[str]


def _read_chain(path: Path, structure: gemmi.Structure, chain: gemmi.Chain) -> _ReadChain:
    conformer = list(_best_conformer(chain))
    protein = [residue for residue in conformer if is_protein(residue)]
    require_once(path, chain.name, protein)
    residues, others, counts = [], [], Counter()
    for residue in conformer:
        sites = list(_sites(residue))
        kind = "protein" if is_protein(residue) else _kind(residue)
        counts["hydrogens"] += sum(1 for atom in residue if atom.is_hydrogen())
        counts[kind] += 1
        if kind == "protein":
            read, rest = _into_slots(residue, sites)
            residues.append(read)
            others += rest
        elif kind != "waters":
            others += sites
    del counts["protein"]
    _require_finite(path, chain.name, residues)
    return _ReadChain(chain.name, full_sequence(structure, chain), residues, others, counts)


def _best_conformer(chain: gemmi.Chain) -> Iterator[gemmi.Residue]:
    """Give the residues of a chain, of those that share a number the one with the highest occupancy."""
    for group in chain.whole().residue_groups():
        yield max(group, key=lambda residue: sum(atom.occ for atom in residue) / max(1, len(residue)))


def is_protein(residue: gemmi.Residue) -> bool:
    """Whether a residue is part of a protein chain; free amino acids among the ligands are not."""
    if residue.name in _ALWAYS_PROTEIN:
        return True
    known = residue.name in FORCE_FIELD_NAMES or gemmi.find_tabulated_residue(residue.name).is_amino_acid()
    if residue.entity_type == gemmi.EntityType.Polymer:
        return known or any(atom.name == "CA" and atom.element == gemmi.Element("C") for atom in residue)
    return known and residue.het_flag != "H"


def _kind(residue: gemmi.Residue) -> str:
    known = gemmi.find_tabulated_residue(residue.name)
    if residue.is_water():
        return "waters"
    return "nucleotides" if known.is_nucleic_acid() else "ligands"


def _sites(residue: gemmi.Residue) -> Iterator[_AtomSite]:
    """Give every heavy atom once, at the alternative that is occupied most in the residue."""
    by_altloc: defaultdict[str, float] = defaultdict(float)
    for atom in residue:
        by_altloc[atom.altloc] += atom.occ
    alternatives: dict[str, list[gemmi.Atom]] = {}
    for atom in residue:
        if not atom.is_hydrogen():
            alternatives.setdefault(atom.name, []).append(atom)
    for name, atoms in alternatives.items():
        best = max(atoms, key=lambda atom: by_altloc[atom.altloc])
        occupancy = min(1.0, sum(atom.occ for atom in atoms))
        yield _AtomSite(name, best.pos.tolist(), best.element.atomic_number, occupancy, best.b_iso)


def _into_slots(residue: gemmi.Residue, sites: Sequence[_AtomSite]) -> tuple[_ReadResidue, list[_AtomSite]]:
    """Sort the atoms of a residue into the slots of its type, and what is left over."""
    letter = one_letter(FORCE_FIELD_NAMES.get(residue.name, residue.name))
    slots = _SLOTS[_slot_type(letter)]
    taken, rest = {}, []
    for site in sites:
        name = site.name if site.name in slots else _stand_in(site.name, letter)
        if name in slots and slots[name] not in taken:
            taken[slots[name]] = site
        else:
            rest.append(site)
    return _ReadResidue(residue, letter, taken), rest


def _stand_in(name: str, letter: str) -> str:
    return "SG" if (letter, name) == ("U", "SE") else _STAND_INS.get(name, "")


def _slot_type(letter: str) -> str:
    return letter if letter in AMINO_ACIDS else _PARENTS.get(letter, "A")


def _require_finite(path: Path, chain: str, residues: Sequence[_ReadResidue]) -> None:
    for read in residues:
        if not np.isfinite([site.position for site in read.slots.values()]).all():
            raise InputError(f"{path}: residue {read.residue.seqid} of chain {chain} has an atom without coordinates")


def _number(chains: Sequence[_ReadChain]) -> tuple[AtomicModel, tuple[ChainLabels, ...]]:
    """Put the chains on their sequences, equal sequences counted as copies of one."""
    sequences: dict[str, ProteinSequence] = {}
    numbered, labels = [], []
    for chain in chains:
        residues = "".join(read.letter for read in chain.residues)
        sequence, places = own_sequence(residues, _numbers(chain), chain.sequence)
        known = sequences.get(sequence, ProteinSequence(chain.name, sequence, (), 1))
        names = (*known.chains, chain.name)
        sequences[sequence] = replace(known, chains=names, copies=len(names))
        numbered.append(_atomic_chain(chain, list(sequences).index(sequence), places))
        labels.append(_labels(chain))
    return AtomicModel(tuple(sequences.values()), tuple(numbered)), tuple(labels)


def _numbers(chain: _ReadChain) -> NDArray[np.int64]:
    labelled = all(read.residue.label_seq is not None for read in chain.residues)
    found = [read.residue.label_seq if labelled else read.residue.seqid.num for read in chain.residues]
    return np.array(found, np.int64)


def _atomic_chain(chain: _ReadChain, sequence: int, places: NDArray[np.int64]) -> AtomicChain:
    atoms = np.full((len(chain.residues), MOST_ATOMS, 3), np.nan)
    for index, read in enumerate(chain.residues):
        for slot, site in read.slots.items():
            atoms[index, slot] = site.position
    b_factors = [np.mean([site.b_factor for site in read.slots.values()] or [0.0]) for read in chain.residues]
    return AtomicChain(
        name=chain.name,
        sequence=sequence,
        numbers=places,
        types=np.array([AMINO_ACIDS.index(read.type()) for read in chain.residues], np.uint8),
        atoms=atoms,
        confidence=np.clip(np.array(b_factors, np.float32), 0, 100),
    )


def _labels(chain: _ReadChain) -> ChainLabels:
    occupancy = np.zeros((len(chain.residues), MOST_ATOMS), np.float32)
    b_factors = np.zeros_like(occupancy)
    for index, read in enumerate(chain.residues):
        for slot, site in read.slots.items():
            occupancy[index, slot], b_factors[index, slot] = site.occupancy, site.b_factor
    numbers = tuple(str(read.residue.seqid) for read in chain.residues)
    return ChainLabels(numbers, tuple(read.residue.name for read in chain.residues), occupancy, b_factors)


def _other_atoms(sites: Sequence[_AtomSite]) -> OtherAtoms:
    return OtherAtoms(
        np.array([site.position for site in sites], np.float64).reshape(-1, 3),
        np.array([site.element for site in sites], np.uint8),
        np.array([site.occupancy for site in sites], np.float32),
        np.array([site.b_factor for site in sites], np.float32),
    )
