//! Sequence registration.

use emodelx_core::align::Hint;
use emodelx_core::register::{self, Growth};
use emodelx_core::residues::{ByCode, OUTSIDE, Residues, UNKNOWN};
use emodelx_core::walk::WalkGraph;
use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::{self, BendArguments, SparseArguments};
use crate::errors::to_python;
use crate::gate::{Run, enter};

/// Sequence, position of the first residue, candidates (-1 where none), their posteriors.
type RunArrays<'py> = (usize, usize, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f32>>);

/// Candidates, sequences, positions in them, odds: a hint each.
type HintArguments<'py> =
    (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, f32>);

#[pyfunction]
#[pyo3(signature = (points, links, odds, sequences, copies, rounds, *, hints=None, bends=None, threads=0, progress=None))]
pub fn register_runs<'py>(
    py: Python<'py>,
    points: PyReadonlyArray2<'py, f64>,
    links: SparseArguments<'py>,
    odds: PyReadonlyArray2<'py, f32>,
    sequences: Vec<PyReadonlyArray1<'py, i8>>,
    copies: Vec<usize>,
    rounds: Vec<(usize, f32, f32)>,
    hints: Option<HintArguments<'py>>,
    bends: Option<BendArguments<'py>>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<RunArrays<'py>>> {
    let points = arrays::points("points", &points)?;
    let links = arrays::sparse("links", &links)?;
    let odds: Vec<ByCode> = arrays::rows::<20>("odds", &odds)?.iter().map(with_unknown).collect();
    let residues = residues(&sequences, &copies)?;
    let hints = match &hints {
        Some(given) => self::hints(given, odds.len(), &residues)?,
        None => vec![Vec::new(); odds.len()],
    };
    let rounds: Vec<Growth> =
        rounds.into_iter().map(|(min_run, min_match, min_mean)| Growth { min_run, min_match, min_mean }).collect();
    let bends = arrays::bends(bends.as_ref(), points.len())?;
    let runs = enter(py, &Run { threads, progress }, |monitor| {
        let graph = WalkGraph::with_bends(&points, &links, &bends)?;
        register::register(&graph, &residues, odds, hints, &rounds, monitor)
    })?;
    Ok(runs.iter().map(|run| to_arrays(py, run, &residues)).collect())
}

/// The residues of all sequences.
pub fn residues(sequences: &[PyReadonlyArray1<'_, i8>], copies: &[usize]) -> PyResult<Residues> {
    let codes: PyResult<Vec<Vec<i8>>> =
        sequences.iter().map(|s| Ok(arrays::vector("sequences", s)?.to_vec())).collect();
    Residues::new(&codes?, copies).map_err(|e| to_python(&e))
}

/// The hints of every candidate.
fn hints(
    (candidates, sequences, numbers, odds): &HintArguments<'_>,
    n: usize,
    residues: &Residues,
) -> PyResult<Vec<Vec<Hint>>> {
    let (candidates, sequences) = (arrays::indices("hints", candidates)?, arrays::indices("hints", sequences)?);
    let (numbers, odds) =
        (arrays::indices("hints", numbers)?, arrays::finite("hints", arrays::vector("hints", odds)?)?);
    if [sequences.len(), numbers.len(), odds.len()] != [candidates.len(); 3] {
        return Err(PyValueError::new_err("hints must be arrays of one length"));
    }
    let mut hints = vec![Vec::new(); n];
    for (((k, sequence), number), odds) in candidates.into_iter().zip(sequences).zip(numbers).zip(odds) {
        if k >= n || sequence >= residues.sequences() || number >= residues.places(sequence).len() {
            return Err(PyValueError::new_err("hints name candidates or residues that do not exist"));
        }
        hints[k].push((residues.places(sequence).start + number, *odds));
    }
    Ok(hints)
}

/// Odds of the 20 types, then 1 for an unknown type and 0 outside.
pub fn with_unknown(types: &[f32; 20]) -> ByCode {
    std::array::from_fn(|code| match code as u8 {
        UNKNOWN => 1.0,
        OUTSIDE => 0.0,
        _ => types[code],
    })
}

fn to_arrays<'py>(py: Python<'py>, run: &register::Run, residues: &Residues) -> RunArrays<'py> {
    let (sequence, position) = residues.locate(run.first);
    let candidates = run.candidates.iter().map(|k| k.map_or(-1, |k| k as i64)).collect();
    (sequence, position, PyArray1::from_vec(py, candidates), PyArray1::from_slice(py, &run.probability))
}
