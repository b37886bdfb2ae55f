"""The networks that read a density window: one U-Net body and the two ways to serve three tasks with it.

A window is ``(batch, 1, X, Y, Z)`` float32 on the 1 A grid, axes ``x, y, z``, scaled by the rule
of the weights (:mod:`emodelx.network.normalise`).
Everything that shapes a network stands in :class:`NetworkConfig`, which travels inside the weights file.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from emodelx.constants import AMINO_ACIDS

PUBLISHED_GROUPS = 8


class Logits(NamedTuple):
    """Raw outputs, each ``(batch, classes, X, Y, Z)``."""

    backbone: Tensor
    calpha: Tensor
    amino: Tensor


class Reading(NamedTuple):
    """Probabilities of main chain and Calpha, ``(batch, X, Y, Z)``, and of amino acids, ``(batch, 20, X, Y, Z)``.

    That atoms are those of a nucleic acid is said by another network, ``(batch, X, Y, Z)``; None where there is none.
    """

    backbone: Tensor
    calpha: Tensor
    amino: Tensor
    nucleic: Tensor | None = None


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of a network.

    Attributes
    ----------
    layout
        ``compact``: BatchNorm blocks with strided convolutions between levels, made to be fast on a CPU.
        ``published``: the layout of the method's paper (GroupNorm blocks, max pooling, eq. 5-9).
    widths
        Channels per level, finest first; the number of levels is its length.
    encoder_blocks, decoder_blocks
        Residual blocks per level, finest first; the coarsest level has no decoder.
    fold
        Edge of the voxel cube that is folded into channels before the first convolution (1: none).
    cascade
        The Calpha and amino-acid branches are U-Nets of their own that also see softmax(backbone), eq. 2-4;
        otherwise the three tasks share one trunk.
    masked_class
        The heads carry the paper's extra class for masked voxels (4, 4, 21 classes instead of 3, 3, 20), which is
        dropped when the map is read.
    """

    layout: Literal["compact", "published"] = "compact"
    widths: tuple[int, ...] = (48, 96, 160)
    encoder_blocks: tuple[int, ...] = (1, 1, 2)
    decoder_blocks: tuple[int, ...] = (2, 1)
    fold: int = 2
    cascade: bool = False
    masked_class: bool = False

    def __post_init__(self) -> None:
        levels = len(self.widths)
        if len(self.encoder_blocks) != levels or len(self.decoder_blocks) != levels - 1:
            raise ValueError(f"{levels} widths need {levels} encoder and {levels - 1} decoder block counts")

    @property
    def classes(self) -> tuple[int, int, int]:
        """Number of classes of the backbone, Calpha and amino-acid head."""
        extra = int(self.masked_class)
        return 3 + extra, 3 + extra, len(AMINO_ACIDS) + extra

    @property
    def window_multiple(self) -> int:
        """Window edges must be multiples of this."""
        return self.fold * 2 ** (len(self.widths) - 1)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> NetworkConfig:
        """Rebuild a configuration from its fields as JSON gives them back."""
        typed: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
        return cls(**typed)

    @classmethod
    def published(cls, widths: tuple[int, ...] = (32, 64, 128, 256, 512)) -> NetworkConfig:
        """Shape of the published network."""
        levels = len(widths)
        return cls("published", widths, (1,) * levels, (1,) * (levels - 1), fold=1, cascade=True, masked_class=True)


