"""The sequence of a chain, letter by letter: coloured by confidence, grey where not built, underlined where flagged."""

from collections.abc import Iterator
from html import escape
from itertools import groupby

from emodelx.report.bands import NO_BAND, bands_of
from emodelx.report.findings import ChainFindings

LINE, BLOCK = 60, 10


def spell_chain(found: ChainFindings) -> str:
    """Write the sequence as HTML, with the number of the first residue before every line."""
    lines = (_line(found, start) for start in range(0, len(found.residues), LINE))
    return f'<pre class="letters">{"".join(lines)}</pre>'


def _line(found: ChainFindings, start: int) -> str:
    end = min(start + LINE, len(found.residues))
    blocks = (_block(found, first, min(first + BLOCK, end)) for first in range(start, end, BLOCK))
    return f"<b>{start + 1:>6}</b> {' '.join(blocks)}\n"


def _block(found: ChainFindings, first: int, end: int) -> str:
    bands, flagged = bands_of(found.confidence).tolist(), [bool(wrong.any()) for wrong in found.flags]
    kinds = ((bands[i], flagged[i], found.residues[i]) for i in range(first, end))
    return "".join(_runs(kinds))


def _runs(kinds: Iterator[tuple[int, bool, str]]) -> Iterator[str]:
    for (band, flagged), run in groupby(kinds, key=lambda kind: kind[:2]):
        letters = escape("".join(letter for _, _, letter in run))
        letters = f"<u>{letters}</u>" if flagged else letters
        yield f'<span class="{"none" if band == NO_BAND else f"band{band}"}">{letters}</span>'
