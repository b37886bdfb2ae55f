"""Turn a training checkpoint into weights: ``python -m emodelx.training.export CHECKPOINT DATA OUT.safetensors``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from emodelx.errors import EmodelxError
from emodelx.network.normalise import SPECTRUM
from emodelx.network.unet import build_network
from emodelx.network.weights import WeightsInfo, save_weights
from emodelx.training.calibrate import Calibration, calibrate, remove_class_weights
from emodelx.training.data import SimulatedWindows, WindowConfig, batches
from emodelx.training.loss import LossConfig
from emodelx.training.structures import StructurePack
from emodelx.training.train import network_of, read_checkpoint

PATHS = ("data", "out", "pairs", "validation_pairs")
"""Settings that stay on the machine."""
CALIBRATION_SEED = 77
CALIBRATION_WINDOWS = 64


def export(checkpoint: Path, data: Path, out: Path, windows: int = CALIBRATION_WINDOWS) -> WeightsInfo:
    """Write the averaged weights of a checkpoint, calibrated on the ``val`` structures.

    Parameters
    ----------
    checkpoint
        Of a training run.
    data
        Folder with ``val.npz``.
    out
        Weights file to write.
    windows
        How many simulated windows to calibrate on.

    Raises
    ------
    InputError
        When checkpoint or data are missing or damaged.
    """
    state = read_checkpoint(checkpoint)
    shape = network_of(state)
    network = build_network(shape)
    network.load_state_dict(state["averaged"])
    network.eval()
    remove_class_weights(network, LossConfig.from_fields(state["config"]["loss"]))
    drawn = WindowConfig(seed=CALIBRATION_SEED)
    fixed = SimulatedWindows(StructurePack(data / "val.npz"), drawn, windows, torch.device("cpu"))
    found = calibrate(network, shape, batches(fixed, 1, 0, 0))
    info = WeightsInfo(
        network=shape,
        normalisation=SPECTRUM,
        calpha_threshold=found.calpha_threshold,
        temperature=found.temperature,
        training=_record(state, found),
        odds=found.odds,
    )
    save_weights(out, network, info)
    return info


def _record(state: dict[str, Any], found: Calibration) -> dict[str, Any]:
    """What the weights file tells about its training; no paths of the machine that made it."""
    settings = {name: value for name, value in state["config"].items() if name not in PATHS}
    return {"settings": settings, "progress": state["progress"], "validation": asdict(found)}


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    checkpoint, data, out = map(Path, arguments)
    try:
        info = export(checkpoint, data, out)
    except EmodelxError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"wrote {out}: threshold {info.calpha_threshold:.2f}, temperature {info.temperature:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
