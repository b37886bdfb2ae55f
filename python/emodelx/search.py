"""Which sequences of a database the profiles of traced chains belong to."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import log10
from pathlib import Path
from typing import Any

from emodelx.errors import InputError
from emodelx.io.fasta import Record, decode, parse_fasta
from emodelx.io.fasta_header import parse_header
from emodelx.io.files import read_bytes, replacing
from emodelx.io.profiles import REVERSED

DATABASE_LIMIT = 2 << 30
"""Bytes of a sequence database; it is held in memory."""
LEAST_E_VALUE = 1e-300
"""E-values that are 0 count as this."""
AS_GOOD = 0.8
"""A chain goes to the sequence of another chain when it scores at least this part of its own best there."""
COLUMNS = (
    "chain", "direction", "sequence", "length", "e_value", "score",
    "chain_from", "chain_to", "sequence_from", "sequence_to",
)  # fmt: skip
LINE = 60
NO_PYHMMER = "emodelx search needs pyhmmer; install it with: pip install 'emodelx[search]'"


@dataclass(frozen=True)
class Hit:
    """A profile that matches a sequence.

    Attributes
    ----------
    chain : str
        Name of the traced chain.
    direction : {"forward", "reverse"}
        Whether the sequence runs along the chain's residue numbers or against them.
    sequence : str
        Name of the sequence in the database.
    record : int
        Its number there, from 0.
    e_value : float
        Matches this good that are expected by chance among all sequences of the database, per profile.
    score : float
        In bits.
    chain_range, sequence_range : (int, int)
        1-based first and last position of the best stretch; in the chain, of its model in that direction.
    """

    chain: str
    direction: str
    sequence: str
    record: int
    e_value: float
    score: float
    chain_range: tuple[int, int]
    sequence_range: tuple[int, int]


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes
    ----------
    chains : tuple of str
        All chains that were searched with, in the order of their profiles.
    database : tuple of Record
        The protein records of the database.
    hits : tuple of Hit
        By chain, the best first.
    """

    chains: tuple[str, ...]
    database: tuple[Record, ...]
    hits: tuple[Hit, ...]

    def best(self) -> tuple[Hit, ...]:
        """Return the best hit of every chain that has one."""
        return tuple(next(own) for _, own in groupby(self.hits, lambda hit: hit.chain))

    def sequences(self) -> tuple[Record, ...]:
        """Choose the fewest sequences that explain the chains, the best explained first.

        Chains of one protein often match several relatives of it about equally well; the sequence with the most
        evidence over all chains takes all chains that match it nearly as well as their best.
        """
        return tuple(self.database[i] for i in _cover(self.hits))


def search_profiles(fasta: str | Path, profiles: str | Path, most: float = 1e-3, threads: int = 0) -> Found:
    """Search a sequence database with the profiles of traced chains, in both directions.

    HMMER's quick filters are off: profiles read from a map are weaker than those of protein families.

    Parameters
    ----------
    fasta : str or Path
        Database, plain or gzip; nucleic acids in it are passed over.
    profiles : str or Path
        `hmm_profiles` of a build without sequences, or one `.hmm` file.
    most : float
        Largest E-value of a hit.
    threads : int
        0 takes all that the process may use.

    Raises
    ------
    InputError
        When pyhmmer is not installed, there are no profiles, a file cannot be read, or the database has no protein.
    """
    plan7 = _pyhmmer().plan7
    models = list(_read_profiles(Path(profiles), plan7))
    fasta = Path(fasta)
    records = parse_fasta(fasta, decode(fasta, read_bytes(fasta, DATABASE_LIMIT)))
    database = tuple(record for record in records if not record.nucleic and record.letters.strip(":"))
    if not database:
        raise InputError(f"{fasta}: holds no protein sequence; give a database of proteins in FASTA format")
    chains = tuple(dict.fromkeys(model.name.removesuffix(REVERSED) for model in models))
    hits = sorted(
        _hits(models, database, most, threads), key=lambda h: (chains.index(h.chain), h.e_value, -h.score, h.record)
    )
    return Found(chains, database, tuple(hits))


def write_hits(path: Path, found: Found) -> None:
    """Write a row per hit, by chain, the best first.

    Raises
    ------
    ResourceError
        When the file cannot be written.
    """
    rows = (_row(hit, found.database[hit.record]) for hit in found.hits)
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


