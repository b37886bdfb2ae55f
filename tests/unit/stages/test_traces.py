"""Hops of a planted chain."""

import numpy as np

from emodelx.config import RunConfig, TraceConfig
from emodelx.records import Links, SparseRows
from emodelx.stages.traces import sample_traces


def chain_links():
    """Four candidates in a row."""
    column = np.array([1, 0, 2, 1, 3, 2])
    return Links(SparseRows(np.array([0, 1, 3, 5, 6]), column, np.full(6, 0.8, np.float32)))


def test_one_matrix_per_hop():
    hops = sample_traces(chain_links(), TraceConfig(), RunConfig(threads=1))
    assert [rows.column.tolist() for rows in hops.rows] == [[1, 0, 2, 1, 3, 2], [2, 3, 0, 1], [3, 0], [], [], []]


def test_the_configuration_is_obeyed():
    hops = sample_traces(chain_links(), TraceConfig(hops=2, neighbours=1), RunConfig(threads=1))
    assert [rows.column.tolist() for rows in hops.rows] == [[1, 0, 1, 2], [0, 1]]
