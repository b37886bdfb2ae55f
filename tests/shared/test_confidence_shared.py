"""Calibration of the confidence, on simulated cases that it was not fitted to."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from emodelx import BuildConfig, build
from emodelx.io.structures import read_calphas

pytestmark = pytest.mark.shared

SEED = "31"
NEAR = 3.0
"""Angstrom; a residue this close to its own place is right."""


@pytest.fixture(scope="module")
def judged(shared, tmp_path_factory):
    """Confidence (0 to 1) of every placed residue of some cases, and whether it is right."""
    folder = tmp_path_factory.mktemp("cases")
    cases = shared / "cases"
    confidence, right = [], []
    for name in ("7cxr_A", "7n98"):
        truth = cases / f"{name}_truth.pdb.gz"
        simulate = [sys.executable, cases / "simulate.py", truth, folder, name, "medium,hard", SEED]
        subprocess.run(list(map(str, simulate)), check=True, stdout=subprocess.DEVNULL)
        (reference,) = read_calphas(truth)
        where = dict(zip(reference.numbers, reference.positions, strict=True))
        for level in ("medium", "hard"):
            prediction = folder / f"{name}_{level}.npz"
            config = BuildConfig(
                prediction=prediction, fasta=cases / f"{name}.fasta", output=folder / f"{name}_{level}"
            )
            (chain,) = build(config).model.chains
            for i in np.flatnonzero(chain.placed()):
                if i + 1 in where:
                    confidence.append(chain.confidence[i] / 100)
                    right.append(np.linalg.norm(chain.positions[i] - where[i + 1]) < NEAR)
    return np.array(confidence), np.array(right)


def test_confidence_is_the_share_of_right_residues(judged):
    confidence, right = judged
    assert len(right) > 1000
    part = np.digitize(confidence, [0.5, 0.8, 0.95])
    parts = [part == p for p in range(4)]
    error = sum(p.mean() * abs(confidence[p].mean() - right[p].mean()) for p in parts if p.any())
    assert error < 0.06, f"expected calibration error {error:.3f}"


def test_confidence_tells_right_from_wrong(judged):
    confidence, right = judged
    assert 20 < (~right).sum() < len(right) / 5
    assert roc_auc_score(right, confidence) > 0.8
