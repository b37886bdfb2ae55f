"""From inputs to a model: the only file that knows the order of the stages."""

import sys
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from shlex import join
from typing import Any

from emodelx._core import __version__
from emodelx.config import AUTO, BuildConfig, CandidateConfig, Column, Engine, ReadingConfig, RunConfig
from emodelx.constants import SURE_WAY
from emodelx.errors import InputError, NothingBuildableError
from emodelx.inputs import Inputs, mirror_line, read_inputs, tell_reading
from emodelx.io.store import Store, digest, file_digest
from emodelx.machine import host, peak_memory, usable_threads
from emodelx.progress import SILENT, Progress
from emodelx.records import (
    AtomicModel,
    CalphaModel,
    Candidates,
    DensityMap,
    Fragment,
    HelixTurns,
    Links,
    Placement,
    Prediction,
    RefinedModel,
    Sequence,
    Symmetry,
    Template,
)
from emodelx.report.result_files import ResultFiles
from emodelx.report.results import (
    Built,
    model_facts,
    write_models,
    write_profiles,
    write_tables,
    write_unexplained,
    write_viewer,
)
from emodelx.report.summary import (
    InputFile,
    RunReport,
    SymmetryUse,
    TemplateUse,
    expected_residues,
    sequence_copies,
    symmetry_line,
    symmetry_use,
    template_use,
    traced_coverage,
)
from emodelx.runlog import RunLog
from emodelx.scoring.agreement import Evidence
from emodelx.scoring.built import BuiltScores, score_built
from emodelx.second_look import look_again
from emodelx.stages.alike import Families, find_families, tell_apart
from emodelx.stages.atoms import build_atoms
from emodelx.stages.bfactors import fit_b_factors
from emodelx.stages.bridge import bridge_gaps
from emodelx.stages.candidates import propose_candidates
from emodelx.stages.chains import register_chains
from emodelx.stages.complete import complete_chains
from emodelx.stages.composition import correct_composition
from emodelx.stages.confidence import rate_confidence
from emodelx.stages.connect import connect_fragments
from emodelx.stages.copies import count_copies
from emodelx.stages.extend import extend_ends
from emodelx.stages.hand import count_turns
from emodelx.stages.links import link_candidates
from emodelx.stages.main_chains import as_alanines, with_calphas
from emodelx.stages.orbits import find_orbits
from emodelx.stages.paths import rate_paths, trace_chains, trace_rest
from emodelx.stages.propagate import propagate_scores
from emodelx.stages.prune import prune_residues
from emodelx.stages.refine import judge_refinement, refine_model
from emodelx.stages.register import register_sequences
from emodelx.stages.rigid import search_templates
from emodelx.stages.surplus import SURPLUS, keep_told, times_told, untold, with_surplus
from emodelx.stages.symmetry import agree, symmetry_of_fragments, symmetry_of_map
from emodelx.stages.templates import place_templates
from emodelx.stages.thread import thread_gaps
from emodelx.stages.traces import sample_traces
from emodelx.stages.unit import (
    copies_of_complex,
    copies_of_unit,
    copy_fragments,
    fold_links,
    image_placements,
    join_fragments,
    leave_rest,
)
from emodelx.stepper import Kept, Stepper
from emodelx.tools.engines import move_atoms

CAUSES = (
    "check the hand of the map (try it mirrored), its resolution (better than about 4.5 A), its voxel size, "
    "and that the sequences belong to it"
)
TEMPLATES_HELP = "a predicted structure (--template) often makes a weak map readable"
UNEXPLAINED = "unexplained-"
"""Before the names of the steps that build what the sequences do not explain."""
MAP_ROLES = ("map", "mask", "weights", "prediction")
"""Inputs that the prediction depends on."""
LOW_COMPLETENESS = 0.3
"""A model with less of the expected residues than this comes with a warning."""
LOW_CONFIDENCE = 50.0
"""Mean confidence of a model below which it comes with a warning."""


@dataclass(frozen=True)
class BuildResult:
    """What a build made.

    Attributes
    ----------
    model : CalphaModel
        With the Calphas of `atoms`.
    atoms : AtomicModel
        The same residues with all heavy atoms, without those that are kept apart.
    candidates : Candidates
    prediction : Prediction
        What the network said.
    report : RunReport
    files : ResultFiles
    """

    model: CalphaModel
    atoms: AtomicModel
    candidates: Candidates
    prediction: Prediction
    report: RunReport
    files: ResultFiles


