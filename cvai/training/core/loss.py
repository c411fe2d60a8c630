"""The loss of labels, where the reader may have left some of them open."""

from __future__ import annotations

import torch
from torch.nn.functional import one_hot

UNKNOWN = 255
"""Label of a pixel that may be of any class; it is left out of the loss."""

OPEN = 128
"""Labels from here on say which classes are possible: OPEN plus 2 to the power of each, of at most seven."""

_MOST_OPEN = 7
_SMOOTH = 1e-5


def one_of(*classes: int) -> int:
    """The label of a pixel that is of one of these classes.

    >>> one_of(0, 3)
    137
    """
    return OPEN + sum(1 << k for k in classes)


def dice_and_cross_entropy(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """One minus the mean Dice of the structures, over the whole batch, plus the mean cross-entropy.

    Of a pixel whose class was left open, the cross-entropy is that of the possible classes together, and it
    counts for the Dice of those structures alone that it certainly is not.

    Args:
        logits: (n, k, y, x), background first.
        label: (n, 1, y, x) values below k, or OPEN and above.

    Returns:
        A scalar; 0 for labels that are all unknown.
    """
    possible = _possible(logits.shape[1], logits.device)[label[:, 0].long()].movedim(-1, 1)
    certain = possible.sum(dim=1, keepdim=True) == 1
    settled = (certain | ~possible)[:, 1:]
    shares = logits.softmax(dim=1)[:, 1:] * settled
    drawn = (possible & certain)[:, 1:]
    over = (0, 2, 3)
    overlap = (shares * drawn).sum(over)
    dice = (2 * overlap + _SMOOTH) / (shares.sum(over) + drawn.sum(over) + _SMOOTH)
    known = ~possible.all(dim=1)
    of_pixels = logits.logsumexp(dim=1) - logits.masked_fill(~possible, -torch.inf).logsumexp(dim=1)
    return (1 - dice).mean() + (of_pixels * known).sum() / known.sum().clamp(min=1)


def _possible(n_classes: int, device: torch.device) -> torch.Tensor:
    """(256, k): which classes a pixel may be of, by its label."""
    table = torch.zeros(UNKNOWN + 1, n_classes, dtype=torch.bool, device=device)
    table[:n_classes] = one_hot(torch.arange(n_classes, device=device), n_classes).bool()
    if n_classes <= _MOST_OPEN:
        sets = torch.arange(UNKNOWN + 1 - OPEN, device=device)[:, None]
        table[OPEN:] = ((sets >> torch.arange(n_classes, device=device)) & 1).bool()
    table[UNKNOWN] = True
    return table
