"""An early look at what a network does, while it trains; evaluation proper is a task's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure

from cvai.domain.anatomy import Structure

COLUMNS, ROWS = 8, 4


@torch.no_grad()
def logits_of(network: torch.nn.Module, images: Sequence[torch.Tensor]) -> torch.Tensor:
    """(n, k, y, x) of images (c, y, x) of one size."""
    network.eval()
    device = next(network.parameters()).device
    batches = [torch.stack(list(images[i : i + 16])).to(device) for i in range(0, len(images), 16)]
    return torch.cat([network(batch).cpu() for batch in batches])


def pooled_dice(
    found: torch.Tensor, truth: torch.Tensor, labels: Mapping[Structure, int]
) -> dict[str, float]:
    """Dice of each structure over all images pooled, of labels (n, y, x)."""
    scores = {}
    for structure, value in labels.items():
        a, b = found == value, truth == value
        scores[f"dice_{structure}"] = float(2 * (a & b).sum() / (a.sum() + b.sum()).clamp(min=1))
    return scores


def save_sheet(images: torch.Tensor, found: torch.Tensor, truth: torch.Tensor, path: Path) -> None:
    """A sheet of images (n, y, x) spread over all: prediction in red, reference in green."""
    figure = Figure(figsize=(2 * COLUMNS, 2 * ROWS), layout="tight")
    axes = figure.subplots(ROWS, COLUMNS)
    for axis in axes.flat:
        axis.axis("off")
    step = max(1, len(images) // (COLUMNS * ROWS))
    for axis, image, reference, labels in zip(
        axes.flat, images[::step], truth[::step], found[::step], strict=False
    ):
        axis.imshow(image, cmap="gray")
        for drawn, colour in ((reference, "lime"), (labels, "red")):
            if drawn.any():
                axis.contour(drawn, levels=[0.5, 1.5, 2.5], colors=colour, linewidths=0.7)
    figure.savefig(path, dpi=60)
