"""A quick look at a map before its build: the network reads the densest part."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.ndimage import uniform_filter

from emodelx.config import BuildConfig
from emodelx.errors import NothingBuildableError
from emodelx.inputs import Inputs
from emodelx.records import DensityMap, HelixTurns, Prediction
from emodelx.stages.candidates import propose_candidates
from emodelx.stages.hand import count_turns

EDGES = (64, 112)
"""Angstrom of the part that is read: one window, and where that tells too little eight, some seconds on a CPU."""
COARSE = 4
"""Every so manieth voxel is enough to find the densest part."""


def preview_turns(inputs: Inputs, config: BuildConfig) -> HelixTurns:
    """Count the turns of helices, by their hand, in the densest part of a map.

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
        return _turns(inputs.prediction, config)
    turns = HelixTurns(0, 0)
    for part in _parts(inputs, config):
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


def _parts(inputs: Inputs, config: BuildConfig) -> Iterator[Prediction]:
    """What the network reads in larger and larger parts of the map."""
    from emodelx.network.predict import for_all, masked, predict, prepare  # torch takes seconds to load
    from emodelx.network.weights import load_nucleic, load_weights

    assert inputs.map is not None
    assert inputs.reader is not None
    density = inputs.map.density if inputs.mask is None else masked(inputs.map.density, inputs.mask)
    network, info = load_weights(inputs.reader.weights)
    nucleic = load_nucleic(inputs.reader.weights)
    grid, _ = prepare(density, for_all(info.normalisation), config.resolution, config.run)
    reading = replace(config.reading, orientations=1)
    for edge in EDGES:
        yield predict(densest_part(grid, edge), network, info, inputs.reader.device, reading, config.run, nucleic)


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
