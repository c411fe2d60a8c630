"""An early look at what a network does, while it trains; the evaluation proper is in evaluation/."""

from __future__ import annotations

from pathlib import Path

import torch
from matplotlib.figure import Figure

from cvai.domain.anatomy import SAX_LABELS
from cvai.training.tasks.sax.samples import SliceSample, cut_centred

_COLUMNS, _ROWS = 8, 4


@torch.no_grad()
def predict_slices(network: torch.nn.Module, samples: list[SliceSample], size: int) -> list[torch.Tensor]:
    """(size, size) labels of the window around the heart for every sample."""
    network.eval()
    windows = [cut_centred(s["image"].float(), s["centre"], size) for s in samples]
    device = next(network.parameters()).device
    batches = [torch.stack(windows[i : i + 16]).to(device) for i in range(0, len(windows), 16)]
    return list(torch.cat([network(batch).argmax(dim=1) for batch in batches]).cpu())


def window_dice(network: torch.nn.Module, samples: list[SliceSample], size: int) -> dict[str, float]:
    """Dice of each structure over all windows pooled: a quick look while training, not the evaluation."""
    predicted = torch.stack(predict_slices(network, samples, size))
    truth = torch.stack([cut_centred(s["label"].float(), s["centre"], size) for s in samples])
    labels = torch.where(truth[:, 1:].amax(dim=1) > truth[:, 0], truth[:, 1:].argmax(dim=1) + 1, 0)
    scores = {}
    for structure, value in SAX_LABELS.items():
        a, b = predicted == value, labels == value
        scores[f"dice_{structure}"] = float(2 * (a & b).sum() / (a.sum() + b.sum()).clamp(min=1))
    return scores


def save_validation_picture(
    network: torch.nn.Module, samples: list[SliceSample], size: int, path: Path
) -> None:
    """A sheet of validation slices spread over the patients: prediction in red, reference in green."""
    chosen = samples[:: max(1, len(samples) // (_COLUMNS * _ROWS))][: _COLUMNS * _ROWS]
    predictions = predict_slices(network, chosen, size)
    figure = Figure(figsize=(2 * _COLUMNS, 2 * _ROWS), layout="tight")
    axes = figure.subplots(_ROWS, _COLUMNS)
    for axis in axes.flat:
        axis.axis("off")
    for axis, sample, labels in zip(axes.flat, chosen, predictions, strict=False):
        axis.imshow(cut_centred(sample["image"].float(), sample["centre"], size)[1], cmap="gray")
        truth = cut_centred(sample["label"].float(), sample["centre"], size).argmax(dim=0)
        for drawn, colour in ((truth, "lime"), (labels, "red")):
            if drawn.any():
                axis.contour(drawn, levels=[0.5, 1.5, 2.5], colors=colour, linewidths=0.7)
    figure.savefig(path, dpi=60)
