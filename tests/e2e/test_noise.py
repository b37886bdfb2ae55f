"""Maps of noise: nothing is built; what is traced where nothing shows helices comes with a warning."""

import numpy as np
import pytest

from emodelx import BuildConfig, build
from emodelx.errors import NothingBuildableError
from emodelx.io.maps import write_map
from emodelx.records import DensityMap


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    path = tmp_path_factory.mktemp("noise") / "noise.mrc"
    values = np.random.default_rng(1).standard_normal((44, 44, 44), dtype=np.float32)
    write_map(path, DensityMap(values, np.zeros(3), np.ones(3)))
    return path


def test_nothing_is_built_for_a_sequence(noise, tmp_path):
    (tmp_path / "s.fasta").write_text(
        ">s\n" + "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVV" * 2
    )
    with pytest.raises(NothingBuildableError):
        build(BuildConfig(map=noise, fasta=tmp_path / "s.fasta", output=tmp_path / "m"))
    assert not list((tmp_path / "m").glob("*.cif"))


def test_nothing_is_traced_without_sequences(noise, tmp_path):
    with pytest.raises(NothingBuildableError, match="stands out of noise"):
        build(BuildConfig(map=noise, no_sequence=True, output=tmp_path / "m"))


def test_chains_without_sequences_and_helices_come_with_a_warning(tmp_path):
    lumps = np.random.default_rng(1).standard_normal((44, 44, 44), dtype=np.float32) ** 4
    write_map(tmp_path / "lumps.mrc", DensityMap(lumps, np.zeros(3), np.ones(3)))
    result = build(BuildConfig(map=tmp_path / "lumps.mrc", no_sequence=True, output=tmp_path / "m"))
    assert any("protein from noise" in line for line in result.report.warnings)
