"""Side chains against every combination of their conformations, and rotamers planted in a map."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import sidechains as slow

from emodelx import _core
from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS
from emodelx.demo.fold import fold

SMALL = [AMINO_ACIDS.index(letter) for letter in "ACGPSTV"]
PLAN = "LLLHHHHHHHHHHHHLLLLEEEEEELLLEEEEEELLL"


def main_chain(seed=0):
    return np.ascontiguousarray(fold(PLAN, np.random.default_rng(seed)).xyz[:, :4])


def some_field(seed, points):
    low = points.min(axis=(0, 1)) - 4
    shape = np.ceil(points.max(axis=(0, 1)) + 4 - low).astype(int)
    return np.random.default_rng(seed).random(shape, np.float32), low.tolist(), [1.0] * 3


def energy_of(atoms, main_chains, types, density):
    """Energy of packed residues by the twin's terms: the nearest of its conformations each."""
    rigid = [slow.built(own, kind, np.zeros(4)) for own, kind in zip(main_chains, types, strict=True)]
    total, chosen = 0.0, []
    for i in range(len(types)):
        all_of_i = slow.conformations(i, main_chains, types, rigid, density)
        off = [np.nanmax(np.abs(own - atoms[i])) for _, own in all_of_i]
        assert min(off) < 1e-6, "every side chain is one of the conformations"
        total += all_of_i[int(np.argmin(off))][0]
        chosen.append(all_of_i[int(np.argmin(off))][1])
    pairs = [(i, j) for j in range(len(types)) for i in range(j)]
    return total + sum(slow.clash(types[i], chosen[i][5:], types[j], chosen[j][5:], 5) for i, j in pairs)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), map=st.booleans())
def test_the_best_of_all_combinations(seed, map):  # noqa: A002
    """Residues pressed together, so that side chains are in each other's way."""
    rng = np.random.default_rng(seed)
    start = rng.integers(0, len(PLAN) - 4)
    main_chains = main_chain(seed % 3)[start : start + 4]
    main_chains[2:] += rng.normal(0, 1.5, 3) - main_chains[2:].mean(axis=(0, 1)) + main_chains[:2].mean(axis=(0, 1))
    types = rng.choice(SMALL, 4).astype(np.uint8)
    density = some_field(seed, main_chains) if map else None
    found = _core.pack_side_chains(main_chains, types, density, threads=1)
    expected, least = slow.pack(main_chains, types, density)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert energy_of(found, main_chains, types, density) == pytest.approx(least, abs=1e-6)


@pytest.mark.parametrize("kind", range(20))
def test_conformations_of_every_type(kind):
    """One residue of each type alone: the same atoms as the twin's."""
    three = main_chain()[5:8]
    types = np.array([0, kind, 0], np.uint8)
    found = _core.pack_side_chains(three, types, None, threads=1)
    expected, _ = slow.pack(three, types)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.isfinite(found[1, :, 0]).sum() == len(HEAVY_ATOMS[AMINO_ACIDS[kind]].split())


def test_rotamers_planted_in_a_map_come_back():
    rng = np.random.default_rng(0)
    main_chains = main_chain()
    types = np.array([AMINO_ACIDS.index(letter) for letter in rng.choice(list("FILMRKWYEQV"), len(PLAN))], np.uint8)
    planted = _core.pack_side_chains(main_chains, types, some_field(1, main_chains))
    atoms = planted[np.isfinite(planted[..., 0])]
    low = atoms.min(axis=0) - 4
    values = np.zeros(np.ceil((atoms.max(axis=0) + 4 - low) / 0.7).astype(int), np.float32)
    grid = np.stack(np.meshgrid(*(np.arange(n) * 0.7 for n in values.shape), indexing="ij"), axis=-1)
    for atom in atoms - low:
        values += np.exp(-((grid - atom) ** 2).sum(axis=-1)).astype(np.float32)
    found = _core.pack_side_chains(main_chains, types, (values, low.tolist(), [0.7] * 3))
    off = np.linalg.norm(found - planted, axis=-1)[:, 5]
    assert (off < 0.8).mean() > 0.9
    without = _core.pack_side_chains(main_chains, types, None)
    assert (np.linalg.norm(without - planted, axis=-1)[:, 5] < 0.8).mean() < 0.9


def large(count):
    """Helices side by side, with all types in turn."""
    one = main_chain()
    main_chains = np.concatenate([one + 11.0 * k * np.eye(3)[0] for k in range(count)])
    return main_chains, (np.arange(len(main_chains)) * 7 % 20).astype(np.uint8)


def test_threads(same_on_all_threads):
    main_chains, types = large(6)
    same_on_all_threads(_core.pack_side_chains, main_chains, types, some_field(0, main_chains))


def test_ctrl_c(interrupted):
    main_chains, types = large(300)
    with interrupted():
        _core.pack_side_chains(main_chains, types, None, threads=1)


def test_nothing_to_pack():
    assert _core.pack_side_chains(np.zeros((0, 4, 3)), np.zeros(0, np.uint8), None).shape == (0, 14, 3)


ONE, TYPE = np.arange(12.0).reshape(1, 4, 3), np.zeros(1, np.uint8)


@pytest.mark.parametrize(
    ("main_chains", "types", "error", "message"),
    [
        (ONE * np.nan, TYPE, ValueError, "main_chains must be finite"),
        (ONE[:, :3], TYPE, ValueError, r"main_chains must have shape \(n, 4, 3\)"),
        (ONE, TYPE[:0], ValueError, "type of 0 to 19"),
        (ONE, TYPE + 20, ValueError, "type of 0 to 19"),
        (ONE, TYPE.astype(int), TypeError, "types"),
        (ONE + 1e300, TYPE, ValueError, "within 1e9 cells of the origin"),
    ],
)
def test_bad_input(main_chains, types, error, message):
    with pytest.raises(error, match=message):
        _core.pack_side_chains(main_chains, types, None)
