"""Which studies are analysed and which go first: rules over what headers say, the first match decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from fnmatch import fnmatchcase

from cvai.archive.traits import SENDER, StudyTraits
from cvai.settings import RuleSettings, Settings

LOOKED_AT = {
    "modality": ("Modality",),
    "ae_title": (SENDER,),
    "description": ("StudyDescription", "SeriesDescription", "ProtocolName"),
    "body_part": ("BodyPartExamined",),
    "station": ("StationName",),
    "requested": ("RequestedProcedurePriority",),
}
"""Attributes by the word a rule has for them."""


class Priority(IntEnum):
    """What waits goes in this order, oldest first among equals."""

    STAT = 1
    ROUTINE = 10
    SHADOW = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it asks of a study, and what becomes of a study that is so.

    Args:
        patterns: pattern by the word of LOOKED_AT; each must match one value of one of its attributes in any
            series. ``*`` and ``?`` stand for any and for one character, case does not matter.
        analyse: False to leave the study alone.
        priority: of its job.

    Raises:
        ValueError: a word that is not in LOOKED_AT.
    """

    patterns: tuple[tuple[str, str], ...] = ()
    analyse: bool = True
    priority: Priority = Priority.ROUTINE

    def __post_init__(self) -> None:
        if unknown := {word for word, _ in self.patterns} - LOOKED_AT.keys():
            raise ValueError(f"no rule can ask for {sorted(unknown)}")

    def matches(self, traits: StudyTraits) -> bool:
        """Whether the study is what the rule asks for."""
        return all(_matches(word, pattern, traits) for word, pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to become of a study.

    Args:
        analyse: whether a job is queued for it.
        priority: of the job.
        rule: number of the rule that decided, from 1; None where none did.
    """

    analyse: bool = True
    priority: Priority = Priority.ROUTINE
    rule: int | None = None

    @property
    def reason(self) -> str:
        """Which rule decided, in words."""
        by = "no rule matches" if self.rule is None else f"rule {self.rule} matches"
        to = "analysed" if self.analyse else "left alone"
        return f"{by}: {to}{', ahead of others' if self.priority is Priority.STAT else ''}"


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules in the order they are asked; a study that none matches is analysed."""

    rules: Sequence[Rule] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.rules)

    def decide(self, traits: StudyTraits) -> Decision:
        """What the first rule that matches says."""
        for number, rule in enumerate(self.rules, start=1):
            if rule.matches(traits):
                return Decision(rule.analyse, rule.priority, number)
        return Decision()


def read_rules(settings: Settings) -> Rules:
    """The rules of the settings."""
    return Rules([_rule(rule) for rule in settings.rules])


def _rule(rule: RuleSettings) -> Rule:
    patterns = tuple((word, pattern) for word in LOOKED_AT if (pattern := getattr(rule, word)) is not None)
    return Rule(patterns, rule.then == "analyse", Priority[rule.priority.upper()])


def _matches(word: str, pattern: str, traits: StudyTraits) -> bool:
    values = (v for keyword in LOOKED_AT[word] for v in traits.values.get(keyword, ()))
    return any(fnmatchcase(value.casefold(), pattern.casefold()) for value in values)
