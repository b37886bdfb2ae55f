"""Slow, obvious twin of main chains: every pair of angles of neighbouring peptide planes, residue by residue."""

import numpy as np
from oracle.tables import (
    GLYCINE,
    PROLINE,
    across,
    angle,
    local_scale,
    place,
    ramachandran,
    read,
    table,
    torsion,
    unit,
    wrap,
)
from scipy.special import logsumexp

TRANS, CIS = 3.807, 2.942
PLANES = {
    False: [(1.431, 0.527), (1.652, 1.739), (2.400, -0.383)],
    True: [(0.801, 1.298), (0.216, 2.383), (2.138, 1.218)],
}
TURNS = np.arange(36) * np.pi / 18
TEMPERATURE = 2.0


def regular(calphas, types):
    """Calphas at usual distances, which peptides are cis, and how far distances were off."""
    distance = np.linalg.norm(np.diff(calphas, axis=0), axis=1)
    off = np.sort(np.abs(distance - TRANS))
    error = max(1.48 * off[len(off) // 2] if len(off) else 0, 0.03)
    squares = (distance - TRANS) ** 2 - (distance - CIS) ** 2
    cis = (types[1:] == PROLINE) & (squares / (2 * error**2) + np.log(0.05 / 0.95) > 0)
    moved = calphas.copy()
    for k in range(60):
        pull = 0.1 * (1 - k / 60)
        moved = (1 - pull) * moved + pull * calphas
        for i in range(len(moved) - 2):
            correct(moved, i, i + 2, 5.0, 7.3)
        for i, is_cis in enumerate(cis):
            ideal = CIS if is_cis else TRANS
            correct(moved, i, i + 1, ideal - 0.06, ideal + 0.06)
    return moved, cis, error


def correct(points, i, j, shortest, longest):
    step = points[j] - points[i]
    distance = np.linalg.norm(step)
    half = step * (np.clip(distance, shortest, longest) - distance) / distance / 2
    points[i] -= half
    points[j] += half


class Run:
    def __init__(self, calphas, types, density=None, main_chain=None):
        self.calphas, self.cis, self.error = regular(calphas, types)
        self.types, self.density, self.main_chain = types, density, main_chain
        self.scale = None if density is None else local_scale(read(density, self.calphas))

    def build(self):
        planes = [self.plane(i, TURNS) for i in range(len(self.calphas) - 1)]
        weights = np.exp(self.log_posterior(planes))
        x, y = weights @ np.cos(TURNS), weights @ np.sin(TURNS)
        means = np.where(np.hypot(x, y) > 1e-9, np.arctan2(y, x), 0)
        return self.ends(np.array([self.plane(i, means[i]) for i in range(len(means))]))

    def log_posterior(self, planes):
        """Logarithms of the weights of all angles of all planes, summed over the angles of the others."""
        own = [-self.alone(i, TURNS, atoms) / TEMPERATURE for i, atoms in enumerate(planes)]
        pairs = [
            -self.junction(i, planes[i - 1][:, None], planes[i][None]) / TEMPERATURE for i in range(1, len(planes))
        ]
        before, behind = [np.zeros(36)], [np.zeros(36)]
        for mine, pair in zip(own, pairs, strict=False):
            before.append(logsumexp((before[-1] + mine)[:, None] + pair, axis=0))
        for mine, pair in zip(own[::-1], pairs[::-1], strict=False):
            behind.append(logsumexp(pair + behind[-1] + mine, axis=1))
        total = np.array(before) + own + behind[::-1]
        return total - logsumexp(total, axis=1, keepdims=True)

    def plane(self, i, turn):
        """C, O and the next N at every angle, (..., 3, 3)."""
        a, b = self.calphas[i], self.calphas[i + 1]
        axis = unit(b - a)
        beside = self.calphas[i - 1] if i > 0 else self.calphas[2] if len(self.calphas) > 2 else a + np.eye(3)[0]
        y = across(beside - a, axis)
        side = np.cos(turn)[..., None] * y + np.sin(turn)[..., None] * np.cross(axis, y)
        stretch = np.linalg.norm(b - a) / (CIS if self.cis[i] else TRANS)
        parts = [a + stretch * along * axis + aside * side for along, aside in PLANES[bool(self.cis[i])]]
        return np.stack(parts, axis=-2)

    def alone(self, i, turn, atoms):
        return self.unusual(i, turn) + self.misfit(i, atoms)

    def unusual(self, i, turn):
        if i == 0 or i + 2 >= len(self.calphas) or self.cis[i]:
            return np.zeros(len(turn))
        four = self.calphas[i - 1 : i + 3]
        bends, twist = [angle(*four[:3]), angle(*four[1:])], torsion(*four)
        b, c = (int(np.clip((np.degrees(x) - 80) / 11, 0, 5)) for x in bends)
        t = int((np.degrees(twist) + 180) / 15) % 24
        share, *modes = table("planes")[(b * 6 + c) * 24 + t]
        mean, width = np.radians(modes[:2]), np.radians(modes[2:])
        z = wrap(turn[:, None] - twist / 2 - mean) / width
        density = (np.exp(-0.5 * z**2) / (width * np.sqrt(2 * np.pi))) @ [share, 1 - share]
        return -np.log(0.97 * density + 0.03 / (2 * np.pi))

    def misfit(self, i, atoms):
        total = 0
        if self.density is not None:
            total = total - 10 * read(self.density, atoms).sum(-1) / self.scale[i]
        if self.main_chain is not None:
            total = total - 0.5 * np.log(np.maximum(read(self.main_chain, atoms), 0) + 0.05).sum(-1)
        return total

    def torsions(self, i, before, after):
        n, c = before[..., 2, :], after[..., 0, :]
        return torsion(before[..., 0, :], n, self.calphas[i], c), torsion(n, self.calphas[i], c, after[..., 2, :])

    def junction(self, i, before, after):
        off = np.degrees(angle(before[..., 2, :], self.calphas[i], after[..., 0, :])) - self.bend(i)
        return self.usual(i, *self.torsions(i, before, after)) + 0.5 * (off / np.hypot(5, 12 * self.error)) ** 2

    def usual(self, i, phi, psi):
        after = self.types[i + 1] if i + 1 < len(self.types) else -1
        return ramachandran(self.types[i], after, phi, psi)

    def bend(self, i):
        return 112.8 if self.types[i] == GLYCINE else 111.0

    def ends(self, planes):
        n = np.concatenate([[self.first_n(planes)], planes[:, 2]])
        c, o = np.concatenate([planes[:, :2], [self.last_carbonyl(planes)]]).transpose(1, 0, 2)
        return np.stack([n, self.calphas, c, o], axis=1)

    def first_n(self, planes):
        c, _, n = planes[0]
        tried = [place(n, c, self.calphas[0], 1.458, np.radians(self.bend(0)), psi) for psi in TURNS]
        energy = self.usual(0, TURNS[:, None], TURNS[None]).min(axis=0) + self.misfit(0, np.array(tried)[:, None])
        if len(planes) > 1:
            energy = energy + unlike(TURNS, self.torsions(1, planes[0], planes[1])[1])
        return tried[energy.argmin()]

    def last_carbonyl(self, planes):
        c, _, n = planes[-1]
        last = len(self.calphas) - 1
        tried = []
        for phi in TURNS:
            end = place(c, n, self.calphas[-1], 1.525, np.radians(self.bend(last)), phi)
            o = [place(n, self.calphas[-1], end, 1.231, np.radians(120.4), psi + np.pi) for psi in TURNS]
            tried.append([[end, atom] for atom in o])
        energy = self.usual(last, TURNS[:, None], TURNS[None]) + self.misfit(last, np.array(tried))
        if len(planes) > 1:
            phi, psi = self.torsions(last - 1, planes[-2], planes[-1])
            energy = energy + unlike(TURNS, phi)[:, None] + unlike(TURNS, psi)
        i, j = np.unravel_index(energy.argmin(), energy.shape)
        return tried[i][j]


def unlike(turn, other):
    return 0.5 * (np.degrees(wrap(turn - other)) / 45) ** 2