class CompactBlock(nn.Module):
    """Two 3x3x3 convolutions with BatchNorm around a residual sum."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(width_in, width, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm3d(width)
        self.conv2 = nn.Conv3d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm3d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        hidden = functional.relu(self.norm1(self.conv1(x)), inplace=True)
        return functional.relu(self.norm2(self.conv2(hidden)) + x, inplace=True)


class PublishedUnit(nn.Sequential):
    """GroupNorm, then a 3x3x3 convolution without bias."""

    def __init__(self, width_in: int, width: int) -> None:
        groups = PUBLISHED_GROUPS if width_in >= PUBLISHED_GROUPS else 1
        super().__init__(nn.GroupNorm(groups, width_in), nn.Conv3d(width_in, width, 3, padding=1, bias=False))


class PublishedBlock(nn.Module):
    """Three units: the first changes the width, a residual sum spans the other two (eq. 9)."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.unit1 = PublishedUnit(width_in, width)
        self.unit2 = PublishedUnit(width, width)
        self.unit3 = PublishedUnit(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Change the width, keep the rest of the shape."""
        entry = functional.relu(self.unit1(x))
        return functional.relu(self.unit3(functional.relu(self.unit2(entry))) + entry)


class PublishedUpsample(nn.ConvTranspose3d):
    """Transposed 3x3x3 convolution of stride 2 that exactly doubles every edge."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__(width_in, width, 3, stride=2, padding=1, output_padding=1)


def fold_voxels(x: Tensor, edge: int) -> Tensor:
    """Move cubes of ``edge**3`` voxels into channels: ``(B, C, X, Y, Z) -> (B, C*edge**3, X/edge, Y/edge, Z/edge)``."""
    batch, channels, *size = x.shape
    nx, ny, nz = (n // edge for n in size)
    cubes = x.reshape(batch, channels, nx, edge, ny, edge, nz, edge).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return cubes.reshape(batch, channels * edge**3, nx, ny, nz)


def unfold_voxels(x: Tensor, edge: int) -> Tensor:
    """Undo :func:`fold_voxels`."""
    batch, channels, nx, ny, nz = x.shape
    cubes = x.reshape(batch, channels // edge**3, edge, edge, edge, nx, ny, nz).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return cubes.reshape(batch, channels // edge**3, nx * edge, ny * edge, nz * edge)


class UNet(nn.Module):
    """Encoder, decoder and sum joins (eq. 5-8) from ``channels_in`` volumes to ``channels_out`` logit volumes."""

    def __init__(self, config: NetworkConfig, channels_in: int, channels_out: int) -> None:
        super().__init__()
        build = _build_compact if config.layout == "compact" else _build_published
        self.fold = config.fold
        cube = config.fold**3
        self.stem, self.encoders, self.downs = build(config, channels_in * cube)
        self.ups, self.decoders = _build_decoder(config)
        self.head = nn.Conv3d(config.widths[0], channels_out * cube, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels_in, X, Y, Z)`` to ``(B, channels_out, X, Y, Z)``."""
        x = self.encoders[0](self.stem(fold_voxels(x, self.fold)))
        joins = [x]
        for down, encoder in zip(self.downs, self.encoders[1:], strict=True):
            joins.append(encoder(down(joins[-1])))
        x = joins.pop()
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(up(x) + joins.pop())
        return unfold_voxels(self.head(x), self.fold)


def _build_compact(config: NetworkConfig, channels_in: int) -> tuple[nn.Module, nn.ModuleList, nn.ModuleList]:
    """Stem, encoders and strided convolutions; only the stem and the strides change the width."""
    widths = config.widths
    stem = nn.Conv3d(channels_in, widths[0], 3, padding=1)
    encoders = (_compact_blocks(w, n) for w, n in zip(widths, config.encoder_blocks, strict=True))
    downs = (nn.Conv3d(a, b, 2, stride=2) for a, b in pairwise(widths))
    return stem, nn.ModuleList(encoders), nn.ModuleList(downs)


def _build_published(config: NetworkConfig, channels_in: int) -> tuple[nn.Module, nn.ModuleList, nn.ModuleList]:
    """Encoders and max pooling; the first unit of every block changes the width."""
    widths = (channels_in, *config.widths)
    encoders = (PublishedBlock(a, b) for a, b in pairwise(widths))
    downs = (nn.MaxPool3d(2) for _ in config.widths[1:])
    return nn.Identity(), nn.ModuleList(encoders), nn.ModuleList(downs)


def _build_decoder(config: NetworkConfig) -> tuple[nn.ModuleList, nn.ModuleList]:
    """Upsampling steps and decoders, coarsest first."""
    steps = list(zip(config.widths[1:], config.widths, config.decoder_blocks, strict=False))[::-1]
    if config.layout == "compact":
        ups = nn.ModuleList(nn.ConvTranspose3d(a, b, 2, stride=2) for a, b, _ in steps)
        return ups, nn.ModuleList(_compact_blocks(b, n) for _, b, n in steps)
    ups = nn.ModuleList(PublishedUpsample(a, b) for a, b, _ in steps)
    return ups, nn.ModuleList(PublishedBlock(b, b) for _, b, _ in steps)


def _compact_blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(CompactBlock(width, width) for _ in range(count)))


class Trunk(nn.Module):
    """One U-Net for the three tasks."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = UNet(config, 1, sum(config.classes))

    def forward(self, x: Tensor) -> Logits:
        """Read windows ``(B, 1, X, Y, Z)``."""
        return Logits(*self.unet(x).split(self.config.classes, dim=1))


class Cascade(nn.Module):
    """A U-Net per task; the Calpha and amino-acid ones also see softmax(backbone) (eq. 2-4).

    Each of these two has a backbone U-Net of its own, because the published weights are three files trained apart, each
    with its own backbone branch.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        backbone, calpha, amino = config.classes
        self.backbone = UNet(config, 1, backbone)
        self.calpha_context = UNet(config, 1, backbone)
        self.calpha = UNet(config, 1 + backbone, calpha)
        self.amino_context = UNet(config, 1, backbone)
        self.amino = UNet(config, 1 + backbone, amino)

    def forward(self, x: Tensor) -> Logits:
        """Read windows ``(B, 1, X, Y, Z)``."""
        return Logits(
            self.backbone(x),
            self.calpha(_with_context(x, self.calpha_context(x))),
            self.amino(_with_context(x, self.amino_context(x))),
        )


def _with_context(x: Tensor, backbone: Tensor) -> Tensor:
    return torch.cat([x, backbone.softmax(dim=1)], dim=1)


def build_network(config: NetworkConfig) -> Trunk | Cascade:
    """Return the untrained network that `config` describes; ``forward(x)`` gives :class:`Logits`."""
    return Cascade(config) if config.cascade else Trunk(config)


def read_logits(logits: Logits, config: NetworkConfig, temperature: float = 1.0) -> Reading:
    """Turn logits into probabilities.

    Parameters
    ----------
    logits
        Output of the network.
    config
        Its shape; says whether a masked class has to be dropped first.
    temperature
        Divides the amino-acid logits (calibration; 1 leaves them as trained).

    Returns
    -------
    Reading
        float32, whatever the precision of the logits.
    """
    backbone, calpha, amino = (volume.float() for volume in logits)
    if config.masked_class:
        backbone, calpha, amino = _without_class(backbone, 1), _without_class(calpha, 1), _without_class(amino, 0)
    return Reading(backbone.softmax(dim=1)[:, -1], calpha.softmax(dim=1)[:, -1], (amino / temperature).softmax(dim=1))


def _without_class(logits: Tensor, index: int) -> Tensor:
    return torch.cat([logits[:, :index], logits[:, index + 1 :]], dim=1)
