"""Defects of the program, as they are logged."""

from __future__ import annotations

import traceback
from pathlib import Path


def frames_of(error: BaseException) -> list[str]:
    """File and line of every frame, outermost first: where an error is from, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
