"""Refinement: all atoms are moved into the map, and their geometry is made right."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from emodelx import _core
from emodelx.config import RefinementConfig, RefinementRound, RunConfig
from emodelx.errors import InputError
from emodelx.records import AtomicModel, DensityMap, Floats, Ints, ModelQuality, Points, RefinedModel, RefinementReport

_ModelArrays = tuple[NDArray[np.uint8], Ints, Ints, Points]

MARGIN = 10.0
"""Angstrom of the map around the model that are kept."""
BLURS = (0.7, 0.85, 1.0, 1.2, 1.5, 1.9)
"""Widths of an atom in the map, in Angstrom, that are tried where the resolution is not known."""
BLUR_PER_RESOLUTION = 0.225
"""Width of a Gaussian whose transform falls to 1/e at the resolution."""
OWN_WIDTH = 0.5
"""Width in Angstrom of an atom at a B factor of 20."""
SURELY_MOLECULE = 1.5
"""Standard deviations above the mean of the map from which a voxel belongs to the molecule."""


def refine_model(
    model: AtomicModel,
    density: DensityMap,
    resolution: float | None,
    config: RefinementConfig,
    run: RunConfig,
    others: Points | None = None,
) -> RefinedModel:
    """Refine a model in real space; it never comes out worse than it went in.

    Parameters
    ----------
    model : AtomicModel
    density : DensityMap
    resolution : float or None
        In Angstrom; only the width of an atom in the correlation follows from it. None fits the width.
    config : RefinementConfig
    run : RunConfig
    others : ndarray, dtype=float64, shape=(m, 3), optional
        Atoms of other molecules, which the model keeps away from.

    Returns
    -------
    RefinedModel
        The best model met, by `loss`; the given one where nothing was better.
    """
    if model.atom_count() == 0:
        none = ModelQuality()
        return RefinedModel(model, RefinementReport(none, none, kept=False, map_weight=0.0))
    task = _Task(model, density, run, others)
    width = _atom_width(task, resolution)
    start = best = _State(task.atoms, task.quality(task.atoms, width), 0.0)
    for state in _states(task, start, config, width):
        best = min(best, state, key=lambda met: loss(met.quality))
    report = RefinementReport(start.quality, best.quality, best is not start, best.map_weight)
    return RefinedModel(task.model_of(best.atoms), report)


def judge_refinement(
    given: AtomicModel, moved: AtomicModel, density: DensityMap, resolution: float | None, run: RunConfig
) -> RefinedModel:
    """Compare a model with what another engine has made of it, and keep the better one.

    Parameters
    ----------
    given, moved : AtomicModel
        Before and after.
    density : DensityMap
    resolution : float or None
        As for `refine_model`.
    run : RunConfig
    """
    task, after = _Task(given, density, run, None), _Task(moved, density, run, None)
    width = _atom_width(task, resolution)
    before, new = task.quality(task.atoms, width), after.quality(after.atoms, width)
    kept = loss(new) < loss(before)
    return RefinedModel(
        moved if kept else given, RefinementReport(before, new if kept else before, kept, map_weight=0.0)
    )


def loss(quality: ModelQuality) -> float:
    """What is wrong with a model, as one number.

    One unit is a hundredth of the correlation with the map, 1 % of Ramachandran outliers, 1 % of residues outside the
    favoured regions, 2.5 clashes per thousand atoms, 0.01 A of the bonds' rms or 1 degree of the angles'.
    """
    return (
        100 * (1 - quality.correlation)
        + quality.outliers
        + (100 - quality.favoured)
        + quality.clashscore / 2.5
        + quality.bond_rms / 0.01
        + quality.angle_rms
    )


@dataclass(frozen=True)
class _State:
    """Atoms (n, 14, 3) of all residues after a round, and how good they are."""

    atoms: Points
    quality: ModelQuality
    map_weight: float


def _states(task: "_Task", start: _State, config: RefinementConfig, width: float) -> Iterator[_State]:
    """Run the rounds one after the other, until the geometry is good."""
    atoms = start.atoms
    for step in (*config.approach, *config.settling):
        atoms = task.refined(atoms, step)
        state = _State(atoms, task.quality(atoms, width), step.map_weight)
        yield state
        if step in config.settling and _is_good(state.quality, config):
            return


def _is_good(quality: ModelQuality, config: RefinementConfig) -> bool:
    return (
        quality.favoured >= config.good_favoured
        and quality.outliers <= config.good_outliers
        and quality.clashscore <= config.good_clashscore
    )


def _atom_width(task: "_Task", resolution: float | None) -> float:
    """Width of an atom in the map in Angstrom; that which fits best where the resolution is not known."""
    if resolution is not None:
        return float(np.hypot(BLUR_PER_RESOLUTION * resolution, OWN_WIDTH))
    return BLURS[int(np.argmax(task.correlations(task.atoms, BLURS)))]


class _Task:
    """A model in the frame of the part of the map around it."""

    def __init__(self, model: AtomicModel, density: DensityMap, run: RunConfig, others: Points | None) -> None:
        self._model, self._run = model, run
        self._density = _around(model, density)
        chains = [np.full(len(chain), index, np.int64) for index, chain in enumerate(model.chains)]
        self._types = np.concatenate([chain.types for chain in model.chains])
        self._chains = np.concatenate(chains)
        self._numbers = np.concatenate([chain.numbers for chain in model.chains])
        self.atoms = np.concatenate([chain.atoms for chain in model.chains]) - self._density.origin
        self._others = np.zeros((0, 3)) if others is None else others - self._density.origin

    def refined(self, atoms: Points, step: RefinementRound) -> Points:
        """Atoms after one round."""
        weights = (step.ramachandran, step.rotamers, step.repulsion, step.map_weight, step.anchors, step.repairs)
        density = (_scaled(self._density, step.blur), self._spacing())
        places = np.ascontiguousarray(self.atoms[:, 1])
        return _core.refine_atoms(
            self._arrays(atoms), self._others, density, weights, places, step.iterations,
            threads=self._run.threads, progress=self._run.progress,
        )  # fmt: skip

    def quality(self, atoms: Points, width: float) -> ModelQuality:
        """Geometry and fit of the model with these atoms."""
        count, bond_rms, angle_rms, residues, favoured, outliers, clashes = _core.measure_geometry(
            self._arrays(atoms), threads=self._run.threads
        )
        return ModelQuality(
            bond_rms,
            angle_rms,
            favoured=100 * favoured / residues if residues else 100.0,
            outliers=100 * outliers / residues if residues else 0.0,
            clashscore=1000 * clashes / count,
            correlation=float(self.correlations(atoms, (width,))[0]),
        )

    def correlations(self, atoms: Points, widths: tuple[float, ...]) -> NDArray[np.float64]:
        """Correlation with the map for every width of an atom."""
        density = (self._density.values, self._spacing())
        return _core.map_correlations(self._arrays(atoms), density, list(widths), threads=self._run.threads)

    def model_of(self, atoms: Points) -> AtomicModel:
        """The model with these atoms."""
        ends = np.cumsum([len(chain) for chain in self._model.chains])
        parts = np.split(atoms + self._density.origin, ends[:-1])
        chains = (replace(chain, atoms=part) for chain, part in zip(self._model.chains, parts, strict=True))
        return replace(self._model, chains=tuple(chains))

    def _arrays(self, atoms: Points) -> _ModelArrays:
        return self._types, self._chains, self._numbers, atoms

    def _spacing(self) -> tuple[float, float, float]:
        x, y, z = self._density.spacing.tolist()
        return x, y, z


def _around(model: AtomicModel, density: DensityMap) -> DensityMap:
    """The part of a map within `MARGIN` of the model."""
    part = density.around(model.atom_positions(), MARGIN)
    if part.values.size == 0:
        raise InputError("the model lies outside the map; are the two in one frame?")
    return part


def _scaled(density: DensityMap, blur: float) -> Floats:
    """The blurred map in the unit of `RefinementRound.map_weight`."""
    values = gaussian_filter(density.values, blur / density.spacing) if blur > 0 else density.values
    molecule = values > values.mean() + SURELY_MOLECULE * values.std()
    slopes = (np.asarray(np.gradient(values, step, axis=axis)) for axis, step in enumerate(density.spacing))
    squares = [float(np.square(slope[molecule]).mean()) for slope in slopes] if molecule.any() else [0.0]
    slope = np.sqrt(sum(squares))
    return (values / np.float32(slope if slope > 0 else 1.0)).astype(np.float32)
