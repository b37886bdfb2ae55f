"""A second look at a map, along the bends that its candidates could make."""

from functools import partial

from emodelx.bends import possible_bends
from emodelx.config import RunConfig
from emodelx.inputs import Reader
from emodelx.records import Bends, Candidates, Prediction, SecondLook
from emodelx.stages.bends import moved, with_bends

FEWEST = 3
"""Candidates that make a bend."""
MOVES = 2
"""Times that candidates move to where their bends show the Calpha before their types are read."""


def look_again(candidates: Candidates, prediction: Prediction, reader: Reader | None, run: RunConfig) -> SecondLook:
    """Read candidates again in the frame of the chain: their places, their types, its direction, and what is noise.

    Parameters
    ----------
    candidates : Candidates
    prediction : Prediction
        With the density that the network saw.
    reader : Reader or None
    run : RunConfig

    Returns
    -------
    SecondLook
        The candidates without those in noise; unchanged, and without bends, where the prediction holds no density or
        the weights have no second network.
    """
    if prediction.density is None or reader is None or len(candidates) < FEWEST:
        return SecondLook(candidates)
    from emodelx.network.bend_reading import look_at_bends  # torch takes seconds to load
    from emodelx.network.weights import load_bends

    network = load_bends(reader.weights)
    if network is None:
        return SecondLook(candidates)
    look = partial(look_at_bends, network, reader.device, run=run)
    for _ in range(MOVES):
        triples = possible_bends(candidates.positions)
        seen = look((candidates, prediction), triples)
        candidates = moved(candidates, Bends(triples, seen.log_odds), seen.shifts)
    triples = possible_bends(candidates.positions)
    seen = look((candidates, prediction), triples)
    return with_bends(candidates, Bends(triples, seen.log_odds), seen.types)