def build(config: BuildConfig, progress: Progress = SILENT) -> BuildResult:
    """Build a model and write all files of a run.

    Parameters
    ----------
    config : BuildConfig
    progress : Progress
        Listener; silent unless given.

    Returns
    -------
    BuildResult

    Raises
    ------
    EmodelxError
        One of its classes, with one line that says what to do. No result of this or an earlier run is left then, unless
        the inputs were wrong: then nothing was touched.

    Examples
    --------
    >>> from emodelx import BuildConfig, build
    >>> result = build(BuildConfig(map=Path("map.mrc"), fasta=Path("seq.fasta"), output=Path("out")))  # doctest: +SKIP
    >>> result.files.model, result.report.completeness  # doctest: +SKIP
    """
    started = datetime.now().astimezone()
    inputs = read_inputs(config)
    files = ResultFiles(config.output, config.name)
    files.folder.mkdir(parents=True, exist_ok=True)
    files.remove()
    with RunLog(files.folder / "run.log", progress, keep=config.resume) as log:
        sources = _sources(config, inputs)
        _tell(inputs, sources, log)
        store = Store(files.folder / "work")
        store.open()
        stepper = Stepper(store, config.run, config.resume, log)
        traced = run_stages(config, inputs, sources, stepper)
        prediction, candidates, calphas = traced.prediction, traced.candidates, traced.model
        _tell_templates(traced.templates, log)
        _require_confident(calphas.record, config.min_confidence)
        _tell_traced(calphas.record, log) if config.no_sequence else _judge(calphas.record, inputs, log)
        _tell_rest(traced.rest.record, log)
        refined, rest = _atoms(config, inputs, sources, traced, stepper)
        whole, density = calphas.record.calphas_of(refined.model), inputs.map.density if inputs.map else None
        model, apart = whole.split(config.min_confidence)
        atoms, uncertain = refined.model.split(config.min_confidence)
        scores = _scores(config, inputs, prediction.record, atoms, stepper)
        built = Built(model, atoms, candidates, scores, density, apart)
        draft = files.draft(store.folder / "results")
        for refusal in write_models(draft, atoms, uncertain, config.write_pdb):
            log.warn(refusal)
        write_unexplained(draft, traced.rest.record, rest, traced.seen)
        write_viewer(draft, built, config.map)
        report = RunReport(
            **_facts(config, inputs, started),
            **model_facts(built),
            unexplained_chains=traced_coverage(traced.rest.record),
            min_confidence=config.min_confidence,
            inputs=sources,
            assumptions=log.notes,
            warnings=log.warnings,
            resolution=prediction.record.resolution,
            sequences=[] if config.no_sequence else sequence_copies(model),
            refinement=refined.report,
            templates=traced.templates,
            symmetry=traced.symmetry,
            stage_seconds=stepper.seconds,
            peak_memory_bytes=peak_memory(),
        )
        write_tables(draft, report, built)
        if config.no_sequence:
            write_profiles(draft, whole, candidates)
        draft.move_to(files)
    return BuildResult(model, atoms, candidates, prediction.record, report, files)


def _sources(config: BuildConfig, inputs: Inputs) -> dict[str, InputFile]:
    """Return the files that the build depends on, by role."""
    weights = inputs.reader.weights if inputs.reader else None
    roles = {
        "map": config.map,
        "fasta": config.fasta,
        "mask": config.mask,
        "prediction": config.prediction,
        "weights": weights,
    }
    roles |= {f"template {i}": path for i, path in enumerate(inputs.template_files, start=1)}
    return {role: InputFile(str(path.resolve()), file_digest(path)) for role, path in roles.items() if path is not None}


def _tell(inputs: Inputs, sources: dict[str, InputFile], log: RunLog) -> None:
    """Say what is about to run on what."""
    log.write(f"command: {join(sys.argv)}")
    log.write(f"emodelx {__version__} on {host()}")
    for role, file in sources.items():
        log.write(f"{role}: {file.path} sha256 {file.sha256}")
    for line in inputs.describe():
        log.note(line)
    for line in inputs.warnings():
        log.warn(line)


