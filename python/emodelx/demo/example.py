"""The example on disk: a map with noise, the sequences as a database gives them, and the truth."""

from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
import torch

from emodelx.constants import AMINO_ACIDS, THREE_LETTER
from emodelx.demo.assembly import build_complex
from emodelx.demo.design import ProteinChain
from emodelx.demo.fold import BACKBONE
from emodelx.errors import InputError
from emodelx.io.files import replacing
from emodelx.io.maps import write_map
from emodelx.records import DensityMap, Points
from emodelx.training.simulate import Conditions, Scene
from emodelx.training.structures import PROTEIN, REMOTENESS, SCATTERING, Structure

SEED = 2
MARGIN = 14.0
"""Angstrom of solvent around the complex."""
ORIGIN = np.array([31.5, -12.0, 8.25])
"""Where voxel 0,0,0 lies; not 0, as in most maps."""
CONDITIONS = Conditions(
    resolution=3.0, base_b=40.0, unrest=0.3, exposure=0.3, side_chain_b=4.0, side_chain_spread=0.5, side_chain_loss=0.2,
    acid_occupancy=0.4, carbonyl_occupancy=0.7, motion=0.0, residue_spread=0.1, fading=0.1, solvent=0.7,
    blobs=0.0, anisotropy=0.0, cut_softness=0.03, noise=0.8, noise_onset=1.15, noise_floor=0.02, noise_contrast=0.3,
    curve_error=0.0, cut_error=1.0, low_frequency=0.0, ripple=0.0, evening=0.0,
)  # fmt: skip
"""A good map at 3 A."""


@dataclass(frozen=True)
class Example:
    """Files of the example.

    Attributes
    ----------
    map, fasta, truth : Path
    chains : dict of str to ProteinChain
        What the map shows, by chain name, in the map's frame.
    """

    map: Path
    fasta: Path
    truth: Path
    chains: dict[str, ProteinChain]


def make_example(folder: Path, seed: int = SEED) -> Example:
    """Make the complex and write `example.mrc`, `example.fasta` and `truth.cif`.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    seed : int
        Another seed makes another complex; the same seed makes the same bytes.

    Raises
    ------
    InputError
        When the folder cannot be made.
    ResourceError
        When a file cannot be written.
    """
    _make_folder(folder)
    density, chains = simulate_map(build_complex(seed), seed)
    example = Example(folder / "example.mrc", folder / "example.fasta", folder / "truth.cif", chains)
    write_map(example.map, density)
    with replacing(example.fasta) as part:
        part.write_text(_fasta(chains))
    with replacing(example.truth) as part:
        _structure(chains).make_mmcif_document().write_file(str(part))
    return example


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be made ({error.strerror}); give another --output") from error


def simulate_map(chains: dict[str, ProteinChain], seed: int) -> tuple[DensityMap, dict[str, ProteinChain]]:
    """Return the density of a complex on a 1 A grid, and the complex moved into its frame."""
    xyz = np.concatenate([chain.xyz for chain in chains.values()])
    size = int(np.ceil(np.ptp(xyz, axis=0).max() + 2 * MARGIN))
    shift = (size - 1) / 2 - (xyz.min(axis=0) + xyz.max(axis=0)) / 2
    scene = Scene(_atoms(chains, shift), CONDITIONS, size, np.random.default_rng(seed), torch.device("cpu"))
    values = scene.density().numpy()
    density = DensityMap(np.ascontiguousarray(values, dtype=np.float32), ORIGIN.copy(), np.ones(3))
    return density, {name: chain.moved(shift + ORIGIN) for name, chain in chains.items()}


def _atoms(chains: dict[str, ProteinChain], shift: Points) -> Structure:
    """The atoms as the simulator wants them, moved by `shift`."""
    names = np.array([name for chain in chains.values() for name in chain.names])
    counts = [len(chain.names) for chain in chains.values()]
    lengths = [len(chain.sequence) for chain in chains.values()]
    first = np.repeat(np.cumsum([0, *lengths[:-1]]), counts)
    residue = first + np.concatenate([chain.residues for chain in chains.values()])
    types = np.array([AMINO_ACIDS.index(letter) for chain in chains.values() for letter in chain.sequence])
    main_chain = np.isin(names, BACKBONE)
    xyz = np.concatenate([chain.xyz for chain in chains.values()]) + shift
    return Structure(
        xyz=xyz.astype(np.float32),
        residue=residue.astype(np.int32),
        chain=np.repeat(np.arange(len(chains), dtype=np.int32), counts),
        amino=types[residue].astype(np.int8),
        kind=np.full(len(names), PROTEIN, np.int8),
        scattering=np.array([SCATTERING[gemmi.Element(name[0]).atomic_number] for name in names], np.float32),
        remoteness=np.array([REMOTENESS.get(name[1:2], 0) for name in names], np.int8) * ~main_chain,
        calpha=names == "CA",
        main_chain=main_chain,
        carbonyl=names == "O",
    )


def _copies(chains: dict[str, ProteinChain]) -> dict[str, list[str]]:
    """Names of the chains of every sequence."""
    copies: dict[str, list[str]] = {}
    for name, chain in chains.items():
        copies.setdefault(chain.sequence, []).append(name)
    return copies


def _fasta(chains: dict[str, ProteinChain]) -> str:
    """The sequences with headers as the PDB writes them."""
    records = []
    for number, (sequence, names) in enumerate(_copies(chains).items(), 1):
        title = f"Chain{'s' if len(names) > 1 else ''} {', '.join(names)}"
        records.append(f">DEMO_{number}|{title}|Synthetic protein {number}|synthetic construct\n{sequence}\n")
    return "".join(records)


def _structure(chains: dict[str, ProteinChain]) -> gemmi.Structure:
    structure = gemmi.Structure()
    structure.name = "truth"
    model = gemmi.Model(1)
    for name, chain in chains.items():
        model.add_chain(_gemmi_chain(name, chain))
    structure.add_model(model)
    structure.setup_entities()
    for entity in structure.entities:
        entity.full_sequence = [THREE_LETTER[letter] for letter in chains[entity.name].sequence]
    structure.deduplicate_entities()
    structure.assign_label_seq_id()
    return structure


def _gemmi_chain(name: str, chain: ProteinChain) -> gemmi.Chain:
    made = gemmi.Chain(name)
    for i, letter in enumerate(chain.sequence):
        residue = gemmi.Residue()
        residue.name, residue.seqid = THREE_LETTER[letter], gemmi.SeqId(i + 1, " ")
        for atom in np.flatnonzero(chain.residues == i):
            residue.add_atom(_gemmi_atom(chain.names[atom], chain.xyz[atom]))
        made.add_residue(residue)
    return made


def _gemmi_atom(name: str, xyz: Points) -> gemmi.Atom:
    atom = gemmi.Atom()
    atom.name, atom.element = name, gemmi.Element(name[0])
    atom.pos = gemmi.Position(*xyz)
    return atom
