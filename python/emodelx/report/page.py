"""`report.html`: the run on one self-contained page, without scripts and without anything loaded from elsewhere."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

import numpy as np

from emodelx.report.bands import BANDS, NO_BAND, UNBUILT_COLOUR, bands_of, legend
from emodelx.report.figures import figures
from emodelx.report.findings import ChainFindings
from emodelx.report.letters import spell_chain
from emodelx.report.refinement import refinement_rows
from emodelx.report.style import style
from emodelx.report.summary import RunReport
from emodelx.report.tracks import MOST_HOVERS, draw_chain

BAR_WIDTH, BAR_HEIGHT = 720.0, 14.0
MOST_OPEN = 4
"""Chains at most whose plots are open at first."""
MOST_PLACES = 12
"""Places at most that are listed of one kind."""


def write_page(path: Path, report: RunReport, chains: Sequence[ChainFindings], picture: str) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
    report : RunReport
    chains : sequence of ChainFindings
        In the order of `report.chains`.
    picture : str
        The model in its map, as HTML; may be empty.
    """
    parts = [_head(report, chains), _warnings(report), _picture(picture), _concerns(report), _chains(report, chains)]
    parts += [_unbuilt(report), _residues(chains), _refinement(report), _run(report), _inputs(report)]
    path.write_text("\n".join(parts) + "\n</body></html>\n", encoding="utf-8")


def _head(report: RunReport, chains: Sequence[ChainFindings]) -> str:
    title = escape(report.name)
    cards = "".join(
        f'<div class="figure {figure.grade}">{figure.name}<b>{figure.value}</b><small>{figure.usual}</small></div>'
        for figure in figures(report.scores)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style()}</style></head><body><h1>{title}</h1>"
        f'<p class="lead">{" ".join(_verdict(report, chains))}</p><div class="figures">{cards}</div>'
    )


def _symmetry(report: RunReport) -> str:
    if report.symmetry is None:
        return "not sought"
    use = "copies read together and completed" if report.symmetry.averaged else "seen in the chains"
    return "none (C1)" if report.symmetry.group == "C1" else f"{report.symmetry.group}, {use}"


def _verdict(report: RunReport, chains: Sequence[ChainFindings]) -> Iterator[str]:
    """The run in two or three sentences."""
    count = len(report.chains)
    yield (
        f"{report.residues_built} of {report.residues_expected} residues ({report.completeness:.1%}) are built, "
        f"in {count} chain{'' if count == 1 else 's'}."
    )
    if report.residues_uncertain:
        yield (
            f"{report.residues_uncertain} more, with a confidence below {report.min_confidence:g}, are kept apart from "
            "the model."
        )
    confidence = np.concatenate([chain.confidence[chain.built()] for chain in chains])
    if len(confidence) > 0:
        yield f"{int((confidence >= BANDS[1][0]).sum())} of them have a high confidence (70 or more)."
        wrong = float((1 - confidence / 100).sum())
        yield f"About {wrong:.0f} are expected to be more than 3 A from where they belong."


def _warnings(report: RunReport) -> str:
    lines = "".join(f'<p class="warning">{escape(line)}</p>' for line in report.warnings)
    return f"<h2>Warnings</h2>{lines}" if lines else ""


def _picture(picture: str) -> str:
    if not picture:
        return ""
    note = "Grey: the map, summed along the line of sight. Far parts of the model are paler. Names stand in the middle."
    return f'<h2>The model in its map</h2><p class="legend">{legend()}</p>{picture}<p class="small">{note}</p>'


def _concerns(report: RunReport) -> str:
    if not report.concerns:
        return ""
    rows = "".join(
        f"<tr><th>{concern.what}</th><td>{' '.join(_places(concern.places))}</td></tr>" for concern in report.concerns
    )
    example = report.concerns[0].places[0]
    note = f"In ChimeraX, with {escape(report.name)}.cxc open: <code>view #2{escape(example)}</code>"
    return f"<h2>Look at these first</h2><table>{rows}</table><p>{note}</p>"


def _places(places: Sequence[str]) -> Iterator[str]:
    yield from (f"<code>{escape(place)}</code>" for place in places[:MOST_PLACES])
    if len(places) > MOST_PLACES:
        yield f"and {len(places) - MOST_PLACES} more, see residues.csv"


def _chains(report: RunReport, chains: Sequence[ChainFindings]) -> str:
    longest = max((chain.length for chain in report.chains), default=1)
    names = ("Chain", "Sequence", "Built", "Traced", "Threaded", "Bridged", "Extended", "Template", "Symmetric")
    names += ("Kept apart", "Mean confidence")
    head = "<tr>" + "".join(f"<th>{name}</th>" for name in names) + "</tr>"
    rows = []
    for facts, chain in zip(report.chains, chains, strict=True):
        read = (facts.traced, facts.threaded, facts.bridged, facts.extended)
        origins = (*read, facts.template, facts.symmetric, facts.uncertain)
        cells = (f"{facts.built} of {facts.length}", *origins, f"{facts.mean_confidence:.0f}")
        numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
        rows.append(f"<tr><th>{escape(facts.chain)}</th><td>{escape(facts.sequence)}</td>{numbers}</tr>")
        rows.append(f'<tr><td colspan="{len(names)}">{coverage_bar(chain, BAR_WIDTH / longest)}</td></tr>')
    return f'<h2>Chains</h2><p class="legend">{legend()}</p><table>{head}{"".join(rows)}</table>'