def _tell_templates(templates: list[TemplateUse], log: RunLog) -> None:
    """Say what became of the templates."""
    for use in templates:
        name = f"template {use.template}"
        if use.placed == 0:
            log.warn(f"{name}: not found in the map, so nothing of it was used; is it the right fold and hand?")
            continue
        log.note(f"{name}: {use.placed} of {use.residues} residues found in {use.pieces} rigid pieces")
        if use.chance is not None:
            log.note(
                f"{name}: the network reads too little here; {use.searched} pieces were found by rigid search in the "
                f"map, the surest where chance would give {use.chance:.0e}, and bent by up to {use.bent:.1f} A (RMS)"
            )
        if use.contradicted:
            log.warn(f"{name}: residues that lie elsewhere in the map, and were built there: {use.contradicted}")
        if use.spare:
            log.warn(
                f"{name}: pieces found beyond the copies of {use.sequence}, and left out: {use.spare}; "
                "if the map holds more copies, say so with --copies"
            )


@dataclass(frozen=True)
class Traced:
    """The Calpha model, what it was made from, and what it leaves unexplained.

    Attributes
    ----------
    prediction : Kept of Prediction
    candidates : Candidates
        Those that the model stands on.
    model : Kept of CalphaModel
    placements : tuple of Placement
    symmetry : SymmetryUse or None
    templates : list of TemplateUse
    rest : Kept of CalphaModel
        Chains that the sequences do not explain.
    seen : Candidates
        Those that the rest stands on: as they were found, without symmetry and correction.
    """

    prediction: Kept[Prediction]
    candidates: Candidates
    model: Kept[CalphaModel]
    placements: tuple[Placement, ...] = ()
    symmetry: SymmetryUse | None = None
    templates: list[TemplateUse] = field(default_factory=list)
    rest: Kept[CalphaModel] = field(default_factory=lambda: Kept(CalphaModel(()), ""))
    seen: Candidates = field(default_factory=Candidates.none)


def run_stages(config: BuildConfig, inputs: Inputs, sources: dict[str, InputFile], stepper: Stepper) -> Traced:
    """Go from the inputs to the Calpha model; `build` does so, adds the other atoms and writes the files.

    Parameters
    ----------
    config : BuildConfig
    inputs : Inputs
    sources : dict of InputFile
        The files behind the inputs by role; their digests tell whether saved records are still valid.
    stepper : Stepper
    """
    prediction = _prediction(config, inputs, sources, stepper)
    propose = partial(_propose, needed=not inputs.templates.templates)
    found = stepper.step("candidates", propose, prediction, config.candidates)
    _tell_hand(count_turns(found.record), config.no_sequence, stepper.progress)
    reader = Kept(inputs.reader, sources["weights"].sha256 if "weights" in sources else "")
    look = stepper.step("second look", look_again, found, prediction, reader)
    found = look.part("candidates")
    links = stepper.step("links", link_candidates, found, prediction, config.links)
    with_bends = Kept(replace(links.record, bends=look.record.bends), digest(links.key, look.key))
    agreed = Kept(replace(links.record, bends=look.record.agreed), digest(links.key, look.key, "agreed"))
    graph = Graph(prediction, found, agreed, _density(inputs, sources))
    if config.no_sequence:
        paths = stepper.step("paths", trace_chains, found, with_bends, config.paths)
        return Traced(prediction, found.record, _rated_paths(config, paths, prediction, stepper))
    families = _families(inputs, stepper.progress)
    given = tuple(map(families.record.template, inputs.templates.templates))
    templates = Kept(given, digest(_template_key(config, sources), families.key))
    read, model = _register(config, families, graph, templates, stepper)
    apart = stepper.step("telling apart", tell_apart, model, families, read.typed)
    symmetry = symmetry_use(read.symmetry.record, config.symmetry, read.averaged)
    used = template_use(given, read.placed.record, model.record)
    rest = stepper.step("unexplained", trace_rest, apart, found, with_bends, config.paths)
    if rest.record.chains:
        rest = _rated_paths(config, rest, prediction, stepper, UNEXPLAINED)
    return Traced(prediction, read.candidates.record, apart, read.placed.record, symmetry, used, rest, found.record)


