"""`emodelx templates fetch`, against a server that plays AlphaFold DB and everything that can go wrong with it."""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import gemmi
import numpy as np
import pytest

from emodelx import __version__
from emodelx.cli.app import main
from emodelx.constants import THREE_LETTER
from emodelx.io import alphafold_db
from emodelx.io.templates import read_templates

HBA = "VLSPADKTNVKAAWGKVGAHAGEYGAEALERMFLSFPTTKTYFPHF"
OTHER = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVG"
HEADER = ">sp|P69905|HBA_HUMAN Hemoglobin subunit alpha OS=Homo sapiens OX=9606"


def mmcif(residues):
    """A prediction as the database writes it: with the whole sequence, pLDDT in place of B factors."""
    chain = gemmi.Chain("A")
    for number, letter in enumerate(residues, start=1):
        residue = gemmi.Residue()
        residue.name, residue.seqid, residue.label_seq = THREE_LETTER[letter], gemmi.SeqId(number, " "), number
        residue.subchain, residue.entity_id, residue.entity_type = "A", "1", gemmi.EntityType.Polymer
        atom = gemmi.Atom()
        atom.name, atom.element, atom.b_iso = "CA", gemmi.Element("C"), 91.0
        atom.pos = gemmi.Position(3.0 * number, 2.0 * (number % 2), 0)
        residue.add_atom(atom)
        chain.add_residue(residue)
    entity = gemmi.Entity("1")
    entity.entity_type, entity.polymer_type = gemmi.EntityType.Polymer, gemmi.PolymerType.PeptideL
    entity.full_sequence, entity.subchains = [THREE_LETTER[letter] for letter in residues], ["A"]
    structure = gemmi.Structure()
    structure.add_model(gemmi.Model(1))
    structure[0].add_chain(chain)
    structure.entities = gemmi.EntityList([entity])
    return structure.make_mmcif_document().as_string().encode()


def aligned_errors(size):
    return json.dumps([{"predicted_aligned_error": np.ones((size, size), int).tolist()}]).encode()


