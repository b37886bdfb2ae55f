"""Atoms built on the Calphas of known structures are near the true ones (benches/atoms.py, few structures)."""

import importlib
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.shared

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(monkeypatch):
    for folder in ("scripts", "benches"):
        monkeypatch.syspath_prepend(str(ROOT / folder))
    return importlib.import_module("atoms")


@pytest.mark.parametrize(("resolution", "chi1"), [(None, 0.65), (2.5, 0.85)])
def test_atoms_of_known_structures(shared, bench, resolution, chi1):
    tally = bench.Tally()
    for own in bench.entries(shared / "structures", "val", 3):
        density = resolution and bench.simulated_map(own, resolution)
        bench.measure(own, density, 0.0, np.random.default_rng(0), tally)
    assert np.sqrt(np.mean(np.concatenate(tally.main_chain))) < 0.35
    assert np.mean(np.concatenate(tally.chi1)) > chi1
