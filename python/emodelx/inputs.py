"""Everything that a build reads, read and checked before the heavy work; `emodelx check` prints the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emodelx.config import BuildConfig
from emodelx.errors import InputError, ResourceError
from emodelx.io.maps import MapFile, read_map
from emodelx.io.masks import read_mask
from emodelx.io.predictions import read_prediction
from emodelx.io.sequences import SequenceFile, read_sequences
from emodelx.io.template_matching import NO_TEMPLATES, TemplateSet, match_templates
from emodelx.io.templates import read_templates
from emodelx.machine import available_memory, free_disk, gigabytes, is_writable, nearest_existing
from emodelx.network.resample import check_voxel_size
from emodelx.progress import Progress
from emodelx.records import Directions, Floats, HelixTurns, Prediction
from emodelx.report.result_files import ResultFiles
from emodelx.tools.engines import require_engine

if TYPE_CHECKING:  # torch takes seconds to load, and a build from a prediction does without it
    from emodelx.network.device import Device

BASE_MEMORY = {"map": 0.95e9, "prediction": 0.2e9}
"""Bytes that the program and its libraries take without any data, by what the build starts from; a prediction that is
looked at a second time counts as a map."""
MEMORY_PER_VOXEL = {"map": 68.0, "prediction": 28.0}
"""Largest number of bytes held per voxel of the 1 A grid, likewise."""
FINEST_ESTIMATE = 2.0
"""Angstrom; a 1 A grid shows nothing finer, so that a better resolution is estimated as this."""
DISK_PER_VOXEL = 16.0
"""Bytes of saved records per voxel of the 1 A grid."""


@dataclass(frozen=True)
class Reader:
    """What reads the map: the network's weights and the device that it runs on."""

    weights: Path
    device: Device


@dataclass(frozen=True)
class Inputs:
    """Checked inputs of a build.

    Attributes
    ----------
    sequences : SequenceFile
        Without sequences when chains are traced without.
    map : MapFile or None
        What the build starts from, with `mask` and `reader`; or what the prediction is of.
    mask : ndarray or None, dtype=float32, shape of the map
        0 outside, 1 inside.
    reader : Reader or None
        Also for a second look at a prediction, where the map is known.
    prediction : Prediction or None
        When the build starts from one.
    templates : TemplateSet
    template_files : tuple of Path
        Every file that the templates come from.
    """

    sequences: SequenceFile
    map: MapFile | None = None
    mask: Floats | None = None
    reader: Reader | None = None
    prediction: Prediction | None = None
    templates: TemplateSet = NO_TEMPLATES
    template_files: tuple[Path, ...] = ()

    def warnings(self) -> Iterator[str]:
        """Give what was repaired or assumed, one line each."""
        yield from (f"sequences: {line}" for line in self.sequences.warnings)
        if self.map is not None:
            yield from (f"map: {line}" for line in self.map.warnings)
        yield from self.templates.warnings

    def describe(self) -> Iterator[str]:
        """Give what each input is, one line each."""
        if not self.sequences.sequences:
            yield "sequences: none; chains are traced without"
        for s in self.sequences.sequences:
            copies = f"{s.copies} cop{'y' if s.copies == 1 else 'ies'}" if s.told else "copies to be counted in the map"
            chains = f" ({'chain' if len(s.chains) == 1 else 'chains'} {', '.join(s.chains)})" if s.chains else ""
            yield f"sequence {s.name}: {len(s.residues)} residues, {copies}{chains}"
        yield from self.templates.notes
        if self.map is not None:
            yield _map_line(self.map)
        if self.mask is not None:
            yield f"mask: {np.mean(self.mask > 0.5):.1%} of the box lies inside"
        if self.prediction is not None:
            yield _prediction_line(self.prediction)
        if self.reader is not None:
            yield f"weights: {self.reader.weights}"
            yield f"device: {self.reader.device}"
        yield f"peak memory: about {gigabytes(self.needed_memory())}"

    def grid_voxels(self) -> float:
        """Return the number of voxels of the 1 A grid."""
        if self.prediction is not None:
            return self.prediction.ca_prob.size
        assert self.map is not None
        return float(np.prod(self.map.density.values.shape * self.map.density.spacing))

    def needed_memory(self) -> float:
        """Estimate the peak memory of the build in bytes."""
        start = "prediction" if self.reader is None else "map"
        held = 0 if self.map is None else self.map.density.values.nbytes
        return BASE_MEMORY[start] + MEMORY_PER_VOXEL[start] * self.grid_voxels() + held


def read_inputs(config: BuildConfig) -> Inputs:
    """Read and check all inputs of a build, the quick ones first.

    Raises
    ------
    InputError, ResourceError, WeightsError
        For the first input that is wrong: one line that says which and what to do.
    """
    check_output(config)
    require_engine(config.refine_with)
    sequences = read_sequences(config.fasta, config.copies) if config.fasta else SequenceFile((), (), ())
    prediction = read_prediction(config.prediction) if config.prediction else None
    known = config.map is not None or (prediction is not None and prediction.density is not None)
    reader = _choose_reader(config) if known else None
    found = _read_map(config.map, prediction) if config.map else None
    mask = read_mask(config.mask, found.density) if config.mask and found else None
    inputs = _with_templates(config, Inputs(sequences, found, mask, reader, prediction))
    _check_room(config, inputs)
    return inputs


