"""Predictions fetched into a folder for `--template`: each file whole or not at all, and none twice."""

from contextlib import ExitStack
from pathlib import Path

from emodelx.config import TemplateConfig
from emodelx.errors import DownloadError, InputError, ResourceError
from emodelx.io.alphafold_db import download, find_accession, find_entry, is_accession
from emodelx.io.atomic import UNFINISHED
from emodelx.io.files import replacing
from emodelx.io.pae import find_pae, read_pae
from emodelx.io.structures import read_calphas
from emodelx.io.template_matching import belongs, match_chain
from emodelx.io.templates import TemplateChain, read_plddt
from emodelx.records import Sequence


def accession_of(sequence: Sequence) -> str:
    """Give the UniProt accession of a sequence: its name if that is one, else what the database says.

    Raises
    ------
    InputError
        When there is none.
    DownloadError
        When the database cannot be asked.
    """
    accession = sequence.name if is_accession(sequence.name) else find_accession(sequence.residues)
    if accession is None:
        raise InputError(
            f"{sequence.name}: has no UniProt accession, and AlphaFold DB has no prediction of exactly this sequence; "
            "write its header as '>sp|P69905|HBA_HUMAN'"
        )
    return accession


def fetch_template(accession: str, folder: Path, sequence: Sequence | None = None) -> str:
    """Get `AF-<accession>.cif` and its aligned errors, `.json`, unless they are there and whole.

    Parameters
    ----------
    accession : str
        Of UniProt.
    folder : Path
        Made where it is missing.
    sequence : Sequence, optional
        That the prediction must have, up to the differences that a template may have.

    Returns
    -------
    str
        What it is, in one line.

    Raises
    ------
    InputError
        When the accession is none or has no prediction, or the prediction is of another sequence.
    DownloadError
        When the files cannot be had whole.
    ResourceError
        When they cannot be written.
    """
    if not is_accession(accession):
        raise InputError(f"{accession}: is no UniProt accession, such as P69905")
    path = folder / f"AF-{accession}.cif"
    try:
        chain = _read_whole(path, find_pae(path))
    except InputError:  # missing or damaged
        return _fetch(accession, path, sequence)
    return f"{_describe(path, chain, sequence)}, was there"


def _fetch(accession: str, path: Path, sequence: Sequence | None) -> str:
    """Download a prediction, and describe it."""
    entry = find_entry(accession)
    urls = {path: entry.structure} | ({path.with_suffix(".json"): entry.pae} if entry.pae else {})
    contents = {file: download(url) for file, url in urls.items()}
    _make_folder(path.parent)
    with ExitStack() as files:  # ends in the reverse order: where the structure is, all is
        parts = [files.enter_context(replacing(file)) for file in contents]
        for part, content in zip(parts, contents.values(), strict=True):
            part.write_bytes(content)
        try:
            chain = _read_whole(*parts)
        except InputError as error:
            reason = str(error).rsplit(f"{UNFINISHED}: ", 1)[-1]
            raise DownloadError(f"{entry.structure}: what came is not a whole prediction ({reason})") from error
        said = _describe(path, chain, sequence)
    return said if entry.pae else f"{said}, without aligned errors"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(f"{folder}: cannot be made ({error.strerror})") from error


def _read_whole(structure: Path, pae: Path | None = None) -> TemplateChain:
    """Read the chain of a prediction; refuse one that lacks residues of its own sequence."""
    chain = max(read_calphas(structure), key=len)
    if len(chain) < len(chain.sequence):
        raise InputError(f"{structure}: has {len(chain)} of {len(chain.sequence)} residues")
    if pae is not None and len(read_pae(pae)) != len(chain):
        raise InputError(f"{pae}: has the aligned errors of another number of residues")
    return TemplateChain(structure.name, chain.residues, chain.positions, read_plddt(chain.b_factors))


def _describe(path: Path, chain: TemplateChain, sequence: Sequence | None) -> str:
    """Say what a prediction is; refuse one of another sequence, as a build would."""
    plddt = "" if chain.plddt is None else f", mean pLDDT {chain.plddt.mean():.0f}"
    said = f"{path}: {len(chain.residues)} residues{plddt}"
    if sequence is None:
        return said
    match = match_chain(chain, 0, sequence.residues)
    if not belongs(match, TemplateConfig()):
        raise InputError(
            f"{path.name}: the prediction is of another sequence than {sequence.name}: {match.identity:.0%} identity "
            f"over {len(match.members)} residues; correct the accession in the header"
        )
    return f"{said}, {sequence.name} with {match.identity:.0%} identity, {match.coverage:.0%} coverage"
