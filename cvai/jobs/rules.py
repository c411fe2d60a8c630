"""Rules over header values that decide which studies are analysed and which first; the first match wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from fnmatch import fnmatchcase

from cvai.archive.traits import SENDER, StudyTraits
from cvai.domain.message import Message, say
from cvai.settings import RuleSettings, Settings

RULE_ATTRIBUTES = {
    "modality": ("Modality",),
    "ae_title": (SENDER,),
    "description": ("StudyDescription", "SeriesDescription", "ProtocolName"),
    "body_part": ("BodyPartExamined",),
    "station": ("StationName",),
    "requested": ("RequestedProcedurePriority",),
}
"""DICOM keywords by the name that rules use."""


class Priority(IntEnum):
    """Queue order, oldest first among equals."""

    STAT = 1
    ROUTINE = 10
    SHADOW = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: conditions on a study, and the decision for studies that match.

    Args:
        patterns: pattern by name in RULE_ATTRIBUTES; each must match some value of its attributes in any
            series. ``*`` matches any characters, ``?`` one; case is ignored.
        analyse: False to exclude the study.
        priority: of its job.

    Raises:
        ValueError: a name that is not in RULE_ATTRIBUTES.
    """

    patterns: tuple[tuple[str, str], ...] = ()
    analyse: bool = True
    priority: Priority = Priority.ROUTINE

    def __post_init__(self) -> None:
        if unknown := {word for word, _ in self.patterns} - RULE_ATTRIBUTES.keys():
            raise ValueError(f"no rule can ask for {sorted(unknown)}")

    def matches(self, traits: StudyTraits) -> bool:
        """Whether the study meets all conditions."""
        return all(_matches(word, pattern, traits) for word, pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about a study.

    Args:
        analyse: whether a job is queued for it.
        priority: of the job.
        rule: number of the rule that decided, from 1; None where none did.
    """

    analyse: bool = True
    priority: Priority = Priority.ROUTINE
    rule: int | None = None

    @property
    def reason(self) -> Message:
        """Which rule decided, in words."""
        by = say("no rule matches") if self.rule is None else say("rule {number} matches", number=self.rule)
        to = say("analysed") if self.analyse else say("left alone")
        first = say(", ahead of others") if self.priority is Priority.STAT else ""
        return say("{rule}: {decision}{first}", rule=by, decision=to, first=first)


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules in order of evaluation; a study that none matches is analysed."""

    rules: Sequence[Rule] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.rules)

    def decide(self, traits: StudyTraits) -> Decision:
        """The decision of the first rule that matches."""
        for number, rule in enumerate(self.rules, start=1):
            if rule.matches(traits):
                return Decision(rule.analyse, rule.priority, number)
        return Decision()


def read_rules(settings: Settings) -> Rules:
    """The rules of the settings."""
    return Rules([_rule(rule) for rule in settings.rules])


def _rule(rule: RuleSettings) -> Rule:
    patterns = tuple(
        (word, pattern) for word in RULE_ATTRIBUTES if (pattern := getattr(rule, word)) is not None
    )
    return Rule(patterns, rule.then == "analyse", Priority[rule.priority.upper()])


def _matches(word: str, pattern: str, traits: StudyTraits) -> bool:
    values = (v for keyword in RULE_ATTRIBUTES[word] for v in traits.values.get(keyword, ()))
    return any(fnmatchcase(value.casefold(), pattern.casefold()) for value in values)
