"""A model in 8-bit integers: smaller and, where the processor has the instructions, faster."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tomlkit
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from cvai.models.card import CARD_FILE, load_card
from cvai.models.reference import reference_input, reference_pixels
from cvai.models.runtimes.onnx import OnnxNetwork
from cvai.training.datasets.data import LabelledVolume
from cvai.training.tasks.sax.samples import cut_centred, slice_samples

INT8_FILE = "model.int8.onnx"
INT8_TOLERANCE = 0.5
"""Of a logit of the card's reference: integer kernels of different processors round and saturate
differently."""

_BATCH = 8


def calibration_windows(
    volumes: Sequence[LabelledVolume], spacing_mm: float, size: int
) -> list[NDArray[np.float32]]:
    """(3, size, size) windows around the heart of every slice, as the network sees them in the service."""
    samples = [sample for volume in volumes for sample in slice_samples(volume, spacing_mm)]
    return [cut_centred(s["image"].float(), s["centre"], size).numpy() for s in samples]


def write_quantised(folder: Path, windows: Sequence[NDArray[np.float32]], target: Path) -> Path:
    """Write an 8-bit copy of a model folder; its card is that of the original with file, digest and
    reference.

    Weights are rounded by output channel, activations by tensor, with the ranges seen in ``windows`` (QDQ
    format: the graph stays in floating point with rounding steps that a runtime may fuse).

    Args:
        folder: model folder with an ONNX file. windows: (c, y, x) images of the training patients; others
        would tell the ranges of the patients that the
            result is judged on.
        target: folder to write; it must not exist.

    Returns:
        ``target``.
    """
    card = load_card(folder)
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("evaluation.json", "MODEL_CARD.md"))
    with tempfile.TemporaryDirectory() as draft:
        prepared = Path(draft) / "prepared.onnx"
        # Symbolic shape inference does not know these free dimensions, and is not needed for a plain UNet.
        quant_pre_process(folder / card.file, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            target / INT8_FILE,
            _Windows(windows),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
    (target / card.file).unlink()
    _rewrite_card(target)
    return target


class _Windows(CalibrationDataReader):  # type: ignore[misc]
    """Batches of windows under the name of the network's input."""

    def __init__(self, windows: Sequence[NDArray[np.float32]]) -> None:
        self._batches = self._in_batches(windows)

    @staticmethod
    def _in_batches(windows: Sequence[NDArray[np.float32]]) -> Iterator[dict[str, NDArray[np.float32]]]:
        for i in range(0, len(windows), _BATCH):
            yield {"image": np.stack(windows[i : i + _BATCH]).astype(np.float32)}

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next batch, None after the last."""
        return next(self._batches, None)


def _rewrite_card(target: Path) -> None:
    """Name the new file; what it computes here becomes its reference."""
    path = target / CARD_FILE
    card = tomlkit.parse(path.read_text(encoding="utf-8"))
    card["file"] = INT8_FILE
    card["sha256"] = hashlib.sha256((target / INT8_FILE).read_bytes()).hexdigest()
    card["reference"] = {**card["reference"].unwrap(), "tolerance": float("inf")}
    path.write_text(tomlkit.dumps(card), encoding="utf-8")
    network = OnnxNetwork(target)
    logits = reference_pixels(network.logits(reference_input(network.card)))
    card["reference"]["logits"] = [round(float(v), 5) for v in logits]
    card["reference"]["tolerance"] = INT8_TOLERANCE
    path.write_text(tomlkit.dumps(card), encoding="utf-8")
