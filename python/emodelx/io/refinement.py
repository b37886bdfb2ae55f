"""Models that are refined: what of a file moves, and the file with the moved atoms."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, THREE_LETTER
from emodelx.io.atoms import is_protein, read_atoms
from emodelx.io.files import replacing
from emodelx.io.structures import NOT_A_B_FACTOR, read_structure
from emodelx.records import AtomicChain, AtomicModel, Points

_MAIN_CHAIN = 5
"""Slots of the main chain and Cbeta, all that moves of a residue which is not one of the 20."""
_FEWEST = 3
"""Points that fix how a residue turned."""


@dataclass(frozen=True)
class RefinableFile:
    """A structure file, taken apart for the refinement.

    Attributes
    ----------
    model : AtomicModel
        What moves: the protein; modified residues as alanines.
    others : ndarray, dtype=float64, shape=(m, 3)
        Heavy atoms of nucleic acids, ligands and ions, which stay.
    hydrogens, alternatives : int
        Atoms of the protein that the refined file will not have.
    """

    model: AtomicModel
    others: Points
    hydrogens: int
    alternatives: int


def read_refinable(path: str | Path) -> RefinableFile:
    """Read a PDB or mmCIF file of any program for the refinement.

    Raises
    ------
    InputError
        See `read_atoms`.
    """
    path = Path(path)
    model, structure = read_atoms(path), read_structure(path)
    chains = [list(_protein(chain)) for chain in structure[0]]
    chains = [residues for residues in chains if residues]
    plain = [
        _plain(chain, [residue.name for residue in residues])
        for chain, residues in zip(model.chains, chains, strict=True)
    ]
    others = [atom.pos.tolist() for atom in _foreign(structure)]
    hydrogens, alternatives = _left_out(structure)
    points = np.array(others, np.float64).reshape(-1, 3)
    return RefinableFile(replace(model, chains=tuple(plain)), points, hydrogens, alternatives)


def _plain(chain: AtomicChain, names: list[str]) -> AtomicChain:
    """The chain with every residue that is not one of the 20 as an alanine, or glycine."""
    types, atoms = chain.types.copy(), chain.atoms.copy()
    for index, name in enumerate(names):
        if name != THREE_LETTER[AMINO_ACIDS[types[index]]]:
            atoms[index, _MAIN_CHAIN:] = np.nan
            types[index] = AMINO_ACIDS.index("A" if AMINO_ACIDS[types[index]] != "G" else "G")
    return replace(chain, types=types, atoms=atoms)


def _protein(chain: gemmi.Chain) -> Iterator[gemmi.Residue]:
    """The residues of the protein, of those that share a number the one with the highest occupancy."""
    for group in chain.whole().residue_groups():
        best = max(group, key=lambda residue: sum(atom.occ for atom in residue) / max(1, len(residue)))
        if is_protein(best):
            yield best


def _foreign(structure: gemmi.Structure) -> Iterator[gemmi.Atom]:
    for chain in structure[0]:
        for residue in chain:
            if not is_protein(residue) and not residue.is_water():
                yield from (atom for atom in residue if not atom.is_hydrogen())


def _left_out(structure: gemmi.Structure) -> tuple[int, int]:
    atoms = [atom for chain in structure[0] for residue in chain if is_protein(residue) for atom in residue]
    heavy = [atom for atom in atoms if not atom.is_hydrogen()]
    kept = sum(len(_best_sites(residue)) for chain in structure[0] for residue in _protein(chain))
    return len(atoms) - len(heavy), len(heavy) - kept


def _best_sites(residue: gemmi.Residue) -> dict[str, gemmi.Atom]:
    """The heavy atoms of a residue by name, each at the alternative that is occupied most in the residue."""
    weight: dict[str, float] = {}
    for atom in residue:
        weight[atom.altloc] = weight.get(atom.altloc, 0.0) + atom.occ
    best: dict[str, gemmi.Atom] = {}
    for atom in residue:
        if not atom.is_hydrogen() and (atom.name not in best or weight[atom.altloc] > weight[best[atom.name].altloc]):
            best[atom.name] = atom
    return best


def write_refined(path: str | Path, source: str | Path, refined: AtomicModel) -> None:
    """Write a structure file with the refined atoms in their places; all that is not protein stays as it is.

    Hydrogens and alternative locations of the protein are left out; atoms that were not refined (terminal oxygens,
    modifications) ride along with their residue.

    Parameters
    ----------
    path : str or Path
        Appears only when it is complete; PDB if it ends in .pdb, else mmCIF.
    source : str or Path
        The file that `refined` was read from by `read_refinable`.
    refined : AtomicModel

    Raises
    ------
    InputError
        When the source cannot be read.
    ResourceError
        When the file cannot be written.
    """
    path, source = Path(path), Path(source)
    structure = read_structure(source)
    del structure[1:]
    moved = iter(refined.chains)
    for chain in structure[0]:
        residues = list(_protein(chain))
        if residues:
            own = next(moved)
            kept = [_moved(residue, *atoms) for residue, atoms in zip(residues, _slots(own), strict=True)]
            _set_b_factors(kept, own)
            _replace_protein(chain, kept)
    if refined.has_b_factors:
        _drop_note(structure)
    structure.assign_serial_numbers()
    with replacing(path) as unfinished:
        if path.suffix.lower() == ".pdb":
            structure.write_pdb(str(unfinished))
        else:
            structure.make_mmcif_document().write_file(str(unfinished))


def _set_b_factors(residues: list[gemmi.Residue], chain: AtomicChain) -> None:
    """Give all atoms of a residue its B factor, where the model has any."""
    if chain.b_factors is None:
        return
    for residue, b_factor in zip(residues, chain.b_factors.tolist(), strict=True):
        for atom in residue:
            atom.b_iso = round(b_factor, 2)


def _drop_note(structure: gemmi.Structure) -> None:
    """Remove our own note of what the B-factor column holds; now it does hold B factors."""
    noted = " ".join(line[len("REMARK 999 ") :].strip() for line in structure.raw_remarks if "REMARK 999" in line)
    if NOT_A_B_FACTOR in noted:
        structure.raw_remarks = [line for line in structure.raw_remarks if "REMARK 999" not in line]


def read_moved(path: Path, model: AtomicModel) -> AtomicModel:
    """Read what a program has made of a model that `write_mmcif` wrote; atoms that it left out stay.

    Raises
    ------
    InputError
        When the file cannot be read.
    """
    structure = read_structure(path)
    residues = {(chain.name, residue.seqid.num): residue for chain in structure[0] for residue in chain}
    chains = (replace(chain, atoms=_atoms_of(chain, residues)) for chain in model.chains)
    return replace(model, chains=tuple(chains))


def _atoms_of(chain: AtomicChain, residues: dict[tuple[str, int | None], gemmi.Residue]) -> Points:
    atoms = chain.atoms.copy()
    for index, (number, (names, _)) in enumerate(zip(chain.numbers.tolist(), _slots(chain), strict=True)):
        residue = residues.get((chain.name, number + 1))
        sites = {} if residue is None else _best_sites(residue)
        sites |= {"SG": sites["SE"]} if "SE" in sites else {}
        for slot, name in enumerate(names):
            if name in sites and np.isfinite(atoms[index, slot, 0]):
                atoms[index, slot] = sites[name].pos.tolist()
    return atoms


def _slots(chain: AtomicChain) -> Iterator[tuple[list[str], Points]]:
    for amino, atoms in zip(chain.types, chain.atoms, strict=True):
        names = HEAVY_ATOMS[AMINO_ACIDS[amino]].split()
        yield names, atoms


def _moved(residue: gemmi.Residue, names: list[str], atoms: Points) -> gemmi.Residue:
    """A copy of a residue with its atoms where the refinement took them."""
    sites = {_slot_name(residue.name, name): atom for name, atom in _best_sites(residue).items()}
    slots = {name: index for index, name in enumerate(names)}
    new = {name: atoms[slots[name]] for name in sites if name in slots and np.isfinite(atoms[slots[name], 0])}
    riding = [name for name in sites if name not in new]
    old = np.array([sites[name].pos.tolist() for name in sites]).reshape(-1, 3)
    places = dict(zip(sites, old, strict=True))
    for name in riding:
        new[name] = _ride(places, new, name, set(riding))
    copy = residue.clone()
    del copy[:]
    for name, atom in sites.items():
        fresh = atom.clone()
        fresh.pos = gemmi.Position(*new[name].round(3))
        fresh.occ = min(1.0, sum(other.occ for other in residue if other.name == atom.name))
        fresh.altloc = "\0"
        copy.add_atom(fresh)
    return copy


def _slot_name(residue: str, name: str) -> str:
    """Name of an atom in its slot; old isoleucines call the last carbon CD."""
    return "CD1" if (residue, name) == ("ILE", "CD") else name


def _ride(old: dict[str, Points], new: dict[str, Points], name: str, riding: set[str]) -> Points:
    """Where an atom comes when it moves with the three refined atoms nearest to it."""
    anchors = sorted((other for other in new if other not in riding), key=lambda other: _apart(old[other], old[name]))
    if len(anchors) < _FEWEST:
        return old[name]
    turn, shift = _superposition(*(np.array([at[a] for a in anchors[:_FEWEST]]) for at in (old, new)))
    return turn @ old[name] + shift


def _apart(a: Points, b: Points) -> float:
    return float(np.linalg.norm(a - b))


def _superposition(old: Points, new: Points) -> tuple[NDArray[np.float64], Points]:
    """Rotation and shift that take `old` onto `new` (Kabsch)."""
    u, _, vt = np.linalg.svd((old - old.mean(axis=0)).T @ (new - new.mean(axis=0)))
    hand = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    turn = (u @ hand @ vt).T
    return turn, new.mean(axis=0) - turn @ old.mean(axis=0)


def _replace_protein(chain: gemmi.Chain, kept: list[gemmi.Residue]) -> None:
    """Put residues in the places of those of the protein that have their number; others of the protein go."""
    waiting = {str(residue.seqid): residue for residue in kept}
    residues = [residue.clone() for residue in chain]
    del chain[:]
    for residue in residues:
        if not is_protein(residue):
            chain.add_residue(residue)
        elif str(residue.seqid) in waiting:
            chain.add_residue(waiting.pop(str(residue.seqid)))
