"""Real maps with known models, prepared beforehand (``emodelx.pairs``) so that any GPU node can read them.

A prepared pair is two files: ``NAME.npy``, the map as the rule of the weights leaves it on the 1 A grid, not clipped,
float16, read window by window from the disk; and ``NAME.npz``, the atoms in voxel coordinates of that map.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from emodelx.errors import InputError
from emodelx.training.structures import Structure


@dataclass(frozen=True)
class RealMap:
    """A prepared pair.

    Attributes
    ----------
    name : str
    density
        ``(nx, ny, nz)`` float16, mapped from its file: no density is 0, the top value of the rule 1.
    atoms
        In voxel coordinates.
    resolution
        In Angstrom.
    """

    name: str
    density: NDArray[np.float16]
    atoms: Structure
    resolution: float

    def save(self, folder: Path) -> None:
        """Write the two files; the atoms, which are looked for, come last."""
        np.save(folder / f"{self.name}.npy", self.density)
        arrays = {f.name: getattr(self.atoms, f.name) for f in fields(Structure)}
        unfinished = folder / f"{self.name}.unfinished"
        with unfinished.open("wb") as file:
            np.savez_compressed(file, resolution=np.float64(self.resolution), **arrays)
        unfinished.replace(folder / f"{self.name}.npz")

    @classmethod
    def load(cls, path: Path) -> RealMap:
        """Open a pair by its ``.npz``.

        Raises
        ------
        InputError
            When a file is missing or damaged.
        """
        try:
            with np.load(path) as stored:
                atoms = Structure(**{f.name: stored[f.name] for f in fields(Structure)})
                resolution = float(stored["resolution"])
            density = np.load(path.with_suffix(".npy"), mmap_mode="r")
        except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
            raise InputError(f"{path} is not a prepared map ({error}); delete it and prepare it again") from error
        return cls(path.stem, density, atoms, resolution)


def load_pairs(folder: Path) -> list[RealMap]:
    """Open all prepared pairs of a folder, in the order of their names.

    Raises
    ------
    InputError
        When there is none, or one is damaged.
    """
    pairs = [RealMap.load(path) for path in sorted(folder.glob("*.npz"))]
    if not pairs:
        raise InputError(f"{folder} holds no prepared maps; see docs/training.md")
    return pairs
