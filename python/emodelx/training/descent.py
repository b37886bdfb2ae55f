"""The steps of an optimiser that the trainings of the smaller networks share."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from emodelx.errors import InputError
from emodelx.training.train import AveragedWeights


class Schedule(Protocol):
    """What a training says of its steps."""

    @property
    def weight_decay(self) -> float:
        """Of AdamW."""
        ...

    @property
    def gradient_clip(self) -> float:
        """Largest norm of the gradient."""
        ...

    @property
    def average_decay(self) -> float:
        """Decay per step of the averaged weights."""
        ...

    def learning_rate_at(self, step: int) -> float:
        """Rate of a step, counted from 0."""
        ...


class Descent:
    """AdamW with a schedule, a bound of the gradient, and averaged weights.

    Parameters
    ----------
    network
        In training mode, where it computes.
    schedule
    """

    def __init__(self, network: nn.Module, schedule: Schedule) -> None:
        self.network, self.schedule = network, schedule
        self.averaged = AveragedWeights(network, schedule.average_decay)
        self.optimiser = torch.optim.AdamW(network.parameters(), weight_decay=schedule.weight_decay)
        self.steps = 0

    def step(self, loss: Tensor) -> None:
        """Go down the gradient of a loss.

        Raises
        ------
        InputError
            When the gradient is not a number.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.learning_rate_at(self.steps)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.schedule.gradient_clip)
        self.steps += 1
        if not norm.isfinite():
            raise InputError(f"the gradient of step {self.steps} is not a number; try another --seed")
        self.optimiser.step()
        self.averaged.update(self.network, self.steps)

    def finish(self) -> None:
        """Give the network its averaged weights, ready to predict."""
        self.network.load_state_dict(self.averaged.values)
        self.network.eval()
