"""The configuration of a training on apical ultrasound views."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from cvai.training.core.config import (
    DataConfig,
    OptimiseConfig,
    Positive,
    Probability,
    RunConfig,
    Section,
)


class EchoDataConfig(DataConfig):
    """Where labelled ultrasound frames come from, and images that are no apical view."""

    camus: str = Field(description="folder of CAMUS, below CVAI_DATA")
    other: str = Field(description="folder of ACDC, below CVAI_DATA: images of the heart in no apical view")
    other_split: Path = Field(description="TOML file that lists the patients of ``other``")


class EchoAugmentConfig(Section):
    """How far a frame is bent away from the original."""

    rotate_degrees: Positive
    scale: Probability = Field(description="zoom range of each axis, 0.2 is 0.8 to 1.2")
    shift: Probability = Field(description="largest shift, as a share of the frame")
    flip: Probability = Field(
        description="share of frames with left and right exchanged, as some laboratories show them"
    )
    gamma: Positive
    noise: Positive
    speckle: Positive
    attenuation: Positive = Field(description="largest exponent of brightness lost or gained with depth")
    shadow: Probability = Field(description="share of frames with a shadow from the transducer down")
    sector_cut: Probability = Field(description="share of frames whose sector is narrower or less deep")
    scrambled: Probability = Field(
        description="share of frames cut to pieces: the texture of ultrasound, and no heart"
    )
    other: Probability = Field(description="share of samples that are no ultrasound")


class EchoOptimiseConfig(OptimiseConfig):
    """As for every training."""

    former: ClassVar[frozenset[str]] = frozenset({"extremes", "end_systole"})


class EchoConfig(RunConfig):
    """One training run of a model for apical ultrasound views."""

    view: Literal["echo"]
    data: EchoDataConfig
    augment: EchoAugmentConfig
    optimise: EchoOptimiseConfig
