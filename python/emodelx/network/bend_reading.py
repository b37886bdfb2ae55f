"""The second network at work: candidates of a map, looked at along the bends that they could make."""

from __future__ import annotations

import numpy as np
import torch

from emodelx.config import RunConfig
from emodelx.network.bends import CEILING, BendNetwork, read_bends
from emodelx.network.device import Device
from emodelx.network.predict import memory_of, torch_threads
from emodelx.records import Bends, Candidates, Ints, Prediction, SeenBends


def look_at_bends(
    network: BendNetwork, device: Device, view: tuple[Candidates, Prediction], triples: Ints, run: RunConfig
) -> SeenBends:
    """Look at bends.

    Parameters
    ----------
    network : BendNetwork
        It is moved to the device.
    device : Device
    view : (Candidates, Prediction)
        The prediction with the density that the first network saw.
    triples : ndarray, dtype=int64, shape=(m, 3)
        Candidates before, in the middle and after.
    run : RunConfig

    Returns
    -------
    SeenBends

    Raises
    ------
    ResourceError
        When the device has not enough memory.
    """
    candidates, prediction = view
    assert prediction.density is not None
    seen = np.stack([np.minimum(prediction.density, np.float32(CEILING)), prediction.bb_prob])
    positions = (candidates.positions - prediction.origin).astype(np.float32)
    with torch_threads(run.threads), memory_of(device):
        volume, points, types, bends = (
            torch.from_numpy(a).to(device.torch) for a in (seen, positions, candidates.type_prob, triples)
        )
        read = read_bends(network.to(device.torch), volume, points, types, bends, run.progress)
        types, log_odds, shifts = (values.cpu().numpy() for values in read)
        return SeenBends(candidates, Bends(triples, log_odds), types, shifts)
