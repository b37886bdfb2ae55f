"""Scores of deposited models against those of cctbx and tmtools (`golden/make_cctbx.py`), and known errors found."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emodelx.io.atoms import read_model
from emodelx.io.maps import read_map
from emodelx.io.structures import read_calphas
from emodelx.network.device import choose_device
from emodelx.network.predict import read_density
from emodelx.network.weights import find_weights
from emodelx.scoring import compare
from emodelx.scoring.card import calphas_of
from emodelx.scoring.geometry import measure_geometry
from emodelx.scoring.map_fit import map_fit, residue_correlations
from emodelx.scoring.reading import read_residues
from emodelx.scoring.scatterers import scatterers_of

pytestmark = pytest.mark.shared

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("cctbx.json").read_text())


@pytest.fixture(params=GOLDEN)
def case(request, shared):
    """Model file, its places, and what cctbx says."""
    file = read_model(shared / f"maps/emd_{request.param}.cif")
    chains = zip(file.model.chains, file.labels, strict=True)
    places = [f"{chain.name}/{number}" for chain, labels in chains for number in labels.numbers]
    return request.param, file, places, GOLDEN[request.param]


def test_geometry_is_that_of_cctbx(case):
    _, file, places, golden = case
    geometry = measure_geometry(file.model, scatterers_of(file))
    of = geometry.residues
    for place, phi, psi in golden["angles"]:
        index = places.index(place)
        assert abs((of.phi[index] - phi + 180) % 360 - 180) < 0.01
        assert abs((of.psi[index] - psi + 180) % 360 - 180) < 0.01
    for place, deviation in golden["cbeta"]:
        assert of.cbeta[places.index(place)] == pytest.approx(deviation, abs=2e-3)
    assert np.isfinite(of.ramachandran).sum() == len(golden["angles"])
    assert geometry.cis_peptides + geometry.cis_prolines + geometry.twisted_peptides == golden["not_trans"]
    # The contours are ours: those of MolProbity come from eight times as many residues.
    assert geometry.ramachandran_favoured == pytest.approx(golden["favoured"], abs=0.1)


def test_map_fit_is_that_of_cctbx(case, shared):
    name, file, places, golden = case
    density = read_map(shared / f"maps/emd_{name.split('_')[0]}.map.gz").density
    scatterers = scatterers_of(file)
    fit, modelled = map_fit(scatterers, density, golden["resolution"], has_b_factors=True)
    for key in ("cc_mask", "cc_box", "cc_volume", "cc_peaks"):
        assert getattr(fit, key) == pytest.approx(golden[key], abs=0.003)
    found = residue_correlations(scatterers, density, modelled, max(3.0, golden["resolution"]), len(places))
    np.testing.assert_allclose(found, golden["cc"][: len(found)], atol=0.01)


def test_tm_score_is_that_of_tmtools(case, shared):
    name, *_, golden = case
    chain = read_calphas(shared / f"maps/emd_{name}.cif")[0]
    noisy = replace(chain, positions=chain.positions + np.random.default_rng(0).normal(0, 1.5, chain.positions.shape))
    # tmtools may move the model to gain a little.
    assert compare([noisy], [chain]).tm == pytest.approx(golden["tm"], abs=0.01)


def test_known_register_error_is_found(shared):
    """Residues 228 to 240 of 3J6B are two places off, and nothing else is; the published check DAQ flags 222 to 241."""
    file = read_model(shared / "maps/emd_2566_3j6b.cif")
    density = read_map(shared / "maps/emd_2566.map.gz").density
    prediction = read_density(density, find_weights(None), choose_device("cpu"), 3.2)
    read = read_residues(*calphas_of(file), prediction)
    numbers = np.array([int(number) for number in file.labels[0].numbers])
    flagged = read.shifted()
    assert set(range(230, 238)) <= set(numbers[flagged]) <= set(range(218, 242))
    assert (read.shift[flagged] == 2).all()
    assert set(numbers[read.mistyped()]) <= set(range(218, 242))
    assert read.misplaced().sum() < 10
