//! Placement of templates.

use emodelx_core::placement::{self, Least, Scene, Template};
use emodelx_core::residues::{ByCode, Residues};
use emodelx_core::walk::WalkGraph;
use numpy::{PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::arrays::{self, SparseArguments};
use crate::gate::{Run, enter};
use crate::register::{residues, with_unknown};

/// Sequence, positions of the residues in it (n,), their points (n, 3).
type TemplateArrays<'py> = (usize, PyReadonlyArray1<'py, i64>, PyReadonlyArray2<'py, f64>);
/// Template, its residues (m,), their points (m, 3), log-odds, excess of the types.
type PlacementArrays<'py> = (usize, Bound<'py, PyArray1<i64>>, Bound<'py, PyArray2<f64>>, f64, f64);

#[pyfunction]
#[pyo3(signature = (points, links, odds, sequences, templates, least, *, threads=0, progress=None))]
pub fn place_templates<'py>(
    py: Python<'py>,
    points: PyReadonlyArray2<'py, f64>,
    links: SparseArguments<'py>,
    odds: PyReadonlyArray2<'py, f32>,
    sequences: Vec<PyReadonlyArray1<'py, i8>>,
    templates: Vec<TemplateArrays<'py>>,
    least: (f64, f64),
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<PlacementArrays<'py>>> {
    let positions = arrays::points("points", &points)?;
    let links = arrays::sparse("links", &links)?;
    let odds: Vec<ByCode> = arrays::rows::<20>("odds", &odds)?.iter().map(with_unknown).collect();
    let residues = residues(&sequences, &vec![1; sequences.len()])?;
    let templates = templates.iter().map(|t| template(t, &residues)).collect::<PyResult<Vec<_>>>()?;
    let least = Least { score: least.0, types: least.1 };
    let found = enter(py, &Run { threads, progress }, |monitor| {
        let graph = WalkGraph::new(&positions, &links)?;
        let scene = Scene::new(&graph, &positions, &odds, &residues)?;
        placement::place(&scene, &templates, least, monitor)
    })?;
    Ok(found.iter().map(|p| to_arrays(py, p)).collect())
}

fn template((sequence, numbers, points): &TemplateArrays<'_>, residues: &Residues) -> PyResult<Template> {
    let numbers = arrays::indices("templates", numbers)?;
    if *sequence >= residues.sequences() || numbers.iter().any(|n| *n >= residues.places(*sequence).len()) {
        return Err(PyValueError::new_err("templates name residues that do not exist"));
    }
    let start = residues.places(*sequence).start;
    let places = numbers.into_iter().map(|n| start + n).collect();
    Ok(Template { places, points: arrays::points("templates", points)? })
}

fn to_arrays<'py>(py: Python<'py>, placement: &placement::Placement) -> PlacementArrays<'py> {
    (
        placement.template,
        PyArray1::from_iter(py, placement.residues.iter().map(|i| *i as i64)),
        arrays::to_matrix(py, &placement.points),
        placement.score,
        placement.types,
    )
}
