"""The AlphaFold database: which prediction belongs to an accession or a sequence, and the files of it.

Source: the description of its interface, https://alphafold.ebi.ac.uk/api-docs.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead
from importlib.metadata import version
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from emodelx.errors import DownloadError, InputError

ADDRESS = "https://alphafold.ebi.ac.uk/api"
ADDRESS_VARIABLE = "EMODELX_AFDB"
"""Environment variable that names another address."""
TIMEOUT = 60.0
"""Seconds without a byte from the server."""

_NOT_FOUND = 404
# https://www.uniprot.org/help/accession_numbers, and the number of an isoform
_ACCESSION = re.compile(r"([OPQ]\d[A-Z\d]{3}\d|[A-NR-Z]\d([A-Z][A-Z\d]{2}\d){1,2})(-\d+)?")


@dataclass(frozen=True)
class Entry:
    """Where the files of a prediction are.

    Attributes
    ----------
    structure : str
        Address of the mmCIF file.
    pae : str or None
        Address of its predicted aligned errors; None where the database has none.
    """

    structure: str
    pae: str | None


def is_accession(name: str) -> bool:
    """Tell a UniProt accession, such as P69905, or P04637-2 for an isoform."""
    return _ACCESSION.fullmatch(name) is not None


def find_entry(accession: str) -> Entry:
    """Ask for the prediction of an accession; complexes, other isoforms and other programs' models are left out.

    Raises
    ------
    InputError
        When the database has none.
    DownloadError
        When it does not answer, or not as described.
    """
    answer = _ask(f"prediction/{accession.split('-')[0]}")  # which lists the isoforms too
    try:
        own = [each for each in answer or () if each["uniprotAccession"] == accession and not each.get("isComplex")]
        if not own:
            raise InputError(f"{accession}: AlphaFold DB has no prediction of this UniProt accession")
        best = next((each for each in own if each.get("modelEntityId") == f"AF-{accession}-F1"), own[0])
        return Entry(_web_address(best["cifUrl"]), _web_address(best["paeDocUrl"]) if best.get("paeDocUrl") else None)
    except (AttributeError, KeyError, TypeError) as error:
        raise _changed() from error


def find_accession(residues: str) -> str | None:
    """Ask for a UniProt accession with exactly this sequence, of which only the checksum is sent; None without one.

    Raises
    ------
    DownloadError
        When the database does not answer, or not as described.
    """
    checksum = hashlib.md5(residues.encode(), usedforsecurity=False).hexdigest()
    answer = _ask(f"sequence/summary?id={checksum}&type=md5")
    try:
        models = [each["summary"]["entities"] for each in answer["structures"]] if answer else []
        proteins = [{e["identifier"] for e in model if e.get("identifier_category") == "UNIPROT"} for model in models]
        names = (name for names in proteins if len(names) == 1 for name in names)  # complexes of two proteins have two
        return next((name for name in names if is_accession(name)), None)
    except (AttributeError, KeyError, TypeError) as error:
        raise _changed() from error


def download(url: str) -> bytes:
    """Get what is at an address.

    Raises
    ------
    DownloadError
        When it cannot be had whole.
    """
    try:
        request = Request(url, headers={"User-Agent": f"emodelx/{version('emodelx')}"})
        with urlopen(request, timeout=TIMEOUT) as response:
            return response.read()
    except HTTPError as error:
        error.close()
        raise DownloadError(f"{url}: the server answers {error.code} ({error.reason}); try again later") from error
    except (OSError, HTTPException, ValueError) as error:
        raise DownloadError(f"{url}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {TIMEOUT:g} seconds; try again later"
    if isinstance(error, IncompleteRead):
        return "the file was cut short on its way; try again"
    return f"cannot be reached ({cause}); is there a network?"


def _ask(question: str) -> Any:  # noqa: ANN401 - JSON
    """Answer to a question; None where the database has nothing."""
    address = (os.environ.get(ADDRESS_VARIABLE) or ADDRESS).rstrip("/")
    try:
        content = download(f"{address}/{question}")
    except DownloadError as error:
        if isinstance(error.__cause__, HTTPError) and error.__cause__.code == _NOT_FOUND:
            return None
        raise
    try:
        return json.loads(content)
    except ValueError as error:
        raise _changed() from error


def _web_address(value: str) -> str:
    """Refuse what is no address on the web, such as a file of this machine."""
    if not value.startswith(("https://", "http://")):
        raise TypeError(value)
    return value


def _changed() -> DownloadError:
    return DownloadError(
        "AlphaFold DB does not answer as it is described; get the files from https://alphafold.ebi.ac.uk by hand, and "
        "update emodelx"
    )
