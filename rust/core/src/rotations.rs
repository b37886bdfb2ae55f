//! Rotations that cover all orientations evenly.

/// A rotation matrix.
pub type Rotation = [[f64; 3]; 3];

/// Solution of `psi^4 = psi + 4` that the spiral needs.
const PSI: f64 = 1.533_751_168_755_204_3;

/// Rotations about `step` radians apart: a spiral over the unit quaternions (Alexa, Super-Fibonacci spirals, CVPR 2022).
#[must_use]
pub fn evenly(step: f64) -> Vec<Rotation> {
    let volume = 8.0 * std::f64::consts::PI.powi(2);
    let count = (volume / step.powi(3)).ceil().max(1.0);
    (0..count as usize).map(|i| of_quaternion(&on_spiral(i as f64 + 0.5, count))).collect()
}

fn on_spiral(s: f64, count: f64) -> [f64; 4] {
    let (inner, outer) = ((s / count).sqrt(), (1.0 - s / count).sqrt());
    let (a, b) = (std::f64::consts::TAU * s / std::f64::consts::SQRT_2, std::f64::consts::TAU * s / PSI);
    [inner * a.sin(), inner * a.cos(), outer * b.sin(), outer * b.cos()]
}

/// The rotation of a unit quaternion (w, x, y, z).
fn of_quaternion(&[w, x, y, z]: &[f64; 4]) -> Rotation {
    [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]
}

/// The rotation by the length of `turn`, in radians, about its direction.
#[must_use]
pub fn about(turn: &[f64; 3]) -> Rotation {
    let angle = crate::vectors::length(turn);
    let axis = crate::vectors::unit(turn);
    let (sine, cosine) = (0.5 * angle).sin_cos();
    of_quaternion(&[cosine, sine * axis[0], sine * axis[1], sine * axis[2]])
}

/// First `b`, then `a`.
#[must_use]
pub fn product(a: &Rotation, b: &Rotation) -> Rotation {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn angle_between(a: &Rotation, b: &Rotation) -> f64 {
        let trace: f64 = (0..3).map(|i| (0..3).map(|k| a[i][k] * b[i][k]).sum::<f64>()).sum();
        ((trace - 1.0) / 2.0).clamp(-1.0, 1.0).acos()
    }

    #[test]
    fn every_orientation_has_a_rotation_nearby() {
        let step = 0.5;
        let all = evenly(step);
        for other in evenly(0.61) {
            let nearest = all.iter().map(|r| angle_between(r, &other)).fold(f64::MAX, f64::min);
            assert!(nearest < step, "{nearest}");
        }
    }

    #[test]
    fn no_two_rotations_are_the_same() {
        let all = evenly(0.5);
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| angle_between(a, b) > 0.15));
        }
    }

    #[test]
    fn turns_are_about_their_axis() {
        let quarter = about(&[0.0, 0.0, std::f64::consts::FRAC_PI_2]);
        assert!((quarter[1][0] - 1.0).abs() < 1e-12 && (quarter[0][1] + 1.0).abs() < 1e-12);
        let half = product(&quarter, &quarter);
        assert!((half[0][0] + 1.0).abs() < 1e-12 && (half[2][2] - 1.0).abs() < 1e-12);
    }
}
