"""Prometheus metrics of a worker, documented in docs/reference/metrics.md.

Labels are kinds of analysis, codes, steps and versions, never identifiers of studies or patients.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from cvai.archive.odd import OddAnswers
from cvai.domain.shares import Share
from cvai.errors import TemporarilyUnavailable
from cvai.jobs.installed import Installed
from cvai.jobs.job import JobState, Outcome, StudyJob
from cvai.jobs.queue import QueueState
from cvai.jobs.result_file import read_result
from cvai.jobs.shadow import ShadowRecord
from cvai.ops.drift import HeadlineValues
from cvai.ops.scanner_drift import ScannerDrift, ScannerDrifts, WatchedStudy

log = structlog.get_logger(__name__)

STEP_S = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000)
DIFFERENCE_PERCENT = (1, 2, 3, 4, 5, 7.5, 10, 15, 20)
HEADLINE_PERCENT = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 90)
"""Headline measurements are shares: ejection fraction, infarct, diameter stenosis."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Values that are read at each scrape.

    Args:
        queue: state of the job queue.
        workers: number of living workers.
        headlines: headline measurements of all workers.
        data_folder: whose free disk space is reported.
        odd: counts of skipped parts of responses.
        coverage: share of signed values within their interval, by kind of analysis and name of number.
        stopped: kinds of analyses that are stopped.
        scanners: studies of all workers by scanner; None where they are not watched.
    """

    queue: Callable[[], QueueState]
    workers: Callable[[], int]
    headlines: HeadlineValues
    data_folder: Path
    odd: OddAnswers = field(default_factory=OddAnswers)
    coverage: Callable[[], Mapping[tuple[str, str], Share]] = dict
    stopped: Callable[[], Iterable[str]] = tuple
    scanners: ScannerDrifts | None = None


class Metrics:
    """The metrics of one worker, in a registry of its own.

    Args:
        analyses: installed analyses.
        results_folder: base of the paths in outcomes.
        sources: values that are read at each scrape.
    """

    def __init__(self, analyses: Sequence[Installed], results_folder: Path, sources: Sources) -> None:
        self._results_folder = results_folder
        self._headline_of = {analysis.kind: analysis.headline for analysis in analyses if analysis.headline}
        self._sources = sources
        self._registry = registry = CollectorRegistry()
        self._ended = Counter(
            "cvai_jobs_ended", "Jobs this worker has ended.", ["kind", "state", "code"], registry=registry
        )
        self._steps = Histogram(
            "cvai_step_seconds",
            "Duration of a job's steps.",
            ["kind", "step"],
            buckets=STEP_S,
            registry=registry,
        )
        self._stages = Histogram(
            "cvai_stage_seconds", "Duration of stages.", ["kind", "stage"], buckets=STEP_S, registry=registry
        )
        self._headlines = Histogram(
            "cvai_headline_value",
            "What an analysis mainly measures.",
            ["kind", "number"],
            buckets=HEADLINE_PERCENT,
            registry=registry,
        )
        self._findings = Counter(
            "cvai_findings", "Findings on measured studies.", ["kind", "code"], registry=registry
        )
        self._shadow = Histogram(
            "cvai_shadow_difference",
            "By how much a model in shadow differs.",
            ["model", "number"],
            buckets=DIFFERENCE_PERCENT,
            registry=registry,
        )
        self._shadow_refused = Counter(
            "cvai_shadow_refused", "Measured studies it refused.", ["model", "code"], registry=registry
        )
        self._followed = Gauge(
            "cvai_feed_followed_timestamp_seconds",
            "When new studies were last looked for.",
            registry=registry,
        )
        self._failed = Counter(
            "cvai_feed_failures", "Looks for new studies that failed.", ["code"], registry=registry
        )
        self._inbox_left = Gauge(
            "cvai_inbox_left", "What in the inbox cannot be taken in.", registry=registry
        )
        info = Gauge(
            "cvai_model_info", "The models at work.", ["kind", "name", "version", "sha256"], registry=registry
        )
        for analysis in analyses:
            if (model := analysis.identity) is not None:
                info.labels(analysis.kind, model.name, model.version, model.sha256[:12]).set(1)
        registry.register(_ScrapeTime(sources, analyses))
        ProcessCollector(registry=registry)

    def step_done(self, step: str, kind: str, seconds: float) -> None:
        """See ``Watch``."""
        self._steps.labels(kind, step).observe(seconds)

    def feed_followed(self) -> None:
        """See ``FeedWatch``."""
        self._followed.set(time.time())

    def feed_failed(self, code: str) -> None:
        """See ``FeedWatch``."""
        self._failed.labels(code).inc()

    def inbox_looked_into(self, n_left: int) -> None:
        """Set the number of items in the inbox that cannot be imported."""
        self._inbox_left.set(n_left)

    def job_ended(self, job: StudyJob, outcome: Outcome) -> None:
        """Count an ended job and the contents of its result.json."""
        self._ended.labels(job.kind, outcome.state.value, outcome.code).inc()
        if outcome.state not in (JobState.ANALYSED, JobState.REFUSED):
            return
        result = read_result(self._results_folder / outcome.result) if outcome.result else {}
        if outcome.state is JobState.ANALYSED:
            self._count_result(job, result)
        self._watch(job, WatchedStudy.of(result, outcome.code))

    def shadow_recorded(self, record: ShadowRecord) -> None:
        """Count a shadow model's measurement or refusal."""
        if record.refused:
            self._shadow_refused.labels(record.model, record.refused).inc()
        for value in record.values:
            is_headline = value.name in self._headline_of.values()
            if is_headline and value.result is not None and value.shadow is not None:
                self._shadow.labels(record.model, value.name).observe(abs(value.shadow - value.result))

    def exposition(self) -> tuple[int, str, str]:
        """Status, text and content type of /metrics."""
        return 200, generate_latest(self._registry).decode(), CONTENT_TYPE_LATEST

    def _count_result(self, job: StudyJob, result: Mapping[str, Any]) -> None:
        for stage, ms in _mapping(result, "timings_ms").items():
            if ms is not None:  # an analysis need not have every stage
                self._stages.labels(job.kind, stage).observe(ms / 1000)
        for finding in _list(result, "findings"):
            self._findings.labels(job.kind, finding["code"]).inc()
        for measurement in _list(result, "measurements"):
            if measurement["name"] == self._headline_of.get(job.kind):
                self._headlines.labels(job.kind, measurement["name"]).observe(float(measurement["value"]))
                self._keep(job, _mapping(result, "model")["sha256"], float(measurement["value"]))

    def _watch(self, job: StudyJob, study: WatchedStudy) -> None:
        if self._sources.scanners is None:
            return
        try:
            self._sources.scanners.add(job, study)
        except SQLAlchemyError as error:
            # Only the comparison by scanner lacks a study; its result is unaffected.
            log.warning("study_not_watched", error=type(error).__name__)

    def _keep(self, job: StudyJob, model_sha256: str, headline: float) -> None:
        try:
            self._sources.headlines.add(job, model_sha256, headline)
        except SQLAlchemyError as error:
            # Only the drift comparison lacks a value; the study's result is unaffected.
            log.warning("headline_not_kept", error=type(error).__name__)