def _families(inputs: Inputs, progress: Progress) -> Kept[Families]:
    """The sequences, those together that are nearly the same."""
    families = find_families(inputs.sequences.sequences)
    for names in families.joined():
        progress.note(f"nearly the same, and read as one sequence: {names}; told apart in the model")
    return Kept(families, digest(inputs.sequences.sequences))


def _density(inputs: Inputs, sources: dict[str, InputFile]) -> Kept[DensityMap | None]:
    """The map as it was read, inside the mask; None where the build starts from a prediction."""
    if inputs.map is None:
        return Kept(None, "")
    key = digest(*(sources[role].sha256 for role in ("map", "mask") if role in sources))
    if inputs.mask is None:
        return Kept(inputs.map.density, key)
    from emodelx.network.predict import masked  # torch takes seconds to load

    return Kept(masked(inputs.map.density, inputs.mask), key)


def _propose(prediction: Prediction, config: CandidateConfig, run: RunConfig, *, needed: bool) -> Candidates:
    """Candidates; none at all where the network reads nothing and something else can be built."""
    try:
        return propose_candidates(prediction, config, run)
    except NothingBuildableError:
        if needed:
            raise
        return Candidates.none()


def _atoms(
    config: BuildConfig,
    inputs: Inputs,
    sources: dict[str, InputFile],
    traced: Traced,
    stepper: Stepper,
) -> tuple[RefinedModel, AtomicModel]:
    """Build atoms through the Calphas of the model and of what it leaves; without sequences, main chains only."""
    place = Place(traced.prediction, _density(inputs, sources))
    rest = _main_chains(config, place, traced.rest, stepper, UNEXPLAINED).model
    if config.no_sequence:
        return _main_chains(config, place, traced.model, stepper), rest
    return _refined_atoms(config, place, traced.model, stepper), rest


@dataclass(frozen=True)
class Place:
    """What atoms are built in."""

    prediction: Kept[Prediction]
    density: Kept[DensityMap | None]


def _main_chains(
    config: BuildConfig, place: Place, model: Kept[CalphaModel], stepper: Stepper, label: str = ""
) -> RefinedModel:
    """Build what is known of chains without sequences: main chains where the direction is, else Calphas."""
    stubs = as_alanines(model.record)
    if not stubs.chains:
        return RefinedModel(model.record.without_side_chains())
    refined = _refined_atoms(config, place, Kept(stubs, model.key), stepper, label)
    return replace(refined, model=with_calphas(model.record, refined.model))


def _refined_atoms(
    config: BuildConfig, place: Place, model: Kept[CalphaModel], stepper: Stepper, label: str = ""
) -> RefinedModel:
    """Build all atoms of the Calpha model, and refine them in the map where there is one."""
    prediction, inside = place.prediction, place.density
    atoms = stepper.step(f"{label}atoms", build_atoms, model, prediction, inside)
    if inside.record is None:
        return RefinedModel(atoms.record)
    density, resolution = Kept(inside.record, inside.key), prediction.record.resolution
    refined = _refined(config, atoms, density, resolution, stepper, label)
    if config.bfactor is Column.CONFIDENCE:
        return refined.record
    if resolution is None:
        raise InputError("--bfactor adp needs the resolution; give --resolution")
    moved = Kept(refined.record.model, refined.key)
    fitted = stepper.step(f"{label}B factors", fit_b_factors, moved, density, resolution, config.bfactors)
    return replace(refined.record, model=fitted.record)


def _refined(
    config: BuildConfig,
    atoms: Kept[AtomicModel],
    density: Kept[DensityMap],
    resolution: float | None,
    stepper: Stepper,
    label: str,
) -> Kept[RefinedModel]:
    """Refine with the engine that was asked for."""
    if config.refine_with is Engine.NONE:
        return Kept(RefinedModel(atoms.record), atoms.key)
    if config.refine_with is Engine.BUILTIN:
        return stepper.step(f"{label}refinement", refine_model, atoms, density, resolution, config.refinement)

    def elsewhere(
        model: AtomicModel, values: DensityMap, resolution: float | None, engine: Engine, run: RunConfig
    ) -> RefinedModel:
        assert config.map is not None
        moved = move_atoms(engine, model, values, config.map, resolution, run)
        return judge_refinement(model, moved, values, resolution, run)

    return stepper.step(f"{label}refinement", elsewhere, atoms, density, resolution, config.refine_with)


