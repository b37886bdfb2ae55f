"""The network that tells nucleic acids from protein: what is read in RNA and DNA is no chain of a protein.

In a ribosome the U-Net finds main chain and Calphas in RNA nearly as often as in protein. A U-Net of its own, which
sees density up to where phosphates stand out, says whose the atoms are, and what is a nucleic acid's is taken away.
"""

from __future__ import annotations

from torch import Tensor, nn

from emodelx.network.unet import NetworkConfig, UNet

LIKELY, PRESENT = 0.8, 0.05
"""Of 60 maps of protein alone the most is .040 (of ten real ones .0004); of 35 with 44 nucleotides or more the least is
.06 but for one at 4.1 A (.02); of five with 43 beside 495 residues it is .001 to .06."""


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


def shows_nucleic(calpha: Tensor, nucleic: Tensor, threshold: float) -> bool:
    """Whether a map shows nucleic acid: it is likely at `PRESENT` of the voxels that are taken for Calphas.

    Where it does not, what the network says of single residues is its error, and nothing is to be taken away.

    Parameters
    ----------
    calpha, nucleic
        Probabilities of a Calpha, and that atoms are those of a nucleic acid, ``(X, Y, Z)``.
    threshold
        Calpha probability of a candidate.
    """
    taken = nucleic[calpha > threshold]
    return len(taken) > 0 and (taken > LIKELY).float().mean().item() >= PRESENT
