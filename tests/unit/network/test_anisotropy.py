"""Falls along directions: planted and recovered, against a twin on the whole grid."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from emodelx.network.anisotropy import OWN, directional_fall, even_out, weakest_direction
from emodelx.network.normalise import PAPER, PUBLISHED, SPECTRUM, match_spectrum, normalise, to_scale

CUT = 3.3


def molecule(size=56, seed=0):
    """Atoms in a ball, in noise a fiftieth as high."""
    rng = np.random.default_rng(seed)
    away = np.linalg.norm(np.indices((size,) * 3) - size / 2, axis=0)
    atoms = ((rng.random((size,) * 3) < 0.05) & (away < 0.36 * size)).astype(float)
    volume = gaussian_filter(atoms, 0.8)
    return (volume + volume.std() * rng.normal(size=volume.shape) / 50).astype(np.float32)


def traceless(along, strength):
    direction = np.asarray(along, float) / np.linalg.norm(along)
    return strength * (np.outer(direction, direction) - np.eye(3) / 3)


def fallen(volume, fall):
    """Twin of even_out, the other way round: one transform of the whole volume, one factor per coefficient."""
    axes = np.stack(np.meshgrid(*(np.fft.fftfreq(n) for n in volume.shape), indexing="ij"), axis=-1)
    factor = np.exp(-np.einsum("...i,ij,...j->...", axes, fall, axes) / 4)
    return np.fft.ifftn(np.fft.fftn(volume - np.median(volume)) * factor).real.astype(np.float32)


def found_in(volume):
    return directional_fall(volume, match_spectrum(volume, CUT), CUT)


@pytest.mark.parametrize("along", [(1, 0, 0), (0, 1, 1), (0.3, -0.5, 0.8)])
@pytest.mark.parametrize("strength", [60.0, 120.0])
def test_planted_fall_is_found_and_taken_out(along, strength):
    whole, fall = molecule(), traceless(along, strength)
    volume = fallen(whole, fall)
    found = found_in(volume)
    assert np.linalg.norm(found - fall) < 0.25 * np.linalg.norm(fall)
    assert np.trace(found) == pytest.approx(0, abs=1e-6)
    assert np.array_equal(found, found.T)
    assert np.linalg.norm(found_in(even_out(volume, found))) < 0.3 * np.linalg.norm(fall)


def test_what_is_taken_out_makes_a_map_like_the_whole_one():
    whole = molecule()
    volume = fallen(whole, traceless((1, 2, 0), 100.0))
    target = match_spectrum(whole, CUT)
    read = to_scale(volume, SPECTRUM, CUT / SPECTRUM.cut).values
    before, after = (np.corrcoef(v.ravel(), target.ravel())[0, 1] for v in (match_spectrum(volume, CUT), read))
    assert 1 - after < (1 - before) / 10


@pytest.mark.parametrize("seed", range(4))
def test_even_maps_are_left_as_they_are(seed):
    volume = molecule(seed=seed)
    assert not found_in(volume).any()


def test_a_small_fall_is_taken_for_the_molecules_own():
    assert not found_in(fallen(molecule(), traceless((0, 0, 1), 0.8 * OWN[0]))).any()


def test_coarser_maps_tell_less_of_directions():
    """The same small fall is believed in a map cut at 3.3 A, less at 4.3 A, and not at 6.65 A."""
    volume = fallen(molecule(), traceless((0, 0, 1), 25.0))
    sizes = [np.linalg.norm(directional_fall(volume, match_spectrum(volume, cut), cut)) for cut in (3.3, 4.3, 6.65)]
    assert sizes[0] > 1.5 * sizes[1] > 0
    assert sizes[2] == 0


@pytest.mark.parametrize("cut", [5.7, 6.65, 7.6])
def test_bundles_of_helices_are_not_evened(cut):
    """Rods along one direction, as a map of 6 to 8 A shows helices, are the molecule's own."""
    rng, volume = np.random.default_rng(1), np.zeros((64, 64, 64))
    for x, y in rng.uniform(18, 46, (9, 2)):
        volume[round(x), round(y), 16:48] += 1
    smooth = gaussian_filter(volume, 2.0).astype(np.float32)
    smooth += smooth.std() * rng.normal(size=smooth.shape).astype(np.float32) / 50
    assert not directional_fall(smooth, match_spectrum(smooth, cut), cut).any()


@pytest.mark.parametrize("along", [(0, 1, 0), (1, 2, -3), (-0.5, 0.2, 0.1)])
def test_the_weakest_direction_of_a_planted_fall(along):
    """Twin: what the factor of every direction of a dense set is."""
    fall = traceless(along, 70.0) + traceless((along[1], -along[0], 0), -20.0)
    direction, ratio = weakest_direction(fall, 3.5)
    everywhere = np.random.default_rng(0).normal(size=(200_000, 3))
    everywhere /= np.linalg.norm(everywhere, axis=1, keepdims=True)
    factors = np.exp(-np.einsum("ni,ij,nj->n", everywhere, fall, everywhere) / (4 * 3.5**2))
    assert abs(direction @ everywhere[factors.argmin()]) > 0.999
    assert direction[np.abs(direction).argmax()] > 0
    assert ratio == pytest.approx(factors.max() / factors.min(), rel=0.01)


def test_an_even_map_has_no_weakest_direction():
    assert weakest_direction(np.zeros((3, 3)), 3.0)[1] == 1


def test_the_fall_that_was_taken_out_is_given_back():
    volume = fallen(molecule(), traceless((1, 0, 0), 90.0))
    assert np.array_equal(normalise(volume, SPECTRUM, CUT / SPECTRUM.cut).fall, found_in(volume))
    assert not any(normalise(volume, rule).fall.any() for rule in (PAPER, PUBLISHED))  # they look at no directions


def test_even_out_undoes_a_fall():
    volume = gaussian_filter(molecule(48), 2)  # nothing at the grid's limit, where +s and -s are one coefficient
    fall = traceless((1, 1, -2), 40.0)
    there = even_out(volume, -fall)
    np.testing.assert_allclose(there, fallen(volume, fall), atol=1e-4 * np.abs(there).max())


def test_a_turned_map_has_the_turned_fall():
    volume = fallen(molecule(), traceless((0.2, 1, 0.5), 80.0))
    turn = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    turned = np.ascontiguousarray(volume.transpose(1, 2, 0))  # new axis i is old axis i + 1
    np.testing.assert_allclose(found_in(turned), turn @ found_in(volume) @ turn.T, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("shape", [(8, 8, 8), (9, 20, 12)])
def test_maps_that_show_nothing_have_no_fall(shape):
    assert not found_in(np.full(shape, 3.0, np.float32)).any()


def test_a_tiny_map_is_read():
    volume = np.random.default_rng(0).normal(size=(8, 8, 8)).astype(np.float32)
    assert np.isfinite(normalise(volume, SPECTRUM, 3.5).values).all()
