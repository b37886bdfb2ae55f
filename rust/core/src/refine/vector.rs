//! Vectors in three dimensions, as far as the refinement needs them.

use crate::Point;

/// `a - b`.
#[must_use]
pub fn minus(a: &Point, b: &Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// Scalar product.
#[must_use]
pub fn dot(a: &Point, b: &Point) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Vector product.
#[must_use]
pub fn cross(a: &Point, b: &Point) -> Point {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// `a` times a number.
#[must_use]
pub fn scaled(a: &Point, factor: f64) -> Point {
    a.map(|v| v * factor)
}

/// Adds `factor` times `b` to `a`.
pub fn add(a: &mut Point, b: &Point, factor: f64) {
    for (to, from) in a.iter_mut().zip(b) {
        *to += factor * from;
    }
}

/// Length.
#[must_use]
pub fn norm(a: &Point) -> f64 {
    dot(a, a).sqrt()
}
