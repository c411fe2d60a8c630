"""Loads the installed analyses with their models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cvai.analyses.registry import ReadyAnalysis, analysis_with, ready_analyses
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.read import read_studies
from cvai.domain.measurement import Measurement
from cvai.errors import ConfigurationInvalid
from cvai.jobs.inference_lock import InferenceLock
from cvai.jobs.installed import Installed, Shadow
from cvai.pipeline import StudyOutcome, analyse_folder
from cvai.settings import Settings


def load_analyses(settings: Settings) -> tuple[Installed, ...]:
    """Load and verify the models; they share one inference lock.

    Raises:
        ModelInvalid, ConfigurationInvalid: see ``ready_analyses``; ``shadow_without_model``.
    """
    lock = InferenceLock()
    analyses = ready_analyses([settings.model], settings.threads, settings.provider, settings.device_batch)
    shadow = _shadow(settings, lock)
    found = tuple(
        installed_of(analysis, lock, shadow.get(analysis.spec.kind))
        for analysis in analyses
        if analysis.is_installed
    )
    if shadow.keys() - {analysis.kind for analysis in found}:
        raise ConfigurationInvalid(
            "shadow_without_model",
            "shadow_model is for an analysis that has no model installed.",
            "Install the model to compare it with, or remove shadow_model.",
        )
    return found


def _shadow(settings: Settings, lock: InferenceLock) -> Mapping[str, Shadow]:
    """The shadow model by kind of its analysis."""
    if settings.shadow_model is None:
        return {}
    second = analysis_with(settings.shadow_model, settings.threads, settings.provider, settings.device_batch)
    return {second.spec.kind: shadow_of(second, lock)}


def installed_of(analysis: ReadyAnalysis, lock: InferenceLock, shadow: Shadow | None = None) -> Installed:
    """An analysis as jobs run it."""

    def analyse(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
        with lock.entered() as inference_lock:
            return analyse_folder(source, out, [analysis], inference_lock)

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
    )


def shadow_of(analysis: ReadyAnalysis, lock: InferenceLock) -> Shadow:
    """A shadow model that measures without writing results."""

    def measure(source: Path, study_uid: str) -> Sequence[Measurement]:
        (study,) = (s for s in read_studies(source).studies if s.study_uid == study_uid)
        with lock.entered() as inference_lock:
            return analysis.analyse(study, Stopwatch(inference_lock=inference_lock)).measurements

    return Shadow(analysis.model().identity, measure)
