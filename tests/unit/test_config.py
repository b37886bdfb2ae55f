from pathlib import Path

import pytest

from emodelx.config import BuildConfig, RunConfig, group_name
from emodelx.errors import InputError


def test_strings_become_paths_and_the_folder_names_the_model():
    config = BuildConfig(output="some/where/", fasta="a.fasta", map="m.mrc")
    assert config.output == Path("some/where")
    assert config.map == Path("m.mrc")
    assert config.name == "where"
    assert BuildConfig(output=".", fasta="a.fasta", map="m.mrc").name == Path.cwd().name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give --map, --prediction, or both"),
        ({"map": "m", "prediction": "p", "mask": "m"}, "--mask contradicts --prediction"),
        ({"prediction": "p", "bfactor": "adp"}, "--bfactor adp needs --map"),
        ({"map": "m", "bfactor": "plddt"}, "--bfactor plddt: give one of confidence, adp"),
        ({"map": "m", "refine_with": "coot"}, "--refine-with coot: give one of builtin, openmm"),
        ({"map": "m", "resolution": 0.0}, "--resolution 0"),
        ({"map": "m", "resolution": float("nan")}, "--resolution nan"),
        ({"map": "m", "min_confidence": -1.0}, "--min-confidence -1"),
        ({"map": "m", "min_confidence": 100.5}, "--min-confidence 100.5"),
        ({"map": "m", "min_confidence": float("nan")}, "--min-confidence nan"),
    ],
)
def test_contradictions_are_named(options, said):
    with pytest.raises(InputError, match=said):
        BuildConfig(output="o", fasta="f", **options)


def test_threads_cannot_be_negative():
    with pytest.raises(InputError, match="--threads -1"):
        RunConfig(threads=-1)


def test_who_listens_does_not_make_another_configuration():
    assert RunConfig(progress=print) == RunConfig()
    assert repr(RunConfig(progress=print)) == repr(RunConfig())


@pytest.mark.parametrize(("text", "name"), [("c4", "C4"), (" D20 ", "D20"), ("AUTO", "auto"), ("i", "I"), ("C1", "C1")])
def test_point_groups_are_named(text, name):
    assert group_name(text) == name


@pytest.mark.parametrize("text", ["C0", "D1", "C21", "helical", "", "C", "TT"])
def test_what_is_no_point_group_is_refused(text):
    with pytest.raises(InputError, match="give auto, C1 to C20, D2 to D20, T, O or I"):
        group_name(text)
