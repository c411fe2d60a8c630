"""Model folders change places: a new one is put in, the one before is kept and can come back."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from cvai.errors import ConfigurationInvalid
from cvai.models.card import CARD_FILE, load_card

KEPT = ".kept"
_BEFORE, _WITHDRAWN = "before", "withdrawn"


def place(models: Path, name: str, candidate: Path) -> Path | None:
    """Put a copy of ``candidate`` in place as model ``name``.

    Two renames within one file system: whoever looks sees the old model, for an instant none, then the new
    one, never a mixture. Nothing is overwritten.

    Args:
        models: the folder that holds one folder a model.
        name: the model's.
        candidate: a whole model folder, which is left as it is.

    Returns:
        Where the model before is kept, None where there was none.

    Raises:
        ModelInvalid: the candidate is not whole.
    """
    load_card(candidate)
    shelf = models / KEPT / name
    shelf.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=shelf) as draft:
        incoming = shutil.copytree(candidate, Path(draft) / name)
        before = _set_aside(models, name, _BEFORE)
        incoming.rename(models / name)
    return before


def bring_back(models: Path, name: str) -> Path:
    """Return to the model that was in place before; the one that leaves is kept as withdrawn.

    Returns:
        The folder of the model that is in place again.

    Raises:
        ConfigurationInvalid: no earlier model is kept.
        ModelInvalid: the kept model is not whole; nothing was moved.
    """
    kept = sorted((models / KEPT / name / _BEFORE).glob(f"*/{CARD_FILE}"))
    if not kept:
        raise ConfigurationInvalid(
            "no_model_before",
            f"No model was in place before the present {name}.",
            "Only what `cvai models promote` replaced can be brought back.",
        )
    latest = kept[-1].parent
    load_card(latest)
    _set_aside(models, name, _WITHDRAWN)
    return latest.rename(models / name)


def _set_aside(models: Path, name: str, where: str) -> Path | None:
    """Move what is in place to the shelf under a number that nothing there has had."""
    present = models / name
    if not present.is_dir():
        return None
    card = load_card(present)
    shelf = models / KEPT / name
    taken = [int(path.name[:4]) for path in shelf.glob("*/[0-9][0-9][0-9][0-9]-*")]
    folder = shelf / where / f"{max(taken, default=0) + 1:04d}-{card.version}-{card.sha256[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    return present.rename(folder)
