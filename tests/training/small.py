"""What small training runs share: a schedule of a few steps, and warnings that are not ours."""

from __future__ import annotations

from typing import Any

import pytest

LOUD_TRAINING = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
"""MLflow and torch's exporter warn about their own internals on every call."""


def few_steps(steps: int) -> dict[str, Any]:
    """The ``[optimise]`` section of a run of seconds."""
    return {
        "steps": steps,
        "batch_size": 4,
        "learning_rate": 3e-3,
        "weight_decay": 1e-4,
        "warmup_steps": 2,
        "average_decay": 0.5,
        "validate_every": 2,
        "threads": 1,
    }
