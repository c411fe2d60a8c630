"""Bounds of an acceptance test, set before the studies are looked at."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cvai.analyses.registry import ANALYSES
from cvai.dicom.write.codes import MEASUREMENT_CODES
from cvai.errors import ConfigurationInvalid

Size = Annotated[float, Field(gt=0)]
ShareBound = Annotated[float, Field(ge=0, le=1)]


class _Bounds(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NumberBounds(_Bounds):
    """Bounds of one number, in its unit; what is left out is reported and not judged.

    Args:
        bias: largest mean difference, of either sign.
        limits: largest distance of a limit of agreement from zero.
        mae: largest mean absolute difference.
        coverage: least share of studies whose reference lies in the stated interval.
    """

    bias: Size | None = None
    limits: Size | None = None
    mae: Size | None = None
    coverage: ShareBound | None = None


class AnalysisBounds(_Bounds):
    """Bounds of one analysis.

    Args:
        refused: largest share of studies without numbers that can be used: refused, or rejected by a reader.
        numbers: by name.
    """

    refused: ShareBound | None = None
    numbers: dict[str, NumberBounds]

    @model_validator(mode="after")
    def _numbers_are_known(self) -> Self:
        if unknown := sorted(set(self.numbers) - set(MEASUREMENT_CODES)):
            raise ValueError(f"there are no measurements {', '.join(unknown)}")
        return self


class Bounds(_Bounds):
    """What decides about acceptance.

    Args:
        fewest_studies: with fewer a number is undecided.
        smallest_group: groups of fewer studies are reported and not judged.
        analyses: by kind.
    """

    fewest_studies: Annotated[int, Field(ge=2)] = 30
    smallest_group: Annotated[int, Field(ge=2)] = 15
    analyses: Annotated[dict[str, AnalysisBounds], Field(min_length=1)]

    @model_validator(mode="after")
    def _analyses_are_known(self) -> Self:
        if unknown := sorted(set(self.analyses) - {spec.kind for spec in ANALYSES}):
            raise ValueError(f"there are no analyses {', '.join(unknown)}")
        return self


def load_bounds(path: Path) -> tuple[Bounds, str]:
    """The bounds in a TOML file, and the hex SHA-256 of the file.

    Raises:
        ConfigurationInvalid: ``bounds_invalid``.
    """
    try:
        text = path.read_bytes()
        return Bounds.model_validate(tomllib.loads(text.decode())), hashlib.sha256(text).hexdigest()
    except OSError as error:
        raise _invalid(f"{path.name} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise _invalid(f"{where}: {first['msg']}" if where else first["msg"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _invalid(str(error)) from error


def _invalid(what: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(
        "bounds_invalid",
        f"The bounds are not valid: {what}.",
        "Copy configs/acceptance.example.toml and change its values.",
    )
