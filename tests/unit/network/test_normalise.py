"""Normalisation rules and the spectrum match, against slow twins and planted maps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from emodelx.network.normalise import (
    PAPER,
    PUBLISHED,
    SPECTRUM,
    NormalisationRule,
    estimate_resolution,
    match_spectrum,
    normalise,
)
from emodelx.network.radial_grid import RadialGrid, _fast_even_size
from emodelx.network.spectrum import matching_gain, smooth_profile, soft_cut, target_log_amplitude


def noise(shape=(24, 30, 26), seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def molecule(shape=(36, 30, 32), seed=0):
    """Atoms, with a little solvent around them."""
    atoms = np.random.default_rng(seed).random(shape) < 0.03
    atoms[~np.pad(np.ones([n - 6 for n in shape], bool), 3)] = False
    return atoms.astype(np.float32)


def radii(shape):
    """Frequency of every coefficient of the half-complex transform."""
    axes = [np.fft.fftfreq(n) for n in shape[:2]] + [np.fft.rfftfreq(shape[2])]
    return np.sqrt(sum(g**2 for g in np.meshgrid(*axes, indexing="ij")))


def filtered(volume, factor):
    """Volume with its transform multiplied by factor(frequency)."""
    return np.fft.irfftn(np.fft.rfftn(volume) * factor(radii(volume.shape)), s=volume.shape, axes=(0, 1, 2)).astype(
        np.float32
    )


def test_paper_rule_is_equation_1():
    volume = np.arange(1000, dtype=np.float32).reshape(10, 10, 10)
    out = normalise(volume, PAPER).values
    median, top = 499.5, 989.01
    expected = np.where(volume < median, 0, np.minimum((volume - median) / (top - median), 1))
    np.testing.assert_allclose(out, expected, atol=1e-6)


def test_published_rule_measures_inside_the_positive_box():
    small = np.abs(noise((12, 12, 12)))
    padded = np.full((40, 40, 40), -1.0, np.float32)
    padded[10:22, 12:24, 14:26] = small
    inside = normalise(padded, PUBLISHED).values[10:22, 12:24, 14:26]
    raised = small + 1
    np.testing.assert_allclose(inside, np.clip(raised / np.percentile(raised, 99.9), 0, 1), atol=1e-5)


@pytest.mark.parametrize("rule", [PAPER, PUBLISHED, SPECTRUM])
def test_every_rule_gives_float32_between_0_and_its_ceiling(rule):
    volume = molecule()
    volume[10, 12, 11] = 20
    out = normalise(volume, rule, 3.0).values
    assert out.dtype == np.float32
    assert out.shape == (36, 30, 32)
    assert out.min() == 0
    assert out.max() == rule.ceiling


@pytest.mark.parametrize("rule", [PAPER, PUBLISHED, SPECTRUM])
def test_an_empty_map_stays_empty(rule):
    assert not normalise(np.zeros((16, 16, 16), np.float32), rule, 3.0).values.any()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_scale_and_offset_of_the_map_do_not_matter(scale):
    volume = molecule()
    reference = normalise(volume, SPECTRUM, 3.0).values
    np.testing.assert_allclose(normalise(volume * np.float32(scale), SPECTRUM, 3.0).values, reference, atol=2e-3)
    np.testing.assert_allclose(normalise(volume + np.float32(3), SPECTRUM, 3.0).values, reference, atol=2e-3)


def slow_match(volume, cut):
    """Twin of match_spectrum: one whole transform, one shell number per coefficient."""
    shape = RadialGrid.around(volume.shape).shape
    box = np.zeros(shape, np.float32)
    box[tuple(slice(n) for n in volume.shape)] = volume - np.median(volume)
    transform = np.fft.rfftn(box)
    shell = (radii(shape) * 100).astype(int)
    filled = np.unique(shell)
    logs = [np.log10(np.mean(np.abs(transform[shell == k]) ** 2)) / 2 for k in filled]
    profile = smooth_profile(torch.tensor(np.interp(np.arange(87), filled, logs)).float(), 2.0)
    radius = (torch.arange(87) + 0.5) / 100
    factor = 10 ** matching_gain(radius, profile) * soft_cut(radius, cut)
    out = np.fft.irfftn(transform * factor.numpy()[shell], s=shape, axes=(0, 1, 2))
    return out[tuple(slice(n) for n in volume.shape)]


@pytest.mark.parametrize("shape", [(24, 30, 26), (17, 20, 23)])
def test_match_is_its_slow_twin(shape):
    volume = noise(shape)
    fast, slow = match_spectrum(volume, 3.0), slow_match(volume, 3.0)
    # a coefficient on a shell's border may fall to either side in float32 and float64
    assert np.corrcoef(fast.ravel(), slow.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("b_factor", [-60.0, 0.0, 150.0])
def test_sharpening_is_undone(b_factor):
    volume = noise((64, 64, 64))
    changed = filtered(volume, lambda s: np.exp(-b_factor * s**2 / 4))
    a, b = match_spectrum(volume, 3.0), match_spectrum(changed, 3.0)
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.97


def test_cut_removes_what_is_finer():
    volume = noise((48, 48, 48))
    power = np.abs(np.fft.rfftn(match_spectrum(volume, 4.0))) ** 2
    s = radii(volume.shape)
    assert power[s > 0.35].mean() < 1e-3 * power[(s > 0.1) & (s < 0.2)].mean()


def test_gain_is_0_at_the_reference_and_for_low_frequencies():
    radius = (torch.arange(60) + 0.5) / 100
    gain = matching_gain(radius, -3 * radius)
    assert (gain[radius < 1 / 12] == 0).all()
    assert gain[14].item() == pytest.approx(0, abs=1e-6)
    brought = gain + -3 * radius - (gain + -3 * radius)[14]
    wanted = target_log_amplitude(radius) - target_log_amplitude(radius)[14]
    assert torch.allclose(brought[10:], wanted[10:], atol=1e-5)


SMOOTH_SIZES = sorted(2 * 2**a * 3**b * 5**c for a in range(10) for b in range(7) for c in range(5))


@given(st.integers(1, 500))
@settings(max_examples=50, deadline=None)
def test_transform_sizes_are_even_and_smooth(size):
    assert _fast_even_size(size) == next(n for n in SMOOTH_SIZES if n >= size)


@pytest.mark.parametrize("resolution", [2.6, 3.2, 4.0, 4.8])
def test_resolution_of_a_filtered_map_is_recovered(resolution):
    def seen(s):
        curve = 10 ** target_log_amplitude(torch.from_numpy(s.reshape(-1))).numpy().reshape(s.shape)
        return curve / (1 + np.exp((s - 1 / resolution) / 0.015)) + 0.05 * curve

    volume = filtered(noise((64, 64, 64)), seen)
    assert estimate_resolution(volume) == pytest.approx(resolution, rel=0.2)


def test_a_map_without_a_fall_is_taken_as_sharp_as_the_grid():
    assert estimate_resolution(noise((48, 48, 48))) == 2.0


def test_a_given_resolution_is_used_instead_of_the_estimate():
    volume = molecule((32, 32, 32))
    sharp, blurred = (normalise(volume, NormalisationRule("spectrum", 97.0), d).values for d in (2.5, 8.0))
    assert blurred.any()
    assert np.abs(np.diff(sharp, axis=0)).mean() > 1.5 * np.abs(np.diff(blurred, axis=0)).mean()
