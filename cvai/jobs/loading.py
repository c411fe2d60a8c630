"""Loads the installed analyses with their models."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import structlog

from cvai.analyses.registry import ANALYSES, ReadyAnalysis, analysis_with, ready_analyses
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.read import read_studies
from cvai.dicom.write.plan import Extra
from cvai.domain.measurement import Measurement
from cvai.domain.series_choice import SeriesChoice
from cvai.errors import ConfigurationInvalid
from cvai.jobs.inference_lock import InferenceLock
from cvai.jobs.installed import Installed, Shadow
from cvai.languages import ENGLISH
from cvai.models.site_intervals import load_site_intervals
from cvai.pipeline import StudyOutcome, analyse_folder
from cvai.settings import Settings

log = structlog.get_logger(__name__)


def load_analyses(settings: Settings) -> tuple[Installed, ...]:
    """Load and verify the models of the analyses that the site wants; they share one inference lock.

    Raises:
        ModelInvalid, ConfigurationInvalid: see ``ready_analyses``; ``analysis_unknown``,
            ``shadow_without_model``, ``site_intervals_invalid``.
    """
    wanted = wanted_kinds(settings)
    lock = InferenceLock()
    site = None if settings.site_intervals is None else load_site_intervals(settings.site_intervals)
    analyses = ready_analyses(
        [settings.model], settings.threads, settings.provider, settings.device_batch, site
    )
    shadow = _shadow(settings, lock)
    extras = tuple(map(Extra, settings.extra_objects))
    found = tuple(
        installed_of(analysis, lock, shadow.get(analysis.spec.kind), extras, settings.review.language)
        for analysis in analyses
        if analysis.is_installed and analysis.spec.kind in wanted
    )
    if shadow.keys() - {analysis.kind for analysis in found}:
        raise ConfigurationInvalid(
            "shadow_without_model",
            "shadow_model is for an analysis that has no model installed, or that is not in `analyses`.",
            "Install the model to compare it with, name the analysis, or remove shadow_model.",
        )
    for model in () if site is None else site.withdrawn({a.kind: a.sha256 for a in found}):
        log.warning("site_intervals_withdrawn", kind=model.kind, of=f"{model.name} {model.version}")
    return found


def wanted_kinds(settings: Settings) -> frozenset[str]:
    """The kinds of analyses that the site wants: those of its list, or all.

    Raises:
        ConfigurationInvalid: ``analysis_unknown``.
    """
    known = [spec.kind for spec in ANALYSES]
    if unknown := sorted(set(settings.analyses) - set(known)):
        raise ConfigurationInvalid(
            "analysis_unknown",
            f"There is no analysis {', '.join(unknown)}.",
            f"Name some of {', '.join(known)} in `analyses`, or leave it out.",
        )
    return frozenset(settings.analyses or known)


def _shadow(settings: Settings, lock: InferenceLock) -> Mapping[str, Shadow]:
    """The shadow model by kind of its analysis."""
    if settings.shadow_model is None:
        return {}
    second = analysis_with(settings.shadow_model, settings.threads, settings.provider, settings.device_batch)
    return {second.spec.kind: shadow_of(second, lock)}


def installed_of(
    analysis: ReadyAnalysis,
    lock: InferenceLock,
    shadow: Shadow | None = None,
    extras: Collection[Extra] = (),
    language: str = ENGLISH,
) -> Installed:
    """An analysis as jobs run it."""

    def analyse(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
        with lock.entered() as inference_lock:
            return analyse_folder(source, out, [analysis], inference_lock, extras, language=language)

    def analyse_chosen(source: Path, out: Path, chosen: SeriesChoice) -> tuple[StudyOutcome, ...]:
        with lock.entered() as inference_lock:
            return analyse_folder(
                source, out, [analysis], inference_lock, extras, chosen=chosen, language=language
            )

    spec, identity = analysis.spec, analysis.model().identity
    return Installed(
        kind=spec.kind,
        title=spec.title,
        sop_classes=spec.sop_classes,
        sha256=identity.sha256,
        analyse=analyse,
        identity=None if spec.load is None else identity,
        shadow=shadow,
        device_failures=lambda: analysis.device_failures,
        headline="" if spec.headline is None else spec.headline.name,
        analyse_chosen=None if spec.choosable is None else analyse_chosen,
    )


def shadow_of(analysis: ReadyAnalysis, lock: InferenceLock) -> Shadow:
    """A shadow model that measures without writing results."""

    def measure(source: Path, study_uid: str) -> Sequence[Measurement]:
        (study,) = (s for s in read_studies(source).studies if s.study_uid == study_uid)
        with lock.entered() as inference_lock:
            return analysis.analyse(study, Stopwatch(inference_lock=inference_lock)).measurements

    return Shadow(analysis.model().identity, measure)
