"""What a finished run writes: models, tables, report and pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emodelx.errors import InputError, NothingBuildableError
from emodelx.io.structures import write_mmcif, write_pdb
from emodelx.records import AtomicModel, CalphaModel, Candidates, DensityMap
from emodelx.report.attention import concerns
from emodelx.report.findings import ChainFindings, find
from emodelx.report.page import write_page
from emodelx.report.picture import draw_model
from emodelx.report.profiles import write_profile_files
from emodelx.report.residues import write_residues
from emodelx.report.result_files import ResultFiles
from emodelx.report.summary import RunReport, chain_coverage, expected_residues, score_summary, write_report
from emodelx.report.unbuilt import unbuilt_stretches
from emodelx.report.unmodelled import write_unmodelled
from emodelx.report.viewer import surface_level, write_viewer_script
from emodelx.scoring.built import BuiltScores
from emodelx.unexplained import is_unexplained

HIGH_CONFIDENCE = 70.0
"""Lowest confidence of `<name>_init.cif`; "high" in the palette `alphafold`."""
UNCERTAIN_COLOUR, UNEXPLAINED_COLOUR = "#999999", "#e07000"
"""Of what lies beside the model in ChimeraX."""


def write_models(files: ResultFiles, model: AtomicModel, apart: AtomicModel, pdb: bool) -> list[str]:
    """Write the model, what is kept apart, the part of high confidence and, if asked, a PDB file.

    Returns
    -------
    list of str
        Why one of the last two is missing.
    """
    write_mmcif(files.model, model)
    if apart.residue_count():
        write_mmcif(files.uncertain, apart)
    refused = []
    try:
        write_mmcif(files.initial, model, HIGH_CONFIDENCE)
    except NothingBuildableError:
        refused.append(
            f"no residue has a confidence of {HIGH_CONFIDENCE:.0f} or more, so there is no {files.initial.name}"
        )
    try:
        if pdb:
            write_pdb(files.pdb, model)
    except InputError as error:
        refused.append(f"no PDB file: {error}")
    return refused


@dataclass(frozen=True)
class Built:
    """What the tables are made from.

    Attributes
    ----------
    model : CalphaModel
    atoms : AtomicModel
        The same residues with all their atoms.
    candidates : Candidates
    scores : BuiltScores or None
        Of `atoms`; None where there are no atoms but Calphas.
    density : DensityMap or None
        The input map, when the run started from one.
    apart : CalphaModel
        The residues that are kept apart from `model`, in the same chains.
    """

    model: CalphaModel
    atoms: AtomicModel
    candidates: Candidates
    scores: BuiltScores | None
    density: DensityMap | None
    apart: CalphaModel

    def findings(self) -> tuple[ChainFindings, ...]:
        """What is known of every residue."""
        return find(self.model, self.atoms, self.scores)


def model_facts(built: Built) -> dict[str, Any]:
    """Return the part of the report that is about the model."""
    free = built.candidates.positions[is_unexplained(built.model, built.candidates)]
    return {
        "candidates": len(built.candidates),
        "residues_built": built.model.placed_count(),
        "residues_uncertain": built.apart.placed_count(),
        "residues_expected": expected_residues(built.model),
        "chains": chain_coverage(built.model, built.apart),
        "scores": score_summary(built.scores),
        "unbuilt": unbuilt_stretches(built.model, free),
        "unexplained": len(free),
        "concerns": concerns(built.findings()),
        "b_factors": built.atoms.has_b_factors,
    }


def write_tables(files: ResultFiles, report: RunReport, built: Built) -> None:
    """Write what people and programs read beside the model."""
    findings = built.findings()
    apart = find(built.apart, built.apart.without_side_chains(), None)
    parts = {"model": (built.model, findings), "uncertain": (built.apart, apart)}
    write_residues(files.residues, parts, built.candidates)
    write_unmodelled(files.unmodelled, built.model)
    write_report(files.report, report)
    write_page(files.page, report, findings, draw_model(built.model, built.density))


def write_unexplained(files: ResultFiles, model: CalphaModel, atoms: AtomicModel, candidates: Candidates) -> None:
    """Write the chains that the sequences do not explain, and their profiles; nothing where there are none."""
    if model.chains:
        write_mmcif(files.unexplained, atoms)
        write_profiles(files, model, candidates)


def write_profiles(files: ResultFiles, model: CalphaModel, candidates: Candidates) -> None:
    """Write what a sequence database is searched with."""
    write_profile_files(files.profiles, model, candidates)


def write_viewer(files: ResultFiles, built: Built, map_path: Path | None) -> None:
    """Write the ChimeraX script."""
    level = None if built.density is None else surface_level(built.density, built.model)
    others = {files.uncertain: UNCERTAIN_COLOUR, files.unexplained: UNEXPLAINED_COLOUR}
    beside = {path.name: colour for path, colour in others.items() if path.exists()}
    write_viewer_script(files.viewer, files.model.name, beside, map_path, level, b_factors=built.atoms.has_b_factors)