def _scores(
    config: BuildConfig, inputs: Inputs, prediction: Prediction, atoms: AtomicModel, stepper: Stepper
) -> BuiltScores | None:
    """Score the model, unless it has no atoms but Calphas."""
    if atoms.atom_count() == atoms.residue_count():
        return None
    evidence = None
    if inputs.map is not None and prediction.resolution is not None:
        evidence = Evidence(inputs.map.density, prediction.resolution)
    return stepper.once("scoring", score_built, atoms, evidence, config.run.threads)


@dataclass(frozen=True)
class Graph:
    """What the map says before any sequence is known."""

    prediction: Kept[Prediction]
    candidates: Kept[Candidates]
    links: Kept[Links]
    density: Kept[DensityMap | None]


def _rated_paths(
    config: BuildConfig, paths: Kept[CalphaModel], prediction: Kept[Prediction], stepper: Stepper, label: str = ""
) -> Kept[CalphaModel]:
    """Bridge and rate chains without sequences."""
    bridged = stepper.step(f"{label}bridging", bridge_gaps, paths, prediction, config.bridging)
    return stepper.step(f"{label}confidence", lambda m, _: rate_paths(m), bridged)


@dataclass(frozen=True)
class Reading:
    """What the map and the sequences say about the candidates, before there are chains.

    Attributes
    ----------
    candidates, links
        Of the whole complex.
    typed
        The candidates, with types corrected by the composition.
    symmetry
        Of the complex; C1 where none is known.
    averaged : bool
        Whether the symmetry was used to read the copies together, and may complete them.
    """

    candidates: Kept[Candidates]
    links: Kept[Links]
    sequences: Kept[tuple[Sequence, ...]]
    typed: Kept[Candidates]
    placed: Kept[tuple[Placement, ...]]
    fragments: Kept[tuple[Fragment, ...]]
    symmetry: Kept[Symmetry]
    averaged: bool


def _register(
    config: BuildConfig, families: Kept[Families], graph: Graph, templates: Kept[tuple[Template, ...]], stepper: Stepper
) -> tuple[Reading, Kept[CalphaModel]]:
    """Where the templates are, and the chains that follow the sequences of the families."""
    step, prediction = stepper.step, graph.prediction
    told = _kept(families.record.read)
    given = _with_surplus(config, told, graph, stepper)
    read = _read(config, given, graph, templates, stepper)
    placed = _searched(config, graph, templates, read, stepper)
    if templates.record and not placed.record and config.symmetry is None:
        # templates that are nowhere in the map must not keep its symmetry from being sought
        templates = Kept((), "")
        read = _read(config, given, graph, templates, stepper)
        placed = read.placed
    for sequence in read.sequences.record:
        if not sequence.told:
            stepper.progress.note(f"sequence {sequence.name}: copies counted in the map: {sequence.copies}")
    typed, links, sequences = read.typed, read.links, read.sequences
    hops = step("traces", sample_traces, links, config.traces)
    scores = step("scores", propagate_scores, typed, hops)
    connected = step("connections", connect_fragments, read.fragments, typed, links, sequences)
    chains = step("chains", register_chains, connected, typed, sequences, templates, placed, read.symmetry)
    threaded = step("threading", thread_gaps, chains, typed, links, scores, config.threading)
    bridged = step("bridging", bridge_gaps, threaded, prediction, config.bridging)
    completing = read.symmetry if read.averaged else Kept(Symmetry(), "")
    completed = step("completion", complete_chains, bridged, prediction, completing, config.templates)
    pruned = step("pruning", prune_residues, completed)
    extended = step("extension", extend_ends, pruned, prediction)
    rated = step("confidence", lambda m, c, s, p, _: rate_confidence(m, c, s, p), extended, typed, sequences, placed)
    kept = step("told-copies", keep_told, rated, told, prediction)
    return replace(read, placed=placed), kept


