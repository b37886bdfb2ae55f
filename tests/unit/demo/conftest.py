import pytest

from emodelx.demo.assembly import build_complex
from emodelx.demo.example import SEED


@pytest.fixture(scope="session")
def chains():
    """The complex of the demo."""
    return build_complex(SEED)
