"""Early look at what a network does: predicted contours on validation slices."""

from __future__ import annotations

from pathlib import Path

import torch
from matplotlib.figure import Figure

from cvai.training.augment import cut_centred
from cvai.training.data import SliceSample

_COLUMNS, _ROWS = 8, 4


def save_validation_picture(
    network: torch.nn.Module, samples: list[SliceSample], size: int, path: Path
) -> None:
    """A sheet of validation slices spread over the patients: prediction in red, reference in green."""
    from cvai.training.loop import predict_slices

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
