"""Refinement by OpenMM: the force field of Amber in vacuum, pulled by the map, with Calpha restraints that fade."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import openmm
from openmm import app, unit

from emodelx.config import RunConfig
from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, THREE_LETTER
from emodelx.errors import ResourceError
from emodelx.machine import usable_threads
from emodelx.records import AtomicChain, AtomicModel, DensityMap, Points
from emodelx.vectors import place, torsion

FORCE_FIELD = "amber14/protein.ff14SB.xml"
CUTOFF = 0.9
"""Nanometre; vacuum with this cutoff is fast, and implicit solvent is not on a CPU."""
BROKEN = 4.5
"""Angstrom between Calphas from which two residues are not bonded, whatever their numbers."""
PULL = 4.0
"""kJ / mol that an atom of carbon gains per standard deviation of the map."""
ANCHORS = (2000.0, 400.0, 50.0)
"""kJ / mol / nm^2 that hold the Calphas where they were, one minimisation after the other."""
ITERATIONS = 150
"""Steps of a minimisation at most."""
MARGIN = 8.0
"""Angstrom of the map around the model that pull."""
MOST_VOXELS = 1_000_000
"""Larger maps are thinned out: the spline through them takes long to set up."""
_NANOMETER = unit.md_unit_system.express_unit(unit.angstroms)
_MAIN_CHAIN, _WITH_CBETA = 4, 5
_A, _G = AMINO_ACIDS.index("A"), AMINO_ACIDS.index("G")


@dataclass(frozen=True)
class _Place:
    """Where an atom of the simulation is in the model: chain, residue and slot."""

    chain: int
    residue: int
    slot: int


def relax(model: AtomicModel, density: DensityMap, run: RunConfig) -> AtomicModel:
    """Move the atoms of a model into the map, and its geometry to the minimum of the force field.

    Residues without a whole main chain, and runs of a single residue, stay where they are; incomplete side chains ride
    along with their Calphas.

    Raises
    ------
    ResourceError
        When OpenMM fails.
    """
    topology, places, positions = _build(model)
    if not places:
        return model
    try:
        forces = app.ForceField(FORCE_FIELD)
        modeller = app.Modeller(topology, _vectors(positions))
        with _drawn_from(run.seed):
            modeller.addHydrogens(forces, platform=_platform(run))
        moved = _minimise(modeller, forces, density, run)
    except (openmm.OpenMMException, ValueError) as error:
        raise ResourceError(f"OpenMM failed: {str(error).splitlines()[0]}") from error
    if not np.isfinite(moved).all():
        raise ResourceError("OpenMM failed: the atoms flew apart")
    heavy = [atom.index for atom in modeller.topology.atoms() if atom.element is not app.element.hydrogen]
    return _moved(model, places, moved[heavy])


def _build(model: AtomicModel) -> tuple[app.Topology, list[_Place | None], Points]:
    """Topology, and for every heavy atom its place in the model (None for terminal oxygens) and its position."""
    topology, places, positions = app.Topology(), [], []
    for index, chain in enumerate(model.chains):
        for run in _runs(chain):
            added = topology.addChain()
            for residue in run:
                names = _atom_names(chain, residue)
                made = topology.addResidue(_residue_name(chain, residue), added)
                for slot, name in enumerate(names):
                    topology.addAtom(name, app.Element.getBySymbol(name[0]), made)
                    places.append(_Place(index, residue, slot))
                    positions.append(chain.atoms[residue, slot])
            topology.addAtom("OXT", app.element.oxygen, list(added.residues())[-1])
            places.append(None)
            positions.append(_terminal_oxygen(chain.atoms[run[-1]]))
    topology.createStandardBonds()
    topology.createDisulfideBonds(_vectors(np.array(positions)))
    return topology, places, np.array(positions).reshape(-1, 3)


def _vectors(positions: Points) -> unit.Quantity:
    """Positions in Angstrom as OpenMM wants them."""
    return unit.Quantity([openmm.Vec3(*xyz) for xyz in (positions / 10).tolist()], _NANOMETER)


def _runs(chain: AtomicChain) -> Iterator[list[int]]:
    """Residues that are bonded one to the next, two at least."""
    whole = np.isfinite(chain.atoms[:, :_MAIN_CHAIN, 0]).all(axis=1)
    calphas, run = chain.atoms[:, 1], []
    for residue in np.flatnonzero(whole).tolist():
        if run:
            follows = chain.numbers[residue] == chain.numbers[run[-1]] + 1
            if not follows or np.linalg.norm(calphas[residue] - calphas[run[-1]]) > BROKEN:
                yield from [run] if len(run) > 1 else []
                run = []
        run.append(residue)
    yield from [run] if len(run) > 1 else []


def _kind(chain: AtomicChain, residue: int) -> int:
    """The type of a residue; that of alanine or glycine where side-chain atoms are missing."""
    kind = int(chain.types[residue])
    present = np.isfinite(chain.atoms[residue, : len(HEAVY_ATOMS[AMINO_ACIDS[kind]].split()), 0])
    if present.all():
        return kind
    return _A if present[:_WITH_CBETA].all() else _G


def _residue_name(chain: AtomicChain, residue: int) -> str:
    return THREE_LETTER[AMINO_ACIDS[_kind(chain, residue)]]


def _atom_names(chain: AtomicChain, residue: int) -> list[str]:
    return HEAVY_ATOMS[AMINO_ACIDS[_kind(chain, residue)]].split()


def _terminal_oxygen(atoms: Points) -> Points:
    """The second oxygen at the end of a run, opposite to the first."""
    n, ca, c, o = atoms[:_MAIN_CHAIN]
    return place(n, ca, c, 1.25, 117.0, torsion(n, ca, c, o) + 180)


def _minimise(modeller: app.Modeller, forces: app.ForceField, density: DensityMap, run: RunConfig) -> Points:
    """Positions of all atoms in Angstrom after the minimisations."""
    system = forces.createSystem(
        modeller.topology,
        nonbondedMethod=app.CutoffNonPeriodic,  # pyright: ignore[reportArgumentType] - an instance is what it takes
        nonbondedCutoff=CUTOFF,
    )
    start = np.array(modeller.positions.value_in_unit(_NANOMETER))
    system.addForce(_pull(modeller.topology, density, start))
    system.addForce(_anchors(modeller.topology, start))
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), _platform(run))
    context.setPositions(modeller.positions)
    for done, anchor in enumerate(ANCHORS):
        if run.progress:
            run.progress(done, len(ANCHORS))
        context.setParameter("anchor", anchor)
        openmm.LocalEnergyMinimizer.minimize(context, maxIterations=ITERATIONS)
    state = context.getState(positions=True)
    return 10 * np.array(state.getPositions(asNumpy=True).value_in_unit(_NANOMETER))


def _platform(run: RunConfig) -> openmm.Platform:
    """The one on which the same input gives the same output."""
    platform = openmm.Platform.getPlatformByName("CPU")
    platform.setPropertyDefaultValue("Threads", str(run.threads or usable_threads()))
    platform.setPropertyDefaultValue("DeterministicForces", "true")
    return platform


@contextmanager
def _drawn_from(seed: int) -> Iterator[None]:
    """Draw from a seed what OpenMM draws from the generator of the standard library: where hydrogens start."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


