"""Slow, obvious twin of side chains: every combination of conformations of a few residues, one after the other."""

import itertools

import numpy as np
from oracle.tables import PROLINE, local_scale, place, read, table, torsion

from emodelx.constants import AMINO_ACIDS, HEAVY_ATOMS, MOST_ATOMS

RADIUS = {"C": 1.6, "N": 1.3, "O": 1.3, "S": 1.7}
WITH_CHI = [k for k, letter in enumerate(AMINO_ACIDS) if letter not in "AG"]


def names(kind):
    return HEAVY_ATOMS[AMINO_ACIDS[kind]].split()


def pack(main_chains, types, density=None):
    """Atoms (n, 14, 3) of the combination with the least energy."""
    rigid = [built(own, kind, np.zeros(4)) for own, kind in zip(main_chains, types, strict=True)]
    choices = [conformations(i, main_chains, types, rigid, density) for i in range(len(types))]
    combinations = itertools.product(*(range(len(own)) for own in choices))
    pairs = {
        (i, j): np.array([[clash(types[i], a[5:], types[j], b[5:], 5) for _, b in choices[j]] for _, a in choices[i]])
        for i, j in itertools.combinations(range(len(types)), 2)
    }

    def energy(chosen):
        own = sum(choices[i][k][0] for i, k in enumerate(chosen))
        return own + sum(between[chosen[i], chosen[j]] for (i, j), between in pairs.items())

    best = min(combinations, key=energy)
    return np.array([choices[i][k][1] for i, k in enumerate(best)]), energy(best)


def built(main_chain, kind, chi):
    atoms = np.full((MOST_ATOMS, 3), np.nan)
    atoms[:4] = main_chain
    for row in table("side_chains")[table("side_chains")[:, 0] == kind]:
        slot, a, b, c, turned = row[[1, 2, 3, 4, 7]].astype(int)
        twist = np.radians(row[8]) + (chi[turned - 1] if turned else 0)
        atoms[slot] = place(atoms[a], atoms[b], atoms[c], row[5], np.radians(row[6]), twist)
    return atoms


def conformations(i, main_chains, types, rigid, density):
    """(energy, atoms) of every conformation that is not much worse than the best."""
    fixed = [(types[j], rigid[j][:5]) for j in range(len(types)) if j != i and not (types[i] == PROLINE and j + 1 == i)]
    found = []
    for energy, chi in usual(i, main_chains, types):
        atoms = built(main_chains[i], types[i], chi)
        clashes = sum(clash(types[i], atoms[5:], kind, other, 0) for kind, other in fixed)
        found.append((energy + clashes - fit(i, main_chains, atoms, density), atoms))
    least = min(energy for energy, _ in found)
    return [(energy, atoms) for energy, atoms in found if energy <= least + 12]


def usual(i, main_chains, types):
    """(energy, chis) of the rotamers, and of the same turned a little."""
    rows = table("rotamers")[table("rotamers")[:, 0] == types[i]]
    if not len(rows):
        return [(0.0, np.zeros(4))]
    wells = np.minimum((rows[:, 2] % 360) // 120, 2).astype(int)
    share = np.bincount(wells, rows[:, 1], 3)
    between = phi_psi(i, main_chains)
    if between is None:
        energy = -np.log(rows[:, 1])
    else:
        phi, psi = (int((np.degrees(a) + 180) / 30) % 12 for a in between)
        energy = table("chi1")[WITH_CHI.index(types[i]), phi, psi][wells] - np.log(rows[:, 1] / share[wells])
    turns = [(0, 0), (-1, 0.5), (1, 0.5)]
    chis = int(rows[0, 2:6].any()) + int(rows[:, 3].any()) + int(rows[:, 4].any()) + int(rows[:, 5].any())
    return [
        (e + cost, np.radians(row[2:6] + turn * row[6] * np.eye(4)[0]))
        for e, row in zip(energy, rows, strict=True)
        for turn, cost in (turns if chis <= 2 else turns[:1])
    ]


def phi_psi(i, main_chains):
    """Torsions of a residue that is bonded to both sides."""
    if i == 0 or i + 1 == len(main_chains):
        return None
    before, (n, calpha, c, _), after = main_chains[i - 1], main_chains[i], main_chains[i + 1]
    if np.linalg.norm(n - before[2]) >= 2 or np.linalg.norm(after[0] - c) >= 2:
        return None
    return torsion(before[2], n, calpha, c), torsion(n, calpha, c, after[0])


def clash(kind, atoms, other_kind, others, first):
    """Energy between atoms of two residues; `atoms` begin with the sixth slot, `others` with slot `first`."""
    total = 0.0
    for a, at in enumerate(atoms):
        for b, to in enumerate(others):
            if np.isfinite(at[0]) and np.isfinite(to[0]):
                total += contact(names(kind)[5 + a][0], names(other_kind)[first + b][0], np.linalg.norm(at - to))
    return total


def contact(one, other, distance):
    touch = RADIUS[one] + RADIUS[other]
    if distance >= touch:
        return 0.0
    if one == other == "S" and distance < 2.9:
        return -5 * max(1 - ((distance - 2.05) / 0.4) ** 2, -1)
    return 3.5 * min((1 - distance / touch) / (1 - 0.825), 1)


def fit(i, main_chains, atoms, density):
    if density is None:
        return 0.0
    scale = local_scale(read(density, np.asarray(main_chains)).mean(axis=1))[i]
    beyond = atoms[5:][np.isfinite(atoms[5:, 0])]
    return 6 * read(density, beyond).sum() / scale if len(beyond) else 0.0
