"""A small structure pack made on the spot: ideal helices with side chains, and a strand of nucleotides."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from emodelx.constants import AMINO_ACIDS
from emodelx.network.normalise import SPECTRUM
from emodelx.network.unet import NetworkConfig, build_network
from emodelx.network.weights import WeightsInfo, load_weights, save_weights
from emodelx.training.bend_examples import WindowReader
from emodelx.training.structures import PACK_AMINO_ACIDS, StructurePack

TINY = NetworkConfig(widths=(8, 8), encoder_blocks=(1, 1), decoder_blocks=(1,))
INFO = WeightsInfo(TINY, replace(SPECTRUM, ceiling=1.0), window=16, calpha_threshold=0.2, training={"run": 1})

NAMES = ["N", "CA", "C", "O", "CB", "CG", "P"]
ELEMENTS = [7, 6, 6, 8, 6, 6, 15]
HELIX_OFFSETS = {
    "N": (1.55, -28, -0.87),
    "CA": (2.3, 0, 0),
    "C": (1.65, 26, 1.1),
    "O": (2.0, 30, 2.3),
    "CB": (3.3, -8, -0.4),
}


def helix(sequence, shift):
    """Atoms (name number, residue number, xyz) of an ideal helix; every residue but glycine has CB and CG."""
    atoms = []
    for i, letter in enumerate(sequence):
        for name, (radius, angle, rise) in (HELIX_OFFSETS | {"CG": (4.6, -14, -0.9)}).items():
            if letter == "G" and name in ("CB", "CG"):
                continue
            turn = np.deg2rad(100 * i + angle)
            xyz = np.array([radius * np.cos(turn), radius * np.sin(turn), 1.5 * i + rise]) + shift
            atoms.append((NAMES.index(name), i, xyz))
    return atoms


def byte_planes(values, planes):
    """Undo of the reader: signed integers as little-endian byte planes."""
    return np.stack([(values >> 8 * k) & 255 for k in range(planes)]).astype(np.uint8)


def write_pack(path, entries):
    """Entries: lists of chains (letters, kind, atoms)."""
    arrays = {
        name: [] for name in ("natom", "nres", "nchain", "chain_nres", "res_natom", "type", "flags", "name", "step")
    }
    for chains in entries:
        xyz = np.array([a[2] for _, _, atoms in chains for a in atoms])
        grid = np.round(xyz / 0.005).astype(np.int64)
        arrays["step"].append(np.diff(grid, axis=0, prepend=0))
        arrays["natom"].append(len(xyz))
        arrays["nres"].append(sum(len(letters) for letters, _, _ in chains))
        arrays["nchain"].append(len(chains))
        for letters, kind, atoms in chains:
            arrays["chain_nres"].append(len(letters))
            arrays["res_natom"] += np.bincount([a[1] for a in atoms], minlength=len(letters)).tolist()
            arrays["type"] += [PACK_AMINO_ACIDS.find(c) if kind == 0 else 21 for c in letters]
            arrays["flags"] += [kind << 2] * len(letters)
            arrays["name"] += [a[0] for a in atoms]
    name = np.array(arrays["name"])
    np.savez(
        path,
        entry_id=np.array([f"s{i}" for i in range(len(entries))]),
        entry_natom=np.int32(arrays["natom"]),
        entry_nres=np.int32(arrays["nres"]),
        entry_nchain=np.int32(arrays["nchain"]),
        chain_nres=np.int32(arrays["chain_nres"]),
        res_natom=np.uint16(arrays["res_natom"]),
        res_type=np.uint8(np.array(arrays["type"]) % 256),
        res_flags=np.uint8(arrays["flags"]),
        atom_name_id=name.astype(np.uint16),
        atom_names=np.array(NAMES),
        atom_element=np.uint8(ELEMENTS)[name],
        xyz_delta_planes=byte_planes(np.concatenate(arrays["step"]).T, 3),
    )


@pytest.fixture(scope="session")
def protein_letters():
    return (AMINO_ACIDS * 3)[:50]


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory, protein_letters):
    """Folder with train.npz and val.npz of two structures each."""
    folder = tmp_path_factory.mktemp("structures")
    phosphates = ("A" * 12, 1, [(6, i, np.array([20.0, 6.0 * i, 5.0])) for i in range(12)])
    first = [(protein_letters, 0, helix(protein_letters, np.zeros(3))), phosphates]
    second = [(protein_letters, 0, helix(protein_letters, np.array([x, -40.0, 3.0]))) for x in (-100.0, -88.0)]
    for split in ("train", "val"):
        write_pack(folder / f"{split}.npz", [first, second])
    return folder


@pytest.fixture(scope="session")
def pack(data_folder):
    return StructurePack(data_folder / "train.npz")


@pytest.fixture(scope="session")
def unet_file(tmp_path_factory):
    """Weights of a U-Net that passes the density on to its head: peaks of the density are its Calphas."""
    torch.manual_seed(0)
    network = build_network(TINY)
    unet = network.unet
    for name, value in network.named_parameters():
        if "norm" not in name:
            torch.nn.init.zeros_(value)
    voxels = torch.eye(8)
    unet.stem.weight.data[:, :, 1, 1, 1] = voxels
    unet.head.weight.data[5 * 8 : 6 * 8, :, 0, 0, 0] = 4 * voxels  # the third class of Calphas
    unet.head.bias.data[5 * 8 : 6 * 8] = -3
    torch.nn.init.normal_(unet.head.weight.data[6 * 8 :])
    path = tmp_path_factory.mktemp("weights") / "unet.safetensors"
    save_weights(path, network, INFO)
    return path


@pytest.fixture(scope="session")
def reader(unet_file):
    return WindowReader(*load_weights(unet_file), torch.device("cpu"))
