"""Train a tiny network in as many processes as there are; what `torchrun` starts in `test_ranks.py`."""

import sys
from pathlib import Path

import torch

from emodelx.network.unet import NetworkConfig
from emodelx.training import train as training
from emodelx.training.data import WindowConfig
from emodelx.training.ranks import join_ranks

# GroupNorm: BatchNorm sees the windows of its own process alone, so that several differ from one
SMALL = NetworkConfig("published", (4, 8), (1, 1), (1,), fold=1)


def main(data, out, batch):
    torch.set_num_threads(1)
    training.computes_half = lambda _: False  # the rounding of bfloat16 hides whether the sums are the same
    config = training.TrainingConfig(
        Path(data), Path(out), steps=3, batch=int(batch), learning_rate=0.01, warmup_steps=1, validation_windows=4,
        log_steps=1, windows=WindowConfig(size=16), network=SMALL,
    )  # fmt: skip
    with join_ranks(torch.device("cpu")) as ranks:
        training.train(config, torch.device("cpu"), None, False, lambda _: None, ranks)


if __name__ == "__main__":
    main(*sys.argv[1:])
