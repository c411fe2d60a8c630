from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from benchmarks.quantise import INT8_FILE, INT8_TOLERANCE, calibration_windows, write_quantised
from cvai.models.card import load_card
from cvai.models.network import open_network
from cvai.models.reference import smooth_noise
from tests.models.test_network import convolution
from tests.training.known import drawn_heart


# The quantiser warns of what it leaves undone in models that it did not prepare itself.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_eight_bits_say_nearly_the_same_under_a_card_of_their_own(tmp_path: Path) -> None:
    original = convolution(tmp_path / "fp32", "model.onnx")
    windows = [smooth_noise(seed, channels=3, size=64)[0] for seed in range(12)]
    int8 = write_quantised(original, windows, tmp_path / "int8")
    card = load_card(int8)
    assert {path.name for path in int8.iterdir()} == {"card.toml", INT8_FILE}
    assert (card.file, card.reference.tolerance) == (INT8_FILE, INT8_TOLERANCE)
    assert card.sha256 != load_card(original).sha256
    unseen = np.concatenate([smooth_noise(seed, channels=3, size=64) for seed in (50, 51)])
    exact, rounded = (open_network(folder, threads=1).logits(unseen) for folder in (original, int8))
    assert 0 < np.abs(exact - rounded).max() < 0.1 * np.ptp(exact)
    assert np.mean(exact.argmax(axis=1) == rounded.argmax(axis=1)) > 0.95


def test_ranges_are_learnt_from_windows_around_the_heart() -> None:
    windows = calibration_windows([drawn_heart()], spacing_mm=2.0, size=48)
    assert {window.shape for window in windows} == {(3, 48, 48)}
    assert len(windows) == len(drawn_heart().image)
    assert all(0.0 <= window.min() <= window.max() <= 1.0 for window in windows)
