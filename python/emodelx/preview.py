"""A quick look at a map before its build: the network reads the densest part."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import uniform_filter

from emodelx.config import BuildConfig
from emodelx.errors import NothingBuildableError
from emodelx.inputs import Inputs, Reader
from emodelx.records import DensityMap, Directions, HelixTurns, Prediction
from emodelx.stages.candidates import propose_candidates
from emodelx.stages.hand import count_turns

EDGES = (64, 112)
"""Angstrom of the part that is read: one window, and where that tells too little eight, some seconds on a CPU."""
COARSE = 4
"""Every so manieth voxel is enough to find the densest part."""


@dataclass(frozen=True)
class Preview:
    """What a quick look tells.

    Attributes
    ----------
    turns : HelixTurns
        Of the densest part.
    directions : Directions or None
        Of the whole map; None where only a prediction is there, or the weights take no account of it.
    """

    turns: HelixTurns
    directions: Directions | None


def preview(inputs: Inputs, config: BuildConfig) -> Preview:
    """Look at a map: at the hand of its helices, and at how it shows details along directions.

    Parameters
    ----------
    inputs : Inputs
        With a map, or a prediction, which is taken whole.
    config : BuildConfig

    Raises
    ------
    NothingBuildableError
        When nothing in the map stands out of noise.
    """
    if inputs.prediction is not None:
        return Preview(_turns(inputs.prediction, config), None)
    assert inputs.map is not None
    assert inputs.reader is not None
    from emodelx.network.predict import for_all, masked, prepare  # torch takes seconds to load
    from emodelx.network.weights import read_info

    density = inputs.map.density if inputs.mask is None else masked(inputs.map.density, inputs.mask)
    rule = for_all(read_info(inputs.reader.weights).normalisation)
    prepared = prepare(density, rule, config.resolution, config.run)
    return Preview(_turns_of_map(prepared.density, inputs.reader, config), prepared.directions())


def _turns_of_map(grid: DensityMap, reader: Reader, config: BuildConfig) -> HelixTurns:
    turns = HelixTurns(0, 0)
    for part in _parts(grid, reader, config):
        turns = _turns(part, config)
        if turns.says_right() or turns.says_mirrored():
            break
    return turns


def _turns(prediction: Prediction, config: BuildConfig) -> HelixTurns:
    try:
        return count_turns(propose_candidates(prediction, config.candidates, config.run))
    except NothingBuildableError:
        # The densest part of a map may be nucleic acid: only where nothing was read at all is there nothing to build.
        if not prediction.ca_prob.any():
            raise
        return HelixTurns(0, 0)


def _parts(grid: DensityMap, reader: Reader, config: BuildConfig) -> Iterator[Prediction]:
    """What the network reads in larger and larger parts of a normalised map."""
    from emodelx.network.predict import predict  # torch takes seconds to load
    from emodelx.network.weights import load_nucleic, load_weights

    network, info = load_weights(reader.weights)
    nucleic = load_nucleic(reader.weights)
    reading = replace(config.reading, orientations=1)
    for edge in EDGES:
        yield predict(densest_part(grid, edge), network, info, reader.device, reading, config.run, nucleic)


def densest_part(density: DensityMap, edge: int) -> DensityMap:
    """Cut out the cube of `edge` voxels with most density; a smaller map is taken whole.

    Parameters
    ----------
    density : DensityMap
        Values from 0, no density, upwards.
    edge : int
    """
    coarse = density.values[::COARSE, ::COARSE, ::COARSE]
    means = uniform_filter(coarse, -(-edge // COARSE), mode="constant")
    middle = COARSE * np.array(np.unravel_index(means.argmax(), means.shape))
    start = np.clip(middle - edge // 2, 0, np.maximum(np.array(density.values.shape) - edge, 0))
    part = density.values[tuple(slice(s, s + edge) for s in start)]
    return replace(density, values=np.ascontiguousarray(part), origin=density.origin + start * density.spacing)
