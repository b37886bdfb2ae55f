"""The network that tells nucleic acids from protein: what is read in RNA and DNA is no chain of a protein.

In a ribosome the U-Net finds main chain and Calphas in RNA nearly as often as in protein. A U-Net of its own, which
sees density up to where phosphates stand out, says whose the atoms are, and what is a nucleic acid's is taken away.
"""

from __future__ import annotations

from torch import Tensor, nn

from emodelx.network.unet import NetworkConfig, Reading, UNet


class NucleicNetwork(nn.Module):
    """A U-Net with one answer per voxel.

    Parameters
    ----------
    config
        Its shape; the layout of heads is not looked at.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.unet = UNet(config, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Log-odds of nucleic acid against protein, where there is an atom of either.

        Parameters
        ----------
        x
            Windows ``(batch, 1, X, Y, Z)``, density up to :data:`emodelx.network.bends.CEILING`.

        Returns
        -------
        Tensor
            ``(batch, X, Y, Z)``.
        """
        return self.unet(x)[:, 0]


def protein_only(reading: Reading, log_odds: Tensor) -> Reading:
    """Take the part of nucleic acids away from the probabilities of main chain and Calpha.

    Parameters
    ----------
    reading
        Of windows ``(batch, X, Y, Z)``.
    log_odds
        Of nucleic acid, ``(batch, X, Y, Z)``.
    """
    protein = (-log_odds.float()).sigmoid()
    return Reading(reading.backbone * protein, reading.calpha * protein, reading.amino)
