//! Traces: n-hop connection likelihoods.

use emodelx_core::traces::{self, Sampling};
use pyo3::prelude::*;

use crate::arrays::{self, SparseArguments, SparseArrays};
use crate::gate::{Run, enter};

#[pyfunction]
#[pyo3(signature = (links, hops, neighbours, floor, *, threads=0, progress=None))]
pub fn sample_hops<'py>(
    py: Python<'py>,
    links: SparseArguments<'py>,
    hops: usize,
    neighbours: usize,
    floor: f32,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<SparseArrays<'py>>> {
    let links = arrays::sparse("links", &links)?;
    let sampling = Sampling { hops, neighbours, floor };
    let rows = enter(py, &Run { threads, progress }, |monitor| traces::sample(&links, &sampling, monitor))?;
    Ok(rows.into_iter().map(|rows| arrays::from_sparse(py, rows)).collect())
}
