//! Times of walking and of registering along a long planted chain.

use criterion::{Criterion, criterion_group, criterion_main};
use emodelx_core::register::{Growth, register};
use emodelx_core::residues::{ByCode, Residues};
use emodelx_core::sparse::SparseRows;
use emodelx_core::walk::WalkGraph;
use emodelx_core::{Monitor, Point};

const LENGTH: usize = 500;

/// An alpha helix: residues one to three apart are linked, and some of them can be jumped to.
fn helix() -> Vec<Point> {
    let point = |i: f64| [1.5 * i, 2.3 * (i * 1.745).cos(), 2.3 * (i * 1.745).sin()];
    (0..LENGTH).map(|i| point(i as f64)).collect()
}

fn links() -> SparseRows {
    let near = |i: usize| (i.saturating_sub(3)..(i + 4).min(LENGTH)).filter(move |&j| j != i);
    let likelihood = |i: usize, j: usize| if i.abs_diff(j) == 1 { 0.9 } else { 0.8 };
    let rows: Vec<_> = (0..LENGTH).map(|i| near(i).map(|j| (j, likelihood(i, j))).collect()).collect();
    SparseRows::from_rows(&rows)
}

/// Every second residue is read right.
fn odds(codes: &[i8]) -> Vec<ByCode> {
    let of = |(i, code): (usize, &i8)| {
        std::array::from_fn(|c| match c {
            21 => 0.0,
            20 => 1.0,
            _ if i % 2 == 0 && c == *code as usize => 8.0,
            _ => 0.6,
        })
    };
    codes.iter().enumerate().map(of).collect()
}

fn steps(bench: &mut Criterion) {
    let (points, links) = (helix(), links());
    bench.bench_function("walk_graph", |b| b.iter(|| WalkGraph::new(&points, &links)));

    let codes: Vec<i8> = (0..LENGTH).map(|i| (i * i % 19) as i8).collect();
    let (Ok(graph), Ok(residues)) =
        (WalkGraph::new(&points, &links), Residues::new(std::slice::from_ref(&codes), &[1]))
    else {
        return;
    };
    let (rounds, odds) = ([Growth { min_run: 9, min_match: 0.3, min_mean: 0.7 }; 2], odds(&codes));
    let monitor = Monitor::default();
    let hints = vec![Vec::new(); graph.len()];
    let run = || register(&graph, &residues, odds.clone(), hints.clone(), &rounds, &monitor);
    bench.bench_function("register", |b| b.iter(run));
}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = steps }
criterion_main!(benches);