def _pull(topology: app.Topology, density: DensityMap, start: Points) -> openmm.CustomCompoundBondForce:
    """The force of the map on heavy atoms, in proportion to their atomic numbers."""
    near = density.around(10 * start, MARGIN)
    step = max(1, int(np.ceil((near.values.size / MOST_VOXELS) ** (1 / 3))))
    values = near.values[::step, ::step, ::step]
    values = (values - density.values.mean()) / (float(density.values.std()) or 1.0)
    low = near.origin / 10
    high = low + (np.array(values.shape) - 1) * near.spacing * step / 10
    force = openmm.CustomCompoundBondForce(1, "-pull * weight * map(x1, y1, z1)")
    edges = [float(edge) for pair in zip(low, high, strict=True) for edge in pair]
    flat = values.astype(np.float64).ravel(order="F")
    force.addTabulatedFunction("map", openmm.Continuous3DFunction(*values.shape, flat.tolist(), *edges))
    force.addGlobalParameter("pull", PULL)
    force.addPerBondParameter("weight")
    for atom in topology.atoms():
        if atom.element is not app.element.hydrogen:
            force.addBond([atom.index], [atom.element.atomic_number / 6])
    return force


def _anchors(topology: app.Topology, start: Points) -> openmm.CustomExternalForce:
    force = openmm.CustomExternalForce("0.5 * anchor * ((x-x0)^2 + (y-y0)^2 + (z-z0)^2)")
    force.addGlobalParameter("anchor", ANCHORS[0])
    for name in ("x0", "y0", "z0"):
        force.addPerParticleParameter(name)
    for atom in topology.atoms():
        if atom.name == "CA":
            force.addParticle(atom.index, start[atom.index].tolist())
    return force


def _moved(model: AtomicModel, places: list[_Place | None], positions: Points) -> AtomicModel:
    """The model with its atoms where the simulation has them; what was not simulated rides along with its Calpha."""
    atoms = [chain.atoms.copy() for chain in model.chains]
    for at, position in zip(places, positions, strict=True):
        if at is not None and at.slot == 1:
            atoms[at.chain][at.residue] += position - atoms[at.chain][at.residue, 1]
    for at, position in zip(places, positions, strict=True):
        if at is not None:
            atoms[at.chain][at.residue, at.slot] = position
    chains = (replace(chain, atoms=moved) for chain, moved in zip(model.chains, atoms, strict=True))
    return replace(model, chains=tuple(chains))
