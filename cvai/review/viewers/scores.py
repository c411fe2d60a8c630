"""Scores that a reader gives, as the study page lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cvai.analyses.shown import Scores


@dataclass(frozen=True, slots=True)
class ToldScore:
    """A score as it stands.

    Args:
        name: of the measurement.
        title: see ``Score``.
        shown: in words.
        given: whether a reader has given it.
        proposal: what the model proposed, empty where that reads the same.
    """

    name: str
    title: str
    shown: str
    given: bool = False
    proposal: str = ""


def told_scores(now: Scores, model: Scores, chosen: Mapping[str, float]) -> tuple[ToldScore, ...]:
    """All scores of the model as they stand now, then those that a reader has added.

    Args:
        now: with what a reader has given; one of the model that is missing stands no more.
        model: as the model measured them.
        chosen: what a reader has given, by name.

    >>> from cvai.analyses.shown import Score
    >>> model = Scores("Lesions", (Score("a", "", "60 %"),), ((0.0, "none"),), ("one", "some"), "taken out")
    >>> none = Scores("Lesions", (), ((0.0, "none"),), ("one", "some"), "taken out")
    >>> told_scores(none, model, {"a": 0.0})
    (ToldScore(name='a', title='', shown='taken out', given=True, proposal='60 %'),)
    """
    standing = {score.name: score for score in now.scores}
    proposed = {score.name: score for score in model.scores}
    given = {name.partition(":")[0] for name in chosen}
    told = []
    for name, score in {**standing, **proposed}.items():
        stands = standing.get(name, replace(score, shown=now.missing))
        proposal = proposed.get(name, stands)
        beside = proposal.shown if proposal.shown != stands.shown else ""
        told.append(ToldScore(name, score.title, stands.shown, name in given, beside))
    return tuple(sorted(told, key=lambda score: score.name not in proposed))
