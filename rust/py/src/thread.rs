//! Threading of gaps.

use emodelx_core::propagate::TYPES;
use emodelx_core::residues::ByCode;
use emodelx_core::thread::{self, Context, Gapped, Ground, HOPS, Placed, Search};
use emodelx_core::walk::WalkGraph;
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::{self, SparseArguments};
use crate::gate::{Run, enter};
use crate::register::{residues, with_unknown};

/// Sequence, candidates (-1 where none), expected positions (n, 3) (NaN where none).
type ChainArrays<'py> = (usize, PyReadonlyArray1<'py, i64>, PyReadonlyArray2<'py, f64>);

#[pyfunction]
#[pyo3(signature = (points, links, odds, context, sequences, chains, search, *, threads=0, progress=None))]
pub fn thread_chains<'py>(
    py: Python<'py>,
    points: PyReadonlyArray2<'py, f64>,
    links: SparseArguments<'py>,
    odds: PyReadonlyArray2<'py, f32>,
    context: PyReadonlyArray3<'py, f32>,
    sequences: Vec<PyReadonlyArray1<'py, i8>>,
    chains: Vec<ChainArrays<'py>>,
    search: (usize, f32, f32),
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<Vec<Placed>>> {
    let positions = arrays::points("points", &points)?;
    let likelihood = arrays::sparse("links", &links)?;
    let odds: Vec<ByCode> = arrays::rows::<20>("odds", &odds)?.iter().map(with_unknown).collect();
    let context = contexts(&context)?;
    let residues = residues(&sequences, &vec![1; sequences.len()])?;
    let gapped = |(sequence, candidates, expected): &ChainArrays<'_>| -> PyResult<Gapped> {
        Ok(Gapped {
            sequence: *sequence,
            candidates: arrays::vector("candidates", candidates)?.iter().map(|k| usize::try_from(*k).ok()).collect(),
            expected: arrays::some_points("expected", expected)?,
        })
    };
    let chains = chains.iter().map(gapped).collect::<PyResult<Vec<_>>>()?;
    let (beam, least_closed, least_open) = search;
    let search = Search { beam, least_closed, least_open };
    enter(py, &Run { threads, progress }, |monitor| {
        let graph = WalkGraph::new(&positions, &likelihood)?;
        let ground = Ground {
            graph: &graph,
            likelihood: &likelihood,
            positions: &positions,
            odds: &odds,
            context: &context,
            residues: &residues,
        };
        thread::thread(&ground, &chains, &search, monitor)
    })
}

/// What S says of every candidate, from an `(n, 6, 20)` array.
fn contexts(array: &PyReadonlyArray3<'_, f32>) -> PyResult<Vec<Context>> {
    let (values, shape) = arrays::volume("context", array)?;
    if shape[1..] != [HOPS, TYPES] {
        return Err(PyValueError::new_err(format!("context must have shape (n, {HOPS}, {TYPES}), not {shape:?}")));
    }
    Ok(arrays::finite("context", values)?.as_chunks::<TYPES>().0.as_chunks::<HOPS>().0.to_vec())
}