def _searched(
    config: BuildConfig, graph: Graph, templates: Kept[tuple[Template, ...]], read: Reading, stepper: Stepper
) -> Kept[tuple[Placement, ...]]:
    """Where the templates are, by their traces and by rigid search."""
    if not templates.record:
        return read.placed
    prediction, density, typed = graph.prediction, graph.density, read.typed
    view = Kept((prediction.record, density.record, typed.record), digest(prediction.key, density.key, typed.key))
    known = read.placed, read.fragments, read.sequences, templates
    return stepper.step("rigid search", search_templates, *known, view, config.rigid)


def _with_surplus(
    config: BuildConfig, told: Kept[tuple[Sequence, ...]], graph: Graph, stepper: Stepper
) -> Kept[tuple[Sequence, ...]]:
    """The sequences, with the copies that the map holds where it shows far more residues than were told."""
    found, times = graph.candidates, times_told(graph.candidates.record, told.record)
    if times <= SURPLUS:
        return told
    symmetry = stepper.step("symmetry-of-surplus", symmetry_of_map, found, graph.prediction)
    unknown = _kept(untold(told.record))
    counted = stepper.step("surplus", count_copies, found, graph.links, unknown, config.registration, config.counting)
    given = with_surplus(told.record, counted.record, symmetry.record, times)
    _tell_surplus(times, told.record, given, stepper.progress)
    return _kept(given)


def _read(
    config: BuildConfig,
    given: Kept[tuple[Sequence, ...]],
    graph: Graph,
    templates: Kept[tuple[Template, ...]],
    stepper: Stepper,
) -> Reading:
    """Read the sequences in one unit of a symmetric complex, or in all of it.

    Where nobody says anything of symmetry it is sought, unless templates tell copies apart without.
    """
    if config.symmetry == "C1":
        return _read_whole(config, given, graph, templates, stepper)
    if config.symmetry is None and templates.record:
        return _told_by_fragments(_read_whole(config, given, graph, templates, stepper), stepper)
    found = graph.candidates
    symmetry = stepper.step("symmetry", symmetry_of_map, found, graph.prediction)
    read = None
    if len(symmetry.record) == 1:
        read = _told_by_fragments(_read_whole(config, given, graph, templates, stepper), stepper)
        symmetry = read.symmetry
    agreed = stepper.step("agreed-symmetry", agree, symmetry, config.symmetry or AUTO, found, given)
    _tell_symmetry(config.symmetry, symmetry.record, agreed.record, stepper.progress)
    if len(agreed.record) > 1:
        return _read_unit(config, given, graph, templates, agreed, stepper)
    read = read or _told_by_fragments(_read_whole(config, given, graph, templates, stepper), stepper)
    return replace(read, symmetry=agreed) if config.symmetry else read


def _told_by_fragments(read: Reading, stepper: Stepper) -> Reading:
    """The same with the symmetry that is seen in the fragments, which only tells copies apart."""
    seen = stepper.step("symmetry-of-fragments", symmetry_of_fragments, read.fragments, read.candidates)
    return replace(read, symmetry=seen)


def _read_whole(
    config: BuildConfig,
    given: Kept[tuple[Sequence, ...]],
    graph: Graph,
    templates: Kept[tuple[Template, ...]],
    stepper: Stepper,
) -> Reading:
    """Read the sequences in the whole complex."""
    step, found, links = stepper.step, graph.candidates, graph.links
    sequences = step("copies", count_copies, found, links, given, config.registration, config.counting)
    typed = step("composition", correct_types, found, sequences)
    placed = step("templates", place_templates, typed, links, sequences, templates, graph.prediction, config.templates)
    fragments = step("fragments", register_sequences, typed, links, sequences, placed, config.registration)
    return Reading(found, links, sequences, typed, placed, fragments, Kept(Symmetry(), ""), averaged=False)


