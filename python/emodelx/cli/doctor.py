"""`emodelx doctor`."""

from collections.abc import Iterator
from pathlib import Path

import emodelx

LIBRARIES = ("torch", "numpy", "scipy", "gemmi", "safetensors", "typer", "rich")


def doctor() -> None:
    """Print what a report of a problem needs: versions, devices, processor, memory, weights."""
    for section in (_program(), _machine(), _devices(), _weights()):
        for name, value in section:
            print(f"{name:<12} {value}")


def _program() -> Iterator[tuple[str, str]]:
    from importlib.metadata import version

    yield "emodelx", f"{emodelx.__version__} in {Path(emodelx.__file__).parent}"
    for library in LIBRARIES:
        yield library, version(library)


def _machine() -> Iterator[tuple[str, str]]:
    from emodelx import machine

    memory = machine.available_memory()
    yield "host", machine.host()
    yield "threads", str(machine.usable_threads())
    yield "cpu", ", ".join(machine.cpu_flags()) or "no known features"
    yield "memory", "unknown" if memory is None else f"{machine.gigabytes(memory)} free"
    here = Path.cwd()
    writable = "writable" if machine.is_writable(here) else "NOT writable"
    yield "folder", f"{here}, {writable}, {machine.gigabytes(machine.free_disk(here))} free"


def _devices() -> Iterator[tuple[str, str]]:
    import torch

    yield (
        "cuda",
        f"torch was built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch was built without CUDA",
    )
    driver = Path("/proc/driver/nvidia/version")
    yield "driver", driver.read_text().splitlines()[0] if driver.exists() else "no NVIDIA driver found"
    for index in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(index).total_memory
        yield f"cuda:{index}", f"{torch.cuda.get_device_name(index)}, {memory / 1e9:.0f} GB"
    if torch.backends.mps.is_available():
        yield "mps", "available"


def _weights() -> Iterator[tuple[str, str]]:
    from emodelx.errors import WeightsError
    from emodelx.io.store import file_digest
    from emodelx.network.weights import find_weights, verify_weights

    try:
        path = find_weights()
        verify_weights(path)
        yield "weights", f"{path}, sha256 {file_digest(path)}"
    except WeightsError as error:
        yield "weights", f"NOT usable: {error}"