def _read_map(path: Path, prediction: Prediction | None) -> MapFile:
    """The map, in which the prediction must lie."""
    found = read_map(path)
    check_voxel_size(found.density.spacing)
    if prediction is not None:
        corner = found.density.origin + found.density.spacing * (np.array(found.density.values.shape) - 1)
        middle = prediction.origin + (np.array(prediction.ca_prob.shape) - 1) / 2
        if (middle < found.density.origin).any() or (middle > corner).any():
            where, first, last = (
                ", ".join(f"{x:.0f}" for x in point) for point in (middle, found.density.origin, corner)
            )
            raise InputError(
                f"{path}: the prediction lies around {where}, outside of this map, which goes from {first} to {last}; "
                "give the map that it was made from"
            )
    return found


def _with_templates(config: BuildConfig, inputs: Inputs) -> Inputs:
    if not config.templates.files:
        return inputs
    found = read_templates(config.templates.files)
    matched = match_templates(found.chains, inputs.sequences.sequences, config.templates)
    warned = replace(matched, warnings=(*found.warnings, *matched.warnings))
    return replace(inputs, templates=warned, template_files=found.files)


def _choose_reader(config: BuildConfig) -> Reader:
    from emodelx.network.device import choose_device
    from emodelx.network.weights import find_weights, verify_weights

    weights = find_weights(config.weights)
    verify_weights(weights)
    return Reader(weights, choose_device(config.device))


def check_output(config: BuildConfig) -> None:
    """Check that the output folder can be made and written to, and that no input lies where a result goes.

    Raises
    ------
    InputError
        When it cannot.
    """
    output = config.output
    if not config.name:
        raise InputError(f"{output}: the folder needs a name, it becomes the name of the model")
    results = {path.resolve() for path in ResultFiles(output, config.name).all()}
    for path in (config.fasta, config.map, config.prediction, config.mask):
        if path is not None and path.resolve() in results:
            raise InputError(f"{path}: the build would overwrite this input; give another --output")
    place = nearest_existing(output)
    if not place.is_dir():
        raise InputError(f"{output}: {place} is a file; give a folder for the results")
    if not is_writable(place):
        raise InputError(f"{output}: no permission to write in {place}; give another folder")


def _check_room(config: BuildConfig, inputs: Inputs) -> None:
    """Compare the estimates with what the machine has."""
    memory, needed = available_memory(), inputs.needed_memory()
    if memory is not None and needed > memory:
        raise ResourceError(
            f"the build needs about {gigabytes(needed)} of memory and {gigabytes(memory)} are free; "
            "cut the map out around the complex, or take a machine with more"
        )
    disk, results = free_disk(config.output), DISK_PER_VOXEL * inputs.grid_voxels()
    if results > disk:
        raise ResourceError(
            f"{config.output}: the results need about {gigabytes(results)} and {gigabytes(disk)} are free on the disk"
        )


def _map_line(found: MapFile) -> str:
    header = found.header
    shape = " x ".join(map(str, header.shape))
    voxel = " x ".join(f"{size:.4g}" for size in header.spacing)
    origin = ", ".join(f"{x:.2f}" for x in header.origin)
    axes = "".join("XYZ"[axis - 1] for axis in header.axes)
    return (
        f"map: {shape} voxels of {voxel} A, mode {header.mode}, axes {axes}, placed by {header.placement} at {origin}"
    )


def resolution_line(prediction: Prediction, given: float | None) -> str:
    """Say at which resolution a map was read, and where the number comes from."""
    if prediction.resolution is None:
        return "resolution: not used by these weights"
    if given is not None:
        return f"resolution: {given:.2f} A, as given"
    beyond = " or better" if prediction.resolution <= FINEST_ESTIMATE else ""
    return (
        f"resolution: {prediction.resolution:.2f} A{beyond}, estimated from the map; "
        "give --resolution where you know better"
    )


def mirror_line(turns: HelixTurns) -> str:
    """Say that a map is a mirror image, and what to do."""
    return (
        f"the map is a mirror image: {turns.left} turns of its helices are left-handed and {turns.right} right-handed; "
        "flip it along one axis (in ChimeraX: volume flip #1)"
    )


def directions_line(directions: Directions) -> str:
    """Say along which direction a map shows least."""
    along = ", ".join(f"{x:.2f}" for x in np.round(directions.weakest, 2) + 0.0)
    return (
        f"details of {directions.resolution:.1f} A are {directions.ratio:.1f} times weaker along ({along}) than along "
        "the best direction; this is evened out before the network reads the map"
    )


def tell_reading(read: Prediction, given: float | None, progress: Progress) -> None:
    """Say at which resolution a map was read, and warn where it showed details along some directions only."""
    progress.note(resolution_line(read, given))
    if read.directions is not None and read.directions.uneven():
        progress.warn(f"map: {directions_line(read.directions)}")


def _prediction_line(prediction: Prediction) -> str:
    shape = " x ".join(map(str, prediction.ca_prob.shape))
    read_at = "" if prediction.resolution is None else f", of a map of {prediction.resolution:.2f} A"
    return f"prediction: {shape} voxels of 1 A, Calpha threshold {prediction.threshold:g}{read_at}"