def coverage_bar(chain: ChainFindings, residue_width: float) -> str:
    """Return an SVG bar along the sequence: coloured by confidence where built, grey where not."""
    band = bands_of(chain.confidence)
    width = len(band) * residue_width
    boxes = [f'<rect width="{width:.1f}" height="{BAR_HEIGHT}" fill="{UNBUILT_COLOUR}"/>']
    edges = np.flatnonzero(np.diff(band, prepend=NO_BAND - 1, append=NO_BAND - 1)).tolist()
    for first, end in pairwise(edges):
        name, colour = ("not built", UNBUILT_COLOUR) if band[first] == NO_BAND else BANDS[band[first]][2::-1][:2]
        boxes.append(
            f'<rect x="{first * residue_width:.1f}" width="{(end - first) * residue_width:.2f}" '
            f'height="{BAR_HEIGHT}" fill="{colour}"><title>{first + 1}-{end}: {name}</title></rect>'
        )
    return f'<svg width="{width:.1f}" height="{BAR_HEIGHT}" role="img">{"".join(boxes)}</svg>'


def _unbuilt(report: RunReport) -> str:
    rows = "".join(
        f"<tr><th>{escape(part.chain) or '-'}</th><td>{escape(part.sequence)}</td>"
        f'<td class="number">{part.first}-{part.last}</td><td class="number">{part.last - part.first + 1}</td>'
        f"<td>{part.where}</td><td>{part.reason}</td></tr>"
        for part in report.unbuilt
    )
    head = "<tr><th>Chain</th><th>Sequence</th><th>Residues</th><th>Count</th><th>Where</th><th>Why</th></tr>"
    table = f"<table>{head}{rows}</table>" if rows else "<p>Everything was built.</p>"
    return f"<h2>What was not built, and why</h2>{table}{_unexplained(report)}"


def _unexplained(report: RunReport) -> str:
    if report.unexplained == 0:
        return ""
    text = (
        f"{report.unexplained} places in the map look like Calphas to the network and belong to no residue of the "
        "model: noise, or something that the sequences do not hold."
    )
    if report.unexplained_chains:
        lengths = ", ".join(f"{chain.chain} ({chain.built})" for chain in report.unexplained_chains)
        text += (
            f" Among them are long chains, which were traced without sequences: "
            f"{escape(lengths)}. They are in {escape(report.name)}_unexplained.cif, their profiles in hmm_profiles."
        )
    return f"<p>{text}</p>"


def _residues(chains: Sequence[ChainFindings]) -> str:
    every = sum(int(chain.built().sum()) for chain in chains) <= MOST_HOVERS
    opened = " open" if len(chains) <= MOST_OPEN else ""
    parts = (
        f"<details{opened}><summary>Chain {escape(chain.name)}</summary>"
        f"{draw_chain(chain, every)}{spell_chain(chain)}</details>"
        for chain in chains
    )
    note = (
        "Rest the mouse on a residue to read its values. Grey: not built. In the sequence, letters with a red line "
        "have a wrong geometry: a Ramachandran outlier, an unusual rotamer, a misplaced Cbeta or a clash."
    )
    return f'<h2>Residue by residue</h2><p class="small">{note}</p>{"".join(parts)}'


def _refinement(report: RunReport) -> str:
    if report.refinement is None:
        return "<h2>Refinement</h2><p>None.</p>"
    rows = "".join(
        f'<tr><th>{escape(name)}</th><td class="number">{before}</td><td class="number">{after}</td></tr>'
        for name, before, after in refinement_rows(report.refinement)
    )
    return f"<h2>Refinement</h2><table><tr><th></th><th>Before</th><th>After</th></tr>{rows}</table>"


def _run(report: RunReport) -> str:
    facts = {
        "Symmetry": _symmetry(report),
        "Resolution": "not used" if report.resolution is None else f"{report.resolution:.2f} A (see Inputs)",
        "Calpha candidates": str(report.candidates),
        "Program": f"emodelx {report.version}, seed {report.seed}",
        "Machine": f"{report.host}; {report.device}",
        "Started": report.started,
    }
    facts |= {name: f"{seconds:.1f} s" for name, seconds in report.stage_seconds.items()}
    if report.peak_memory_bytes is not None:
        facts["peak memory"] = f"{report.peak_memory_bytes / 1e9:.2f} GB"
    return f"<details><summary>Run, time and memory</summary>{_fact_table(facts)}</details>"


def _fact_table(facts: dict[str, str]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items())
    return f"<table>{rows}</table>"


def _inputs(report: RunReport) -> str:
    files = _fact_table({role: f"{file.path} (sha256 {file.sha256})" for role, file in report.inputs.items()})
    lines = "".join(f"<li>{escape(line)}</li>" for line in report.assumptions)
    column = (
        "The B-factor column of the model holds fitted B factors; the confidence is in residues.csv."
        if report.b_factors
        else "The confidence of a residue, 0 to 100, is an estimate; it stands in the B-factor column of the model and "
        "is not an atomic displacement."
    )
    return f"<h2>Inputs</h2>{files}<ul>{lines}</ul><p><code>{escape(report.command)}</code></p><p>{column}</p>"
