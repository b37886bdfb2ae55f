"""Measure the network: a window, whole maps and memory, beside the published layout, for `docs/performance.md`.

Usage: python benches/network.py [--device auto] [--maps 200] [--threads 0] [--repeats 5]

Windows of 64 A of noise; the published layout carries random weights, which take as long as trained ones. Whole maps
are full of peaks inside a ball that fills 30 % of the box (most boxes are emptier, and pure noise is not read at all);
the time of the published layout is that of its windows as its authors read a map: stride 48, none skipped. With one
thread on a CPU the times are CPU seconds, which other programs on the machine disturb less.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from emodelx.config import ReadingConfig, RunConfig
from emodelx.machine import peak_memory
from emodelx.network.device import Device, choose_device
from emodelx.network.normalise import normalise
from emodelx.network.predict import WINDOWS_AT_ONCE, WINDOWS_AT_ONCE_ON_GPU, predict, torch_threads
from emodelx.network.tiling import TilePlan
from emodelx.network.unet import NetworkConfig, build_network
from emodelx.network.weights import find_weights, load_weights
from emodelx.records import DensityMap

WINDOW = 64
PUBLISHED_STRIDE = 48
FILLED = 0.3


def clock_of(device: Device, threads: int) -> Callable[[], float]:
    """CPU time of a single thread, wall time otherwise."""
    return time.process_time if device.torch.type == "cpu" and threads == 1 else time.perf_counter


def seconds_per_window(network: torch.nn.Module, device: Device, clock: Callable[[], float], repeats: int) -> float:
    """Least time of a window, in batches as predictions use them."""
    batch = WINDOWS_AT_ONCE.get(device.torch.type, WINDOWS_AT_ONCE_ON_GPU)
    network = network.eval().to(device.torch).to(memory_format=torch.channels_last_3d)
    windows = torch.rand(batch, 1, *[WINDOW] * 3, device=device.torch).to(memory_format=torch.channels_last_3d)
    times = []
    with torch.inference_mode(), torch.autocast(device.torch.type, torch.bfloat16, enabled=device.half):
        for _ in range(repeats + 1):
            started = clock()
            network(windows).amino.sum().item()  # the sum waits for the device
            times.append((clock() - started) / batch)
    return min(times[1:])


def ball_of_peaks(edge: int) -> np.ndarray:
    """The fourth power of noise inside a ball of `FILLED` of a box: like atoms, it only adds."""
    axis = np.arange(edge, dtype=np.float32) - (edge - 1) / 2
    square = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
    radius = edge * (FILLED * 3 / (4 * np.pi)) ** (1 / 3)
    noise = np.random.default_rng(1).standard_normal((edge,) * 3, dtype=np.float32)
    return np.where(square < radius**2, noise**4, 0).astype(np.float32)


def read_map(edge: int, device: Device, run: RunConfig) -> str:
    """Normalise and read one map; cells of the table."""
    network, info = load_weights(find_weights())
    volume, counted = ball_of_peaks(edge), []
    clock = clock_of(device, run.threads)
    started = clock()
    with torch_threads(run.threads):
        values = normalise(volume, info.normalisation, 3.0).values
    normalised = clock()
    told = RunConfig(run.threads, progress=lambda *tiles: counted.append(tiles[1]))
    predict(DensityMap(values, np.zeros(3), np.ones(3)), network, info, device, ReadingConfig(), told)
    ended = clock()
    plan = TilePlan.cover(volume.shape, info.window, ReadingConfig().overlap)
    planned = np.prod([len(axis.starts) for axis in plan.axes])
    memory = (peak_memory() or 0) / 1e9
    return f"{counted[-1]} of {planned} | {normalised - started:.1f} | {ended - normalised:.1f} | {memory:.2f}"


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--maps", type=int, nargs="*", default=[200])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    device, run = choose_device(options.device), RunConfig(options.threads)
    maps = {edge: read_map(edge, device, run) for edge in options.maps}  # first: their peak memory is theirs alone
    print(f"{device}, torch {torch.__version__}\n")
    print("| layout | parameters | ms per window | windows per s | times ours |\n|---|---|---|---|---|")
    layouts = {"ours": load_weights(find_weights())[0], "published": build_network(NetworkConfig.published())}
    seconds = {}
    for name, network in layouts.items():
        with torch_threads(run.threads):
            seconds[name] = seconds_per_window(network, device, clock_of(device, run.threads), options.repeats)
        count = sum(parameter.numel() for parameter in network.parameters())
        cells = (f"{count / 1e6:.2f} million", f"{1000 * seconds[name]:.0f}", f"{1 / seconds[name]:.3g}")
        print(f"| {name} | {' | '.join(cells)} | {seconds[name] / seconds['ours']:.1f} |", flush=True)
    print("\n| map | windows read | normalise s | read s | peak GB | published s |\n|---|---|---|---|---|---|")
    for edge, cells in maps.items():
        published = (-(-edge // PUBLISHED_STRIDE)) ** 3 * seconds["published"]
        print(f"| {edge}^3 | {cells} | {published:.0f} |", flush=True)


if __name__ == "__main__":
    main()