def _row(hit: Hit, record: Record) -> list[str]:
    scores = (f"{hit.e_value:.3g}", f"{hit.score:.1f}")
    places = map(str, (*hit.chain_range, *hit.sequence_range))
    return [hit.chain, hit.direction, hit.sequence, str(len(record.letters)), *scores, *places]


def write_fasta(path: Path, records: Iterable[Record]) -> None:
    """Write sequences for `emodelx build`, by name only: chains that the database names are not of this map.

    Raises
    ------
    ResourceError
        When the file cannot be written.
    """
    with replacing(path) as part, part.open("w", encoding="utf-8") as file:
        for record in records:
            name = record.header.name
            lines = (record.letters[i : i + LINE] for i in range(0, len(record.letters), LINE))
            file.write(f">{f'hit_{name}' if parse_header(name).chains else name}\n" + "\n".join(lines) + "\n")


def _pyhmmer() -> Any:  # noqa: ANN401 - a module
    try:
        import pyhmmer
    except ImportError as error:
        raise InputError(NO_PYHMMER) from error
    return pyhmmer


def _read_profiles(path: Path, plan7: Any) -> Iterator[Any]:  # noqa: ANN401 - modules and objects of pyhmmer
    """All models of a file, or of the files of a folder by name."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; give the hmm_profiles of 'emodelx build --no-sequence'")
    files = sorted(path.glob("*.hmm"), key=lambda p: (len(p.stem), p.stem)) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: holds no .hmm files; give the hmm_profiles of 'emodelx build --no-sequence'")
    for file in files:
        yield from _models(file, plan7)


def _models(file: Path, plan7: Any) -> list[Any]:  # noqa: ANN401 - modules and objects of pyhmmer
    try:
        with plan7.HMMFile(file) as models:
            return list(models)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{file}: not a HMMER3 profile ({str(error).splitlines()[0]})") from error


def _hits(models: Sequence[Any], database: Sequence[Record], most: float, threads: int) -> Iterator[Hit]:
    pyhmmer = _pyhmmer()
    alphabet = pyhmmer.easel.Alphabet.amino()
    # Chains that a record joins by ':' are searched as one, with an unknown residue between them.
    texts = (record.letters.replace(":", "X") for record in database)
    digital = [
        pyhmmer.easel.TextSequence(name=str(i), sequence=text).digitize(alphabet) for i, text in enumerate(texts)
    ]
    block = pyhmmer.easel.DigitalSequenceBlock(alphabet, digital)
    unfiltered = {"bias_filter": False, "F1": 1.0, "F2": 1.0, "F3": 1.0}
    for model, found in zip(models, pyhmmer.hmmsearch(models, block, cpus=threads, E=most, **unfiltered), strict=True):
        yield from (_hit(model.name, hit, database) for hit in found if hit.evalue <= most)


def _hit(model: str, hit: Any, database: Sequence[Record]) -> Hit:  # noqa: ANN401 - an object of pyhmmer
    place = hit.best_domain.alignment
    record = int(hit.name)
    return Hit(
        chain=model.removesuffix(REVERSED),
        direction="reverse" if model.endswith(REVERSED) else "forward",
        sequence=database[record].header.name,
        record=record,
        e_value=hit.evalue,
        score=hit.score,
        chain_range=(place.hmm_from, place.hmm_to),
        sequence_range=(place.target_from, place.target_to),
    )


def _cover(hits: Iterable[Hit]) -> Iterator[int]:
    """Records that explain the chains, the one with most evidence first."""
    scores: dict[str, dict[int, float]] = defaultdict(dict)
    for hit in hits:
        evidence = max(-log10(max(hit.e_value, LEAST_E_VALUE)), 0.0)
        scores[hit.chain][hit.record] = max(evidence, scores[hit.chain].get(hit.record, evidence))
    while scores:
        total: dict[int, float] = defaultdict(float)
        for own in scores.values():
            for record, evidence in own.items():
                total[record] += evidence
        chosen = max(total, key=lambda record: (total[record], -record))
        yield chosen
        explained = [c for c, own in scores.items() if own.get(chosen, -1.0) >= AS_GOOD * max(own.values())]
        for chain in explained or [c for c, own in scores.items() if chosen in own]:
            del scores[chain]
