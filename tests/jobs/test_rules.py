"""Selection rules: the first that matches decides, and nothing a rule leaves alone is analysed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvai.archive.folder.archive import FolderArchive
from cvai.archive.folder.inbox import InboxFeed
from cvai.archive.seen import SeenStudies
from cvai.archive.traits import SENDER, TRAIT_KEYWORDS, StudyTraits
from cvai.errors import ConfigurationInvalid, StudyRefused
from cvai.jobs.feeds import follow
from cvai.jobs.job import UNLISTED, StudyJob
from cvai.jobs.rules import RULE_ATTRIBUTES, Priority, Rule, Rules, read_rules
from cvai.jobs.steps import StudySteps
from cvai.pipeline import StudyOutcome
from cvai.settings import load_settings
from tests.jobs.conftest import Bench
from tests.process import eventually
from tests.standin import (
    analyse_noting,
    derived_uid,
    installed,
    memory_below,
    slots_below,
    write_study,
)

MR = StudyTraits.of([("Modality", "MR"), ("StudyDescription", "Cardiac MRI"), ("StationName", "MR-ER")])


def test_the_first_rule_that_matches_decides() -> None:
    rules = Rules(
        [
            Rule((("modality", "US"),), analyse=False),
            Rule((("modality", "MR"), ("station", "mr-er")), priority=Priority.STAT),
            Rule((("modality", "MR"),), analyse=False),
        ]
    )
    decision = rules.decide(MR)
    assert (decision.analyse, decision.priority, decision.rule) == (True, Priority.STAT, 2)
    assert decision.reason == "rule 2 matches: analysed, ahead of others"


@pytest.mark.parametrize(
    ("word", "pattern", "matches"),
    [
        ("modality", "MR", True),
        ("modality", "mr", True),
        ("modality", "M", False),
        ("description", "*card*", True),
        ("description", "*liver*", False),
        ("body_part", "*", False),
    ],
)
def test_a_pattern_is_a_whole_value_with_wildcards_and_what_is_not_told_matches_nothing(
    word: str, pattern: str, matches: bool
) -> None:
    assert Rule(((word, pattern),)).matches(MR) is matches


def test_any_series_of_a_study_may_match() -> None:
    traits = StudyTraits.of([("Modality", "SR"), ("Modality", "MR"), ("SeriesDescription", "")])
    assert Rule((("modality", "MR"),)).matches(traits)
    assert "SeriesDescription" not in traits.values


@given(st.dictionaries(st.sampled_from(TRAIT_KEYWORDS), st.frozensets(st.text(max_size=8), max_size=3)))
def test_without_rules_and_with_an_empty_one_every_study_is_analysed(
    values: dict[str, frozenset[str]],
) -> None:
    traits = StudyTraits(values)
    assert Rules().decide(traits).analyse
    assert Rules([Rule()]).decide(traits).rule == 1


def test_what_a_rule_may_ask_for_is_what_archives_are_asked_for() -> None:
    assert {k for keywords in RULE_ATTRIBUTES.values() for k in keywords} == {SENDER, *TRAIT_KEYWORDS}
    with pytest.raises(ValueError, match="no rule can ask"):
        Rule((("patient", "Doe"),))
    with pytest.raises(ValueError, match="no traits"):
        StudyTraits({"PatientName": frozenset({"Doe"})})


def test_rules_are_read_from_the_configuration_in_their_order(tmp_path: Path) -> None:
    config = tmp_path / "service.toml"
    config.write_text(
        '[[rules]]\ndescription = "*research*"\nthen = "ignore"\n'
        '[[rules]]\nstation = "MR-ER"\npriority = "stat"\n'
    )
    first, second = read_rules(load_settings(config)).rules
    assert first == Rule((("description", "*research*"),), analyse=False)
    assert second == Rule((("station", "MR-ER"),), priority=Priority.STAT)
    config.write_text('[[rules]]\npatient = "Doe"\n')
    with pytest.raises(ConfigurationInvalid, match=r"rules\.0\.patient"):
        load_settings(config)


@pytest.fixture
def uids(tmp_path: Path) -> tuple[str, str]:
    """Two studies in an archive."""
    archive = FolderArchive(tmp_path / "archive")
    made = derived_uid("rules", "a"), derived_uid("rules", "b")
    for uid in made:
        archive.take_in(write_study(tmp_path / uid, uid))
    return made


def followed(tmp_path: Path, rules: Rules) -> list[tuple[str, Priority]]:
    archive = FolderArchive(tmp_path / "archive")
    seen = SeenStudies(memory_below(tmp_path), "folder")
    feed = InboxFeed(tmp_path / "inbox", archive, seen, settle_s=0)
    queued: list[tuple[str, Priority]] = []

    def submit(job: StudyJob, priority: Priority) -> bool:
        queued.append((job.study_uid, priority))
        return True

    follow(feed, archive, submit, [installed()], rules)
    assert feed.poll().study_uids == (), "what is left alone is acknowledged too"
    return queued


def test_a_study_that_a_rule_leaves_alone_is_not_queued(uids: tuple[str, str], tmp_path: Path) -> None:
    assert followed(tmp_path, Rules([Rule((("modality", "MR"),), analyse=False)])) == []


def test_a_study_that_a_rule_puts_first_is_queued_so(uids: tuple[str, str], tmp_path: Path) -> None:
    queued = followed(tmp_path, Rules([Rule((("modality", "MR"),), priority=Priority.STAT)]))
    assert sorted(queued) == sorted((uid, Priority.STAT) for uid in uids)


def test_a_study_queued_unlisted_is_asked_about_before_it_is_fetched(
    uids: tuple[str, str], tmp_path: Path
) -> None:
    rules = Rules([Rule((("modality", "MR"),), analyse=False)])
    archive = FolderArchive(tmp_path / "archive")
    slots = slots_below(tmp_path)
    steps = StudySteps(archive, (installed(),), tmp_path / "w", tmp_path / "r", slots, rules=rules)
    with pytest.raises(StudyRefused, match="rule 1 matches: left alone"):
        steps.fetch(installed().job_for(uids[0], UNLISTED))


def test_a_stat_study_overtakes_those_that_wait(bench: Bench, tmp_path: Path) -> None:
    released, log = threading.Event(), tmp_path / "log"
    noting = analyse_noting(log)

    def waiting(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
        released.wait(30)
        return noting(source, out)

    bench.analyse = waiting
    engine = bench.start()
    jobs = []
    for number, priority in enumerate((Priority.ROUTINE, Priority.ROUTINE, Priority.STAT)):
        uid = derived_uid("stat", str(number))
        bench.receive(write_study(tmp_path / uid, uid))
        jobs.append(bench.job(uid))
        engine.submit(jobs[-1], priority)
        if number == 0:
            eventually((tmp_path / "work" / "studies").exists, "the first to be begun")
    released.set()
    for job in jobs:
        bench.ended(job)
    first, second, stat = (job.job_id for job in jobs)
    assert log.read_text().splitlines() == [first, stat, second]
