//! How torsion angles change with the positions of their four atoms.

use crate::Point;
use crate::vectors::{cross, difference, dot, length, scaled};

/// The torsion in radians, -pi to pi, and its derivative with respect to each of the four points
/// (Blondel and Karplus, J. Comput. Chem. 17 (1996) 1132). None where three of the points lie on a line.
#[must_use]
pub fn with_slopes(points: &[Point; 4]) -> Option<(f64, [Point; 4])> {
    let [a, b, c, d] = points;
    let (first, axis, last) = (difference(b, a), difference(c, b), difference(d, c));
    let (left, right) = (cross(&first, &axis), cross(&axis, &last));
    let (left_squared, right_squared, length) = (dot(&left, &left), dot(&right, &right), length(&axis));
    if left_squared < FLATTEST || right_squared < FLATTEST || length < FLATTEST {
        return None;
    }
    let by_a = scaled(&left, -length / left_squared);
    let by_d = scaled(&right, length / right_squared);
    let (to_first, to_last) = (dot(&first, &axis) / (length * length), dot(&last, &axis) / (length * length));
    let shared: Point = std::array::from_fn(|i| to_first * by_a[i] - to_last * by_d[i]);
    let by_b = std::array::from_fn(|i| -by_a[i] - shared[i]);
    let by_c = std::array::from_fn(|i| -by_d[i] + shared[i]);
    let angle = (dot(&first, &right) * length).atan2(dot(&left, &right));
    Some((angle, [by_a, by_b, by_c, by_d]))
}

/// Squared areas below this tell no direction.
const FLATTEST: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::torsion;
    use proptest::prelude::*;

    #[test]
    fn points_on_a_line_have_no_torsion() {
        let [a, b, c] = [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        assert_eq!(with_slopes(&[a, b, c, [0.0, 0.0, 2.0]]), None);
    }

    proptest! {
        #[test]
        fn slopes_are_those_of_the_angle(points in prop::array::uniform4(prop::array::uniform3(-2.0..2.0_f64))) {
            let [a, b, c, d] = points;
            let (left, right) = (cross(&difference(&b, &a), &difference(&c, &b)), cross(&difference(&c, &b), &difference(&d, &c)));
            prop_assume!(length(&left) > 0.5 && length(&right) > 0.5 && length(&difference(&c, &b)) > 0.5);
            let (value, slopes) = with_slopes(&points).unwrap();
            prop_assert!((value - torsion(&a, &b, &c, &d)).abs() < 1e-9);
            for p in 0..4 {
                for axis in 0..3 {
                    let moved = |h: f64| {
                        let mut moved = points;
                        moved[p][axis] += h;
                        let [a, b, c, d] = moved;
                        torsion(&a, &b, &c, &d)
                    };
                    let turned = (moved(1e-6) - moved(-1e-6)).sin() / 2e-6;
                    prop_assert!((slopes[p][axis] - turned).abs() < 1e-4);
                }
            }
        }
    }
}
