"""The 24 ways to lay a map on its grid without changing its hand, and reading a window in several of them.

A network sees a turned window anew: what it reads by chance differs, what is there stays. The mean of a few readings is
worth more than one. A network that folds pairs of voxels sees a window anew also when it is moved by one voxel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations, product

import torch
from torch import Tensor

from emodelx.network.unet import Reading

ALL = 24
FIRST = (0, 14, 21, 15)
"""Of the list of all, the first four; `docs/accuracy.md` tells how they were chosen, and how little it matters."""
SPACE = (-3, -2, -1)


@dataclass(frozen=True)
class Orientation:
    """A rotation of the grid onto itself, and a step along its diagonal, of the last three axes of a volume.

    Attributes
    ----------
    axes
        Which axis becomes the first, the second and the third.
    reversed_axes
        Axes, after that, that run backwards.
    step
        Voxels, after that, by which everything moves up all axes; what leaves at the end comes in at the beginning,
        where a window says least.
    """

    axes: tuple[int, ...]
    reversed_axes: tuple[int, ...]
    step: int = 0

    def turn(self, volume: Tensor) -> Tensor:
        """Lay the volume in this orientation."""
        first = volume.dim() - 3
        turned = volume.permute(*range(first), *(first + axis for axis in self.axes))
        return turned.flip([first + axis for axis in self.reversed_axes]).roll([self.step] * 3, SPACE)

    def turn_points(self, points: Tensor, size: int) -> Tensor:
        """Return where points of a cube of `size` voxels are after :meth:`turn`, ``(n, 3)``; without a step."""
        turned = points[:, list(self.axes)]
        reversed_axes = torch.tensor([axis in self.reversed_axes for axis in range(3)])
        return torch.where(reversed_axes, size - 1 - turned, turned)

    def turn_back(self, volume: Tensor) -> Tensor:
        """Undo :meth:`turn`."""
        first = volume.dim() - 3
        turned = volume.roll([-self.step] * 3, SPACE).flip([first + axis for axis in self.reversed_axes])
        return turned.permute(*range(first), *(first + self.axes.index(axis) for axis in range(3)))


def orientations(count: int) -> list[Orientation]:
    """Return `count` of the 24 orientations, every other pair one step along; the first is the map as it lies.

    Parameters
    ----------
    count
        1 to 24.
    """
    rotations = [
        (axes, tuple(axis for axis in range(3) if signs[axis] < 0))
        for axes in permutations(range(3))
        for signs in product((1, -1), repeat=3)
        if _parity(axes) * signs[0] * signs[1] * signs[2] > 0
    ]
    order = [*FIRST, *(i for i in range(ALL) if i not in FIRST)]
    return [Orientation(*rotations[order[place]], step=place // 2 % 2) for place in range(count)]


def _parity(axes: Sequence[int]) -> int:
    """1 for an even permutation of three axes, -1 for an odd one."""
    return 1 if tuple(axes) in {(0, 1, 2), (1, 2, 0), (2, 0, 1)} else -1


def read_in(around: Sequence[Orientation], read: Callable[[Tensor], Reading], windows: Tensor) -> Reading:
    """Read windows in several orientations.

    Parameters
    ----------
    around
        At least one.
    read
        From windows to probabilities.
    windows
        (batch, 1, w, w, w).

    Returns
    -------
    Reading
        The mean of the probabilities, in the orientation of the windows.
    """
    total: list[Tensor] = []
    for orientation in around:
        found = [orientation.turn_back(part) for part in read(orientation.turn(windows)) if part is not None]
        total = [torch.add(sum_, part) for sum_, part in zip(total, found, strict=True)] if total else found
    return Reading(*(part / len(around) for part in total))
