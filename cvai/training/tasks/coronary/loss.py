"""The loss of segments, of the tree as a whole, and of stenoses; each where it was drawn."""

from __future__ import annotations

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from cvai.training.core.spec import Batch

TREE_WEIGHT = 1.0
"""Of the tree's loss against that of its segments: it is learnt first, and guides their names."""

_SMOOTH = 1.0
"""Cells; few enough for a short branch."""


def coronary_loss(
    logits: torch.Tensor, batch: Batch, stenosis_weight: float = 0.5, taught_weight: float = 0.0
) -> torch.Tensor:
    """A scalar.

    Args:
        logits: (n, k + 1, y, x) background, segments, stenosis.
        batch: ``shares`` (n, k, y, x) of each class in every cell, ``stenosis`` (n, y, x), and
            ``is_stenosis`` (n,): in these frames stenoses are drawn and segments are what a teacher says, in
            the others the reverse.
        stenosis_weight: of the loss of stenoses against that of segments.
        taught_weight: of what a teacher says against what is drawn; 0 leaves it out.
    """
    narrowed = batch["is_stenosis"]

    def loss(tree: torch.Tensor, stenosis: torch.Tensor) -> torch.Tensor:
        of_tree = _tree_loss(logits[tree, :-1], batch["shares"][tree])
        return of_tree + stenosis_weight * _map_loss(logits[stenosis, -1], batch["stenosis"][stenosis])

    drawn = loss(~narrowed, narrowed)
    return drawn + taught_weight * loss(narrowed, ~narrowed) if taught_weight else drawn


def _tree_loss(logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    if len(logits) == 0:
        return logits.sum()
    log_found = logits.log_softmax(dim=1)
    found = log_found.exp()
    cross_entropy = -(log_found * shares).sum(dim=1).mean()
    drawn = shares.sum(dim=(0, 2, 3)) > 0
    drawn[0] = False
    by_segment = _dice_loss(found[:, drawn], shares[:, drawn], over=(0, 2, 3)).mean()
    tree = _dice_loss(1 - found[:, 0], 1 - shares[:, 0], over=(1, 2)).mean()
    return cross_entropy + by_segment + TREE_WEIGHT * tree


def _map_loss(logits: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    if len(logits) == 0:
        return logits.sum()
    dice = _dice_loss(logits.sigmoid(), shares, over=(0, 1, 2))
    return dice + binary_cross_entropy_with_logits(logits, shares)


def _dice_loss(found: torch.Tensor, shares: torch.Tensor, over: tuple[int, ...]) -> torch.Tensor:
    """1 - Dice of soft maps; squares in the denominator, so that equal shares have no loss."""
    overlap = (found * shares).sum(over)
    return 1 - (2 * overlap + _SMOOTH) / ((found**2).sum(over) + (shares**2).sum(over) + _SMOOTH)
