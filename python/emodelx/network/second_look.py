"""The second network at work: candidates of a map, looked at along the bends that they could make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from emodelx.config import RunConfig
from emodelx.network.bends import CEILING, read_bends
from emodelx.network.predict import torch_threads
from emodelx.network.weights import load_bends
from emodelx.records import Candidates, Floats, Ints, Prediction

if TYPE_CHECKING:
    from emodelx.inputs import Reader


def look_at_bends(
    candidates: Candidates, prediction: Prediction, triples: Ints, reader: Reader, run: RunConfig
) -> tuple[Floats, Floats] | None:
    """Look at bends with the second network of the weights.

    Parameters
    ----------
    candidates : Candidates
    prediction : Prediction
        With the density that the network saw.
    triples : ndarray, dtype=int64, shape=(m, 3)
        Candidates before, in the middle and after.
    reader : Reader
    run : RunConfig

    Returns
    -------
    types : ndarray, dtype=float32, shape=(m, 20)
        Probabilities of the amino acid in the middle, if the chain runs so.
    log_odds : ndarray, dtype=float32, shape=(m,)
        That it does. None instead of both where the weights have no second network.

    Raises
    ------
    WeightsError
        When the weights cannot be used.
    """
    network = load_bends(reader.weights)
    if network is None or prediction.density is None:
        return None
    device = reader.device.torch
    volume = torch.from_numpy(np.stack([np.minimum(prediction.density, np.float32(CEILING)), prediction.bb_prob]))
    positions = torch.from_numpy((candidates.positions - prediction.origin).astype(np.float32))
    with torch_threads(run.threads):
        read = read_bends(
            network.to(device),
            volume.to(device),
            positions.to(device),
            torch.from_numpy(candidates.type_prob).to(device),
            torch.from_numpy(triples).to(device),
            run.progress,
        )
    return read.amino.cpu().numpy(), read.forward.cpu().numpy()
