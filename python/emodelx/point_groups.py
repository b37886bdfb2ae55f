"""Point groups of rotations: C1, Cn, Dn, T, O and I in the standard settings of cryo-EM."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from emodelx.records import Points

MOST = 60
"""Rotations of the largest group, I."""
SAME = np.radians(9.0)
"""Rotations that differ less are one."""

_Z, _X, _DIAGONAL, _FIVEFOLD = (0, 0, 1), (1, 0, 0), (1, 1, 1), (0, 1, (1 + 5**0.5) / 2)
_POLYHEDRAL = {
    "T": ((_Z, 2), (_DIAGONAL, 3)),
    "O": ((_Z, 4), (_DIAGONAL, 3)),
    "I": ((_FIVEFOLD, 5), (_DIAGONAL, 3)),
}
_SHAPE = {12: (3, "T"), 24: (4, "O"), 60: (5, "I")}
"""Number of rotations, and the highest order of an axis, of the groups that are neither cyclic nor dihedral."""


def generators(name: str) -> tuple[tuple[Points, int], ...]:
    """Axes (unit vectors) that generate the group, and their orders; cyclic axes along z, two-folds of Dn along x."""
    axes = _POLYHEDRAL.get(name) or ((_Z, int(name[1:])), (_X, 2))[: 1 + name.startswith("D")]
    return tuple((np.array(axis) / np.linalg.norm(axis), order) for axis, order in axes)


def rotations_of(name: str) -> Points:
    """All rotations of the group in its standard setting, the identity first. Shape (order, 3, 3)."""
    return generate([turn(axis, order) for axis, order in generators(name)])


def turn(axis: Points, order: int) -> Points:
    """Return the rotation by one part in `order` of a full turn. Shape (3, 3)."""
    return Rotation.from_rotvec(2 * np.pi / order * axis).as_matrix()


def generate(rotations: list[Points]) -> Points:
    """Return the smallest group with these exact rotations, the identity first. Shape (order, 3, 3)."""
    group = [np.eye(3)]
    for known in group:  # grows while it is read
        for rotation in rotations:
            product = known @ rotation
            if find(product, np.array(group)) is None:
                group.append(product)
    return np.array(group)


def find(rotation: Points, group: Points) -> int | None:
    """Index of a rotation in a group (shape (order, 3, 3)); None where it is not in it."""
    cosine = (np.einsum("gij,ij->g", group, rotation) - 1) / 2
    best = int(cosine.argmax())
    return best if cosine[best] > np.cos(SAME) else None


def products(group: Points) -> NDArray[np.int64]:
    """Index of the product of every two rotations of a group, the right one applied first. Shape (order, order)."""
    cosine = np.einsum("gij,hjk,fik->ghf", group, group, group, optimize=True)
    return cosine.argmax(axis=2)


def orders(group: Points) -> NDArray[np.int64]:
    """How often each rotation of a group must be applied until nothing is turned. Shape (order,)."""
    after = products(group)
    identity = find(np.eye(3), group)
    result, power = np.zeros(len(group), np.int64), np.arange(len(group))
    for times in range(1, len(group) + 1):
        result[(power == identity) & (result == 0)] = times
        power = after[power, np.arange(len(group))]
    return result


def name_of(rotations: Points) -> str | None:
    """Name of a group that was measured, shape (order, 3, 3); None where it is none."""
    count, highest = len(rotations), orders(rotations).max()
    if highest == count:
        return f"C{count}"
    if 2 * highest == count and count > 2:
        return f"D{highest}"
    shape = _SHAPE.get(count)
    return shape[1] if shape and shape[0] == highest else None


def orient(name: str, rotations: Points) -> Points | None:
    """Find the rotation that takes the standard setting of a group to measured rotations.

    Parameters
    ----------
    name : str
    rotations : ndarray, dtype=float64, shape=(order, 3, 3)
        May hold more than the group.

    Returns
    -------
    ndarray, dtype=float64, shape=(3, 3)
        None where the group is not among them.
    """
    (first, order), *second = generators(name)
    standard = rotations_of(name)
    if len(standard) == 1:
        return np.eye(3)
    axes = Rotation.from_matrix(rotations).as_rotvec()
    axes = np.concatenate([axes, -axes]) / np.maximum(
        np.linalg.norm(np.tile(axes, (2, 1)), axis=1, keepdims=True), SAME
    )
    found = np.tile(orders(rotations), 2)
    for onto in axes[found % order == 0]:
        for partner in axes[found % second[0][1] == 0] if second else [None]:
            targets = [onto] if partner is None else [onto, partner]
            setting = _setting([first, *(axis for axis, _ in second)], targets)
            if setting is not None and _among(setting @ standard @ setting.T, rotations):
                return setting
    return None


def _setting(axes: list[Points], onto: list[Points]) -> Points | None:
    """Rotation that takes one or two axes onto others, if the angle between them allows it."""
    if abs(axes[0] @ axes[-1] - onto[0] @ onto[-1]) > SAME:
        return None
    return Rotation.align_vectors(onto, axes)[0].as_matrix()


def _among(group: Points, rotations: Points) -> bool:
    return all(find(rotation, rotations) is not None for rotation in group)