class Database(ThreadingHTTPServer):
    """Answers by path; a function in place of an answer does with the connection what it likes."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.answers, self.asked, self.agents = {}, [], set()

    def add(self, accession, residues, version=6, **changes):
        """Put a prediction in."""
        structure, pae = f"/files/AF-{accession}-F1-model_v{version}.cif", f"/files/AF-{accession}-pae_v{version}.json"
        entry = {
            "modelEntityId": f"AF-{accession}-F1",
            "uniprotAccession": accession,
            "isComplex": False,
            "cifUrl": self.address + structure,
            "paeDocUrl": self.address + pae,
        }
        self.entries(accession, entry | changes)
        self.answers |= {structure: mmcif(residues), pae: aligned_errors(len(residues))}
        return entry, structure, pae

    def entries(self, accession, *entries):
        self.answers[f"/api/prediction/{accession}"] = json.dumps(entries).encode()

    def by_sequence(self, residues, *models):
        """Let models have a sequence; each is a list of accessions."""
        named = [[{"identifier": name, "identifier_category": "UNIPROT"} for name in model] for model in models]
        answer = {"structures": [{"summary": {"entities": entities}} for entities in named]}
        checksum = hashlib.md5(residues.encode()).hexdigest()
        self.answers[f"/api/sequence/summary?id={checksum}&type=md5"] = json.dumps(answer).encode()


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.server.agents.add(self.headers["User-Agent"])
        answer = self.server.answers.get(self.path)
        if callable(answer):
            answer(self)
        elif answer is None:
            self.send_error(404)
        else:
            send(self, answer, len(answer))

    def log_message(self, *_):
        pass


def send(handler, content, size):
    handler.send_response(200)
    handler.send_header("Content-Length", str(size))
    handler.end_headers()
    handler.wfile.write(content)


def without_last_residues(content):
    """A file cut between two lines, which is mmCIF still."""
    lines = content.splitlines(keepends=True)
    last = max(i for i, line in enumerate(lines) if line.startswith(b"ATOM"))
    return b"".join(lines[: last - 4])


def cut_on_the_way(handler):
    send(handler, b"data_AF", 5000)


def overloaded(handler):
    handler.send_error(503)


def silent(_):
    time.sleep(0.5)


@pytest.fixture
def database(monkeypatch):
    server = Database()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("EMODELX_AFDB", f"{server.address}/api")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetch(tmp_path, capsys):
    """Run the command; give the exit code and what it prints on stdout and stderr."""

    def call(*words, fasta=None):
        if fasta is not None:
            (tmp_path / "in.fasta").write_text(fasta)
            words = (*words, "--fasta", str(tmp_path / "in.fasta"))
        with pytest.raises(SystemExit) as ended:
            main(["templates", "fetch", *words, "-o", str(tmp_path / "out")])
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return call


def written(tmp_path):
    return sorted(path.name for path in (tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else []


def test_a_build_finds_structure_and_errors(database, fetch, tmp_path):
    database.add("P69905", HBA)
    code, out, _ = fetch("p69905", "P69905")
    assert code == 0
    assert f"AF-P69905.cif: {len(HBA)} residues, mean pLDDT 91\n" in out
    assert out.splitlines()[-1] == f"to use them: emodelx build --template {tmp_path / 'out'}"
    found = read_templates([tmp_path / "out"])
    assert [path.name for path in found.files] == ["AF-P69905.cif", "AF-P69905.json"]
    assert found.chains[0].residues == HBA
    assert found.chains[0].pae.shape == (len(HBA), len(HBA))
    assert not found.warnings
    assert len(database.asked) == 3
    assert database.agents == {f"emodelx/{__version__}"}


def test_what_is_whole_is_not_fetched_again(database, fetch):
    database.add("P69905", HBA)
    fetch("P69905")
    database.answers.clear()
    database.asked.clear()
    code, out, _ = fetch("P69905")
    assert (code, database.asked) == (0, [])
    assert "was there" in out


@pytest.mark.parametrize("name", ["AF-P69905.cif", "AF-P69905.json"])
def test_what_is_damaged_is_fetched_again(database, fetch, tmp_path, name):
    database.add("P69905", HBA)
    fetch("P69905")
    whole = (tmp_path / "out" / name).read_bytes()
    (tmp_path / "out" / name).write_bytes(whole[: len(whole) // 2])
    assert fetch("P69905")[0] == 0
    assert (tmp_path / "out" / name).read_bytes() == whole


def test_addresses_are_those_of_the_answer(database, fetch, tmp_path):
    """Another version of the database needs no other version of the program."""
    database.add("P69905", HBA, version=123)
    assert fetch("P69905")[0] == 0
    assert written(tmp_path) == ["AF-P69905.cif", "AF-P69905.json"]


def test_the_own_entry_is_taken(database, fetch):
    """Of isoforms, complexes and models of other programs, in whatever order."""
    own, _, _ = database.add("P04637", HBA)
    _, structure, _ = database.add("P04637-2", OTHER)
    isoform = own | {"uniprotAccession": "P04637-2", "cifUrl": database.address + structure, "paeDocUrl": None}
    wrong = {"cifUrl": database.address + "/nowhere"}
    database.entries(
        "P04637", own | wrong | {"isComplex": True}, own | wrong | {"modelEntityId": "AF-0000000001"}, isoform, own
    )
    assert f"{len(HBA)} residues" in fetch("P04637")[1]
    code, out, _ = fetch("P04637-2")
    assert code == 0
    assert f"{len(OTHER)} residues, mean pLDDT 91, without aligned errors" in out


def test_accessions_of_headers(database, fetch):
    database.add("P69905", HBA)
    database.add("A0A024R161", OTHER)
    code, out, _ = fetch(fasta=f"{HEADER}\nGSHM{HBA[:-5]}\n>tr|A0A024R161|A0A024R161_HUMAN\n{OTHER}\n")
    assert code == 0
    assert "P69905 with 100% identity, 91% coverage" in out
    assert "A0A024R161 with 100% identity, 100% coverage" in out


def test_without_an_accession_the_sequence_is_asked_for(database, fetch):
    database.add("P69905", HBA)
    database.by_sequence(HBA, ["P68871", "P69905"], [], ["P69905"])
    code, out, _ = fetch(fasta=f">5NI1_1|Chains A, C|Hemoglobin subunit alpha|Homo sapiens (9606)\n{HBA}\n")
    assert code == 0
    assert "AF-P69905.cif" in out
    assert not any(HBA in path for path in database.asked)  # nobody's unpublished sequence leaves the machine


def test_the_rest_is_fetched_when_one_is_missing(database, fetch, tmp_path):
    database.add("P69905", HBA)
    code, out, err = fetch(fasta=f">unknown\n{OTHER}\n{HEADER}\n{HBA}\n")
    assert code == 2
    assert err.startswith("emodelx: error: unknown: has no UniProt accession, and AlphaFold DB has no prediction of ex")
    assert len(err.splitlines()) == 1
    assert "AF-P69905.cif" in out
    assert len(written(tmp_path)) == 2


def test_a_wrong_sequence_is_refused(database, fetch, tmp_path):
    database.add("P69905", OTHER)
    for fetched in (0, 2):  # also when it is there already
        code, _, err = fetch(fasta=f"{HEADER}\n{HBA}\n")
        assert code == 2
        assert "AF-P69905.cif: the prediction is of another sequence than P69905: " in err
        assert len(written(tmp_path)) == fetched
        fetch("P69905")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give either UniProt accessions or --fasta"),
        (["P69905", "--fasta", "x.fasta"], "give either UniProt accessions or --fasta"),
        (["HBA_HUMAN"], "HBA_HUMAN: is no UniProt accession"),
        (["P69905"], "P69905: AlphaFold DB has no prediction of this UniProt accession"),  # 404
        (["--fasta", "x.fasta"], "x.fasta: no such file"),
    ],
)
@pytest.mark.usefixtures("database")
def test_wrong_requests(fetch, tmp_path, words, said):
    code, _, err = fetch(*words)
    assert (code, len(err.splitlines())) == (2, 1)
    assert said in err
    assert not written(tmp_path)


@pytest.mark.parametrize(
    ("which", "answer", "said"),
    [
        ("question", overloaded, "the server answers 503"),
        ("question", silent, "no answer within 0.2 seconds"),
        ("question", b"<html>Welcome</html>", "does not answer as it is described"),
        ("question", b'{"message": "moved"}', "does not answer as it is described"),
        ("question", b'[{"accession": "P69905"}]', "does not answer as it is described"),
        ("question", b'[{"uniprotAccession": "P69905"}]', "does not answer as it is described"),
        ("question", b'[{"uniprotAccession": "P69905", "cifUrl": "file:///etc/hosts"}]', "does not answer as it is"),
        ("structure", None, "the server answers 404"),
        ("structure", silent, "no answer within 0.2 seconds"),
        ("structure", cut_on_the_way, "cut short on its way"),
        ("structure", mmcif(HBA)[:-400], "not a whole prediction"),
        ("structure", without_last_residues(mmcif(HBA)), f"has {len(HBA) - 5} of {len(HBA)} residues"),
        ("structure", b"<html>Sorry</html>", "not a whole prediction"),
        ("structure", b"", "not a whole prediction (the file is empty)"),
        ("pae", cut_on_the_way, "cut short on its way"),
        ("pae", aligned_errors(len(HBA))[:-40], "not a whole prediction (not a JSON file that can be read"),
        ("pae", aligned_errors(7), "not a whole prediction (has the aligned errors of another number of residues)"),
    ],
)
def test_failures_of_the_server(database, fetch, tmp_path, monkeypatch, which, answer, said):
    monkeypatch.setattr(alphafold_db, "TIMEOUT", 0.2)
    _, structure, pae = database.add("P69905", HBA)
    database.answers[{"question": "/api/prediction/P69905", "structure": structure, "pae": pae}[which]] = answer
    code, _, err = fetch("P69905")
    assert (code, len(err.splitlines())) == (5, 1), err
    assert said in err
    assert not written(tmp_path)
    assert not list(tmp_path.glob("out/.*"))


def test_changed_answer_to_a_sequence(database, fetch):
    database.by_sequence(HBA)
    path = next(iter(database.answers))
    database.answers[path] = b'{"results": []}'
    code, _, err = fetch(fasta=f">mine\n{HBA}\n")
    assert code == 5
    assert "does not answer as it is described" in err


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "nonsense"])
def test_no_network(fetch, monkeypatch, address):
    monkeypatch.setenv("EMODELX_AFDB", address)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    code, _, err = fetch("P69905")
    assert (code, len(err.splitlines())) == (5, 1)
    assert "cannot be reached" in err


def test_a_folder_that_cannot_be_made(database, fetch, tmp_path):
    database.add("P69905", HBA)
    (tmp_path / "out").write_text("a file")
    code, _, err = fetch("P69905")
    assert code == 4
    assert "cannot be made" in err
