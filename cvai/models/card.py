"""Model cards: input, output, provenance and integrity of a model."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cvai.domain.anatomy import Structure
from cvai.domain.difficulty import Likeness
from cvai.domain.echo.views import EchoView
from cvai.domain.uncertainty import Adaptive, ByDoubt, Uncertainty
from cvai.domain.vessels.segments import CoronarySegment
from cvai.errors import ModelInvalid

CARD_FILE = "card.toml"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SquareInputCard(_Section):
    """What a network takes whose window is squeezed to a square, whatever its true proportions."""

    axes: Literal["n c y x"]
    channels: tuple[str, ...] = Field(description="what each channel holds")
    size: int = Field(gt=0, description="pixels on a side of the window")
    multiple_of: int = Field(gt=0, description="rows and columns must be multiples of this")
    low_percentile: float
    high_percentile: float


class InputCard(SquareInputCard):
    """What a network takes that sees everything at one pixel size."""

    spacing_mm: float = Field(gt=0)


class TrainingCard(_Section):
    """Training data and configuration of the network."""

    data: str
    patients: int = Field(description="or images, where the data name no patients")
    citation: str
    split: str


class ReferenceCard(_Section):
    """Known outputs for a known input, checked whenever the model is loaded."""

    seed: int
    logits: tuple[float, ...] = Field(description="logits at the pixels that reference_pixels picks")
    tolerance: float


class LikenessCard(_Section):
    """Features of the training hospital's images; see ``cvai.domain.difficulty.Likeness``."""

    images: int = Field(gt=0, description="patients whose images the features are of")
    usual: float
    elsewhere: float
    unlike: float
    too_far: float
    centre: dict[str, float]
    spread: dict[str, float]


class AdaptiveCard(_Section):
    """Half-widths that grow with the difficulty of a patient; see ``cvai.domain.uncertainty.Adaptive``."""

    calibrated_on: str = Field(description="patients and changed images that the factors come from")
    elsewhere_from: str = Field(description="what the widening for images of other hospitals comes from")
    factors: dict[str, float]
    least_doubt: dict[Structure, float]
    elsewhere: dict[str, float]
    likeness: LikenessCard

    def to_adaptive(self) -> Adaptive:
        """As a value of the domain."""
        bounds = self.likeness.model_dump(exclude={"images"})
        return Adaptive(self.factors, self.least_doubt, self.elsewhere, Likeness(**bounds))


class ByDoubtCard(_Section):
    """Half-widths that grow with what the network leaves open; see ``cvai.domain.uncertainty.ByDoubt``."""

    factors: dict[str, float]
    least: float = Field(gt=0)

    def to_by_doubt(self) -> ByDoubt:
        """As a value of the domain."""
        return ByDoubt(self.factors, self.least)


class UncertaintyCard(_Section):
    """How far measurements of unseen patients were from the reference; see ``cvai.domain.uncertainty``."""

    confidence: float = Field(gt=0, lt=1)
    patients: int = Field(gt=0)
    half_widths: dict[str, float]
    shares: dict[str, float]
    adaptive: AdaptiveCard | None = None
    by_doubt: ByDoubtCard | None = None

    def to_uncertainty(self) -> Uncertainty:
        """As a value of the domain."""
        adaptive = None if self.adaptive is None else self.adaptive.to_adaptive()
        by_doubt = None if self.by_doubt is None else self.by_doubt.to_by_doubt()
        return Uncertainty(self.confidence, self.half_widths, self.shares, adaptive, by_doubt)


class CorrectionCard(_Section):
    """Correction of the network's mean error, estimated from training patients only."""

    patients: int = Field(gt=0)
    esv_factors: dict[str, float] = Field(
        description="by biplane, a4c, a2c: what end-systolic volumes are multiplied by"
    )


class AcceptedCard(_Section):
    """A number by which it was worse than the model it took the place of, and why it did all the same."""

    number: str
    before: float
    after: float | None = Field(default=None, description="None where it has no such number any more")
    margin: float = Field(description="by how much it may be worse without anybody's saying so")
    because: str = Field(min_length=1)


class ModelCard(_Section):
    """``card.toml`` of a model folder."""

    name: str
    version: str
    view: str = Field(description="kind of image; see ``card_view`` of analyses and training tasks")
    file: str
    sha256: str
    license: str
    intended_use: str
    convention: str | None = Field(
        default=None,
        min_length=1,
        description="how the readers of its training data drew contours, as it follows the word 'Contours'",
    )
    labels: dict[Structure, int] | dict[CoronarySegment, int]
    views: tuple[EchoView, ...] = Field(
        default=(), description="view maps that follow the labels' logits, in their order"
    )
    input: InputCard | SquareInputCard
    training: TrainingCard
    reference: ReferenceCard
    correction: CorrectionCard | None = None
    uncertainty: UncertaintyCard | None = None
    accepted: tuple[AcceptedCard, ...] = ()


def load_card(folder: Path) -> ModelCard:
    """Read and check the card of a model folder; the model file must match its digest.

    Raises:
        ModelInvalid: the card or the file is missing, malformed, or they do not belong together.
    """
    try:
        card = ModelCard.model_validate(tomllib.loads((folder / CARD_FILE).read_text(encoding="utf-8")))
        digest = hashlib.sha256((folder / card.file).read_bytes()).hexdigest()
    except OSError as error:
        raise ModelInvalid(
            "model_missing",
            f"The model folder {folder.name} cannot be read: {error.strerror}.",
            "Name a folder that holds card.toml and the model file it names.",
        ) from error
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ModelInvalid("model_card_invalid", f"{folder.name}/{CARD_FILE}: {error}") from error
    if digest != card.sha256:
        raise ModelInvalid(
            "model_digest_differs",
            f"{folder.name}/{card.file} has SHA-256 {digest[:12]}…, its card says {card.sha256[:12]}….",
            "The file is damaged or was replaced; install the model again.",
        )
    return card
