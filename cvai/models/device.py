"""A model on a device that may fail: the CPU takes over, and the device is tried again later."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import structlog

from cvai.domain.segmentation import ModelIdentity
from cvai.errors import ConfigurationInvalid, DeviceFailed

log = structlog.get_logger(__name__)

RETRY_DEVICE_AFTER_S = 300.0
"""Long enough that opening a session on a broken device costs little, short enough that one that another
program had filled is used again soon."""

_CPU = "cpu"


class _Model(Protocol):
    @property
    def identity(self) -> ModelIdentity: ...


AnyModel = TypeVar("AnyModel", bound=_Model)
Made = TypeVar("Made")


class DeviceModel(Generic[AnyModel]):
    """A model on the configured provider, and on the CPU for a while after that has failed.

    Args:
        load: opens the model on a provider.
        provider: as configured, see ``open_network``.
        clock: monotonic seconds.
    """

    def __init__(
        self, load: Callable[[str], AnyModel], provider: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._load = load
        self._provider = provider
        self._clock = clock
        self._lock = threading.Lock()
        self._on_device: AnyModel | None = None
        self._on_cpu: AnyModel | None = None
        self._cpu_until_s: float | None = None
        self.failures = 0
        """How often the device has failed."""

    def model(self) -> AnyModel:
        """The model to be used for the next study; loaded when it is first asked for.

        Raises:
            ModelInvalid, ConfigurationInvalid: see ``open_network``.
        """
        with self._lock:
            if self._on_cpu is not None and self._is_waiting():
                return self._on_cpu
            if self._on_device is None:
                try:
                    self._on_device = self._reopened() if self.failures else self._load(self._provider)
                except DeviceFailed as failure:
                    return self._fall_back(failure)
            return self._on_device

    def use(self, work: Callable[[AnyModel], Made]) -> Made:
        """What ``work`` makes with the model; all of it is done again on the CPU where the device fails.

        A result therefore never mixes what two providers computed. ``work`` must not leave anything behind
        that a second run would meet.
        """
        try:
            return work(self.model())
        except DeviceFailed as failure:
            with self._lock:
                on_cpu = self._fall_back(failure)
        return work(on_cpu)

    def _is_waiting(self) -> bool:
        return self._cpu_until_s is not None and self._clock() < self._cpu_until_s

    def _fall_back(self, failure: DeviceFailed) -> AnyModel:
        self.failures += 1
        # The session on the device is released: it holds the device's memory.
        self._on_device = None
        self._cpu_until_s = self._clock() + RETRY_DEVICE_AFTER_S
        log.warning(
            failure.code, reason=failure.message, used="CPU", retried_after_s=round(RETRY_DEVICE_AFTER_S)
        )
        if self._on_cpu is None:
            self._on_cpu = self._load(_CPU)
        return self._on_cpu

    def _reopened(self) -> AnyModel:
        """The model on the device, which has failed before.

        Raises:
            DeviceFailed: only the CPU could be opened.
        """
        try:
            opened = self._load(self._provider)
        except ConfigurationInvalid as error:
            raise DeviceFailed("device_failed", error.message, error.hint) from error
        if self._on_cpu is not None and opened.identity.provider == self._on_cpu.identity.provider:
            raise DeviceFailed("device_failed", "The device still does not load.")
        log.info("device_used_again", provider=opened.identity.provider)
        return opened
