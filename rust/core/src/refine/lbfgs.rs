//! Limited-memory BFGS (Nocedal, Math. Comput. 35 (1980) 773) with a bound on how far an atom moves at once.

use std::collections::VecDeque;

use rayon::prelude::*;

use crate::vectors::{add, dot, length};
use crate::{CoreError, Monitor, Point};

/// Steps that are remembered.
const MEMORY: usize = 8;
/// Farthest that an atom moves in the first step, and in any, in Angstrom.
const FIRST_STEP: f64 = 0.05;
const LONGEST_STEP: f64 = 0.3;
/// Part of the expected gain that a step must bring, and how often it is halved for that.
const LEAST_GAIN: f64 = 1e-4;
const HALVINGS: usize = 12;
/// The search ends when so many steps together gain less than this part of the value.
const PATIENCE: usize = 10;
const CONVERGED: f64 = 1e-5;
/// Points that are summed together, whatever the number of threads.
const CHUNK: usize = 4096;

/// A step and the change of the gradient along it.
struct Pair {
    step: Vec<Point>,
    change: Vec<Point>,
    /// One over their product.
    curvature: f64,
}

/// Moves `positions` to where `target` (its value; it writes the gradient) is small; returns that value.
pub fn minimise<F>(
    positions: &mut Vec<Point>,
    iterations: usize,
    monitor: &Monitor,
    mut target: F,
) -> Result<f64, CoreError>
where
    F: FnMut(&[Point], &mut [Point]) -> Result<f64, CoreError>,
{
    let mut gradient = vec![[0.0; 3]; positions.len()];
    let mut value = target(positions, &mut gradient)?;
    let mut pairs: VecDeque<Pair> = VecDeque::new();
    let mut values = vec![value];
    for _ in 0..iterations {
        monitor.advance(1)?;
        let direction = downhill(&gradient, &mut pairs);
        let length = first_length(&direction, pairs.is_empty());
        let slope = product(&direction, &gradient);
        let Some(step) = search(positions, value, (&direction, length, slope), &mut target)? else {
            if pairs.is_empty() {
                break;
            }
            pairs.clear();
            continue;
        };
        remember(&mut pairs, differences(&step.positions, positions), differences(&step.gradient, &gradient));
        (*positions, gradient, value) = (step.positions, step.gradient, step.value);
        values.push(value);
        if converged(&values) {
            break;
        }
    }
    Ok(value)
}

/// Where a step has led.
struct Step {
    positions: Vec<Point>,
    gradient: Vec<Point>,
    value: f64,
}

/// Halves a step (direction, length, slope) until it brings enough; None where none does.
fn search<F>(
    positions: &[Point],
    value: f64,
    (direction, first, slope): (&[Point], f64, f64),
    target: &mut F,
) -> Result<Option<Step>, CoreError>
where
    F: FnMut(&[Point], &mut [Point]) -> Result<f64, CoreError>,
{
    let mut gradient = vec![[0.0; 3]; positions.len()];
    for halving in 0..HALVINGS {
        let length = first * 0.5_f64.powi(halving as i32);
        let moved = along(positions, direction, length);
        let new = target(&moved, &mut gradient)?;
        if new <= value + LEAST_GAIN * length * slope {
            return Ok(Some(Step { positions: moved, gradient, value: new }));
        }
    }
    Ok(None)
}

/// The remembered curvature's direction; where it leads up, that is forgotten, and the steepest one taken.
fn downhill(gradient: &[Point], pairs: &mut VecDeque<Pair>) -> Vec<Point> {
    let direction = descent(gradient, pairs);
    if product(&direction, gradient) < 0.0 {
        return direction;
    }
    pairs.clear();
    descent(gradient, pairs)
}

/// How far to go first: the whole way, unless an atom would go too far.
fn first_length(direction: &[Point], unknown: bool) -> f64 {
    let limit = if unknown { FIRST_STEP } else { LONGEST_STEP };
    let longest = limit / direction.iter().map(length).fold(f64::MIN_POSITIVE, f64::max);
    if unknown { longest } else { longest.min(1.0) }
}

