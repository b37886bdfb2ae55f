"""The second network: what the density around three consecutive Calphas says, seen in their own frame.

The U-Net reads a map in whatever orientation it lies. Around a bend, an ordered triple of candidates, the chain has a
frame: along it, outwards where the side chain goes, and across. A small network that always looks from there tells the
amino acid better, whether the chain runs so, backwards, or not at all, and how far the Calpha is from its candidate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from emodelx.constants import AMINO_ACIDS, CA_DISTANCE
from emodelx.network.device import computes_half

ALONG, OUTWARD, ACROSS = (-5.0, 11), (-3.0, 12), (-5.5, 12)
"""First plane in Angstrom and number of planes, 1 A apart, of the box around a bend, along its three axes."""
CHANNELS = 2
SCALES = (0.8, 2.0)
"""Factors of density and main-chain probability, so that both are about 1 where there is much."""
CEILING = 2.5
"""Density is clipped here: above what the U-Net of the shipped weights sees, since bright side chains tell."""
LEAST_TYPE = 1e-5
AT_ONCE = 1024
"""Bends per batch."""
FORWARD, BACKWARD, WRONG = 0, 1, 2


@dataclass(frozen=True)
class BendConfig:
    """Shape of the network.

    Attributes
    ----------
    width
        Channels of the first convolutions; twice as many of the last.
    hidden
        Width of the layer that joins the convolutions with what the U-Net said.
    placing
        Width of the same for the place of the Calpha.
    """

    width: int = 48
    hidden: int = 256
    placing: int = 192


class BendOutput(NamedTuple):
    """What the network says of bends.

    Logits of amino acids, ``(n, 20)``, and of whether the chain runs forward, backward or not at all, ``(n, 3)``; the
    way from the middle candidate to its Calpha, in Angstrom along the axes of the frame, ``(n, 3)``.
    """

    amino: Tensor
    course: Tensor
    shift: Tensor


class BendNetwork(nn.Module):
    """Three convolutions over the box around a bend, and layers that also see the types of the U-Net."""

    def __init__(self, config: BendConfig) -> None:
        super().__init__()
        width = config.width
        self.config = config
        self.conv1 = nn.Conv3d(CHANNELS, width, 4, stride=2, padding=1)
        self.norm1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, 3, padding=1)
        self.norm2 = nn.BatchNorm3d(width)
        self.conv3 = nn.Conv3d(width, 2 * width, 3, stride=2, padding=1)
        self.norm3 = nn.BatchNorm3d(2 * width)
        types = len(AMINO_ACIDS)
        features = 2 * width * 27 + types + 3
        self.joined = nn.Linear(features, config.hidden)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(config.hidden, types + 3)
        self.trusted = nn.Linear(types, types)
        self.placed = nn.Linear(features, config.placing)
        self.shift = nn.Linear(config.placing, 3)
        nn.init.zeros_(self.head.weight)
        nn.init.eye_(self.trusted.weight)
        nn.init.zeros_(self.shift.weight)
        nn.init.zeros_(self.shift.bias)

    def forward(self, boxes: Tensor, log_types: Tensor, distances: Tensor) -> BendOutput:
        """Read bends.

        Parameters
        ----------
        boxes
            (n, 2, 11, 12, 12), of :func:`cut_boxes`.
        log_types
            (n, 20), logarithms of what the U-Net says of the middle candidate.
        distances
            (n, 3), of the candidates to each other, less 3.8 A.
        """
        x = functional.relu(self.norm1(self.conv1(boxes)))
        x = functional.relu(self.norm2(self.conv2(x)) + x)
        x = functional.relu(self.norm3(self.conv3(x))).flatten(1)
        features = torch.cat([x, log_types, distances], dim=1)
        hidden = self.dropout(functional.relu(self.joined(features)))
        amino, course = self.head(hidden).split([len(AMINO_ACIDS), 3], dim=1)
        shift = self.shift(functional.relu(self.placed(features)))
        return BendOutput(amino + self.trusted(log_types), course, shift)


def frames(bends: Tensor) -> Tensor:
    """Axes of bends, ``(n, 3, 3)``: along the chain, outwards from the middle candidate, across; right-handed.

    Parameters
    ----------
    bends
        Positions of three candidates each, ``(n, 3, 3)``.
    """
    before, middle, after = bends.unbind(1)
    along = functional.normalize(after - before, dim=1)
    outward = middle - (before + after) / 2
    outward = functional.normalize(outward - (outward * along).sum(1, keepdim=True) * along, dim=1)
    return torch.stack([along, outward, torch.linalg.cross(along, outward)], dim=1)


def box_points() -> Tensor:
    """Points of a box in the frame of its bend, ``(11 * 12 * 12, 3)``."""
    planes = [[first + step for step in range(count)] for first, count in (ALONG, OUTWARD, ACROSS)]
    return torch.tensor(list(product(*planes)))


def cut_boxes(volume: Tensor, bends: Tensor) -> Tensor:
    """Density and main chain around bends, each in its own frame.

    Parameters
    ----------
    volume
        (2, nx, ny, nz): density, scaled and clipped at `CEILING`, and main-chain probability.
    bends
        In voxels, (n, 3, 3).

    Returns
    -------
    Tensor
        (n, 2, 11, 12, 12); 0 outside of the map.
    """
    points = bends[:, 1, None] + box_points().to(bends) @ frames(bends)
    size = torch.tensor(volume.shape[1:]).to(points)
    inside = (2 * points / (size - 1) - 1).flip(-1)  # grid_sample takes z, y, x from -1 to 1
    scaled = volume * torch.tensor(SCALES).to(volume)[:, None, None, None]
    read = functional.grid_sample(scaled[None], inside[None, :, :, None].to(volume), align_corners=True)
    return read[0, ..., 0].transpose(0, 1).reshape(-1, CHANNELS, ALONG[1], OUTWARD[1], ACROSS[1])


def log_types(probabilities: Tensor) -> Tensor:
    """Logarithms of types, bounded."""
    return probabilities.clamp(min=LEAST_TYPE).log()


def bend_distances(bends: Tensor) -> Tensor:
    """Distances before - middle, middle - after and before - after, less 3.8 A; ``(n, 3)``."""
    before, middle, after = bends.unbind(1)
    ends = [(middle - before), (after - middle), (after - before)]
    return torch.stack([end.norm(dim=1) for end in ends], dim=1) - CA_DISTANCE


class BendReading(NamedTuple):
    """What bends show.

    Probabilities of amino acids where the chain runs forward, ``(n, 20)``, log-odds that it does, ``(n,)``, and the way
    from the middle candidate to its Calpha, in voxels along the axes of the map, ``(n, 3)``.
    """

    amino: Tensor
    forward: Tensor
    shift: Tensor


def read_bends(
    network: BendNetwork,
    volume: Tensor,
    positions: Tensor,
    types: Tensor,
    triples: Tensor,
    told: Callable[[int, int], None] | None = None,
) -> BendReading:
    """Look at bends.

    Parameters
    ----------
    network
    volume
        (2, nx, ny, nz), as for :func:`cut_boxes`.
    positions
        Of the candidates in voxels, (n, 3).
    types
        Probabilities of their types by the U-Net, (n, 20).
    triples
        Candidates before, in the middle and after, int64 (m, 3).
    told
        Called with the number of bends that are done, and of all.
    """
    network.eval()
    parts = [BendReading(types.new_zeros(0, types.shape[1]), types.new_zeros(0), positions.new_zeros(0, 3))]
    with torch.inference_mode():
        for first in range(0, len(triples), AT_ONCE):
            some = triples[first : first + AT_ONCE]
            bends = positions[some]
            seen = cut_boxes(volume, bends), log_types(types[some[:, 1]]), bend_distances(bends)
            with torch.autocast(volume.device.type, torch.bfloat16, enabled=computes_half(volume.device)):
                said = network(*seen)
            parts.append(_as_reading(said, frames(bends)))
            if told is not None:
                told(min(first + AT_ONCE, len(triples)), len(triples))
    return BendReading(*map(torch.cat, zip(*parts, strict=True)))


def _as_reading(said: BendOutput, axes: Tensor) -> BendReading:
    """Logits as probabilities and log-odds, and shifts along the axes of the map."""
    course = said.course.float().log_softmax(dim=1)
    forward = course[:, FORWARD] - course[:, [BACKWARD, WRONG]].logsumexp(dim=1)
    shift = (said.shift.float()[:, None] @ axes)[:, 0]
    return BendReading(said.amino.float().softmax(dim=1), forward, shift)
