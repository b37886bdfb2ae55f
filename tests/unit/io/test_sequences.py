"""FASTA files of every dialect, and every way in which one can be wrong."""

import gzip
import zipfile

import pytest

from emodelx.errors import InputError
from emodelx.io.fasta_header import parse_header
from emodelx.io.sequences import MOST_COPIES, parse_copies, read_sequences

PROTEIN = "MKVLAWFDERTHPSNQGICY"
OTHER = "GSHMTEYKLVVVGAGGVGKS"


@pytest.fixture
def read(tmp_path):
    """Write text (or bytes) to a file and read it as sequences."""

    def read(content, copies=None, name="input.fasta"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_sequences(path, copies)

    return read


@pytest.mark.parametrize(
    ("header", "name", "chains"),
    [
        ("7W72_1|Chain A[auth U]|Phosphatidylinositol glycan|Homo sapiens (9606)", "7W72_1", ("U",)),
        ("7W72_1|Chains A, B[auth C]|Some protein|Homo sapiens", "7W72_1", ("A", "C")),
        ("7W72_1|Chains AA[auth 1], BB [auth 2x]|Some protein|", "7W72_1", ("1", "2x")),
        ("1ABC:B|PDBID|CHAIN|SEQUENCE", "1ABC:B", ("B",)),
        ("3J6B_1|Chain 9|", "3J6B_1", ("9",)),
        ("sp|P12345|AATM_RABIT Aspartate aminotransferase OS=Oryctolagus OX=9986 GN=GOT2", "P12345", ()),
        ("tr|A0A024|A0A024_HUMAN Chain length determinant OS=Homo sapiens", "A0A024", ()),
        ("NP_000508.1 hemoglobin subunit alpha [Homo sapiens]", "NP_000508.1", ()),
        ("gi|4504347|ref|NP_000549.1| hemoglobin subunit alpha", "NP_000549.1", ()),
        ("6LU7_A Chain A, main protease [SARS-CoV-2]", "6LU7_A", ("A",)),
        ("pdb|6LU7|A Chain A, main protease", "6LU7_A", ("A",)),
        ("101m_A mol:protein length:154  MYOGLOBIN", "101m_A", ("A",)),
        ("A,B,C,D", "A,B,C,D", ("A", "B", "C", "D")),
        ("A, B", "A,B", ("A", "B")),
        ("A", "A", ("A",)),
        ("Chain A", "A", ("A",)),
        ("Chains A, B", "A,B", ("A", "B")),
        ("A,A", "A", ("A",)),
        ("GFP", "GFP", ()),
        ("my protein, second try", "my", ()),
    ],
)
def test_headers(header, name, chains):
    parsed = parse_header(header)
    assert (parsed.name, parsed.chains) == (name, chains)


def test_rcsb_chains_are_copies(read):
    (sequence,) = read(f">1ABC_1|Chains A, B[auth C]|x|y\n{PROTEIN}\n").sequences
    assert (sequence.chains, sequence.copies, sequence.residues) == (("A", "C"), 2, PROTEIN)


def test_told_copies_give_no_warning(read):
    assert read(f">1ABC_1|Chains A, B|x|y\n{PROTEIN}\n").warnings == ()


def test_one_record_per_copy_is_counted_and_said(read):
    found = read(f">one\n{PROTEIN}\n>two\n{OTHER}\n>three\n{PROTEIN}\n")
    assert [(s.name, s.copies) for s in found.sequences] == [("one", 2), ("two", 1)]
    assert all(s.told for s in found.sequences)
    (warning,) = found.warnings
    assert "one=2, two=1" in warning
    assert "--copies" in warning


def test_copies_that_nobody_tells_are_left_to_the_map(read):
    found = read(f">one\n{PROTEIN}\n>two\n{OTHER}\n>A,B\n{OTHER[::-1]}\n", {"two": 3})
    assert [(s.name, s.copies, s.told) for s in found.sequences] == [
        ("one", 1, False),
        ("two", 3, True),
        ("A,B", 2, True),
    ]
    assert found.warnings == ()


def test_records_with_chains_add_up(read):
    (sequence,) = read(f">A\n{PROTEIN}\n>B,C\n{PROTEIN}\n>again\n{PROTEIN}\n").sequences
    assert (sequence.chains, sequence.copies) == (("A", "B", "C"), 4)


def test_copies_option_decides(read):
    found = read(f">X_1|Chains A, B, C|\n{PROTEIN}\n>free\n{OTHER}\n", {"X_1": 2, "free": 5})
    assert [(s.chains, s.copies) for s in found.sequences] == [(("A", "B"), 2), ((), 5)]
    assert found.warnings == ()


def test_copies_option_may_name_a_repeated_record(read):
    assert read(f">one\n{PROTEIN}\n>two\n{PROTEIN}\n", {"two": 7}).sequences[0].copies == 7


def test_colabfold_joins_chains(read):
    found = read(f">complex\n{PROTEIN}:{OTHER}:\n{PROTEIN}\n")
    assert [(s.name, s.residues, s.copies) for s in found.sequences] == [
        ("complex_1", PROTEIN, 2),
        ("complex_2", OTHER, 1),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("width", [1, 7, 60])
@pytest.mark.parametrize("residues", [PROTEIN * k + PROTEIN[:r] for k, r in [(3, 0), (6, 1), (2, 9), (3, 3)]])
def test_wrapped_lines_are_joined(read, end, width, residues):
    lines = [residues[i : i + width] for i in range(0, len(residues), width)]
    assert read(end.join([">p", *lines])).sequences[0].residues == residues


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(read, encoding):
    assert read(f">prot\u00e9ine\n{PROTEIN}\n".encode(encoding)).sequences[0].name == "prot\u00e9ine"


@pytest.mark.parametrize("name", ["a.fa", "a.faa", "a.mpfa", "a.txt", "a", "a.b.c"])
def test_extension_does_not_matter(read, name):
    assert len(read(f">p\n{PROTEIN}", name=name).sequences) == 1
    assert len(read(gzip.compress(f">p\n{PROTEIN}".encode()), name=name).sequences) == 1


def test_lower_case_is_accepted_in_silence(read):
    found = read(f">A\n{PROTEIN.lower()}\n")
    assert found.sequences[0].residues == PROTEIN
    assert found.warnings == ()


def test_blank_lines_comments_and_trailing_blanks_are_accepted_in_silence(read):
    found = read(f"; a comment\n\n>A\n{PROTEIN}  \t\n\n{OTHER}\n\n")
    assert found.sequences[0].residues == PROTEIN + OTHER
    assert found.warnings == ()


def test_formatting_is_stripped_with_its_line(read):
    found = read(f">B\n{OTHER}\n>A\n  1 MKV LAW\u00a0FDE\n 10 RT-HP*\n{PROTEIN}*\n")
    assert found.sequences[1].residues == "MKVLAWFDERTHP" + PROTEIN
    (warning,) = found.warnings
    assert warning == "line 3: A: removed 4 spaces, 3 digits, 2 '*', 1 '-'"


def test_unknown_and_rare_residues_are_kept(read):
    found = read(">A\nMKXXVUOLAW\n")
    assert found.sequences[0].residues == "MKXXVUOLAW"
    assert found.warnings == ()


def test_ambiguous_residues_are_mapped_with_a_warning(read):
    found = read(">A\nMKBWZJBF\n")
    assert found.sequences[0].residues == "MKDWELDF"
    assert [w.split(": ", 2)[2] for w in found.warnings] == [
        "2 residues B are read as D",
        "1 residues Z are read as E",
        "1 residues J are read as L",
    ]


@pytest.mark.parametrize(
    ("header", "residues"),
    [
        ("4V4J_2|Chain B|16S rRNA|E. coli", "ACGUACGU"),
        ("1BNA_1|Chains A, B|DNA (5'-D(*CP*GP*CP*G)-3')|", "CGCG"),
        ("guide", "GACGUUACGGACGUA"),
        ("poly-U", "U" * 20),
        ("1abc_B mol:na length:4 X", "AAAA"),
        ("1abc_B mol:na length:4 X", "AXRY"),
        ("with unknown bases", "ACGTNNNACGTACGTX"),
    ],
)
def test_nucleic_acid_is_set_aside_with_a_message(read, header, residues):
    found = read(f">{header}\n{residues}\n>A\n{PROTEIN}\n")
    assert [s.name for s in found.sequences] == ["A"]
    assert found.nucleic == (parse_header(header).name,)
    assert any(w.startswith("line 1:") and "nucleic acid" in w for w in found.warnings)


@pytest.mark.parametrize(
    ("header", "residues"),
    [
        ("poly-Ala/Gly", "AGAGAGAAAGGGAGAGAGAGAGAG"),
        ("short", "GATC"),
        ("selenoprotein", "MAGUAGTKV"),
        ("selenoprotein", "M" + "ACGT" * 20 + "U"),
        ("1abc_A mol:protein length:12", "ACGTACGTACGT"),
        ("asparagines", "N" * 30),
        ("9XYZ_1|Chain A|RNA polymerase|E. coli", "AGAGAG"),
        ("9XYZ_1|Chain A|DNA-binding protein|E. coli", "AAAAAA"),
    ],
)
def test_peptides_are_not_taken_for_nucleic_acid(read, header, residues):
    found = read(f">{header}\n{residues}\n")
    assert found.sequences[0].residues == residues
    assert found.nucleic == ()


def test_equal_names_become_distinct(read):
    found = read(f">p\n{PROTEIN}\n>p\n{OTHER}\n")
    assert [s.name for s in found.sequences] == ["p", "p_2"]
    assert any(w.startswith("line 3:") for w in found.warnings)


def test_a_chain_name_has_one_owner(read):
    found = read(f">x|Chains A, B|\n{PROTEIN}\n>y|Chains B, C|\n{OTHER}\n")
    assert [(s.chains, s.copies) for s in found.sequences] == [(("A", "B"), 2), (("C",), 2)]
    assert any("chain name B" in w for w in found.warnings)


def test_empty_records_are_skipped_with_a_warning(read):
    found = read(f">empty\n>A\n{PROTEIN}\n>\n{OTHER}\n")
    assert [s.name for s in found.sequences] == ["A", "line_4"]
    assert found.warnings[0] == "line 1: empty has no residues and is skipped"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (gzip.compress(b""), "empty"),
        (b"\n\n", "no sequence"),
        (b">A\n>B\n", "no residues"),
        (b">r\nACGUACGUACGU\n", "only nucleic acid"),
        (b"MKVLAW\n", "line 1 comes before the first header"),
        (b">A\nMKV\nLA@W\n", "line 3: '@'"),
        (b">A\nMKV\nLA.W\n", "line 3: '.'"),
        (">A\nMKV\n\u041c\u041a\n".encode(), "line 3: '\u041c'"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"{\\rtf1 ...", "rich-text"),
        (b"PK\x03\x04...", "Word document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "Word document"),
        (b"\x00\x00\x00\x10" * 300, "not a text file"),
        (b"\xff\xfe\x00", "not a text file"),
        (gzip.compress(b">A\nMKV\n" * 99)[:-9], "damaged"),
    ],
)
def test_bad_files_are_named_in_one_line(read, content, message):
    with pytest.raises(InputError) as error:
        read(content)
    assert message in str(error.value)
    assert "input.fasta" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_real_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "seq.docx", "w") as archive:
        archive.writestr("word/document.xml", PROTEIN)
    with pytest.raises(InputError, match="Word document"):
        read_sequences(tmp_path / "seq.docx")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_sequences(tmp_path / "none.fasta")
    with pytest.raises(InputError, match="not a file"):
        read_sequences(tmp_path)


@pytest.mark.parametrize("copies", [{"B": 2}, {"A": 0}, {"A": -3}, {"A": MOST_COPIES + 1}])
def test_bad_copies(read, copies):
    with pytest.raises(InputError, match=r"^--copies"):
        read(f">A\n{PROTEIN}\n", copies)


def test_parse_copies():
    assert parse_copies(["a=2", "name=with=signs=13"]) == {"a": 2, "name=with=signs": 13}


@pytest.mark.parametrize("option", ["a", "a=", "=3", "a=x", "a=1.5", "a=2 copies"])
def test_parse_copies_refuses(option):
    with pytest.raises(InputError, match="NAME=n"):
        parse_copies([option])