fn converged(values: &[f64]) -> bool {
    let Some(earlier) = values.len().checked_sub(PATIENCE + 1) else { return false };
    let (old, new) = (values[earlier], values[values.len() - 1]);
    old - new < CONVERGED * (1.0 + new.abs())
}

/// The direction in which the remembered curvature expects the minimum.
fn descent(gradient: &[Point], pairs: &VecDeque<Pair>) -> Vec<Point> {
    let mut direction: Vec<Point> = gradient.iter().map(|g| g.map(|v| -v)).collect();
    let mut shares = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        let share = pair.curvature * product(&pair.step, &direction);
        direction = along(&direction, &pair.change, -share);
        shares.push(share);
    }
    if let Some(last) = pairs.back() {
        let scale = 1.0 / (last.curvature * product(&last.change, &last.change));
        direction.par_iter_mut().with_min_len(CHUNK).for_each(|d| *d = d.map(|v| v * scale));
    }
    for (pair, share) in pairs.iter().zip(shares.iter().rev()) {
        let back = pair.curvature * product(&pair.change, &direction);
        direction = along(&direction, &pair.step, share - back);
    }
    direction
}

fn remember(pairs: &mut VecDeque<Pair>, step: Vec<Point>, change: Vec<Point>) {
    let both = product(&step, &change);
    if both <= 1e-12 * product(&change, &change) {
        return;
    }
    if pairs.len() == MEMORY {
        pairs.pop_front();
    }
    pairs.push_back(Pair { step, change, curvature: 1.0 / both });
}

fn along(from: &[Point], direction: &[Point], length: f64) -> Vec<Point> {
    let moved = |(p, d): (&Point, &Point)| {
        let mut moved = *p;
        add(&mut moved, d, length);
        moved
    };
    from.par_iter().zip(direction).with_min_len(CHUNK).map(moved).collect()
}

fn differences(a: &[Point], b: &[Point]) -> Vec<Point> {
    along(a, b, -1.0)
}

fn product(a: &[Point], b: &[Point]) -> f64 {
    let part = |(a, b): (&[Point], &[Point])| a.iter().zip(b).map(|(p, q)| dot(p, q)).sum::<f64>();
    let parts: Vec<f64> = a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK)).map(part).collect();
    parts.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley in every coordinate pair (x, y) of a point.
    fn valley(points: &[Point], gradient: &mut [Point]) -> f64 {
        let mut value = 0.0;
        for (p, g) in points.iter().zip(gradient) {
            let (off, bend) = (1.0 - p[0], p[1] - p[0] * p[0]);
            value += off * off + 20.0 * bend * bend + p[2] * p[2];
            *g = [-2.0 * off - 80.0 * bend * p[0], 40.0 * bend, 2.0 * p[2]];
        }
        value
    }

    #[test]
    fn finds_the_end_of_the_valley() {
        let mut points = vec![[-1.0, 1.5, 3.0], [0.3, -0.2, -2.0]];
        let monitor = Monitor::default();
        let value = minimise(&mut points, 500, &monitor, |p, g| Ok(valley(p, g))).unwrap();
        assert!(value < 1e-4, "{value}");
        assert!(points.iter().all(|p| (p[0] - 1.0).abs() < 0.02 && (p[1] - 1.0).abs() < 0.04 && p[2].abs() < 0.02));
    }

    #[test]
    fn never_goes_up_and_never_far() {
        let mut points = vec![[5.0, -5.0, 5.0]; 3];
        let monitor = Monitor::default();
        let mut last = (f64::INFINITY, points.clone());
        for _ in 0..50 {
            let value = minimise(&mut points, 1, &monitor, |p, g| Ok(valley(p, g))).unwrap();
            assert!(value <= last.0);
            assert!(differences(&points, &last.1).iter().all(|d| length(d) <= LONGEST_STEP + 1e-9));
            last = (value, points.clone());
        }
    }

    #[test]
    fn stops_when_told() {
        let monitor = Monitor::default();
        monitor.request_stop();
        let mut points = vec![[0.0; 3]];
        assert_eq!(minimise(&mut points, 5, &monitor, |p, g| Ok(valley(p, g))), Err(CoreError::Interrupted));
    }
}
