"""Template files: predicted structures of any program, and experimental homologues."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np

from emodelx.errors import InputError
from emodelx.io.pae import find_pae, read_pae
from emodelx.io.structures import CalphaChain, calphas_of, read_structure
from emodelx.records import Floats, Points

SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif")
"""Of the files that are read from a folder, each also with .gz."""
TYPICAL_PLDDT = 50.0
"""A column of B factors, not of pLDDT, has a median below this."""


@dataclass(frozen=True)
class TemplateChain:
    """A chain of a template file.

    Attributes
    ----------
    name : str
        File and chain, for people.
    residues : str
        One-letter codes, X where unknown. Length n.
    positions : ndarray, dtype=float64, shape=(n, 3)
        Calphas in Angstrom.
    plddt : ndarray or None, dtype=float64, shape=(n,)
        0 to 100; None where the file holds B factors or nothing.
    pae : ndarray or None, dtype=float32, shape=(n, n)
        Predicted aligned errors in Angstrom.
    """

    name: str
    residues: str
    positions: Points
    plddt: Points | None = None
    pae: Floats | None = None


@dataclass(frozen=True)
class TemplateFiles:
    """What was read: chains, the files that they come from, and what was assumed, one line each."""

    chains: tuple[TemplateChain, ...]
    files: tuple[Path, ...]
    warnings: tuple[str, ...]


def read_templates(paths: Iterable[Path]) -> TemplateFiles:
    """Read template files, and folders of them.

    PDB and mmCIF of any program; all models and chains; of each residue only the Calpha counts, so files without other
    atoms are as good. PAE files are found beside the structures by their names.

    Raises
    ------
    InputError
        When a file is missing, damaged or without protein, or a folder holds no structure.
    """
    files = [file for path in paths for file in _files_of(path)]
    chains, used, warnings = [], [], []
    for file in files:
        found, pae_file = list(_chains_of(file)), find_pae(file)
        if pae_file is not None:
            pae = read_pae(pae_file)
            if len(pae) == sum(len(chain.residues) for chain in found):
                found, used = list(_with_pae(found, pae)), [*used, pae_file]
            else:
                warnings.append(f"{pae_file}: its PAE has {len(pae)} residues, not those of {file.name}; not used")
        chains += found
    return TemplateFiles(tuple(chains), (*files, *used), tuple(warnings))


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(f for f in path.iterdir() if f.name.lower().removesuffix(".gz").endswith(SUFFIXES))
    if not files:
        raise InputError(f"{path}: holds no template ({', '.join(SUFFIXES)}, plain or .gz)")
    return files


def _chains_of(file: Path) -> Iterator[TemplateChain]:
    structure = read_structure(file)
    predicted = not _is_experimental(structure)
    for model in range(len(structure)):
        for chain in calphas_of(file, structure, model):
            suffix = f", model {model + 1}" if len(structure) > 1 else ""
            plddt = read_plddt(chain.b_factors) if predicted else None
            yield TemplateChain(f"{file.name} chain {chain.name}{suffix}", _known(chain), chain.positions, plddt)


def _known(chain: CalphaChain) -> str:
    return "".join(letter if letter.isascii() and letter.isupper() else "X" for letter in chain.residues)


def _is_experimental(structure: gemmi.Structure) -> bool:
    """Whether the file says how the structure was determined; predictions do not, or say that it is theoretical."""
    method = dict(structure.info).get("_exptl.method", "")
    return structure.resolution > 0 or any(word in method.upper() for word in ("DIFFRACTION", "MICROSCOPY", "NMR"))


def read_plddt(column: Points) -> Points | None:
    """Tell pLDDT from B factors.

    Parameters
    ----------
    column : ndarray, dtype=float64, shape=(n,)
        B-factor column of a structure without a word about an experiment.

    Returns
    -------
    ndarray or None, dtype=float64, shape=(n,)
        pLDDT, 0 to 100; None when the column is empty or holds B factors.
    """
    if len(column) == 0 or column.min() < 0 or column.max() <= 0 or column.max() > 100:
        return None
    percent = column * 100 if column.max() <= 1 else column
    return percent if np.median(percent) >= TYPICAL_PLDDT else None


def _with_pae(chains: list[TemplateChain], pae: Floats) -> Iterator[TemplateChain]:
    """Give every chain its part of the errors."""
    end = 0
    for chain in chains:
        start, end = end, end + len(chain.residues)
        own = pae[start:end, start:end]
        yield TemplateChain(chain.name, chain.residues, chain.positions, chain.plddt, own)
