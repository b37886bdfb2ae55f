"""Draw how simulated maps compare with real ones, as the network sees both: `docs/simulated_and_real.svg`.

Usage: python scripts/compare_maps.py STRUCTURES_FOLDER MAPS_FOLDER OUT.svg [--only 3488 5185 5778 1461]

STRUCTURES_FOLDER holds `val.npz` (docs/training.md); MAPS_FOLDER is that of benches/real_maps.py. Panels: radial
amplitudes relative to 7 A before and after the rule of the weights; values after normalisation within 2 A of atoms and
further away; mean value of atoms along side chains, relative to N, CA and C; correlation with the density of the model,
around every Calpha; amplitude around residues of weak density, relative to strong ones, by band of the spectrum.
Simulated: windows of `val` structures, scaled as in training.
"""

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import KDTree

from emodelx.io.atoms import read_model
from emodelx.io.maps import read_map
from emodelx.network.normalise import SPECTRUM, normalise
from emodelx.network.radial_grid import RadialGrid
from emodelx.network.resample import to_working_grid
from emodelx.pairs import atoms_of
from emodelx.training.augment import random_scale
from emodelx.training.labels import make_labels
from emodelx.training.simulate import Scene, draw_conditions
from emodelx.training.structures import Structure, StructurePack

SHELLS = np.arange(6, 42)
"""Shells 0.01 1/A wide that are drawn: 15 to 2.4 A."""
REFERENCE = 14
EDGES = np.linspace(0, SPECTRUM.ceiling, 26)
QUANTILES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
"""Of the correlations with the model, over the residues."""
SPHERE = 4.0
"""Radius in A of what is correlated around a Calpha."""
BANDS = (14.0, 7.0, 4.6, 3.2)
"""Limits in A of the bands in which weak residues are compared with strong ones."""
WEAK, STRONG = (0.5, 0.7), 0.9
"""Main-chain density of weak residues, and least of strong ones, as parts of the median."""
SURROUNDINGS = 2.5
"""Standard deviation in A of the Gaussian that the power is averaged with."""
FLAT = 1e-6
ATOM_WIDTH = 0.225
"""Standard deviation of an atom in the density of the model, as a part of the resolution."""
MOST_BONDS = 6
NEAR = 2.0
RESOLUTIONS = (3.2, 3.8)
SIMULATED, SIZE, SEED = 12, 80, 4
"""Simulated maps per resolution, and their edge."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#888888")
PANEL, SPACE, HEIGHT = 190, 45, 170
"""Width of a panel, the space before it, and its height, in points."""

Curves = dict[str, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Look:
    """What is drawn of one map: the curves of the seven panels."""

    raw: np.ndarray
    matched: np.ndarray
    inside: np.ndarray
    outside: np.ndarray
    contrast: np.ndarray
    agreement: np.ndarray
    fading: np.ndarray


def look_at(values: np.ndarray, seen: np.ndarray, atoms: Structure, resolution: float) -> Look:
    """Measure a map on the 1 A grid, as it is and as the network sees it, with its atoms in voxel coordinates."""
    voxels = np.argwhere(np.ones(values.shape, bool))
    near = KDTree(atoms.xyz).query(voxels, distance_upper_bound=NEAR)[0] < NEAR
    flat = seen.reshape(-1).clip(EDGES[0], EDGES[-1])
    inside, outside = (np.histogram(flat[chosen], EDGES)[0] / max(chosen.sum(), 1) for chosen in (near, ~near))
    agreement = np.quantile(local_correlations(seen, atoms, resolution), QUANTILES)
    return Look(
        spectrum(values), spectrum(seen), inside, outside, contrast(seen, atoms), agreement, fading(seen, atoms)
    )


def local_correlations(seen: np.ndarray, atoms: Structure, resolution: float) -> np.ndarray:
    """Correlation of a map with the density of its model within `SPHERE` of every Calpha, float64 ``(n,)``."""
    points = np.zeros(seen.shape, np.float32)
    np.add.at(points, tuple(atoms.xyz.round().astype(int).T), atoms.scattering)
    model = normalise(gaussian_filter(points, ATOM_WIDTH * resolution), SPECTRUM, resolution)
    reach = np.arange(-int(SPHERE), int(SPHERE) + 1)
    shifts = np.stack(np.meshgrid(reach, reach, reach, indexing="ij"), axis=-1).reshape(-1, 3)
    shifts = shifts[(shifts**2).sum(axis=1) <= SPHERE**2]
    spheres = (shifts + centre for centre in atoms.xyz[atoms.calpha].round().astype(int))
    kept = (sphere[((sphere >= 0) & (sphere < seen.shape)).all(axis=1)].T for sphere in spheres)
    return np.array([correlation(seen[tuple(at)], model[tuple(at)]) for at in kept])


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's correlation; 0 where one of both is flat."""
    flat = min(one.std(), other.std()) < FLAT
    return 0.0 if flat else float(np.corrcoef(one, other)[0, 1])


