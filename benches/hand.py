"""Count the turns of helices in maps and in their mirror images, and write the table of `docs/accuracy.md`.

Usage: python benches/hand.py MAPS_FOLDER STRUCTURES_FOLDER [--count 4] [--resolutions 3 3.5 4 4.5]

The folders are those of benches/real_maps.py and benches/simulated_maps.py. Every map is read as `emodelx check` does:
the densest 64 A or, where that tells too little, 112 A, with the resolution estimated.
"""

import argparse
import csv
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from simulated_maps import chosen, simulate

from emodelx.config import BuildConfig
from emodelx.inputs import Inputs, Reader
from emodelx.io.maps import MapFile, read_map
from emodelx.io.sequences import SequenceFile
from emodelx.network.device import choose_device
from emodelx.network.weights import find_weights
from emodelx.preview import preview
from emodelx.records import DensityMap, HelixTurns
from emodelx.training.structures import StructurePack


def maps(options: argparse.Namespace) -> Iterator[tuple[str, float, DensityMap]]:
    """Give every map with its name and resolution."""
    with (options.maps / "manifest.csv").open() as file:
        for row in sorted(csv.DictReader(file), key=lambda row: float(row["resolution"])):
            yield f"EMD-{row['emdb']}", float(row["resolution"]), read_map(options.maps / row["map"]).density
    pack = StructurePack(options.structures / "val.npz")
    structures = list(chosen(pack, options.count))
    for resolution in options.resolutions:
        for name, structure in structures:
            yield name, resolution, simulate(name, structure, resolution).density


def turns_in(density: DensityMap, reader: Reader) -> HelixTurns:
    """Read a map as `emodelx check` does."""
    inputs = Inputs(SequenceFile((), (), ()), MapFile(density, header=None, warnings=()), None, reader)
    return preview(inputs, BuildConfig(output=Path("none"), map=Path("none"), no_sequence=True)).turns


def verdict(turns: HelixTurns) -> str:
    """What `emodelx check` says."""
    return "right" if turns.says_right() else "mirrored" if turns.says_mirrored() else "-"


def main() -> None:
    """Read all maps and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("maps", type=Path)
    parser.add_argument("structures", type=Path)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--resolutions", type=float, nargs="+", default=[3.0, 3.5, 4.0, 4.5])
    reader = Reader(find_weights(), choose_device())
    print("| map | A | right, left | says | mirrored: right, left | says | CPU s |\n|---|---|---|---|---|---|---|")
    for name, resolution, density in maps(parser.parse_args()):
        started = time.process_time()
        given = turns_in(density, reader)
        seconds = time.process_time() - started
        mirrored = turns_in(replace(density, values=np.ascontiguousarray(density.values[::-1])), reader)
        cells = [f"{turns.right}, {turns.left} | {verdict(turns)}" for turns in (given, mirrored)]
        print(f"| {name} | {resolution:g} | {' | '.join(cells)} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
