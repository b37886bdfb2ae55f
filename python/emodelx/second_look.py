"""A second look at a map, along the bends that its candidates could make."""

from __future__ import annotations

from collections.abc import Callable

from emodelx.bends import possible_bends
from emodelx.config import RunConfig
from emodelx.inputs import Reader
from emodelx.records import Candidates, Ints, Prediction, SecondLook, SeenBends
from emodelx.stages.bends import moved, with_bends, without_noise, without_unlikely
from emodelx.stages.missing import are_new, likely_ones, missing_candidates, only_new_move, places_between

FEWEST = 3
"""Candidates that make a bend."""
FILLINGS = 2
"""Times that missing candidates are looked for."""

Look = Callable[[Candidates, Ints], SeenBends]


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
        The candidates without those in noise, at the Calphas that their bends show, and then those that were missing
        between them; without those in no chain where the map is good. Unchanged, and without bends, where the
        prediction holds no density or the weights have no second network.
    """
    if prediction.density is None or reader is None or len(candidates) < FEWEST:
        return SecondLook(candidates)
    from emodelx.network.bend_reading import look_at_bends  # torch takes seconds to load
    from emodelx.network.weights import load_bends

    network = load_bends(reader.weights)
    if network is None:
        return SecondLook(candidates)
    device = reader.device

    def look(some: Candidates, triples: Ints) -> SeenBends:
        return look_at_bends(network, device, (some, prediction), triples, run)

    candidates = moved(look(candidates, possible_bends(candidates.positions)))
    seen = without_noise(look(candidates, possible_bends(candidates.positions)))
    for _ in range(FILLINGS):
        seen = with_missing(seen, prediction, look, run)
    candidates = moved(seen)
    read = with_bends(look(candidates, possible_bends(candidates.positions)))
    return without_unlikely(read, prediction.resolution)


def with_missing(seen: SeenBends, prediction: Prediction, look: Look, run: RunConfig) -> SeenBends:
    """Add candidates that are missing between others; only bends that hold one of them are looked at.

    Parameters
    ----------
    seen : SeenBends
    prediction : Prediction
    look : callable
        Looks at bends of candidates.
    run : RunConfig

    Returns
    -------
    SeenBends
        The new candidates come last.
    """
    count = len(seen.candidates)
    places = places_between(seen, prediction, run)
    found = missing_candidates(look(places.candidates, places.triples), count, prediction, run)
    if len(found) == count:
        return seen
    found = moved(only_new_move(seen.with_more(_look_at_new(found, count, look)), count))
    return likely_ones(seen.with_more(_look_at_new(found, count, look)), count)


def _look_at_new(candidates: Candidates, count: int, look: Look) -> SeenBends:
    """Look at the bends that hold a candidate beyond the first `count`."""
    triples = possible_bends(candidates.positions)
    return look(candidates, triples[are_new(triples, count)])