def spectrum(values: np.ndarray) -> np.ndarray:
    """log10 amplitude per shell, relative to 7 A."""
    grid = RadialGrid.around(values.shape)
    profile = grid.log_amplitude(grid.transform(values)).numpy()
    return profile[SHELLS] - profile[REFERENCE]


def contrast(seen: np.ndarray, atoms: Structure) -> np.ndarray:
    """Mean value by bonds from the Calpha (0: O), as a part of that of N, CA and C; NaN where there are none."""
    heights = map_coordinates(seen, atoms.xyz.T, order=1)
    base = heights[atoms.main_chain & ~atoms.carbonyl].mean()
    groups = [atoms.carbonyl, *(atoms.remoteness == bonds for bonds in range(1, MOST_BONDS))]
    return np.array([heights[group].mean() / base if group.any() else np.nan for group in groups])


def fading(seen: np.ndarray, atoms: Structure) -> np.ndarray:
    """Median amplitude around residues of weak density, as a part of that around strong ones, by band; NaN without."""
    heights = main_chain_heights(seen, atoms)
    part = heights / np.median(heights)
    weak, strong = (part >= WEAK[0]) & (part < WEAK[1]), part >= STRONG
    if not weak.any():
        return np.full(len(BANDS) - 1, np.nan)
    at = tuple(atoms.xyz[atoms.calpha].round().astype(int).T)
    amplitudes = (np.sqrt(power[at]) for power in band_powers(seen))
    return np.array([np.median(around[weak]) / np.median(around[strong]) for around in amplitudes])


def main_chain_heights(seen: np.ndarray, atoms: Structure) -> np.ndarray:
    """Mean value at N, CA and C of every residue that has a Calpha."""
    backbone = atoms.main_chain & ~atoms.carbonyl
    heights = map_coordinates(seen, atoms.xyz[backbone].T, order=1)
    residues = atoms.residue[backbone]
    means = np.bincount(residues, heights) / np.maximum(np.bincount(residues), 1)
    return means[atoms.residue[atoms.calpha]]


def band_powers(seen: np.ndarray) -> Iterator[np.ndarray]:
    """Power of a map around every voxel, band by band."""
    transform = np.fft.rfftn(seen)
    nx, ny, nz = seen.shape
    square = np.fft.fftfreq(nx)[:, None, None] ** 2 + np.fft.fftfreq(ny)[:, None] ** 2 + np.fft.rfftfreq(nz) ** 2
    for low, high in pairwise(1 / np.array(BANDS)):
        band = transform * ((square >= low**2) & (square < high**2))
        yield gaussian_filter(np.fft.irfftn(band, s=seen.shape, axes=(0, 1, 2)) ** 2, SURROUNDINGS)


def real_maps(folder: Path, only: list[str]) -> Iterator[tuple[str, Look]]:
    """Look at real maps."""
    with (folder / "manifest.csv").open() as file:
        rows = {row["emdb"]: row for row in csv.DictReader(file)}
    for name in only:
        row, resolution = rows[name], float(rows[name]["resolution"])
        grid = to_working_grid(read_map(folder / row["map"]).density)
        atoms = atoms_in(grid.values, folder, row, grid.origin)
        yield (
            f"EMD-{name}, {resolution:g} A",
            look_at(grid.values, normalise(grid.values, SPECTRUM, resolution), atoms, resolution),
        )


def atoms_in(values: np.ndarray, folder: Path, row: dict[str, str], origin: np.ndarray) -> Structure:
    """Atoms of the deposited model that lie in the box."""
    atoms = atoms_of(read_model(folder / row["model"]), origin)
    kept = np.flatnonzero(((atoms.xyz >= 0) & (atoms.xyz <= np.array(values.shape) - 1)).all(axis=1))
    return atoms.select(kept)


def simulated_maps(structures: Path) -> Iterator[tuple[str, Look]]:
    """Look at simulated maps; the mean of several per resolution."""
    pack = StructurePack(structures / "val.npz")
    for resolution in RESOLUTIONS:
        looks = [simulated_map(pack, resolution, number) for number in range(SIMULATED)]
        means = (np.nanmean([getattr(look, name) for look in looks], axis=0) for name in Look.__dataclass_fields__)
        yield f"simulated, {resolution:g} A", Look(*means)


