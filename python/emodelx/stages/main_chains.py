"""Main chains of chains that were traced without sequences: atoms where the direction is known, Calphas elsewhere."""

from dataclasses import replace

from emodelx.constants import SURE_WAY
from emodelx.records import AtomicModel, CalphaModel


def as_alanines(traced: CalphaModel) -> CalphaModel:
    """Keep the chains whose direction is known, and make their residues alanine.

    The types that were read are too often wrong for side chains beyond the Cbeta. Glycine stays, and X, which get none.

    Parameters
    ----------
    traced : CalphaModel
        Chains without sequences.

    Returns
    -------
    CalphaModel
        The same sequences, in number and order; fewer chains.
    """
    stubs = (replace(s, residues="".join(c if c in "GX" else "A" for c in s.residues)) for s in traced.sequences)
    return CalphaModel(tuple(stubs), tuple(chain for chain in traced.chains if chain.forward >= SURE_WAY))


def with_calphas(traced: CalphaModel, main_chains: AtomicModel) -> AtomicModel:
    """Put all chains together again, with the types that were read.

    Parameters
    ----------
    traced : CalphaModel
    main_chains : AtomicModel
        Built through what :func:`as_alanines` makes of it.

    Returns
    -------
    AtomicModel
        Every chain of `traced`; those that have no main chain hold Calphas only.
    """
    built = {chain.name: chain for chain in main_chains.chains}
    calphas = traced.without_side_chains()
    return replace(calphas, chains=tuple(built.get(chain.name, chain) for chain in calphas.chains))
