"""Every kind of analysis that there is; nothing else names one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from cvai import __version__
from cvai.analyses import cine_sax, coronary, echo_apical, late_enhancement
from cvai.analyses.spec import AnalysisSpec, Editing, Model
from cvai.analyses.stopwatch import Stopwatch
from cvai.dicom.read.values import Study
from cvai.dicom.write.analysis import Analysed
from cvai.dicom.write.reported import with_reports
from cvai.domain.message import say
from cvai.domain.segmentation import ModelIdentity
from cvai.errors import ConfigurationInvalid, StudyRefused
from cvai.models.card import load_card
from cvai.models.device import DeviceModel
from cvai.models.folders import installed_models, model_folder
from cvai.models.site_intervals import SiteIntervals

AnySpec = AnalysisSpec[Any, Any, Any]
AnyEditing = Editing[Any, Any]
Made = TypeVar("Made")

ANALYSES: tuple[AnySpec, ...] = (cine_sax.SPEC, late_enhancement.SPEC, echo_apical.SPEC, coronary.SPEC)
"""In the order in which a study's results are listed."""


def analysis_of(kind: str) -> AnySpec:
    """The analysis of a kind.

    Raises:
        KeyError: there is none.
    """
    return {spec.kind: spec for spec in ANALYSES}[kind]


def analysis_of_view(view: str) -> AnySpec | None:
    """The analysis that gives results of a view; None where there is none."""
    return next((spec for spec in ANALYSES if view in spec.views), None)


@dataclass(frozen=True, slots=True)
class Rules:
    """In the place of a model where rules measure.

    Args:
        kind: of the analysis.
    """

    kind: str

    @property
    def identity(self) -> ModelIdentity:
        """The rules of this version of cvai."""
        digest = hashlib.sha256(f"{self.kind} {__version__}".encode()).hexdigest()
        return ModelIdentity(f"{self.kind}_rules", __version__, digest, "rules")


@dataclass(frozen=True, slots=True, eq=False)
class ReadyAnalysis:
    """An analysis with the model that it uses.

    Args:
        spec: of the analysis.
        model: gives the model, which is loaded when it is first asked for; raises StudyRefused where none is
            installed.
        is_installed: whether there is one.
        device: loads ``model``, and the same on the CPU where its device fails; None where none can.
    """

    spec: AnySpec
    model: Callable[[], Model]
    is_installed: bool = True
    device: DeviceModel[Model] | None = None

    def using(self, work: Callable[[Any], Made]) -> Made:
        """What ``work`` makes with the model; see ``DeviceModel.use``."""
        return work(self.model()) if self.device is None else self.device.use(work)

    @property
    def device_failures(self) -> int:
        """How often the device of its model has failed."""
        return 0 if self.device is None else self.device.failures

    def analyse(self, study: Study, watch: Stopwatch) -> Analysed:
        """Measure a study, and set what other reports in it state beside that.

        Raises:
            Refused: it cannot be measured honestly.
        """
        measured: Analysed = self.using(lambda model: self.spec.analyse(study, model, watch))
        return with_reports(measured, study)


def ready_analyses(
    models: Sequence[str] = (),
    threads: int = 2,
    provider: str = "auto",
    device_batch: int | None = None,
    site: SiteIntervals | None = None,
) -> tuple[ReadyAnalysis, ...]:
    """Every analysis with its model.

    Args:
        models: names or folders of models to be used in the place of the usual ones; each is for the analysis
            whose images its card names.
        threads: of a network.
        provider: runtime, see ``open_network``.
        device_batch: images at a time on a device, None to go by its memory.
        site: intervals of the site, for the models that they are of; None for the models' own.

    Raises:
        ConfigurationInvalid: there is no such model, or no analysis uses one of its kind.
        ModelInvalid: a model named is not whole.
    """
    names = model_names(models)
    return tuple(
        _ready(spec, names[spec.kind], threads, provider, device_batch, site=site) for spec in ANALYSES
    )


def model_names(models: Sequence[str] = ()) -> Mapping[str, str | None]:
    """Name or folder of the model by kind of analysis, None where rules measure; see ``ready_analyses``."""
    usual = {spec.kind: spec.model for spec in ANALYSES}
    return usual | {_spec_for(name).kind: name for name in models}


def analysis_with(
    model: str, threads: int = 2, provider: str = "auto", device_batch: int | None = None
) -> ReadyAnalysis:
    """The analysis that uses a model of this name or in this folder; see ``ready_analyses`` for errors."""
    return _ready(_spec_for(model), model, threads, provider, device_batch)


def _ready(
    spec: AnySpec,
    model: str | None,
    threads: int,
    provider: str,
    device_batch: int | None,
    *,
    site: SiteIntervals | None = None,
) -> ReadyAnalysis:
    """An analysis with a model by its name or folder; a study is refused where it is not installed."""
    load = spec.load
    if model is None or load is None:
        return ReadyAnalysis(spec, lambda: Rules(spec.kind))
    is_installed = model != spec.model or model in installed_models()

    def loaded(on: str) -> Model:
        if not is_installed:
            raise StudyRefused(
                "model_not_installed",
                say("{title}: no model for it is installed.", title=spec.title),
                say("Install the model {model}; `cvai models list` shows what is there.", model=model),
            )
        opened: Any = load(model_folder(model), threads, on, device_batch)
        made: Model = opened if site is None else opened.at_site(site)
        return made

    device = DeviceModel(loaded, provider)
    return ReadyAnalysis(spec, device.model, is_installed, device)


def _spec_for(model: str) -> AnySpec:
    card = load_card(model_folder(model))
    for spec in ANALYSES:
        if spec.card_view == card.view:
            return spec
    raise ConfigurationInvalid(
        "model_of_other_view",
        f"No analysis uses a model for {card.view}.",
        "`cvai models list` shows what each model is for.",
    )
