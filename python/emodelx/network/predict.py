"""Read a density map with the network, window by window.

Memory is a few volumes, whatever the number of classes: amino-acid probabilities, twenty to a voxel, are kept only
where a Calpha can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.ndimage import uniform_filter
from torch import Tensor, nn
from torch.nn import functional

from emodelx.config import ReadingConfig, RunConfig
from emodelx.constants import AMINO_ACIDS
from emodelx.errors import ResourceError
from emodelx.io.predictions import type_voxels
from emodelx.machine import usable_threads
from emodelx.network.anisotropy import Fall, weakest_direction
from emodelx.network.bends import CEILING
from emodelx.network.device import Device
from emodelx.network.normalise import NormalisationRule, estimate_resolution, normalise
from emodelx.network.nucleic import NucleicNetwork, shows_nucleic
from emodelx.network.orientations import orientations, read_in
from emodelx.network.resample import on_grid, to_working_grid
from emodelx.network.tiling import TilePlan
from emodelx.network.unet import Cascade, Reading, Trunk, read_logits
from emodelx.network.weights import WeightsInfo, load_nucleic, load_weights, read_info
from emodelx.records import DensityMap, Directions, Floats, Ints, Prediction

SMOOTHING = 4
"""Edge in voxels of the cube that density is averaged over before a window counts as empty."""
WINDOWS_AT_ONCE = {"cpu": 1}
"""Windows per batch; more gains nothing on a CPU."""
WINDOWS_AT_ONCE_ON_GPU = 8

DEFAULT_READING = ReadingConfig()
DEFAULT_RUN = RunConfig()

ReadWindows = Callable[[Tensor], Reading]
"""From windows (batch, 1, w, w, w) to probabilities."""


def masked(density: DensityMap, mask: Floats) -> DensityMap:
    """Take the density outside a mask away.

    Parameters
    ----------
    density : DensityMap
    mask : ndarray, dtype=float32, shape of the map
        0 outside, 1 inside, between at a soft edge.

    Returns
    -------
    DensityMap
        The median of the map, which the normalisation takes for no density, stands outside.
    """
    floor = np.median(density.values)
    return replace(density, values=floor + (density.values - floor) * mask)


CAUTION = 0.92
"""An estimated resolution may be wrong: the map is cut at this part of it, since lost signal costs more than noise."""


def read_density(
    density: DensityMap,
    weights: Path,
    device: Device,
    resolution: float | None = None,
    config: ReadingConfig = DEFAULT_READING,
    run: RunConfig = DEFAULT_RUN,
) -> Prediction:
    """Resample a map, normalise it by the rule of the weights and read it.

    Parameters
    ----------
    density : DensityMap
        As read from its file.
    weights : Path
        A weights file.
    device : Device
        Where the network runs.
    resolution : float, optional
        In Angstrom; estimated from the map when None.
    config : ReadingConfig
    run : RunConfig

    Raises
    ------
    InputError
        When the voxel size is not that of a map.
    WeightsError
        When the weights cannot be used.
    ResourceError
        When the device has not enough memory.
    """
    network, info = load_weights(weights)
    prepared = prepare(density, for_all(info.normalisation), resolution, run)
    grid = prepared.density
    read = predict(grid, network, info, device, config, run, load_nucleic(weights))
    kept = None if info.bends is None else np.minimum(grid.values, np.float32(CEILING))
    return replace(read, resolution=prepared.resolution, density=kept, directions=prepared.directions())


def for_all(rule: NormalisationRule) -> NormalisationRule:
    """Return the rule that keeps the values which the other networks see, beyond those of the first."""
    return replace(rule, ceiling=max(rule.ceiling, CEILING))


def with_density(
    prediction: Prediction,
    density: DensityMap,
    weights: Path,
    resolution: float | None = None,
    run: RunConfig = DEFAULT_RUN,
) -> Prediction:
    """Give what another network says of a map the map itself, as the second network looks at it.

    Parameters
    ----------
    prediction : Prediction
        One that holds its density keeps it.
    density : DensityMap
        As read from its file.
    weights : Path
        A weights file; a rule to normalise by, and the second network.
    resolution : float, optional
        In Angstrom; estimated from the map when None.
    run : RunConfig

    Returns
    -------
    Prediction
        With the resolution, and the density on its own grid: interpolated, 0 outside of the map.

    Raises
    ------
    WeightsError
        When the weights cannot be used.
    """
    rule = for_all(read_info(weights).normalisation)
    if prediction.density is not None:
        used = _resolution(to_working_grid(density).values, rule, resolution)
        return replace(prediction, resolution=used)
    prepared = prepare(density, rule, resolution, run)
    values = np.minimum(on_grid(prepared.density, prediction.origin, prediction.ca_prob.shape), np.float32(CEILING))
    return replace(prediction, resolution=prepared.resolution, density=values, directions=prepared.directions())


class PreparedMap(NamedTuple):
    """A map as the network wants it.

    Attributes
    ----------
    density
        On the 1 A grid.
    resolution
        At which it was taken, in Angstrom; None where the rule does not look at it.
    fall
        ``(3, 3)``, square Angstrom: the anisotropic B factor that was taken out.
    """

    density: DensityMap
    resolution: float | None
    fall: Fall

    def directions(self) -> Directions | None:
        """Tell how unevenly the map showed details; None where the rule does not look at them."""
        if self.resolution is None:
            return None
        return Directions(self.resolution, *weakest_direction(self.fall, self.resolution))


def prepare(
    density: DensityMap, rule: NormalisationRule, resolution: float | None = None, run: RunConfig = DEFAULT_RUN
) -> PreparedMap:
    """Resample a map to 1 A and normalise it.

    Parameters
    ----------
    density : DensityMap
        As read from its file.
    rule : NormalisationRule
        Of the weights.
    resolution : float, optional
        In Angstrom; estimated from the map when None.
    run : RunConfig

    Returns
    -------
    PreparedMap

    Raises
    ------
    InputError
        When the voxel size is not that of a map.
    """
    grid = to_working_grid(density)
    with torch_threads(run.threads):
        used = _resolution(grid.values, rule, resolution)
        caution = 1.0 if resolution is not None else CAUTION
        values, fall = normalise(grid.values, rule, used and caution * used)
    return PreparedMap(DensityMap(values, grid.origin, grid.spacing), used, fall)


def _resolution(volume: Floats, rule: NormalisationRule, given: float | None) -> float | None:
    """The resolution at which a rule takes a map; None when it does not look at it."""
    if not rule.needs_resolution:
        return None
    return estimate_resolution(volume) if given is None else given


def predict(
    density: DensityMap,
    network: Trunk | Cascade,
    info: WeightsInfo,
    device: Device,
    config: ReadingConfig = DEFAULT_READING,
    run: RunConfig = DEFAULT_RUN,
    nucleic: NucleicNetwork | None = None,
) -> Prediction:
    """Read a normalised map.

    Parameters
    ----------
    density : DensityMap
        On the 1 A grid, scaled by the rule of the weights; a network sees values up to its own ceiling.
    network : Trunk or Cascade
        It is moved to the device.
    info : WeightsInfo
        What the weights file says about the network.
    device : Device
        Where the network runs.
    config : ReadingConfig
    run : RunConfig
    nucleic : NucleicNetwork, optional
        Takes away what is read in nucleic acids, where the map shows any; it is moved to the device.

    Raises
    ------
    ResourceError
        When the device has not enough memory for a single window.
    """
    apply_network = applied(network, device)
    apply_nucleic = None if nucleic is None else applied(nucleic, device)
    around = orientations(config.orientations)

    def read_once(windows: Tensor) -> Reading:
        return read_logits(apply_network(windows), info.network, info.temperature)

    def read_windows(windows: Tensor) -> Reading:
        reading = read_in(around, read_once, windows.clamp(max=info.normalisation.ceiling))
        if apply_nucleic is None:
            return reading
        return reading._replace(nucleic=apply_nucleic(windows.clamp(max=CEILING)).float().sigmoid())

    plan = TilePlan.cover(density.values.shape, info.window, config.overlap)
    seen = np.minimum(density.values, np.float32(info.normalisation.ceiling))
    smooth = np.asarray(uniform_filter(seen, SMOOTHING), np.float32)
    tiles = plan.with_density(smooth, config.empty)
    with torch.inference_mode(), torch_threads(run.threads), memory_of(device):
        type_floor = min(config.type_floor, info.calpha_threshold)
        stitcher = Stitcher(density.values, plan, device.torch, 0.5 * type_floor)
        batch = config.batch or WINDOWS_AT_ONCE.get(device.torch.type, WINDOWS_AT_ONCE_ON_GPU)
        for done in read_tiles(stitcher, tiles, read_windows, batch):
            if run.progress is not None:
                run.progress(done, len(tiles))
        stitcher.keep_protein(info.calpha_threshold)
        return _to_prediction(stitcher, density, info, type_floor)


def applied(network: nn.Module, device: Device) -> Callable[[Tensor], Any]:
    """Give a network, moved to a device, as a function of windows; in bfloat16 where the hardware has it."""
    network = network.eval().to(device.torch).to(memory_format=torch.channels_last_3d)

    def apply(windows: Tensor) -> Any:  # noqa: ANN401 - what the network gives
        with torch.autocast(device.torch.type, torch.bfloat16, enabled=device.half):
            return network(windows.contiguous(memory_format=torch.channels_last_3d))

    return apply


def _to_prediction(stitcher: Stitcher, density: DensityMap, info: WeightsInfo, type_floor: float) -> Prediction:
    """Keep the types of the voxels that can belong to a candidate, in the order of `AMINO_ACIDS`."""
    ca_prob, bb_prob = stitcher.ca_prob.cpu().numpy(), stitcher.bb_prob.cpu().numpy()
    known, type_prob = stitcher.types(type_voxels(ca_prob, type_floor))
    columns = [info.amino_order.index(letter) for letter in AMINO_ACIDS]
    return Prediction(
        ca_prob,
        bb_prob,
        known,
        np.ascontiguousarray(type_prob[:, columns]),
        density.origin,
        info.calpha_threshold,
        odds=info.odds,
    )


def read_tiles(stitcher: Stitcher, tiles: Ints, read_windows: ReadWindows, batch: int) -> Iterator[int]:
    """Read all windows; give the number that is ready after each batch.

    A batch that does not fit into the memory of the device is tried again with half as many windows.
    """
    done = 0
    while done < len(tiles):
        part = tiles[done : done + batch]
        try:
            reading = read_windows(stitcher.windows(part))
        except torch.cuda.OutOfMemoryError:
            if batch == 1:
                raise
            batch //= 2
            continue
        stitcher.add(part, reading)
        done += len(part)
        yield done


class Stitcher:
    """Cuts windows out of a map, and puts together what was read in them.

    Parameters
    ----------
    volume : ndarray, dtype=float32, shape=(nx, ny, nz)
        The map.
    plan : TilePlan
        Its windows.
    device : torch.device
        Where the volumes lie.
    type_floor : float
        Amino-acid probabilities are kept around voxels whose Calpha probability in the window is above it.
    """

    def __init__(self, volume: Floats, plan: TilePlan, device: torch.device, type_floor: float) -> None:
        self.plan = plan
        self.type_floor = type_floor
        self.volume = torch.from_numpy(volume).to(device)
        self.ca_prob = torch.zeros_like(self.volume)
        self.bb_prob = torch.zeros_like(self.volume)
        self.nucleic: Tensor | None = None
        self._type_parts: list[tuple[Tensor, Tensor]] = []

    def windows(self, tiles: Ints) -> Tensor:
        """Return windows of the map, (batch, 1, w, w, w), zero outside of it."""
        windows = self.volume.new_zeros(len(tiles), 1, *[self.plan.window] * 3)
        for window, tile in zip(windows[:, 0], tiles, strict=True):
            in_map, in_window = self.plan.inside(tile)
            window[in_window] = self.volume[in_map]
        return windows

    def add(self, tiles: Ints, reading: Reading) -> None:
        """Add what was read in windows, each with its share."""
        near_ca = functional.max_pool3d(reading.calpha[:, None], 3, stride=1, padding=1)[:, 0] > self.type_floor
        for index, tile in enumerate(tiles):
            share = torch.from_numpy(self.plan.share(tile)).to(self.volume.device)
            in_map, in_window = self.plan.inside(tile)
            self.ca_prob[in_map] += (reading.calpha[index] * share)[in_window]
            self.bb_prob[in_map] += (reading.backbone[index] * share)[in_window]
            self._add_types(tile, near_ca[index] & (share > 0), reading.amino[index], share)
            if reading.nucleic is not None:
                if self.nucleic is None:
                    self.nucleic = torch.zeros_like(self.volume)
                self.nucleic[in_map] += (reading.nucleic[index] * share)[in_window]

    def keep_protein(self, threshold: float) -> None:
        """Take what is likely a nucleic acid's away from main chain and Calphas, in a map that shows any.

        Parameters
        ----------
        threshold : float
            Calpha probability of a candidate.
        """
        if self.nucleic is None or not shows_nucleic(self.ca_prob, self.nucleic, threshold):
            return
        protein = (1 - self.nucleic).clamp(0, 1)
        self.ca_prob *= protein
        self.bb_prob *= protein

    def _add_types(self, tile: Ints, keep: Tensor, amino: Tensor, share: Tensor) -> None:
        """Note the share-weighted types of some voxels of a window."""
        start = [int(axis.starts[place]) for axis, place in zip(self.plan.axes, tile, strict=True)]
        x, y, z = (keep.nonzero() + torch.tensor(start, device=keep.device)).unbind(1)
        _, ny, nz = self.plan.shape
        self._type_parts.append((((x * ny + y) * nz + z).cpu(), (amino[:, keep] * share[keep]).T.cpu()))

    def types(self, wanted: Ints) -> tuple[Ints, Floats]:
        """Return the types at those of the wanted voxels around which any were noted, and forget what was noted.

        Parameters
        ----------
        wanted : ndarray, dtype=int64
            Flat C-order indices, ascending.

        Returns
        -------
        ndarray, dtype=int64, shape=(m,)
            Flat C-order indices, ascending.
        ndarray, dtype=float32, shape=(m, 20)
            Each row adds up to 1.
        """
        place = torch.full((self.volume.numel(),), -1, dtype=torch.int32)
        place[torch.from_numpy(wanted)] = torch.arange(len(wanted), dtype=torch.int32)
        total = torch.zeros(len(wanted), len(AMINO_ACIDS))
        # In a map of noise these take gigabytes: what was added is given back at once.
        self._type_parts.reverse()
        while self._type_parts:
            voxels, types = self._type_parts.pop()
            row = place[voxels]
            total.index_add_(0, row[row >= 0], types[row >= 0])
        weight = total.sum(dim=1)
        known = weight > 0
        if not known.all():
            wanted, total, weight = wanted[known.numpy()], total[known], weight[known]
        return wanted, total.div_(weight[:, None]).numpy()


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch use this many CPU threads inside the block; 0 takes all that the process may use."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or usable_threads())
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def memory_of(device: Device) -> Iterator[None]:
    """Name a device that is too small."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise ResourceError(
            f"{device} has not enough free memory for this map; close what else runs on it, or run with --device cpu"
        ) from error