def _read_unit(
    config: BuildConfig,
    given: Kept[tuple[Sequence, ...]],
    graph: Graph,
    templates: Kept[tuple[Template, ...]],
    symmetry: Kept[Symmetry],
    stepper: Stepper,
) -> Reading:
    """Read the sequences in one unit, the mean of all copies, and put what was read into all of them."""
    step, order = stepper.step, len(symmetry.record)
    orbits = step("orbits", find_orbits, graph.candidates, graph.prediction, symmetry)
    found = orbits.part("candidates")
    unit = step(
        "unit",
        fold_links,
        orbits,
        step("links-of-orbits", link_candidates, found, graph.prediction, config.links),
        graph.links.part("bends"),
        symmetry,
    )
    links, of_unit, unit_links = unit.part("whole_links"), unit.part("candidates"), unit.part("links")
    share = _kept(copies_of_unit(given.record, order))
    share = step("copies", count_copies, of_unit, unit_links, share, config.registration, config.counting)
    sequences = _kept(copies_of_complex(share.record, given.record, order))
    typed = step("composition", correct_types, found, sequences)
    placed = step("templates", place_templates, typed, links, sequences, templates, graph.prediction, config.templates)
    images = step("unit-templates", image_placements, placed, symmetry)
    unit_types = step("unit-composition", correct_types, of_unit, sequences)
    read = step("unit-fragments", register_sequences, unit_types, unit_links, share, images, config.registration)
    copied = step("copied-fragments", copy_fragments, read, unit)
    rest = step("rest", leave_rest, typed, links, copied, sequences)
    left, left_links, sought = rest.part("candidates"), rest.part("links"), rest.part("sequences")
    more = step("rest-fragments", register_sequences, left, left_links, sought, placed, config.registration)
    fragments = step("fragments", join_fragments, copied, more, rest)
    return Reading(found, links, sequences, typed, placed, fragments, symmetry, averaged=True)


def correct_types(candidates: Candidates, sequences: tuple[Sequence, ...], _: RunConfig) -> Candidates:
    """Correct the types by the composition, which nothing of the run changes."""
    return correct_composition(candidates, sequences)


def _kept(sequences: tuple[Sequence, ...]) -> Kept[tuple[Sequence, ...]]:
    return Kept(sequences, digest(sequences))


def _tell_symmetry(asked: str | None, found: Symmetry, agreed: Symmetry, progress: Progress) -> None:
    """Say which symmetry is used, and where it differs from what was asked for."""
    if asked not in (None, AUTO, agreed.group):
        instead = f"{found.group} was found instead" if len(found) > 1 else "none was found"
        progress.warn(f"--symmetry {asked}: the map contradicts it; {instead}, and {agreed.group} is used")
    elif agreed.group != found.group and asked in (None, AUTO):
        tell = progress.warn if asked else progress.note
        tell(f"symmetry {found.group} was found, but the copies of the sequences contradict it; none is used")
    progress.note(symmetry_line(agreed))


def _prediction(
    config: BuildConfig, inputs: Inputs, sources: dict[str, InputFile], stepper: Stepper
) -> Kept[Prediction]:
    """Return what the network says: given by the user, or read from the map."""
    given = inputs.prediction
    known = given.resolution if given is not None and config.resolution is None else config.resolution
    if given is not None and inputs.map is None:
        return Kept(replace(given, resolution=known), digest(sources["prediction"].sha256, known))
    key = digest(*(file.sha256 for role, file in sources.items() if role in MAP_ROLES))
    if given is not None:
        read = stepper.step("prediction", _with_map, Kept(inputs, key), known)
    else:
        read = stepper.step("prediction", _read_map, Kept(inputs, key), known, config.reading)
    tell_reading(read.record, known, stepper.progress)
    return read


def _with_map(inputs: Inputs, resolution: float | None, run: RunConfig) -> Prediction:
    """The given prediction, and the map that it is of."""
    from emodelx.network.predict import with_density  # torch takes seconds to load

    assert inputs.map is not None
    assert inputs.reader is not None
    assert inputs.prediction is not None
    return with_density(inputs.prediction, inputs.map.density, inputs.reader.weights, resolution, run)


def _template_key(config: BuildConfig, sources: dict[str, InputFile]) -> str:
    """Digest of what the templates depend on, apart from the sequences."""
    return digest(config.templates, *(file.sha256 for role, file in sources.items() if role.startswith("template")))


def _read_map(inputs: Inputs, resolution: float | None, config: ReadingConfig, run: RunConfig) -> Prediction:
    """Let the network read the map, inside the mask."""
    from emodelx.network.predict import masked, read_density  # torch takes seconds to load

    assert inputs.map is not None
    assert inputs.reader is not None
    density = inputs.map.density if inputs.mask is None else masked(inputs.map.density, inputs.mask)
    return read_density(density, inputs.reader.weights, inputs.reader.device, resolution, config, run)