def _mapping(result: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = result.get(name)
    return value if isinstance(value, dict) else {}


def _list(result: Mapping[str, Any], name: str) -> list[dict[str, str]]:
    value = result.get(name)
    return value if isinstance(value, list) else []


class _ScrapeTime(Collector):
    """Metrics of queue, workers, disk and drift that are read at each scrape."""

    def __init__(self, sources: Sources, analyses: Sequence[Installed]) -> None:
        self._sources = sources
        self._analyses = analyses

    def describe(self) -> Iterator[Metric]:
        """Nothing in advance, which would cost a query."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        yield self._odd_answers()
        yield self._device_failures()
        yield from self._coverage()
        free = shutil.disk_usage(self._sources.data_folder).free
        yield GaugeMetricFamily("cvai_disk_free_bytes", "Free in data_folder.", free)
        try:
            yield from self._from_database()
        except (SQLAlchemyError, TemporarilyUnavailable) as error:
            log.warning("metrics_incomplete", error=type(error).__name__)
            yield GaugeMetricFamily("cvai_database_up", "Whether the jobs' database answers.", 0)

    def _odd_answers(self) -> Metric:
        prefix = CounterMetricFamily(
            "cvai_odd_answers", "Parts of others' answers left out.", labels=["protocol", "part"]
        )
        for labels, number in self._sources.odd.counts.items():
            prefix.add_metric(labels, number)
        return prefix

    def _device_failures(self) -> Metric:
        failures = CounterMetricFamily(
            "cvai_device_failures", "Failures of the device that runs a network.", labels=["kind"]
        )
        for analysis in self._analyses:
            failures.add_metric([analysis.kind], analysis.device_failures())
        return failures

    def _coverage(self) -> Iterator[Metric]:
        by = ["kind", "number"]
        share = GaugeMetricFamily(
            "cvai_interval_coverage", "Share of signed values within the stated interval.", labels=by
        )
        studies = GaugeMetricFamily("cvai_interval_studies", "Signed values with an interval.", labels=by)
        for labels, held in self._sources.coverage().items():
            if held.value is not None:
                share.add_metric(labels, held.value)
                studies.add_metric(labels, held.of)
        yield from (share, studies)

    def _stopped(self) -> Metric:
        stopped = GaugeMetricFamily("cvai_analysis_stopped", "Analyses that are stopped.", labels=["kind"])
        for kind in self._sources.stopped():
            stopped.add_metric([kind], 1)
        return stopped

    def _from_database(self) -> Iterator[Metric]:
        queue = self._sources.queue()
        jobs = GaugeMetricFamily("cvai_jobs", "Jobs that have not ended.", labels=["state"])
        jobs.add_metric([JobState.QUEUED.value], queue.queued)
        jobs.add_metric([JobState.RUNNING.value], queue.running)
        living = self._sources.workers()
        yield jobs
        yield GaugeMetricFamily("cvai_oldest_queued_seconds", "How long the oldest waits.", queue.oldest_s)
        yield GaugeMetricFamily("cvai_workers", "Workers that live.", living)
        yield GaugeMetricFamily("cvai_database_up", "Whether the jobs' database answers.", 1)
        yield self._stopped()
        yield from self._drifts()
        yield from self._scanners()

    def _scanners(self) -> Iterator[GaugeMetricFamily]:
        """Drift of each scanner with the models at work; the page and the command say of what."""
        by = ["kind", "scanner"]
        studies = GaugeMetricFamily("cvai_scanner_studies", "Newest studies compared.", labels=by)
        drifted = GaugeMetricFamily("cvai_scanner_drifted", "Numbers and shares that drift.", labels=by)
        least = GaugeMetricFamily("cvai_scanner_drift_p", "Least adjusted p of them.", labels=by)
        for drift in self._at_work():
            labels = [drift.kind, drift.scanner]
            studies.add_metric(labels, drift.n_newest)
            if drift.shifts:
                drifted.add_metric(labels, len(drift.drifted))
                least.add_metric(labels, drift.shifts[0].p)
        yield from (studies, drifted, least)

    def _at_work(self) -> Iterator[ScannerDrift]:
        models = {analysis.kind: analysis.sha256 for analysis in self._analyses}
        watched = () if self._sources.scanners is None else self._sources.scanners.all()
        return (drift for drift in watched if models.get(drift.kind) == drift.model_sha256)

    def _drifts(self) -> Iterator[GaugeMetricFamily]:
        """Drift of each analysis's headline from the first values of its model, if there are enough."""
        prefix = "Newest values of the headline against the model's first: "
        by = ["kind", "number", "model"]
        distance = GaugeMetricFamily("cvai_drift_distance", f"{prefix}KS distance.", labels=by)
        p = GaugeMetricFamily("cvai_drift_p", f"{prefix}p of the KS test.", labels=by)
        mean = GaugeMetricFamily("cvai_drift_mean", f"{prefix}shift of the mean.", labels=by)
        for analysis in self._analyses:
            if (model := analysis.identity) is None:
                continue
            drift = self._sources.headlines.drift(analysis.kind, model.sha256)
            if drift is not None:
                labels = [analysis.kind, analysis.headline, model.name]
                distance.add_metric(labels, drift.distance)
                p.add_metric(labels, drift.p)
                mean.add_metric(labels, drift.mean_shift)
        yield from (distance, p, mean)
