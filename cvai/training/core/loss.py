"""The loss of labels, where the reader may have left some of them open."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy, one_hot

UNKNOWN = 255
"""Label of a pixel that is unlabelled; it is left out of the loss."""

_SMOOTH = 1e-5


def dice_and_cross_entropy(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """One minus the mean Dice of the structures, over the whole batch, plus the mean cross-entropy.

    Args:
        logits: (n, k, y, x), background first.
        label: (n, 1, y, x) values below k, or UNKNOWN.

    Returns:
        A scalar; 0 for labels that are all unknown.
    """
    known = label != UNKNOWN
    target = torch.where(known, label, 0)[:, 0].long()
    shares = logits.softmax(dim=1)[:, 1:] * known
    drawn = one_hot(target, logits.shape[1]).movedim(-1, 1)[:, 1:] * known
    over = (0, 2, 3)
    overlap = (shares * drawn).sum(over)
    dice = (2 * overlap + _SMOOTH) / (shares.sum(over) + drawn.sum(over) + _SMOOTH)
    of_pixels = cross_entropy(logits, target, reduction="none")[:, None] * known
    return (1 - dice).mean() + of_pixels.sum() / known.sum().clamp(min=1)
