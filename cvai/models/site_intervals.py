"""A site's file of recalibrated intervals: written by ``cvai intervals``, used where the settings name it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cvai.domain.measurement import IntervalOrigin
from cvai.errors import ConfigurationInvalid
from cvai.files import write_whole

FEWEST_STUDIES = 50
"""Fewer studies do not recalibrate an interval. The rank ``k = ceil((n + 1) * 0.9)`` exists from 9 studies,
and how often such an interval holds depends on the studies drawn: it has the distribution Beta(k, n + 1 - k).
With 50 it holds at least 80 % with a probability of 0.98, with 9 of 0.87."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Held(_Part):
    """An interval on the studies of the site.

    Args:
        median_half_width: in the unit of the number.
        held: studies whose reference lies within it; each study of the site's interval without itself.
    """

    median_half_width: float
    held: Annotated[int, Field(ge=0)]


class SiteNumber(_Part):
    """One number of a model.

    Args:
        unit: UCUM.
        studies: of the site that have it.
        own: the interval of the model.
        site: that of the site; None where it is not recalibrated.
        factor: half-width of the site over that of the model; None where it is not recalibrated.
    """

    unit: str
    studies: Annotated[int, Field(ge=0)]
    own: Held | None
    site: Held | None = None
    factor: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _studies_are_enough(self) -> SiteNumber:
        if self.factor is not None and self.studies < FEWEST_STUDIES:
            raise ValueError(f"{self.studies} studies recalibrate nothing, at least {FEWEST_STUDIES} do")
        return self


class SiteModel(_Part):
    """The numbers of one analysis.

    Args:
        kind: of the analysis.
        name: of the model.
        version: of the model.
        sha256: of the model file; the intervals are of no other model.
        numbers: by name.
    """

    kind: str
    name: str
    version: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    numbers: dict[str, SiteNumber]


class SiteIntervals(_Part):
    """All of the file.

    Args:
        at: when it was made.
        cvai_version: by which version.
        reference: what the model was compared with.
        independent: whether the reference was made without the model's contours in view.
        confidence: of the intervals.
        models: of each analysis.
    """

    schema_name: Annotated[Literal["cvai.intervals/1"], Field(alias="schema")] = "cvai.intervals/1"
    at: AwareDatetime
    cvai_version: str
    reference: str
    independent: bool
    confidence: Annotated[float, Field(gt=0, lt=1)]
    models: tuple[SiteModel, ...]

    def of_model(self, sha256: str) -> Mapping[str, IntervalOrigin]:
        """Recalibrated numbers of a model by name; empty for a model that the file is not about."""
        numbers = next((model.numbers for model in self.models if model.sha256 == sha256), {})
        return {
            name: IntervalOrigin(number.studies, self.at.date(), number.factor)
            for name, number in numbers.items()
            if number.factor is not None
        }

    def withdrawn(self, installed: Mapping[str, str]) -> tuple[SiteModel, ...]:
        """Models with recalibrated numbers that are not installed.

        Args:
            installed: SHA-256 of each model by kind of analysis.
        """
        known = (model for model in self.models if self.of_model(model.sha256))
        return tuple(model for model in known if installed.get(model.kind) != model.sha256)

    def text(self) -> str:
        """As JSON."""
        return self.model_dump_json(indent=1, by_alias=True) + "\n"


def write_site_intervals(path: Path, intervals: SiteIntervals) -> None:
    """Write the file; it names no study and no patient."""
    write_whole(path, intervals.text().encode())


def load_site_intervals(path: Path) -> SiteIntervals:
    """Read the file that the settings name.

    Raises:
        ConfigurationInvalid: ``site_intervals_invalid``.
    """
    try:
        return SiteIntervals.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _invalid(f"{path.name} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise _invalid(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except ValueError as error:
        raise _invalid(str(error)) from error


def _invalid(what: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        "site_intervals_invalid",
        f"The site's intervals are not valid: {what}.",
        "Write them again with `cvai intervals --out`, or remove site_intervals from the settings.",
    )
