"""The device that the network runs on: what was asked for, or a clear refusal."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

import torch

from emodelx.errors import InputError, ResourceError

AMPERE = 8
"""First generation of GPUs (major compute capability) with bfloat16; older ones emulate it."""


@dataclass(frozen=True)
class Device:
    """A device that answered.

    Attributes
    ----------
    torch : torch.device
    description : str
        One line for the user.
    half : bool
        Whether its hardware computes in bfloat16; elsewhere that would be slower than float32, up to a hundred times.
    """

    torch: torch.device
    description: str
    half: bool

    def __str__(self) -> str:
        return self.description


def choose_device(name: str = "auto") -> Device:
    """Find the device that a run asks for.

    Parameters
    ----------
    name : str
        ``auto`` takes a GPU if torch can use one and the CPU otherwise; ``cpu``, ``cuda``, ``cuda:1`` (or just ``1``)
        and ``mps`` take that device or none.

    Raises
    ------
    InputError
        When `name` is none of these.
    ResourceError
        When the device is not there or does not work.
    """
    if name == "auto":
        return _best_device()
    if re.fullmatch(r"\d+", name):
        name = f"cuda:{name}"
    if not re.fullmatch(r"cpu|cuda(:\d+)?|mps", name):
        raise InputError(f"unknown device '{name}'; give auto, cpu, cuda, cuda:N or mps")
    reason = _why_not(name)
    if reason:
        raise ResourceError(
            f"device '{name}' cannot be used: {reason}; "
            "check nvidia-smi and CUDA_VISIBLE_DEVICES, or run with --device cpu"
        )
    return _describe_cpu() if name == "cpu" else _describe_gpu(name)


def _best_device() -> Device:
    """Take the first GPU; without one the CPU, with the reason in its description."""
    name = "mps" if torch.backends.mps.is_available() else "cuda"
    reason = _why_not(name)
    return _describe_cpu(f"; {reason}") if reason else _describe_gpu(name)


def _why_not(name: str) -> str:
    """Compute something on the device, which can be listed and still be locked or too old for this torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reason is returned
        if name == "mps" and not torch.backends.mps.is_available():
            return "torch sees no Apple GPU"
        if name.startswith("cuda") and not torch.cuda.is_available():
            return _gpus_seen()
        try:
            torch.ones(1, device=name).sum().item()
        except (RuntimeError, AssertionError) as error:
            return str(error).partition("\n")[0]
    return ""


def _gpus_seen() -> str:
    if torch.version.cuda is None:
        return "this torch was built without CUDA"
    return f"torch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices"


def computes_half(device: torch.device) -> bool:
    """Whether the hardware computes in bfloat16: CPUs that have instructions for it, and GPUs from Ampere on."""
    if device.type == "cpu":
        return _cpu_has_half()
    return device.type == "cuda" and torch.cuda.get_device_properties(device).major >= AMPERE


def _describe_cpu(remark: str = "") -> Device:
    half = _cpu_has_half()
    return Device(torch.device("cpu"), f"CPU, {'bfloat16' if half else 'float32'}{remark}", half)


def _cpu_has_half() -> bool:
    """Ask torch for the instructions; a torch that cannot tell counts as none."""
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, question, bool)() for question in questions)


def _describe_gpu(name: str) -> Device:
    if name == "mps":
        return Device(torch.device(name), "Apple GPU (mps), float32", False)
    device = torch.device(name if ":" in name else f"{name}:{torch.cuda.current_device()}")
    facts = torch.cuda.get_device_properties(device)
    half = computes_half(device)
    kind = "bfloat16" if half else "float32"
    return Device(device, f"{facts.name} ({device}, {facts.total_memory / 1e9:.0f} GB), {kind}", half)
