"""Placement on real maps: the mean map value at the Calphas stands out as the data's README says."""

import gemmi
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from emodelx.io.maps import read_map

pytestmark = pytest.mark.shared

STANDARD_DEVIATIONS = {
    "emd_3488": 7.2, "emd_5185": 4.8, "emd_5778": 4.5, "emd_1461": 4.1, "emd_30342": 3.8, "emd_3240": 3.5,
    "emd_4118": 4.3, "emd_2566": 4.2, "emd_20026": 7.4, "emd_8410": 5.5,
}  # fmt: skip


def calphas(path):
    structure = gemmi.read_structure(str(path))
    return np.array(
        [site.atom.pos.tolist() for site in structure[0].all() if site.atom.name == "CA" and site.residue.get_ca()]
    )


def height(density, points):
    """Mean trilinear value at the points, in standard deviations above the mean of the map."""
    at = (points - density.origin) / density.spacing
    found = map_coordinates(density.values, at.T, order=1, cval=0.0).mean()
    return (found - density.values.mean()) / density.values.std()


@pytest.mark.parametrize("name", STANDARD_DEVIATIONS)
def test_calphas_are_in_density(shared, name):
    folder = shared / "maps"
    density = read_map(folder / f"{name}.map.gz").density
    points = calphas(next(folder.glob(f"{name}_*.cif")))
    assert height(density, points) == pytest.approx(STANDARD_DEVIATIONS[name], abs=0.06)
    for shift in np.vstack([8 * np.eye(3), -8 * np.eye(3)]):
        assert height(density, points + shift) < STANDARD_DEVIATIONS[name] / 2