def _tell_hand(turns: HelixTurns, no_sequence: bool, progress: Progress) -> None:
    """Warn of a mirror image, and of chains that nothing confirms."""
    if turns.says_mirrored():
        progress.warn(mirror_line(turns))
    elif no_sequence and not turns.says_right():
        progress.warn(
            "no helices were recognised in the map, and without sequences nothing else tells protein from noise: "
            "do not rely on what is traced"
        )


def _tell_surplus(times: float, told: tuple[Sequence, ...], found: tuple[Sequence, ...], progress: Progress) -> None:
    """Say which copies were found beyond those told, or warn of chains that nobody told."""
    start = f"the map shows about {times:.1f} times as many residues as the sequences have"
    more = [f for t, f in zip(told, found, strict=True) if f.copies > t.copies]
    if not more:
        progress.warn(
            f"{start}; if it holds more copies (--copies NAME=n) or other chains (add their sequences), say so, or "
            "chains get mixed up"
        )
        return
    counted = ", ".join(f"{s.copies} copies of {s.name}" for s in more)
    options = " ".join(f"--copies {s.name}={s.copies}" for s in more)
    progress.warn(
        f"{start}, and {counted} were counted in it; only the told number is built, nearest to the middle of the map "
        f"(all: {options})"
    )


def _tell_traced(model: CalphaModel, log: RunLog) -> None:
    """Say what was traced without sequences."""
    lengths = [int(chain.placed().sum()) for chain in model.chains]
    log.note(
        f"traced without sequences: {sum(lengths)} residues in {len(lengths)} chains, {max(lengths)} in the longest, "
        f"{sum(lengths) / len(lengths):.0f} in the mean; types are read from the map"
    )
    known = [n for n, chain in zip(lengths, model.chains, strict=True) if chain.forward >= SURE_WAY]
    if not known:
        log.note("which way the chains run is not known, so they hold Calphas only")
    elif len(known) == len(lengths):
        log.note("the map tells which way all chains run, so they get main chains, up to the Cbeta")
    else:
        log.note(
            f"the map tells which way {len(known)} chains with {sum(known)} residues run; these get main chains, up to "
            "the Cbeta, and the others Calphas only"
        )


def _tell_rest(rest: CalphaModel, log: RunLog) -> None:
    """Say what the sequences do not explain."""
    if rest.chains:
        log.note(
            f"{rest.placed_count()} residues in {len(rest.chains)} long chains belong to no copy of the sequences, and "
            "were traced without: other proteins, or more copies"
        )


def _require_confident(model: CalphaModel, least: float) -> None:
    """Refuse a threshold that leaves nothing of a model."""
    best = max((float(chain.confidence.max(initial=0)) for chain in model.chains), default=0.0)
    if 0 < best < least:
        raise NothingBuildableError(f"no residue has a confidence of {least:g} or more; give a lower --min-confidence")


def _judge(model: CalphaModel, inputs: Inputs, log: RunLog) -> None:
    """Refuse an empty model, and warn of a poor one."""
    built, expected = model.placed_count(), expected_residues(model)
    advice = CAUSES if inputs.templates.templates else f"{CAUSES}; {TEMPLATES_HELP}"
    if built == 0:
        raise NothingBuildableError(
            f"no residue could be placed with confidence; {advice}, and --no-sequence traces what can be seen"
        )
    right = model.mean_confidence()
    doubts = [f"only {built} of {expected} residues were built"] if built < LOW_COMPLETENESS * expected else []
    if right < LOW_CONFIDENCE:
        doubts.append(f"only about {right:.0f} % of those that were built are expected to be where they belong")
    if doubts:
        log.warn(f"{', and '.join(doubts)}; {advice}")


def _facts(config: BuildConfig, inputs: Inputs, started: datetime) -> dict[str, Any]:
    """Return the part of the report that is known before the model."""
    return {
        "name": config.name,
        "command": join(sys.argv),
        "version": __version__,
        "host": host(),
        "device": str(inputs.reader.device) if inputs.reader else "cpu",
        "started": started.isoformat(timespec="seconds"),
        "seed": config.run.seed,
        "threads": config.run.threads or usable_threads(),
    }
