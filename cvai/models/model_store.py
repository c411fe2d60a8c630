"""Installs model folders; replaced versions are kept and can be restored."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from cvai.errors import ConfigurationInvalid
from cvai.models.card import CARD_FILE, load_card

KEPT = ".kept"
_BEFORE, _WITHDRAWN, _SINCE = "before", "withdrawn", "since"


def place(models: Path, name: str, candidate: Path) -> Path | None:
    """Install a copy of ``candidate`` as model ``name``.

    Two renames within one file system: readers see the old model, briefly none, then the new one, never a
    mixture. Nothing is overwritten.

    Args:
        models: folder with one folder per model.
        name: of the model.
        candidate: a complete model folder, left unchanged.

    Returns:
        Folder of the replaced model, None where there was none.

    Raises:
        ModelInvalid: the candidate is incomplete or damaged.
    """
    load_card(candidate)
    kept_versions = models / KEPT / name
    kept_versions.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept_versions) as draft:
        incoming = shutil.copytree(candidate, Path(draft) / name)
        before = _set_aside(models, name, _BEFORE)
        incoming.rename(models / name)
    _note_time(models, name)
    return before


def bring_back(models: Path, name: str) -> Path:
    """Restore the previous model; the current one is kept as withdrawn.

    Returns:
        Folder of the restored model.

    Raises:
        ConfigurationInvalid: there is no previous model.
        ModelInvalid: the previous model is incomplete or damaged; nothing was moved.
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
    restored = latest.rename(models / name)
    _note_time(models, name)
    return restored


def in_place_since(models: Path, name: str) -> datetime:
    """When the present model was promoted or brought back; else the time of its card file."""
    noted = models / KEPT / name / _SINCE
    if noted.is_file():
        return datetime.fromisoformat(noted.read_text("ascii"))
    return datetime.fromtimestamp((models / name / CARD_FILE).stat().st_mtime, UTC).replace(microsecond=0)


def _note_time(models: Path, name: str) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    (models / KEPT / name / _SINCE).write_text(now.isoformat(), "ascii")


def _set_aside(models: Path, name: str, where: str) -> Path | None:
    """Move the installed model to the kept versions, under a new number."""
    present = models / name
    if not present.is_dir():
        return None
    card = load_card(present)
    kept_versions = models / KEPT / name
    taken = [int(path.name[:4]) for path in kept_versions.glob("*/[0-9][0-9][0-9][0-9]-*")]
    folder = kept_versions / where / f"{max(taken, default=0) + 1:04d}-{card.version}-{card.sha256[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    return present.rename(folder)
