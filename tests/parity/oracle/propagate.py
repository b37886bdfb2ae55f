"""Slow, obvious twin of score propagation: eq. 26 written out."""

from itertools import product

import numpy as np


def said(type_prob, H):
    """What all candidates k' say about each k by type: the sum over k' of p(k', a) H(k', k). Shape (n, 20)."""
    n = len(type_prob)
    total = np.zeros((n, 20))
    for k, other in product(range(n), repeat=2):
        total[k] += type_prob[other].astype(float) * H[other, k]
    return total


def aligning_scores(type_prob, hops, codes):
    """S of eq. 26 for one sequence, shape (L, n); residues outside of it or of unknown type (-1) say nothing."""

    def own(j, k):
        return float(type_prob[k, codes[j]]) if 0 <= j < len(codes) and codes[j] >= 0 else 0.0

    n = len(type_prob)
    S = np.zeros((len(codes), n))
    for j, k in product(range(len(codes)), range(n)):
        S[j, k] = own(j, k)
        for hop, H in enumerate(hops, 1):
            for other in range(n):
                S[j, k] += (own(j - hop, other) + own(j + hop, other)) * H[other, k]
    return S
