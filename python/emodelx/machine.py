"""What the machine offers: memory, threads, processor; everything that the program asks the system for."""

import os
import platform
import shutil
import sys
from pathlib import Path

CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")
"""Processor features that decide how fast the network runs."""

_CONTAINER_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def available_memory() -> int | None:
    """Return the bytes that this process may still take: the machine's or its container's; None when unknown."""
    free = _kernel_value("/proc/meminfo", "MemAvailable:")
    known = [amount for amount in (free, _container_limit()) if amount is not None]
    return min(known, default=None)


def _kernel_value(file: str, name: str) -> int | None:
    """Bytes that a file of the Linux kernel gives under a name; None on other systems."""
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), None)


def _container_limit() -> int | None:
    for place in map(Path, _CONTAINER_LIMITS):
        limit = place.read_text().strip() if place.exists() else ""
        if limit.isdigit():  # not "max"
            return int(limit)
    return None


def peak_memory() -> int | None:
    """Return the largest resident size of this process so far in bytes; None where the system does not tell."""
    peak = _kernel_value("/proc/self/status", "VmHWM:")
    if peak is not None:  # `ru_maxrss` would count what the program that started this one held
        return peak
    try:
        import resource  # Unix only
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def free_disk(folder: Path) -> int:
    """Return the bytes free where `folder` is or will be made."""
    return shutil.disk_usage(nearest_existing(folder)).free


def is_writable(folder: Path) -> bool:
    """Return whether files can be made in `folder`."""
    return os.access(folder, os.W_OK | os.X_OK)


def nearest_existing(path: Path) -> Path:
    """Return `path`, or the closest folder above it that exists."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


def usable_threads() -> int:
    """Return the number of CPUs that this process may use (affinity; what a scheduler grants)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_flags() -> tuple[str, ...]:
    """Return those of `CPU_FLAGS` that the processor has, where the system tells."""
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return ()
    return tuple(flag for flag in CPU_FLAGS if flag in words)


def host() -> str:
    """Return the machine in one line."""
    return f"{platform.node()}, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def gigabytes(amount: float) -> str:
    """Return bytes in words.

    Examples
    --------
    >>> gigabytes(1.25e9)
    '1.2 GB'
    """
    return f"{amount / 1e9:.1f} GB"
