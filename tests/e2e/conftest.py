"""A planted complex: what a network would say about two different helices, each with a known sequence and place."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from emodelx.constants import AMINO_ACIDS

LENGTH = 50
SEQUENCES = {"one": ("A", (12.0, 12.0)), "two": ("B", (26.0, 14.0))}
"""Name of each sequence: its chain, and where its axis stands in x and y."""


@dataclass(frozen=True)
class Planted:
    """Files of the planted complex, and its truth."""

    fasta: Path
    prediction: Path
    residues: dict[str, str]
    positions: dict[str, np.ndarray]


def helix(axis):
    """Calphas of an ideal helix along z: 2.3 A from its axis, 1.5 A and 100 degrees per residue."""
    i = np.arange(LENGTH)
    angle = np.deg2rad(100) * i
    return np.stack([axis[0] + 2.3 * np.cos(angle), axis[1] + 2.3 * np.sin(angle), 8 + 1.5 * i], axis=1)


def read_by_a_network(positions, residues, shape):
    """Blobs of Calpha and main-chain probability, and types that are right with probability 0.8."""
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    ca, bb, aa = np.zeros(shape), np.zeros(shape), np.full((20, *shape), 0.05)
    for place, letter in zip(positions, residues, strict=True):
        square = ((grid - place) ** 2).sum(axis=-1)
        ca = np.maximum(ca, 0.95 * np.exp(-square / 2))
        bb = np.maximum(bb, 0.95 * np.exp(-square / 8))
        near = square < 4
        aa[:, near] = 0.2 / 19
        aa[AMINO_ACIDS.index(letter), near] = 0.8
    return ca.astype(np.float32), bb.astype(np.float32), aa.astype(np.float32)


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    rng = np.random.default_rng(1)
    residues = {name: "".join(rng.choice(list(AMINO_ACIDS), LENGTH)) for name in SEQUENCES}
    local = {name: helix(axis) for name, (_, axis) in SEQUENCES.items()}
    joined = np.concatenate(list(local.values()))
    ca, bb, aa = read_by_a_network(joined, "".join(residues.values()), (40, 28, 92))
    origin = np.array([-20.5, 3.25, 100.0])
    np.savez_compressed(folder / "planted.npz", ca_prob=ca, bb_prob=bb, aa_prob=aa, origin=origin)
    records = [f">x_{i}|Chain {SEQUENCES[n][0]}|{n}|none\n{residues[n]}\n" for i, n in enumerate(SEQUENCES)]
    (folder / "planted.fasta").write_text("".join(records))
    chains = {SEQUENCES[name][0]: name for name in SEQUENCES}
    return Planted(
        folder / "planted.fasta",
        folder / "planted.npz",
        {chain: residues[name] for chain, name in chains.items()},
        {chain: local[name] + origin for chain, name in chains.items()},
    )


@pytest.fixture(scope="session")
def emodelx():
    """The program as its users meet it: a process of its own."""

    def call(*words, **options):
        command = [sys.executable, "-c", "from emodelx.cli.app import main; main()", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, **options)

    return call
