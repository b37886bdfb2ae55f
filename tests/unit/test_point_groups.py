"""Point groups: closed, named, and found again in any orientation."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emodelx.point_groups import find, name_of, orders, orient, products, rotations_of

ORDERS = {"C1": 1, "C2": 2, "C4": 4, "C7": 7, "C20": 20, "D2": 4, "D3": 6, "D9": 18, "T": 12, "O": 24, "I": 60}


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_groups_are_closed_and_know_their_names(name, order):
    group = rotations_of(name)
    assert group.shape == (order, 3, 3)
    np.testing.assert_allclose(group[0], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(group), 1)
    after = products(group)
    np.testing.assert_allclose(np.einsum("gij,hjk->ghik", group, group), group[after], atol=1e-9)
    assert name_of(group) == name
    for rotation, times in zip(group, orders(group), strict=True):
        np.testing.assert_allclose(np.linalg.matrix_power(rotation, times), np.eye(3), atol=1e-9)


@pytest.mark.parametrize("name", [name for name in ORDERS if name != "C1"])
@pytest.mark.parametrize("seed", range(3))
def test_a_turned_and_inexact_group_is_oriented(name, seed):
    rng = np.random.default_rng(seed)
    turned = Rotation.random(random_state=seed).as_matrix()
    error = Rotation.from_rotvec(rng.normal(0, 0.01, (ORDERS[name], 3))).as_matrix()
    error[0] = np.eye(3)
    measured = error @ turned @ rotations_of(name) @ turned.T
    assert name_of(measured) == name
    setting = orient(name, measured[np.r_[0, 1 + rng.permutation(len(measured) - 1)]])
    assert all(find(rotation, measured) is not None for rotation in setting @ rotations_of(name) @ setting.T)


@pytest.mark.parametrize(
    ("name", "parts", "others"),
    [("O", "C2 C3 C4 D2 D3 D4 T", "C5 C6 D6 I"), ("I", "C2 C3 C5 D2 D3 D5 T", "C4 O"), ("D6", "C6 C3 D3 D2", "C4 T")],
)
def test_a_group_knows_its_parts(name, parts, others):
    group = rotations_of(name)
    assert all(orient(part, group) is not None for part in parts.split())
    assert all(orient(other, group) is None for other in others.split())
