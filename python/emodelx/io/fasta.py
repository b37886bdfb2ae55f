"""FASTA text to records: residues joined and cleaned, every oddity remembered with its line."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from emodelx.errors import InputError
from emodelx.io.fasta_header import Header, parse_header

SIZE_LIMIT = 16 << 20
"""Bytes; the sequences of the largest complexes are a hundred times smaller."""

_NOT_TEXT = {
    b"PK\x03\x04": "a Word document or a zip archive",
    b"\xd0\xcf\x11\xe0": "a Word document",
    b"{\\rtf": "a rich-text document",
    b"%PDF": "a PDF document",
}
# What people paste with a sequence and never mean as residues; \u200b, \ufeff and \xad are invisible.
_STRIPPED = {
    "space": r"[\s\u200b\ufeff\xad]",
    "digit": "[0-9]",
    "'*'": r"\*",
    "'-'": "-",
}
_STRIPPED_ANY = re.compile("|".join(_STRIPPED.values()))
_ILLEGAL = re.compile("[^A-Za-z:]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f]")
_SHORTEST_NUCLEIC = 10


@dataclass(frozen=True)
class Record:
    """One FASTA record.

    Attributes
    ----------
    line : int
        1-based line of its header.
    header : Header
        With a name that is never empty.
    letters : str
        Residues in upper case; ``:`` joins the chains of one record (ColabFold).
    stripped : str
        What was removed, as words, such as ``2 spaces, 60 digits``; empty when nothing was.
    nucleic : bool
        It is DNA or RNA.
    """

    line: int
    header: Header
    letters: str
    stripped: str
    nucleic: bool


def decode(path: Path, content: bytes) -> str:
    """Text of a file in UTF-8, UTF-16 with a byte-order mark, or Latin-1.

    Raises
    ------
    InputError
        When it is not plain text.
    """
    for magic, kind in _NOT_TEXT.items():
        if content.startswith(magic):
            raise InputError(f"{path}: is {kind}; save the sequences as plain text (FASTA)")
    text = _decode_any(content)
    if _CONTROL.search(text):
        raise InputError(f"{path}: is not a text file; give the sequences as plain text (FASTA)")
    return text


def _decode_any(content: bytes) -> str:
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return content.decode("latin-1")  # every byte is a character there; headers may hold names with accents


def parse_fasta(path: Path, text: str) -> list[Record]:
    """Split FASTA text into records; blank lines and ``;`` comments are skipped.

    Raises
    ------
    InputError
        When there is no header before the first residue, or a letter cannot be a residue (with its line).
    """
    records = [_record(path, line, header, body) for line, header, body in _blocks(path, text)]
    if not records:
        raise InputError(f"{path}: holds no sequence; give protein sequences in FASTA format")
    return records


def _blocks(path: Path, text: str) -> Iterator[tuple[int, str, list[tuple[int, str]]]]:
    """Header line, header and numbered body lines of every record."""
    block: tuple[int, str, list[tuple[int, str]]] | None = None
    for number, line in enumerate(re.split("\r\n|\r|\n", text), start=1):
        if not line.strip() or line.startswith(";"):
            continue
        if line.lstrip().startswith(">"):
            if block:
                yield block
            block = (number, line.lstrip()[1:], [])
        elif block is None:
            raise InputError(f"{path}: line {number} comes before the first header; put '>NAME' above each sequence")
        else:
            block[2].append((number, line))
    if block:
        yield block


def _record(path: Path, line: int, header: str, body: list[tuple[int, str]]) -> Record:
    parsed = parse_header(header)
    letters = "".join(_residues(path, number, text) for number, text in body)
    return Record(
        line=line,
        header=replace(parsed, name=parsed.name or f"line_{line}"),
        letters=letters,
        stripped=_count_stripped(text.strip() for _, text in body),
        nucleic=_is_nucleic(parsed, letters),
    )


def _residues(path: Path, line: int, text: str) -> str:
    letters = _STRIPPED_ANY.sub("", text)
    if bad := _ILLEGAL.search(letters):
        raise InputError(f"{path}: line {line}: {bad[0]!r} is not a residue letter; correct the line")
    return letters.upper()


def _count_stripped(lines: Iterator[str]) -> str:
    counts: Counter[str] = Counter()
    for line in lines:
        if _STRIPPED_ANY.search(line):
            counts.update({word: len(re.findall(pattern, line)) for word, pattern in _STRIPPED.items()})
    plural = {word: word if word.startswith("'") or n == 1 else word + "s" for word, n in counts.items()}
    return ", ".join(f"{n} {plural[word]}" for word, n in counts.items() if n)


def _is_nucleic(header: Header, letters: str) -> bool:
    """Whether a record is DNA or RNA.

    A `mol:` tag decides. Without one, all letters must be bases, and either the description says DNA or RNA, or the
    sequence is long enough and varied enough not to be a peptide: poly-Ala/Gly uses two of the letters, and a
    selenoprotein has U beside many others.
    """
    if header.molecule:
        return header.molecule == "nucleic"
    bases = set(letters) - set("NX:")
    if not bases or not bases <= set("ACGTU"):
        return False
    if header.mentions_nucleic:
        return True
    return len(letters) >= _SHORTEST_NUCLEIC and (len(bases) >= 3 or letters.count("U") * 4 > len(letters))
