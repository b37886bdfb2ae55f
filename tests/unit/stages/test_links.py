"""Links of a planted chain."""

import numpy as np

from emodelx.config import LinkConfig, RunConfig
from emodelx.records import Candidates, Prediction
from emodelx.stages.links import link_candidates

RUN = RunConfig(threads=1)


def planted_chain(origin):
    """Five candidates along x on a bar of main chain, in the frame of a map with this origin."""
    bb_prob = np.zeros((24, 9, 9), np.float32)
    bb_prob[:, 4, 4] = 1
    grid = np.column_stack([2 + 3.8 * np.arange(5), np.full(5, 4.0), np.full(5, 4.0)])
    types, scores = np.full((5, 20), 0.05, np.float32), np.ones(5, np.float32)
    candidates = Candidates(grid + origin, scores, scores, types)
    return candidates, Prediction(bb_prob, bb_prob, np.zeros(0, np.int64), types[:0], np.asarray(origin))


def test_neighbours_along_the_chain_are_linked():
    rows = link_candidates(*planted_chain(np.zeros(3)), LinkConfig(), RUN).likelihood
    assert rows.start.tolist() == [0, 1, 3, 5, 7, 8]
    assert rows.column.tolist() == [1, 0, 2, 1, 3, 2, 4, 3]
    np.testing.assert_allclose(rows.value, 1, atol=1e-6)


def test_the_origin_of_the_map_does_not_matter():
    here = link_candidates(*planted_chain(np.zeros(3)), LinkConfig(), RUN).likelihood
    there = link_candidates(*planted_chain(np.array([100.0, -50.0, 8.0])), LinkConfig(), RUN).likelihood
    np.testing.assert_allclose(there.value, here.value, atol=1e-6)


def test_the_range_of_distances_is_kept():
    rows = link_candidates(*planted_chain(np.zeros(3)), LinkConfig(min_distance=7, max_distance=8), RUN).likelihood
    assert rows.column.tolist() == [2, 3, 0, 4, 1, 2]


def test_no_candidates_no_links():
    candidates, prediction = planted_chain(np.zeros(3))
    none = Candidates(
        candidates.positions[:0], candidates.ca_score[:0], candidates.bb_score[:0], candidates.type_prob[:0]
    )
    assert len(link_candidates(none, prediction, LinkConfig(), RUN).likelihood.value) == 0
