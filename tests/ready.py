"""The analyses with models that tests hand in."""

from __future__ import annotations

from collections.abc import Callable

from cvai.analyses import cine_sax, echo_apical
from cvai.analyses.registry import ReadyAnalysis
from cvai.errors import StudyRefused
from cvai.models.echo import EchoSegmenter
from cvai.models.segmenter import Segmenter


def _not_installed() -> EchoSegmenter:
    raise StudyRefused("model_not_installed", "No model for ultrasound is installed.")


def ready(
    heart: Segmenter, echo: Callable[[], EchoSegmenter] = _not_installed
) -> tuple[ReadyAnalysis, ReadyAnalysis]:
    """Both analyses, the cine's labels drawn by ``heart``."""
    return ReadyAnalysis(cine_sax.SPEC, lambda: heart), ReadyAnalysis(echo_apical.SPEC, echo)
