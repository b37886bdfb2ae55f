"""Models in and out: mmCIF always, PDB where it fits."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from textwrap import wrap

import gemmi
import numpy as np

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, THREE_LETTER
from emodelx.errors import InputError, NothingBuildableError
from emodelx.io.files import read_bytes, replacing
from emodelx.records import AtomicChain, AtomicModel, Ints, Points

NOT_A_B_FACTOR = "The B-factor column holds the"
"""How the notes begin that a file carries when the column holds something else."""
CONFIDENCE_NOTE = (
    f"{NOT_A_B_FACTOR} confidence of the residue, 0 (none) to 100 (high). It is not a B factor: "
    "reset it before refinement."
)

SIZE_LIMIT = 4 << 30
"""Bytes of a structure file at most."""

SELENIUM = ("SEC", "SG")
"""Residue and slot that hold selenium: selenocysteine has the atoms of cysteine but for one."""

_PDB_MOST_ATOMS = 99_999
_PDB_LAST_RESIDUE = 9_999
_PDB_REMARK_WIDTH = 69


def write_mmcif(path: str | Path, model: AtomicModel, min_confidence: float = 0.0) -> None:
    """Write a model as mmCIF; the file appears only when it is complete.

    `label_seq_id` (and `auth_seq_id`) is the 1-based position in the given sequence, so gaps keep their numbers; the
    full sequences are in `_entity_poly_seq`; the B-factor column holds the B factors of the model where it has them,
    else the confidence, which then also stands in `_ma_qa_metric_local`.

    Parameters
    ----------
    path : str or Path
    model : AtomicModel
    min_confidence : float
        Residues below it (0 to 100) are left out.

    Raises
    ------
    NothingBuildableError
        When no residue is left to write.
    ResourceError
        When the file cannot be written.
    """
    path = Path(path)
    structure = _structure(path, model, min_confidence)
    document = structure.make_mmcif_document(gemmi.MmcifOutputGroups(True, auth_all=True))  # some programs want auth_*
    block = document.sole_block()
    _add_peptide_links(block)
    if not model.has_b_factors:
        block.set_pairs("_pdbx_database_remark.", {"id": "999", "text": CONFIDENCE_NOTE})
        _add_confidence(block, structure)
    with replacing(path) as unfinished:
        document.write_file(str(unfinished))


def write_pdb(path: str | Path, model: AtomicModel, min_confidence: float = 0.0) -> None:
    """Write a model as PDB, with the same numbers as `write_mmcif`.

    Raises
    ------
    InputError
        When the model does not fit the columns of the format; nothing is ever cut to fit.
    NothingBuildableError
        When no residue is left to write.
    ResourceError
        When the file cannot be written.
    """
    path = Path(path)
    structure = _structure(path, model, min_confidence)
    _require_pdb_fits(path, structure[0])
    if not model.has_b_factors:
        structure.raw_remarks = [f"REMARK 999 {line}" for line in wrap(CONFIDENCE_NOTE, _PDB_REMARK_WIDTH)]
    with replacing(path) as unfinished:
        structure.write_pdb(str(unfinished))


def _structure(path: Path, model: AtomicModel, min_confidence: float) -> gemmi.Structure:
    chains = [
        (chain, _written(chain, model.sequences[chain.sequence].residues, min_confidence)) for chain in model.chains
    ]
    chains = [(chain, written) for chain, written in chains if len(written) > 0]
    if not chains:
        raise NothingBuildableError(f"{path}: no residue has a confidence of {min_confidence:g} or more")
    structure = gemmi.Structure()
    structure.name = "_".join(path.name.split(".")[0].split())  # block names of mmCIF have no spaces
    structure.spacegroup_hm = "P 1"
    structure.info["_exptl.method"] = "ELECTRON MICROSCOPY"
    structure.meta.software = [_software()]
    structure.entities = _entities(model, [chain for chain, _ in chains])
    structure.add_model(gemmi.Model(1))
    for _, written in chains:
        structure[0].add_chain(written)
    structure.assign_serial_numbers()
    return structure


def _software() -> gemmi.SoftwareItem:
    software = gemmi.SoftwareItem()
    software.name, software.version = "emodelx", version("emodelx")
    software.classification = gemmi.SoftwareItem.Classification.ModelBuilding
    return software


def _entities(model: AtomicModel, chains: Sequence[AtomicChain]) -> gemmi.EntityList:
    """One entity per sequence that has a chain, named by its place in the model."""
    entities = []
    for index in sorted({chain.sequence for chain in chains}):
        entity = gemmi.Entity(_entity_id(index))
        entity.entity_type = gemmi.EntityType.Polymer
        entity.polymer_type = gemmi.PolymerType.PeptideL
        entity.full_sequence = [THREE_LETTER[code] for code in model.sequences[index].residues]
        entity.subchains = [chain.name for chain in chains if chain.sequence == index]
        entities.append(entity)
    return gemmi.EntityList(entities)


def _entity_id(sequence: int) -> str:
    return str(sequence + 1)


def _written(chain: AtomicChain, sequence: str, min_confidence: float) -> gemmi.Chain:
    written = gemmi.Chain(chain.name)
    for index in np.flatnonzero(chain.confidence >= min_confidence):
        written.add_residue(_residue(chain, int(index), THREE_LETTER[sequence[chain.numbers[index]]]))
    return written


def _residue(chain: AtomicChain, index: int, name: str) -> gemmi.Residue:
    number = int(chain.numbers[index]) + 1
    residue = gemmi.Residue()
    residue.name, residue.het_flag = name, "A"
    residue.label_seq, residue.seqid = number, gemmi.SeqId(number, " ")
    residue.subchain, residue.entity_id = chain.name, _entity_id(chain.sequence)
    residue.entity_type = gemmi.EntityType.Polymer
    column = chain.confidence if chain.b_factors is None else chain.b_factors
    value = round(float(column[index]), 2)
    names = HEAVY_ATOMS[AMINO_ACIDS[chain.types[index]]].split()
    for atom_name, position in zip(names, chain.atoms[index].round(3), strict=False):
        if np.isfinite(position[0]):
            residue.add_atom(_atom("SE" if (name, atom_name) == SELENIUM else atom_name, position, value))
    return residue


def _atom(name: str, position: Points, b_factor: float) -> gemmi.Atom:
    atom = gemmi.Atom()
    atom.name, atom.element = name, gemmi.Element("Se" if name == "SE" else name[0])
    atom.pos = gemmi.Position(*position)
    atom.occ, atom.b_iso = 1.0, b_factor
    return atom


def _add_peptide_links(block: gemmi.cif.Block) -> None:
    """Say in `_chem_comp` what gemmi leaves open: all residues are peptide-linking; glycine has no hand."""
    for row in block.find("_chem_comp.", ["id", "type"]):
        row[1] = gemmi.cif.quote("peptide linking" if row[0] == "GLY" else "L-peptide linking")


def _add_confidence(block: gemmi.cif.Block, structure: gemmi.Structure) -> None:
    """Repeat the confidence as a ModelCIF quality metric, by the names that programs look for."""
    metric = {
        "id": "1",
        "name": "confidence",
        "description": "0 (none) to 100 (high)",
        "type": "other",
        "mode": "local",
    }
    block.set_pairs("_ma_qa_metric.", metric)
    tags = ["ordinal_id", "model_id", "label_asym_id", "label_seq_id", "label_comp_id", "metric_id", "metric_value"]
    local = block.init_loop("_ma_qa_metric_local.", tags)
    residues = ((chain, residue) for chain in structure[0] for residue in chain)
    for ordinal, (chain, residue) in enumerate(residues, start=1):
        place = [chain.name, str(residue.label_seq), residue.name]
        local.add_row([str(ordinal), "1", *place, "1", f"{residue[0].b_iso:.2f}"])


def _require_pdb_fits(path: Path, model: gemmi.Model) -> None:
    """Refuse what the fixed columns of PDB cannot hold; one-character chain names alone limit it to 62 chains."""
    long_names = [chain.name for chain in model if len(chain.name) > 1]
    last = max(residue.seqid.num or 0 for chain in model for residue in chain)
    atoms = model.count_atom_sites() + len(model)  # every chain end takes a serial number too
    positions = [value for site in model.all() for value in site.atom.pos.tolist()]
    problems = {
        f"{len(model)} chains, with names of more than one character such as {long_names[:1]}": bool(long_names),
        f"residue number {last}, the limit is {_PDB_LAST_RESIDUE}": last > _PDB_LAST_RESIDUE,
        f"{atoms} atoms, the limit is {_PDB_MOST_ATOMS}": atoms > _PDB_MOST_ATOMS,
        "coordinates beyond -999 to 9999 A": min(positions) < -999 or max(positions) > 9999,
    }
    for problem, present in problems.items():
        if present:
            raise InputError(f"{path}: the model does not fit the PDB format ({problem}); use the mmCIF file")


@dataclass(frozen=True)
class CalphaChain:
    """The Calphas of one chain of a structure file.

    Attributes
    ----------
    name : str
        Author's chain name.
    residues : str
        One-letter codes of the residues that have a Calpha, X where unknown. Length n.
    numbers : ndarray, dtype=int64, shape=(n,)
        `label_seq_id`, which are 1-based positions in the sequence, or the author's numbers where the file lacks them.
    positions : ndarray, dtype=float64, shape=(n, 3)
        In Angstrom.
    sequence : str
        Full sequence that `numbers` count, empty where the file gives none.
    b_factors : ndarray, dtype=float64, shape=(n,)
        B-factor column of the Calphas.
    """

    name: str
    residues: str
    numbers: Ints
    positions: Points
    sequence: str = ""
    b_factors: Points = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.residues)


def read_calphas(path: str | Path) -> tuple[CalphaChain, ...]:
    """Read the Calphas of a PDB or mmCIF file of any program, plain or gzip.

    Of several models the first is read, of alternative locations the one with the highest occupancy. Ligands, ions and
    solvent are left out, also those with an atom called CA.

    Raises
    ------
    InputError
        When the file is missing, damaged, no structure, without protein, or has a residue twice.
    """
    return calphas_of(Path(path), read_structure(Path(path)))


def calphas_of(path: Path, structure: gemmi.Structure, model: int = 0) -> tuple[CalphaChain, ...]:
    """Give the Calphas of a model of the structure that was read from `path`; see `read_calphas`."""
    chains = [_calpha_chain(path, structure, chain) for chain in structure[model]]
    chains = [chain for chain in chains if len(chain) > 0]
    if not chains:
        raise InputError(f"{path}: holds no protein residue with a Calpha")
    return tuple(chains)


def read_structure(path: Path) -> gemmi.Structure:
    """Parse a PDB or mmCIF file; entities are set up and residues labelled where the file gives the sequence.

    Raises
    ------
    InputError
        When the file is missing, damaged, no structure or without atoms.
    """
    content = read_bytes(path, SIZE_LIMIT)
    try:
        structure = gemmi.read_structure_string(content, format=gemmi.CoorFormat.Detect)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a PDB or mmCIF file that can be read ({reason})") from error
    if len(structure) == 0 or len(structure[0]) == 0:
        raise InputError(f"{path}: holds no atoms; give a model in mmCIF or PDB format")
    structure.setup_entities()
    structure.assign_label_seq_id()
    return structure


def _calpha_chain(path: Path, structure: gemmi.Structure, chain: gemmi.Chain) -> CalphaChain:
    residues = [residue for residue in chain.first_conformer() if _calphas(residue)]
    require_once(path, chain.name, residues)
    labelled = all(residue.label_seq is not None for residue in residues)
    best = [max(_calphas(residue), key=lambda atom: atom.occ) for residue in residues]
    positions = np.array([atom.pos.tolist() for atom in best], np.float64).reshape(-1, 3)
    if not np.isfinite(positions).all():
        raise InputError(f"{path}: chain {chain.name} has a Calpha without coordinates")
    return CalphaChain(
        chain.name,
        residues="".join(one_letter(residue.name) for residue in residues),
        numbers=np.array([residue.label_seq if labelled else residue.seqid.num for residue in residues], np.int64),
        positions=positions,
        sequence=full_sequence(structure, chain) if labelled else "",
        b_factors=np.array([atom.b_iso for atom in best], np.float64),
    )


def _calphas(residue: gemmi.Residue) -> list[gemmi.Atom]:
    """All alternatives of the Calpha of a residue; none when it is not part of a protein chain."""
    polymer = residue.entity_type == gemmi.EntityType.Polymer
    if polymer or (residue.het_flag != "H" and gemmi.find_tabulated_residue(residue.name).is_amino_acid()):
        return [atom for atom in residue if atom.name == "CA"]
    return []


def require_once(path: Path, chain: str, residues: list[gemmi.Residue]) -> None:
    """Refuse chains that share a name: gemmi joins their residues of one number."""
    alternatives = Counter(
        (str(residue.seqid), residue.label_seq, atom.altloc) for residue in residues for atom in _calphas(residue)
    )
    for (number, *_), times in alternatives.items():
        if times > 1:
            raise InputError(f"{path}: chain {chain} has residue {number} twice; give every chain its own name")


def full_sequence(structure: gemmi.Structure, chain: gemmi.Chain) -> str:
    """One-letter codes of the sequence that the file gives for a chain; empty where it gives none."""
    entity = structure.get_entity_of(chain.get_polymer())
    names = entity.full_sequence if entity else []
    return "".join(one_letter(gemmi.Entity.first_mon(name)) for name in names)


def one_letter(residue_name: str) -> str:
    """Letter of a residue, of its parent where it is modified, X where unknown."""
    code = gemmi.find_tabulated_residue(residue_name).one_letter_code.upper()
    return code if code.isalpha() else "X"
