"""The configuration of a training on coronary angiograms."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from cvai.training.core.config import DataConfig, NotNegative, Positive, Probability, RunConfig, Section


class CoronaryDataConfig(DataConfig):
    """Where labelled angiograms come from."""

    arcade: str = Field(description="folder of ARCADE, below CVAI_DATA")
    stenosis_share: Probability = Field(
        description="share of samples on which the narrowed stretches are drawn, not the segments"
    )
    stenosis_weight: Positive = Field(
        default=0.5, description="of the loss of stenoses against that of segments"
    )
    teacher: Path | None = Field(
        default=None,
        description="folder of a model whose probabilities stand in for what is not drawn on a frame",
    )
    taught_weight: NotNegative = Field(
        default=0.5, description="of what the teacher says, against what is drawn"
    )


class CoronaryAugmentConfig(Section):
    """How far a frame is changed from the original.

    There is no mirroring: what is left and right, and with it the name of a segment, would be exchanged.
    """

    rotate_degrees: NotNegative
    scale: Probability = Field(description="zoom range, 0.2 is 0.8 to 1.2")
    aspect: Probability = Field(description="range of the zoom of rows against that of columns")
    shift: Probability = Field(description="largest shift, as a share of the frame")
    bend: Probability = Field(
        description="largest shift of points an eighth of the frame apart, as a share of it"
    )
    gamma: Positive
    contrast: Probability = Field(description="range of a factor around the mean, 0.35 is 0.65 to 1.35")
    brightness: Probability
    noise: NotNegative
    blur: Probability = Field(description="largest share of the mean of 3 x 3 pixels in a pixel")
    darkening: NotNegative = Field(description="largest exponent of a smooth field of brightness")
    collimated: Probability = Field(description="share of frames with dark borders")


class CoronaryConfig(RunConfig):
    """One training run of a model for coronary angiograms; ``size`` of the input counts cells."""

    view: Literal["coronary"]
    data: CoronaryDataConfig
    augment: CoronaryAugmentConfig
