"""`report.html`: the run on one self-contained page, without scripts and without anything loaded from elsewhere."""

from html import escape
from itertools import pairwise
from pathlib import Path

import numpy as np

from emodelx.records import CalphaModel, Chain
from emodelx.report.refinement import refinement_rows
from emodelx.report.summary import RunReport

BANDS = (
    (90.0, "#0053d6", "very high"),
    (70.0, "#65cbf3", "high"),
    (50.0, "#ffdb13", "low"),
    (0.0, "#ff7d45", "very low"),
)
"""Lowest confidence, colour and name; the colours of ChimeraX's palette `alphafold`."""

BAR_WIDTH, BAR_HEIGHT = 720.0, 14.0
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
body { color: #222; background: #fff }
table { border-collapse: collapse; margin: .5rem 0 1.5rem }
td, th { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top }
th { font-weight: 600 }
td.number { text-align: right }
.warning { border-left: 4px solid #d97706; padding-left: .6rem }
code { word-break: break-all } svg { display: block; max-width: 100% }
"""


def write_page(path: Path, report: RunReport, model: CalphaModel) -> None:
    """Write the page."""
    parts = [_head(report), _warnings(report), _chains(report, model), _refinement(report)]
    parts += [_stages(report), _inputs(report)]
    path.write_text("\n".join(parts) + "\n</body></html>\n", encoding="utf-8")


def _head(report: RunReport) -> str:
    title = escape(report.name)
    facts = {
        "Built": f"{report.residues_built} of {report.residues_expected} residues ({report.completeness:.1%})",
        "Chains": str(len(report.chains)),
        "Resolution": "not used" if report.resolution is None else f"{report.resolution:.2f} A (see Inputs)",
        "Calpha candidates": str(report.candidates),
        "Program": f"emodelx {report.version}, seed {report.seed}",
        "Machine": f"{report.host}; {report.device}",
        "Started": report.started,
    }
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>{_fact_table(facts)}"
        "<p>The confidence of a residue, 0 to 100, is an estimate; it stands in the "
        "B-factor column of the model and is not an atomic displacement.</p>"
    )


def _fact_table(facts: dict[str, str]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in facts.items())
    return f"<table>{rows}</table>"


def _warnings(report: RunReport) -> str:
    lines = "".join(f'<p class="warning">{escape(line)}</p>' for line in report.warnings)
    return f"<h2>Warnings</h2>{lines or '<p>None.</p>'}"


def _chains(report: RunReport, model: CalphaModel) -> str:
    longest = max((chain.length for chain in report.chains), default=1)
    names = ("Chain", "Sequence", "Built", "Traced", "Threaded", "Bridged", "Extended", "Template", "Mean confidence")
    head = "<tr>" + "".join(f"<th>{name}</th>" for name in names) + "</tr>"
    rows = []
    for facts, chain in zip(report.chains, model.chains, strict=True):
        origins = (facts.traced, facts.threaded, facts.bridged, facts.extended, facts.template)
        cells = (f"{facts.built} of {facts.length}", *origins, f"{facts.mean_confidence:.0f}")
        numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
        rows.append(f"<tr><th>{escape(facts.chain)}</th><td>{escape(facts.sequence)}</td>{numbers}</tr>")
        rows.append(f'<tr><td colspan="{len(names)}">{coverage_bar(chain, BAR_WIDTH / longest)}</td></tr>')
    return f"<h2>Chains</h2><p>{_legend()}</p><table>{head}{''.join(rows)}</table>"


def _legend() -> str:
    return " ".join(
        f'<span style="color:{colour}">&#9632;</span> {name} (&ge; {low:.0f})' for low, colour, name in BANDS
    )


def coverage_bar(chain: Chain, residue_width: float) -> str:
    """Return an SVG bar along the sequence: coloured by confidence where built, grey where not."""
    band = np.searchsorted([-low for low, _, _ in BANDS], -chain.confidence)
    band = np.where(chain.placed(), band, -1)
    width = len(band) * residue_width
    boxes = [f'<rect width="{width:.1f}" height="{BAR_HEIGHT}" fill="#e5e5e5"/>']
    edges = np.flatnonzero(np.diff(band, prepend=-2, append=-2))
    for first, end in pairwise(edges):
        if band[first] >= 0:
            x, length = first * residue_width, (end - first) * residue_width
            boxes.append(
                f'<rect x="{x:.1f}" width="{length:.2f}" height="{BAR_HEIGHT}" fill="{BANDS[band[first]][1]}"/>'
            )
    return f'<svg width="{width:.1f}" height="{BAR_HEIGHT}" role="img">{"".join(boxes)}</svg>'


def _refinement(report: RunReport) -> str:
    if report.refinement is None:
        return "<h2>Refinement</h2><p>None: it needs a map and sequences.</p>"
    rows = "".join(
        f'<tr><th>{escape(name)}</th><td class="number">{before}</td><td class="number">{after}</td></tr>'
        for name, before, after in refinement_rows(report.refinement)
    )
    return f"<h2>Refinement</h2><table><tr><th></th><th>Before</th><th>After</th></tr>{rows}</table>"


def _stages(report: RunReport) -> str:
    facts = {name: f"{seconds:.1f} s" for name, seconds in report.stage_seconds.items()}
    if report.peak_memory_bytes is not None:
        facts["peak memory"] = f"{report.peak_memory_bytes / 1e9:.2f} GB"
    return f"<h2>Time and memory</h2>{_fact_table(facts)}"


def _inputs(report: RunReport) -> str:
    files = _fact_table({role: f"{file.path} (sha256 {file.sha256})" for role, file in report.inputs.items()})
    lines = "".join(f"<li>{escape(line)}</li>" for line in report.assumptions)
    return f"<h2>Inputs</h2>{files}<ul>{lines}</ul><p><code>{escape(report.command)}</code></p>"
