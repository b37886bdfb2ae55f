"""The processes that train one network together, as ``torchrun`` starts them; without it there is one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

LONGEST_WAIT = timedelta(hours=12)
"""One process may read hours of maps while the others wait."""


@dataclass(frozen=True)
class Ranks:
    """One process among all.

    Attributes
    ----------
    rank, count
        Its number, and how many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that validates, writes and reports."""
        return self.rank == 0

    def together(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return the network whose gradients are the means over all processes."""
        if self.count == 1:
            return network
        return DistributedDataParallel(network, [device] if device.type == "cuda" else None)

    def mean(self, value: Tensor) -> Tensor:
        """Mean of a tensor over all processes; it carries no gradient."""
        if self.count == 1:
            return value
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total / self.count

    def of_first(self, value: float, device: torch.device) -> float:
        """Return the number that the first process has."""
        if self.count == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=device)
        distributed.broadcast(shared, 0)
        return shared.item()

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.count > 1:
            distributed.barrier()


ALONE = Ranks()


@contextmanager
def join_ranks(device: torch.device) -> Iterator[Ranks]:
    """Join the other processes of ``torchrun``; NCCL carries the gradients between GPUs, gloo between CPUs."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=LONGEST_WAIT)
    try:
        yield Ranks(distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()


def own_device(name: str) -> str:
    """Give every process on a machine a GPU of its own, where no single one is asked for by its number."""
    local = os.environ.get("LOCAL_RANK")
    if local is None or name not in ("auto", "cuda") or not torch.cuda.is_available():
        return name
    return f"cuda:{local}"
