"""Where models lie: shipped with the package, or a folder of the user's own."""

from __future__ import annotations

import os
from pathlib import Path

from cvai.errors import ConfigurationInvalid
from cvai.models.card import CARD_FILE

_PACKAGE = Path(__file__).resolve().parents[1]


def models_folder() -> Path:
    """CVAI_MODELS where set, else the models inside the wheel, else those of the source tree."""
    named = os.environ.get("CVAI_MODELS")
    if named:
        return Path(named)
    installed = _PACKAGE / "_models"
    return installed if installed.is_dir() else _PACKAGE.parent / "models"


def installed_models() -> tuple[str, ...]:
    """Names of the models that can be asked for, sorted."""
    return tuple(sorted(card.parent.name for card in models_folder().glob(f"*/{CARD_FILE}")))


def model_folder(name: str) -> Path:
    """The folder of a model given by name, or by the path of its folder.

    Raises:
        ConfigurationInvalid: there is no such model.
    """
    for folder in (models_folder() / name, Path(name)):
        if (folder / CARD_FILE).is_file():
            return folder
    known = ", ".join(installed_models()) or "none"
    raise ConfigurationInvalid("model_unknown", f"There is no model {name!r}.", f"Installed: {known}.")
