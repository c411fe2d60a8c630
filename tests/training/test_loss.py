from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

import torch
from monai.losses import DiceCELoss

from cvai.training.core.loss import UNKNOWN, dice_and_cross_entropy, one_of


def batch(seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of background and three structures, and labels."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 4, 10, 14, generator=generator)
    return logits, torch.randint(0, 4, (3, 1, 10, 14), generator=generator)


def test_where_every_label_is_known_it_is_the_loss_of_monai() -> None:
    logits, label = batch()
    theirs = DiceCELoss(softmax=True, to_onehot_y=True, include_background=False, batch=True)
    assert float(dice_and_cross_entropy(logits, label)) == pytest.approx(
        float(theirs(logits, label)), rel=1e-6
    )


def test_what_is_unknown_counts_nowhere() -> None:
    logits, label = batch()
    label[:, :, :, 9:] = UNKNOWN
    cut = dice_and_cross_entropy(logits[..., :9], label[..., :9])
    assert float(dice_and_cross_entropy(logits, label)) == pytest.approx(float(cut), rel=1e-5)
    logits.requires_grad_()
    dice_and_cross_entropy(logits, label).backward()
    assert logits.grad is not None
    assert logits.grad[..., 9:].abs().max() == 0
    assert logits.grad[..., :9].abs().min() > 0


def test_a_batch_of_which_nothing_is_known_pulls_nowhere() -> None:
    logits, label = batch()
    logits.requires_grad_()
    loss = dice_and_cross_entropy(logits, torch.full_like(label, UNKNOWN))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert logits.grad is not None
    assert logits.grad.abs().max() == 0


def test_a_pixel_that_may_be_of_two_classes_is_right_with_either() -> None:
    logits, label = batch()
    label.fill_(one_of(0, 3))
    either = torch.full_like(logits, -20.0)
    either[:, 0, :5], either[:, 3, 5:] = 20.0, 20.0
    neither = torch.full_like(logits, -20.0)
    neither[:, 1] = 20.0
    assert float(dice_and_cross_entropy(either, label)) < 0.01
    assert float(dice_and_cross_entropy(neither, label)) > 30


def test_what_a_pixel_certainly_is_not_counts_and_what_it_may_be_does_not() -> None:
    logits, label = batch()
    label.fill_(one_of(0, 3))
    logits.requires_grad_()
    dice_and_cross_entropy(logits, label).backward()
    assert logits.grad is not None
    assert bool((logits.grad[:, (1, 2)] > 0).all())
    assert bool((logits.grad[:, (0, 3)] <= 0).all())
