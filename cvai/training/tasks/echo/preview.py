"""An early look at what a network for apical views does, while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure

from cvai.domain.anatomy import ECHO_LABELS
from cvai.training.tasks.echo.samples import FrameSample

_COLUMNS, _ROWS = 8, 4
_N_LABELS = len(ECHO_LABELS) + 1


@torch.no_grad()
def predict_frames(
    network: torch.nn.Module, samples: Sequence[FrameSample]
) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, y, x) labels and (n,) views of samples."""
    network.eval()
    device = next(network.parameters()).device
    images = torch.stack([sample["image"].float() for sample in samples])
    logits = torch.cat([network(images[i : i + 16].to(device)).cpu() for i in range(0, len(images), 16)])
    return logits[:, :_N_LABELS].argmax(dim=1), logits[:, _N_LABELS:].mean(dim=(2, 3)).argmax(dim=1)


def frame_scores(
    network: torch.nn.Module, frames: Sequence[FrameSample], others: Sequence[FrameSample]
) -> dict[str, float]:
    """Dice of each structure over all frames pooled, and the share of views named rightly, OTHER too."""
    labels, views = predict_frames(network, frames)
    truth = torch.stack([frame["label"] for frame in frames]).argmax(dim=1)
    scores = {}
    for structure, value in ECHO_LABELS.items():
        a, b = labels == value, truth == value
        scores[f"dice_{structure}"] = float(2 * (a & b).sum() / (a.sum() + b.sum()).clamp(min=1))
    _, other_views = predict_frames(network, others)
    named = torch.cat([views, other_views])
    stated = torch.tensor([sample["view"] for sample in (*frames, *others)])
    return {**scores, "view_accuracy": float((named == stated).float().mean())}


def save_frames_picture(network: torch.nn.Module, frames: Sequence[FrameSample], path: Path) -> None:
    """A sheet of frames spread over the patients: prediction in red, reference in green."""
    chosen = frames[:: max(1, len(frames) // (_COLUMNS * _ROWS))][: _COLUMNS * _ROWS]
    predictions, _ = predict_frames(network, chosen)
    figure = Figure(figsize=(2 * _COLUMNS, 2 * _ROWS), layout="tight")
    axes = figure.subplots(_ROWS, _COLUMNS)
    for axis in axes.flat:
        axis.axis("off")
    for axis, frame, labels in zip(axes.flat, chosen, predictions, strict=False):
        axis.imshow(frame["image"][0].float(), cmap="gray")
        for drawn, colour in ((frame["label"].argmax(dim=0), "lime"), (labels, "red")):
            if drawn.any():
                axis.contour(drawn, levels=[0.5, 1.5, 2.5], colors=colour, linewidths=0.7)
    figure.savefig(path, dpi=60)
