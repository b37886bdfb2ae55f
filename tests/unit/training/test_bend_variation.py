"""Examples of the second network vary as they are told to, and stay what the network can see."""

import math
from dataclasses import fields, replace

import pytest
import torch

from emodelx.network.bends import CEILING, LEAST_TYPE, SCALES
from emodelx.training.bend_variation import FAINTEST, Variation, vary

STILL = Variation(*(0.0 for _ in fields(Variation)))
BRIGHTEST = CEILING * SCALES[0]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(3)


def some_examples(count=400):
    boxes = torch.rand(count, 2, 11, 12, 12) * 1.5
    return boxes, torch.rand(count, 20).softmax(1).log()


def logarithms(varied, boxes):
    """Of the factors by which boxes became brighter; one per box, where it is one factor."""
    factors = (varied / boxes).flatten(1)
    torch.testing.assert_close(factors, factors[:, :1].expand_as(factors), rtol=1e-3, atol=0)
    return factors[:, 0].log()


def test_nothing_varies_where_nothing_is_to():
    boxes, types = some_examples(20)
    varied, trusted = vary(boxes, types, STILL)
    torch.testing.assert_close(varied, boxes, atol=FAINTEST, rtol=0)
    torch.testing.assert_close(trusted, types)


def test_brightness_and_main_chain_are_one_factor_each():
    boxes, types = some_examples()
    boxes = 0.2 + boxes / 4
    brighter = vary(boxes, types, replace(STILL, brightness=0.3))[0]
    both = logarithms(brighter, boxes)
    assert both.std().item() == pytest.approx(0.3, rel=0.2)
    chain = vary(boxes, types, replace(STILL, main_chain=0.3))[0]
    torch.testing.assert_close(chain[:, :1], boxes[:, :1])
    assert logarithms(chain[:, 1:], boxes[:, 1:]).std().item() == pytest.approx(0.3, rel=0.2)


def test_contrast_is_a_power():
    boxes, types = some_examples()
    varied = vary(boxes, types, replace(STILL, contrast=0.2))[0]
    powers = varied[:, 0, 4, 4, 4].log() / boxes[:, 0, 4, 4, 4].log()
    assert powers.log().std().item() == pytest.approx(0.2, rel=0.2)
    torch.testing.assert_close(varied[:, 1], boxes[:, 1])


def test_some_boxes_are_sharper_and_some_are_smoother():
    boxes, types = some_examples()
    boxes = 0.5 + boxes / 4
    varied = vary(boxes, types, replace(STILL, sharpness=0.8, sharpened=0.5))[0][:, 0]
    ratio = varied[:, 2:-2, 2:-2, 2:-2].flatten(1).std(1) / boxes[:, 0, 2:-2, 2:-2, 2:-2].flatten(1).std(1)
    same = (ratio - 1).abs() < 1e-4
    assert 0.4 < same.float().mean() < 0.6
    assert 0.2 < ratio.min() < 0.6
    assert 1.4 < ratio.max() < 1.9
    assert 0.2 < (ratio > 1.001).float().mean() < 0.3


def test_some_boxes_are_noisier():
    boxes, types = some_examples()
    boxes = torch.full_like(boxes, 1.0)
    added = (vary(boxes, types, replace(STILL, noise=0.1, noisy=0.5))[0] - boxes)[:, 0, 1:-1, 1:-1, 1:-1]
    deviation = added.flatten(1).std(1)
    assert 0.4 < (deviation < 1e-6).float().mean() < 0.6
    assert 0.09 < deviation.max() < 0.12
    neighbours = torch.corrcoef(torch.stack([added[:, 1:].flatten(), added[:, :-1].flatten()]))[0, 1]
    assert neighbours > 0.5, "noise is smooth"


def test_types_are_trusted_more_or_less():
    boxes, types = some_examples()
    trusted = vary(boxes, types, replace(STILL, trust=0.3))[1]
    torch.testing.assert_close(trusted.exp().sum(1), torch.ones(400))
    gaps = (trusted[:, 0] - trusted[:, 1]) / (types[:, 0] - types[:, 1])
    assert gaps.log().std().item() == pytest.approx(0.3, rel=0.2)


def test_what_is_varied_is_what_can_be_seen():
    boxes, types = some_examples()
    types[:, 5:] = math.log(LEAST_TYPE)
    varied, trusted = vary(2 * boxes, types, Variation())
    assert varied[:, 0].min() >= FAINTEST**2
    assert varied[:, 0].max() <= BRIGHTEST**2
    assert trusted.min().item() >= math.log(LEAST_TYPE) - 1e-4
    assert varied.isfinite().all()
