"""A registered version takes the place of the model that is there, after its checks have passed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tomlkit

from cvai.errors import ConfigurationInvalid, ModelInvalid
from cvai.models.card import CARD_FILE, ModelCard, load_card
from cvai.models.model_store import place
from cvai.training.core.loop import CHECKPOINT
from cvai.training.evaluation.write import RECORD_FILE
from cvai.training.promotion.comparison import Compared, compared
from cvai.training.promotion.parity import CONFIG_FILE, check_parity
from cvai.training.promotion.registry import check_evaluation, fetch

_LICENSE_FILE = "LICENSE"
_NOT_PLACED = (CHECKPOINT, CONFIG_FILE, "MLmodel", "registered_model_meta")
"""What the registry needs and the engine does not."""

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A registered version whose checks have passed.

    Args:
        folder: as it would be placed.
        card: its card.
        parity: largest difference of a logit from the trained weights.
        numbers: its evaluation against that of the model in place; empty where none is in place.
    """

    folder: Path
    card: ModelCard
    parity: float
    numbers: tuple[Compared, ...]

    @property
    def worse(self) -> tuple[Compared, ...]:
        """Numbers that are worse by more than their margin."""
        return tuple(number for number in self.numbers if number.is_worse)


def checked_candidate(store: str, models: Path, name: str, version: int, draft: Path) -> Candidate:
    """Fetch a version into ``draft`` and check it: digest, reference outputs, parity, evaluation.

    Raises:
        ConfigurationInvalid: there is no such version.
        ModelInvalid: a check failed, or this very model is in place.
    """
    folder, present = fetch(store, name, version, draft), models / name
    card = load_card(folder)
    parity = check_parity(folder)
    check_evaluation(folder, folder / RECORD_FILE)
    numbers = _against(present, folder) if (present / CARD_FILE).is_file() else ()
    for file in _NOT_PLACED:
        (folder / file).unlink(missing_ok=True)
    _keep_license(present, folder)
    return Candidate(folder, card, parity, numbers)


def _against(present: Path, folder: Path) -> tuple[Compared, ...]:
    in_place, candidate = load_card(present), load_card(folder)
    if in_place.sha256 == candidate.sha256:
        raise ModelInvalid(
            "model_in_place",
            f"{candidate.name} {candidate.version} ({candidate.sha256[:12]}) is in place already.",
            "Name another version.",
        )
    check_evaluation(present, present / RECORD_FILE)
    before, after = (json.loads((f / RECORD_FILE).read_text(encoding="utf-8")) for f in (present, folder))
    return compared(before, after)


def _keep_license(present: Path, folder: Path) -> None:
    """The licence text in place stays with a candidate that brings none and states the same licence.

    MODEL_CARD.md does not stay: it speaks of the model it was written for.
    """
    text = present / _LICENSE_FILE
    if not text.is_file() or (folder / _LICENSE_FILE).is_file():
        return
    if load_card(present).license == load_card(folder).license:
        shutil.copy(text, folder / _LICENSE_FILE)


def put_in_place(candidate: Candidate, models: Path, accepted: Mapping[str, str] = NOTHING) -> Path | None:
    """Place a candidate and return where the model before is kept.

    Args:
        candidate: what takes the place.
        models: the folder of installed models.
        accepted: why it does, although these numbers are worse by more than their margin; kept in its card.

    Raises:
        ModelInvalid: another number is worse by more than its margin.
        ConfigurationInvalid: a number is accepted that is not worse.
    """
    worse = {number.name: number for number in candidate.worse}
    if needless := accepted.keys() - worse.keys():
        raise ConfigurationInvalid(
            "nothing_to_accept",
            f"{', '.join(sorted(needless))}: no number of this name is worse by more than its margin.",
            "Accept what the table calls worse, by the name it has there.",
        )
    if names := ", ".join(worse.keys() - accepted.keys()):
        raise ModelInvalid(
            "evaluation_worse",
            f"{candidate.card.name} {candidate.card.version} is worse than the model in place: {names}.",
            "The table says by how much, and by how much it may.",
        )
    _write_accepted(candidate.folder, [(worse[name], because) for name, because in accepted.items()])
    return place(models, candidate.card.name, candidate.folder)


def _write_accepted(folder: Path, accepted: Sequence[tuple[Compared, str]]) -> None:
    """Put into the card what was accepted and why; everything else in it stays as it is."""
    path = folder / CARD_FILE
    card = tomlkit.parse(path.read_text(encoding="utf-8"))
    card.pop("accepted", None)
    if accepted:
        card["accepted"] = [_accepted(number, because) for number, because in accepted]
    path.write_text(tomlkit.dumps(card), encoding="utf-8")
    load_card(folder)


def _accepted(number: Compared, because: str) -> dict[str, Any]:
    rounded = {"before": number.before, "after": number.after}
    stated = {name: round(value, 4) for name, value in rounded.items() if value is not None}
    return {"number": number.name, **stated, "margin": number.margin, "because": because}