def simulated_map(pack: StructurePack, resolution: float, number: int) -> Look:
    """Simulate and look at what of a structure lies within a cube around its middle."""
    rng = np.random.default_rng((SEED, number))
    structure = pack[int(rng.choice(np.flatnonzero(pack.calpha_counts() > 100)))]
    xyz = structure.xyz - structure.xyz[structure.calpha].mean(axis=0) + SIZE / 2
    kept = np.flatnonzero((np.abs(xyz - SIZE / 2) < SIZE / 2 - 8).all(axis=1))
    residue = np.unique(structure.residue[kept], return_inverse=True)[1].astype(np.int32)
    atoms = structure.select(kept, xyz=xyz[kept].astype(np.float32), residue=residue)
    scene = Scene(atoms, draw_conditions(rng, resolution), SIZE, rng, torch.device("cpu"))
    density = scene.density()
    labels = make_labels(atoms, SIZE, torch.device("cpu"))
    return look_at(density.numpy(), random_scale(density, labels.near, rng).numpy(), atoms, resolution)


def panel(place: int, title: str, curves: Curves, limits: tuple[float, float]) -> Iterator[str]:
    """Give one panel as SVG: a frame, its title, and a line per map."""
    left = SPACE + place * (PANEL + SPACE)
    x_all = np.concatenate([x for x, _ in curves.values()])
    low, high = x_all.min(), x_all.max()
    bottom, top = limits
    yield f'<text x="{left}" y="20">{title}</text>'
    yield f'<rect x="{left}" y="30" width="{PANEL}" height="{HEIGHT}" fill="none" stroke="#aaa"/>'
    for part in (0.0, 0.5, 1.0):
        beside, below = bottom + part * (top - bottom), low + part * (high - low)
        yield f'<text x="{left - 4}" y="{34 + HEIGHT * (1 - part):.0f}" text-anchor="end">{beside:.2g}</text>'
        yield f'<text x="{left + part * PANEL:.0f}" y="{44 + HEIGHT}" text-anchor="middle">{below:.2g}</text>'
    for colour, (x, y) in zip(COLOURS, curves.values(), strict=False):
        across = left + PANEL * (x - low) / (high - low)
        up = 30 + HEIGHT * (1 - (np.clip(y, bottom, top) - bottom) / (top - bottom))
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, up, strict=True) if np.isfinite(b))
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def drawing(looks: dict[str, Look]) -> str:
    """Return all panels and the legend as SVG."""
    frequency, middle = (SHELLS + 0.5) / 100, (EDGES[1:] + EDGES[:-1]) / 2
    panels = (
        ("amplitude, raw (log10; 1/A)", "raw", frequency, (-2.5, 1.0)),
        ("after the rule", "matched", frequency, (-2.5, 1.0)),
        ("values within 2 A of atoms", "inside", middle, (0.0, 0.25)),
        ("values elsewhere", "outside", middle, (0.0, 0.25)),
        ("O, then beta to eta", "contrast", np.arange(MOST_BONDS, dtype=float), (0.0, 1.0)),
        ("correlation with model, quantiles", "agreement", QUANTILES, (0.0, 1.0)),
        ("weak residues, 10, 5.8, 3.9 A", "fading", np.arange(len(BANDS) - 1, dtype=float), (0.0, 1.0)),
    )
    lines = []
    for place, (title, field, x, limits) in enumerate(panels):
        lines += panel(place, title, {name: (x, getattr(look, field)) for name, look in looks.items()}, limits)
    for number, (name, colour) in enumerate(zip(looks, COLOURS, strict=False)):
        lines.append(f'<text x="{SPACE + 190 * number}" y="{75 + HEIGHT}" fill="{colour}">{name}</text>')
    size = f'width="{len(panels) * (PANEL + SPACE) + 20}" height="{90 + HEIGHT}"'
    style = 'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="11"'
    background = '<rect width="100%" height="100%" fill="white"/>'
    return "\n".join([f"<svg {style} {size}>", background, *lines, "</svg>", ""])


def main() -> None:
    """Measure all maps and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structures", type=Path)
    parser.add_argument("maps", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", nargs="*", default=["3488", "5185", "5778", "1461"])
    options = parser.parse_args()
    looks = dict([*real_maps(options.maps, options.only), *simulated_maps(options.structures)])
    options.out.write_text(drawing(looks))
    for name, look in looks.items():
        print(name, "raw at 3.6 A", f"{look.raw[22]:.2f}")
        for title, values in (("contrast", look.contrast), ("correlation", look.agreement), ("weak", look.fading)):
            print(f"  {title}", np.round(values, 2))


if __name__ == "__main__":
    main()
