//! Uniform cubic B-splines: smooth twice over, and never beyond the values that they are made of.

/// Weights of the four grid points around a point at `fraction` between the middle two.
#[must_use]
pub fn weights(fraction: f64) -> [f64; 4] {
    let (t, u) = (fraction, 1.0 - fraction);
    let (t3, u3) = (t * t * t, u * u * u);
    [u3, 3.0 * t3 - 6.0 * t * t + 4.0, 3.0 * u3 - 6.0 * u * u + 4.0, t3].map(|w| w / 6.0)
}

/// Derivatives of the weights.
#[must_use]
pub fn slopes(fraction: f64) -> [f64; 4] {
    let (t, u) = (fraction, 1.0 - fraction);
    [-u * u / 2.0, t * (1.5 * t - 2.0), u * (2.0 - 1.5 * u), t * t / 2.0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_share_one_and_slopes_are_theirs() {
        for step in 0..=10 {
            let t = f64::from(step) / 10.0;
            assert!((weights(t).iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let (low, high) = (weights(t - 1e-5), weights(t + 1e-5));
            for (i, slope) in slopes(t).iter().enumerate() {
                assert!((slope - (high[i] - low[i]) / 2e-5).abs() < 1e-8);
            }
        }
    }
}
