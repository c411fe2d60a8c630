"""The configuration of a training on discs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cvai.training.core.config import DataConfig, RunConfig


class DiscDataConfig(DataConfig):
    """Where frames come from."""

    folder: str = Field(description="folder of the frames, below CVAI_DATA")


class DiscConfig(RunConfig):
    """One training run."""

    view: Literal["bright_disc"]
    data: DiscDataConfig
