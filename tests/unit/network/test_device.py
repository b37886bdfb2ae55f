"""A device that was asked for is used or refused, never replaced in silence."""

from types import SimpleNamespace

import pytest
import torch

from emodelx.errors import InputError, ResourceError
from emodelx.network import device
from emodelx.network.device import choose_device


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    def refuse(*_, device):
        raise RuntimeError(f"no driver for {device}")

    monkeypatch.setattr(torch, "ones", refuse)


def gpu(monkeypatch, major):
    """Make torch believe in one GPU of this compute capability."""
    facts = SimpleNamespace(name="Some GPU", total_memory=24e9, major=major)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: facts)
    ones = torch.ones
    monkeypatch.setattr(torch, "ones", lambda n, **_: ones(n))


def test_the_cpu_is_always_there():
    chosen = choose_device("cpu")
    assert chosen.torch == torch.device("cpu")
    assert str(chosen).startswith("CPU")


@pytest.mark.parametrize("name", ["cuda", "cuda:3", "0", "mps"])
@pytest.mark.usefixtures("no_gpu")
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(ResourceError, match=r"cannot be used: .*--device cpu") as caught:
        choose_device(name)
    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("no_gpu")
def test_auto_says_why_it_took_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    assert "sees 0 CUDA devices" in str(choose_device("auto"))
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "built without CUDA" in str(choose_device("auto"))


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "", "-1", "0,1"])
def test_an_unknown_name_is_an_input_error(name):
    with pytest.raises(InputError, match="give auto, cpu, cuda, cuda:N or mps"):
        choose_device(name)


@pytest.mark.parametrize(("major", "half"), [(7, False), (9, True)])
def test_a_gpu_is_described(monkeypatch, major, half):
    gpu(monkeypatch, major)
    for name in ("cuda", "0", "auto"):
        chosen = choose_device(name)
        assert chosen.torch == torch.device("cuda:0")
        assert chosen.half == half
        assert str(chosen) == f"Some GPU (cuda:0, 24 GB), {'bfloat16' if half else 'float32'}"


def test_a_gpu_that_is_listed_but_does_not_answer_is_refused_with_its_own_words(monkeypatch):
    gpu(monkeypatch, 8)

    def busy(*_, device):
        raise RuntimeError(f"all {device} devices are busy or unavailable\nmore lines")

    monkeypatch.setattr(torch, "ones", busy)
    with pytest.raises(ResourceError, match="busy or unavailable; check"):
        choose_device("cuda")
    assert "busy or unavailable" in str(choose_device("auto"))


def test_bfloat16_on_the_cpu_needs_its_instructions(monkeypatch):
    for question in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, question, raising=False)
    assert not device.choose_device("cpu").half
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert device.choose_device("cpu").half
