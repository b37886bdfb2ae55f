//! Vectors, and atoms from bond lengths, angles and torsions. Angles are in radians.

use crate::Point;

#[must_use]
pub fn sum(a: &Point, b: &Point) -> Point {
    std::array::from_fn(|d| a[d] + b[d])
}

#[must_use]
pub fn difference(a: &Point, b: &Point) -> Point {
    std::array::from_fn(|d| a[d] - b[d])
}

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

#[must_use]
pub fn dot(a: &Point, b: &Point) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[must_use]
pub fn cross(a: &Point, b: &Point) -> Point {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[must_use]
pub fn length(a: &Point) -> f64 {
    dot(a, a).sqrt()
}

/// `a` at length 1; the x axis where it has none.
#[must_use]
pub fn unit(a: &Point) -> Point {
    let length = length(a);
    if length > 1e-9 { scaled(a, 1.0 / length) } else { [1.0, 0.0, 0.0] }
}

/// The direction of `a` across the unit vector `axis`; any such direction where `a` lies along it.
#[must_use]
pub fn across(a: &Point, axis: &Point) -> Point {
    let part = |v: &Point| difference(v, &scaled(axis, dot(v, axis)));
    let found = part(a);
    if length(&found) > 1e-6 {
        return unit(&found);
    }
    let least = (0..3).min_by(|&i, &j| axis[i].abs().total_cmp(&axis[j].abs())).unwrap_or(0);
    unit(&part(&std::array::from_fn(|d| f64::from(u8::from(d == least)))))
}

/// The angle a-b-c.
#[must_use]
pub fn angle(a: &Point, b: &Point, c: &Point) -> f64 {
    let (p, q) = (difference(a, b), difference(c, b));
    length(&cross(&p, &q)).atan2(dot(&p, &q))
}

/// The torsion a-b-c-d.
#[must_use]
pub fn torsion(a: &Point, b: &Point, c: &Point, d: &Point) -> f64 {
    let (first, axis, last) = (difference(b, a), difference(c, b), difference(d, c));
    let (m, n) = (cross(&first, &axis), cross(&axis, &last));
    (dot(&first, &n) * length(&axis)).atan2(dot(&m, &n))
}

/// `angle` within half a turn around 0.
#[must_use]
pub fn wrapped(angle: f64) -> f64 {
    angle - std::f64::consts::TAU * (angle / std::f64::consts::TAU).round()
}

/// The atom d that is `bond` from c, with the angle b-c-d and the torsion a-b-c-d.
#[must_use]
pub fn place(a: &Point, b: &Point, c: &Point, [bond, angle, torsion]: [f64; 3]) -> Point {
    let forward = unit(&difference(c, b));
    let side = scaled(&across(&difference(b, a), &forward), -1.0);
    let normal = cross(&forward, &side);
    let ((bent, straight), (turned, level)) = (angle.sin_cos(), torsion.sin_cos());
    std::array::from_fn(|d| c[d] + bond * (-straight * forward[d] + bent * (level * side[d] + turned * normal[d])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn placed_atoms_have_their_bond_angle_and_torsion(
            points in prop::array::uniform3(prop::array::uniform3(-5.0..5.0_f64)),
            bond in 0.5..3.0_f64, bend in 0.2..3.0_f64, twist in -3.1..3.1_f64,
        ) {
            let [a, b, c] = points;
            prop_assume!((0.1..3.0).contains(&angle(&a, &b, &c)) && length(&difference(&b, &c)) > 0.1);
            let d = place(&a, &b, &c, [bond, bend, twist]);
            prop_assert!((length(&difference(&d, &c)) - bond).abs() < 1e-9);
            prop_assert!((angle(&b, &c, &d) - bend).abs() < 1e-6);
            prop_assert!(wrapped(torsion(&a, &b, &c, &d) - twist).abs() < 1e-6);
        }
    }

    #[test]
    fn sign_of_torsions_follows_the_convention_of_iupac() {
        let [a, b, c] = [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        assert!((torsion(&a, &b, &c, &[0.0, 1.0, 1.0]) - 90_f64.to_radians()).abs() < 1e-12);
        assert!(torsion(&a, &b, &c, &[1.0, 0.0, 2.0]).abs() < 1e-12);
    }

    #[test]
    fn directions_across_an_axis_are_found_for_any_vector() {
        let axis = [0.0, 0.6, 0.8];
        for vector in [[1.0, 2.0, 3.0], axis, [0.0; 3]] {
            let found = across(&vector, &axis);
            assert!(dot(&found, &axis).abs() < 1e-9 && (length(&found) - 1.0).abs() < 1e-9);
        }
    }
}
