"""The protein sequences of a complex, each once, with its copies."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from emodelx.errors import InputError
from emodelx.io.fasta import SIZE_LIMIT, Record, decode, parse_fasta
from emodelx.io.files import read_bytes
from emodelx.records import Sequence

MOST_COPIES = 10_000

# Codes for "one of two"; the acid of each pair is taken, whose side chain has the same outline.
_AMBIGUOUS = {"B": "D", "Z": "E", "J": "L"}
_AMBIGUOUS_TABLE = str.maketrans(_AMBIGUOUS)


@dataclass(frozen=True)
class SequenceFile:
    """What a sequence file holds.

    Attributes
    ----------
    sequences : tuple of Sequence
        Unique protein sequences in the order of the file, with distinct names and distinct chain names.
    nucleic : tuple of str
        Names of the nucleic-acid records that were set aside.
    warnings : tuple of str
        One line each, in the order of the file, with line numbers.
    """

    sequences: tuple[Sequence, ...]
    nucleic: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Part:
    """One chain list and sequence: a record, or a part of a record that joins chains by ``:``."""

    line: int
    name: str
    chains: tuple[str, ...]
    residues: str


def parse_copies(options: Iterable[str]) -> dict[str, int]:
    """Read `--copies NAME=n` options.

    Raises
    ------
    InputError
        When an option has another form.
    """
    copies = {}
    for option in options:
        form = re.fullmatch(r"(.+)=\s*(-?\d+)\s*", option)
        if form is None:
            raise InputError(f"--copies {option}: write NAME=n, with the name of a sequence and a whole number")
        copies[form[1].strip()] = int(form[2])
    return copies


def read_sequences(path: str | Path, copies: Mapping[str, int] | None = None) -> SequenceFile:
    """Read protein sequences from a FASTA file, plain or gzip, of any common source.

    Records with the same sequence become one; its copies are those of `copies`, else the chains that the headers
    list (a record without chains counts as one). In a file without a repeated sequence, a record without chains does
    not tell its copies; they are to be counted in the map.

    Parameters
    ----------
    path : str or Path
    copies : mapping of str to int, optional
        Copies by record name.

    Raises
    ------
    InputError
        When the file is missing, empty, not text, without protein or has an illegal character, or when `copies` names
        an unknown record or an impossible number.
    """
    path = Path(path)
    records = parse_fasta(path, decode(path, read_bytes(path, SIZE_LIMIT)))
    nucleic = tuple(record.header.name for record in records if record.nucleic)
    warnings = [warning for record in records for warning in _record_warnings(record)]
    parts = [part for record in records if not record.nucleic for part in _parts(record)]
    if not parts:
        found = "only nucleic acid" if nucleic else "no residues"
        raise InputError(f"{path}: holds {found}; give at least one protein sequence")
    sequences, group_warnings = _unique(parts, copies or {})
    return SequenceFile(sequences, nucleic, tuple(warnings + group_warnings))


def _record_warnings(record: Record) -> list[str]:
    where, name = f"line {record.line}", record.header.name
    if record.nucleic:
        return [f"{where}: {name} is nucleic acid and is set aside (a peptide: add mol:protein to its header)"]
    if not record.letters.strip(":"):
        return [f"{where}: {name} has no residues and is skipped"]
    warnings = [f"{where}: {name}: removed {record.stripped}"] if record.stripped else []
    warnings += [
        f"{where}: {name}: {record.letters.count(code)} residues {code} are read as {residue}"
        for code, residue in _AMBIGUOUS.items()
        if code in record.letters
    ]
    return warnings


def _parts(record: Record) -> list[_Part]:
    pieces = [piece.translate(_AMBIGUOUS_TABLE) for piece in record.letters.split(":") if piece]
    header = record.header
    if len(pieces) == 1:
        return [_Part(record.line, header.name, header.chains, pieces[0])]
    names = [f"{header.name}_{number}" for number in range(1, len(pieces) + 1)]
    return [_Part(record.line, name, (), piece) for name, piece in zip(names, pieces, strict=True)]


def _unique(parts: list[_Part], copies: Mapping[str, int]) -> tuple[tuple[Sequence, ...], list[str]]:
    """Join equal sequences; give the warnings beside."""
    groups: dict[str, list[_Part]] = {}
    for part in parts:
        groups.setdefault(part.residues, []).append(part)
    names, warnings = _distinct_names(groups)
    asked = _asked_copies(groups, names, copies)
    chains, chain_warnings = _distinct_chains(groups)
    told = {
        residues: asked.get(residues, sum(max(1, len(p.chains)) for p in group)) for residues, group in groups.items()
    }
    silent = {r for r, group in groups.items() if r not in asked and not any(p.chains for p in group)}
    repeats = len(parts) > len(groups)  # such a file lists a record per copy
    sequences = tuple(Sequence(names[r], r, chains[r][: told[r]], told[r], repeats or r not in silent) for r in groups)
    assumed = [s for s in sequences if repeats and s.residues in silent]
    return sequences, warnings + chain_warnings + _assumed_warning(assumed)


def _distinct_names(groups: dict[str, list[_Part]]) -> tuple[dict[str, str], list[str]]:
    names: dict[str, str] = {}
    warnings = []
    taken: set[str] = set()
    for residues, (first, *_) in groups.items():
        name, number = first.name, 2
        while name in taken:
            name, number = f"{first.name}_{number}", number + 1
        if name != first.name:
            warnings.append(f"line {first.line}: another sequence is called {first.name}; this one becomes {name}")
        taken.add(name)
        names[residues] = name
    return names, warnings


def _asked_copies(groups: dict[str, list[_Part]], names: dict[str, str], copies: Mapping[str, int]) -> dict[str, int]:
    """Copies by sequence, of the sequences that `--copies` names."""
    by_name = {part.name: residues for residues, group in reversed(groups.items()) for part in group}
    by_name |= {name: residues for residues, name in names.items()}
    for name, number in copies.items():
        if name not in by_name:
            raise InputError(
                f"--copies {name}={number}: no such sequence; the file has {_listed(list(names.values()))}"
            )
        if not 1 <= number <= MOST_COPIES:
            raise InputError(f"--copies {name}={number}: the number of copies must be 1 to {MOST_COPIES}")
    return {by_name[name]: number for name, number in copies.items()}


def _distinct_chains(groups: dict[str, list[_Part]]) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Chain names by sequence; a name that is given twice stays with its first owner."""
    chains, warnings = {}, []
    taken: set[str] = set()
    for residues, group in groups.items():
        mine: list[str] = []
        for part in group:
            again = [chain for chain in part.chains if chain in taken]
            warnings += [
                f"line {part.line}: chain name {chain} is given twice; this copy gets another" for chain in again
            ]
            mine += [chain for chain in part.chains if chain not in taken]
            taken.update(part.chains)
        chains[residues] = tuple(mine)
    return chains, warnings


def _assumed_warning(assumed: list[Sequence]) -> list[str]:
    if not assumed:
        return []
    counts = _listed([f"{sequence.name}={sequence.copies}" for sequence in assumed])
    return [f"sequences are repeated, so one copy per record is assumed: {counts} (change it with --copies NAME=n)"]


def _listed(words: list[str], most: int = 8) -> str:
    rest = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + rest
