"""How the page looks."""

from emodelx.report.bands import BANDS, UNBUILT_COLOUR

_LIGHT = (1, 2)
"""Bands whose colours ask for dark letters."""


def style() -> str:
    """Give the style sheet of the page."""
    letters = [
        f".band{index} {{ background: {colour}; color: {'#222' if index in _LIGHT else '#fff'} }}"
        for index, (_, colour, _) in enumerate(BANDS)
    ]
    return "\n".join([_SHEET, *letters])


_SHEET = f"""
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }}
body {{ color: #222; background: #fff }}
h1 {{ margin-bottom: 0 }} h2 {{ margin: 2.2rem 0 .5rem; border-bottom: 1px solid #ddd }}
table {{ border-collapse: collapse; margin: .5rem 0 1rem }}
td, th {{ text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top }}
th {{ font-weight: 600 }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums }}
code {{ word-break: break-all; background: #f4f4f5; padding: 0 .25rem }}
svg {{ display: block; max-width: 100% }}
details > summary {{ cursor: pointer; font-weight: 600; padding: .3rem 0 }}
.lead {{ font-size: 1.15rem; margin: .3rem 0 1rem }}
.small {{ font-size: .85rem; color: #555 }}
.warning {{ border-left: 4px solid #d97706; padding-left: .6rem }}
.figures {{ display: flex; flex-wrap: wrap; gap: .6rem; margin: 1rem 0 }}
.figure {{ border: 1px solid #ddd; border-top: 5px solid; border-radius: 4px; padding: .4rem .7rem; flex: 1 1 7.5rem }}
.figure b {{ display: block; font-size: 1.35rem }} .figure small {{ color: #555 }}
.good {{ border-top-color: #15803d }} .fair {{ border-top-color: #d97706 }} .poor {{ border-top-color: #b91c1c }}
.legend i {{ display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 .9rem }}
.views {{ display: flex; gap: 1rem; align-items: flex-end }} .views figure {{ flex: 1; margin: 0; text-align: center }}
.views svg {{ width: 100%; max-height: 24rem }} .views path {{ fill: none; vector-effect: non-scaling-stroke }}
.trace path {{ stroke-width: 2px; stroke-linejoin: round; stroke-linecap: round }}
.views text {{ text-anchor: middle; font-weight: 700; paint-order: stroke; stroke: #fff; stroke-width: .25em }}
.views path.bar {{ stroke: #222; stroke-width: 2px }} .views text.bar {{ font-weight: 400 }}
.tracks path {{ fill: none }} .tracks .none {{ stroke: {UNBUILT_COLOUR} }} .tracks .frame {{ stroke: #bbb }}
.tracks .curve {{ stroke-width: 1.2 }} .tracks text {{ font-size: 12px; fill: #333 }}
.tracks .label {{ text-anchor: end }} .tracks .tick {{ text-anchor: end; font-size: 9px; fill: #888 }}
.tracks .number {{ text-anchor: middle; font-size: 10px; fill: #666 }}
.hover path {{ stroke: #000; stroke-opacity: 0 }} .hover path:hover {{ stroke-opacity: .15 }}
.letters {{ font: 13px/1.55 ui-monospace, monospace; margin: .5rem 0 1.5rem; overflow-x: auto }}
.letters b {{ font-weight: 400; color: #888 }} .letters u {{ text-decoration: underline 2px #b91c1c }}
.letters .none {{ background: {UNBUILT_COLOUR}; color: #999 }}
@media print {{ details > * {{ display: block }} body {{ max-width: none }} }}
"""
