"""The role every model plays for the engine, and what all that run a network have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import ParamSpec, Protocol, Self, TypeVar

from threadpoolctl import threadpool_limits

from cvai.domain.cine import CineStack
from cvai.domain.measurement import IntervalOrigin
from cvai.domain.segmentation import CineSegmentation, ModelIdentity
from cvai.domain.uncertainty import Uncertainty
from cvai.models.network import Network, open_network
from cvai.models.site_intervals import SiteIntervals

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Item = TypeVar("Item")


def one_blas_thread(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Keep numpy's matrix products on one thread while ``function`` runs.

    OpenBLAS's other threads spin for tens of milliseconds after every product and take the cores that the
    network's own threads want: a cine took half as long again on two cores.
    """

    @wraps(function)
    def limited(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with threadpool_limits(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


class Segmenter(Protocol):
    """Labels every frame of a cine on the cine's own grid, or raises HeartRefused."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model runs, and on what."""
        ...

    @property
    def uncertainty(self) -> Uncertainty | None:
        """How far what is measured on its labels may be off; None where that is not known."""
        ...

    def segment(self, stack: CineStack) -> CineSegmentation:
        """Label every frame."""
        ...


class NetworkSegmenter:
    """A network with what its card says about it.

    Args:
        network: what labels images.
        threads: for what is done before and after the network.
    """

    def __init__(self, network: Network, threads: int = 1) -> None:
        self._network = network
        self._threads = threads
        self._of_site: Mapping[str, IntervalOrigin] = {}

    def at_site(self, intervals: SiteIntervals) -> Self:
        """The same network with the intervals of a site, where they are of this model."""
        made = copy(self)
        made._of_site = intervals.of_model(self.identity.sha256)
        return made

    def _each(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """What ``function`` makes of each; while numpy works for one thread, so can it for others."""
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(function, items))

    @classmethod
    def load(
        cls, folder: Path, threads: int = 2, provider: str = "auto", device_batch: int | None = None
    ) -> Self:
        """Load a model folder; see ``open_network`` for arguments and errors."""
        return cls(open_network(folder, threads, provider, device_batch), threads)

    @property
    def identity(self) -> ModelIdentity:
        """Which model runs, and on what."""
        card = self._network.card
        provider = self._network.provider
        return ModelIdentity(card.name, card.version, card.sha256, provider, card.convention)

    @property
    def uncertainty(self) -> Uncertainty | None:
        """As the card states it, recalibrated where the site has done so."""
        stated = self._network.card.uncertainty
        return None if stated is None else replace(stated.to_uncertainty(), of_site=self._of_site)
