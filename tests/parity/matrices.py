"""Dense matrices and the sparse rows that the core takes and gives."""

import numpy as np


def sparse(matrix):
    """Starts, columns and values of a dense matrix without its zeros."""
    matrix = np.asarray(matrix, np.float32)
    rows, columns = np.nonzero(matrix)
    start = np.searchsorted(rows, np.arange(len(matrix) + 1))
    return start.astype(np.int64), columns.astype(np.int64), matrix[rows, columns]


def dense(rows, n):
    """A (n, n) matrix of sparse rows; columns must ascend."""
    start, column, value = rows
    matrix = np.zeros((n, n), np.float32)
    for i in range(n):
        columns = column[start[i] : start[i + 1]]
        assert (np.diff(columns) > 0).all()
        matrix[i, columns] = value[start[i] : start[i + 1]]
    return matrix
