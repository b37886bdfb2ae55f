//! Torsion angles and how they change with the positions of their four atoms.

use crate::Point;

use super::vector::{cross, dot, minus, norm, scaled};

/// Torsion angle of four points in radians, -pi to pi.
#[must_use]
pub fn angle(points: &[Point; 4]) -> f64 {
    let [a, b, c, d] = points;
    let (first, axis, last) = (minus(b, a), minus(c, b), minus(d, c));
    let (left, right) = (cross(&first, &axis), cross(&axis, &last));
    (dot(&first, &right) * norm(&axis)).atan2(dot(&left, &right))
}

/// The angle, and its derivative with respect to each point (Blondel and Karplus, J. Comput. Chem. 17 (1996) 1132).
/// None where three of the points lie on a line.
#[must_use]
pub fn with_slopes(points: &[Point; 4]) -> Option<(f64, [Point; 4])> {
    let [a, b, c, d] = points;
    let (first, axis, last) = (minus(b, a), minus(c, b), minus(d, c));
    let (left, right) = (cross(&first, &axis), cross(&axis, &last));
    let (left_squared, right_squared, length) = (dot(&left, &left), dot(&right, &right), norm(&axis));
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
    use proptest::prelude::*;

    #[test]
    fn sign_follows_the_convention_of_iupac() {
        let [a, b, c] = [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        assert!((angle(&[a, b, c, [0.0, 1.0, 1.0]]) - 90_f64.to_radians()).abs() < 1e-12);
        assert!(angle(&[a, b, c, [1.0, 0.0, 2.0]]).abs() < 1e-12);
        assert_eq!(with_slopes(&[a, b, c, [0.0, 0.0, 2.0]]), None);
    }

    proptest! {
        #[test]
        fn slopes_are_those_of_the_angle(points in prop::array::uniform4(prop::array::uniform3(-2.0..2.0_f64))) {
            let [a, b, c, d] = points;
            let (left, right) = (cross(&minus(&b, &a), &minus(&c, &b)), cross(&minus(&c, &b), &minus(&d, &c)));
            prop_assume!(norm(&left) > 0.5 && norm(&right) > 0.5 && norm(&minus(&c, &b)) > 0.5);
            let (value, slopes) = with_slopes(&points).unwrap();
            prop_assert!((value - angle(&points)).abs() < 1e-9);
            for p in 0..4 {
                for axis in 0..3 {
                    let moved = |h: f64| {
                        let mut moved = points;
                        moved[p][axis] += h;
                        angle(&moved)
                    };
                    let turned = (moved(1e-6) - moved(-1e-6)).sin() / 2e-6;
                    prop_assert!((slopes[p][axis] - turned).abs() < 1e-4);
                }
            }
        }
    }
}
