"""A device that fails while a study is measured, and providers that do not load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from structlog.testing import capture_logs

from cvai.analyses import cine_sax
from cvai.analyses.registry import ReadyAnalysis, analysis_with
from cvai.dicom.write.result_json import read_entry
from cvai.domain.cine import CineStack
from cvai.errors import ConfigurationInvalid, DeviceFailed
from cvai.jobs.inference_lock import InferenceLock
from cvai.jobs.loading import installed_of
from cvai.models.device import RETRY_DEVICE_AFTER_S, DeviceModel
from cvai.models.folders import model_folder
from cvai.models.runtimes.batches import batch_on_device, device_memory_bytes
from cvai.models.runtimes.onnx import OnnxNetwork, OpenSession, open_onnx
from cvai.models.runtimes.providers import CPU, PREFERRED_PROVIDERS, providers_for, reason_for
from cvai.models.sax import SaxSegmenter
from cvai.phantom.cine_sax.phantom import make_phantom
from cvai.phantom.cine_sax.study import write_phantom_study
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.pipeline import analyse_folder
from tests.failing_session import DEVICE, FailingSession, failing_at

SMALL = PhantomAcquisition(n_phases=8, rows=112, columns=112, spacing_y_mm=3.0, spacing_x_mm=3.0)
IN_MID_STUDY = 6


class Bench:
    """The short-axis model on a provider of which a test says how its sessions are opened, and a clock."""

    def __init__(self, *sessions: OpenSession) -> None:
        self.now_s = 0.0
        self._sessions = list(sessions)
        self.device: DeviceModel[Any] = DeviceModel(self._load, DEVICE, lambda: self.now_s)
        self.ready = ReadyAnalysis(cine_sax.SPEC, self.device.model, device=self.device)

    def _load(self, provider: str) -> SaxSegmenter:
        if provider == "cpu":
            return SaxSegmenter(OnnxNetwork(model_folder("sax"), 1))
        return SaxSegmenter(OnnxNetwork(model_folder("sax"), 1, DEVICE, open_session=self._sessions.pop(0)))

    def provider_of(self, stack: CineStack) -> str:
        """What ran to segment a cine."""

        def work(segmenter: SaxSegmenter) -> str:
            segmenter.segment(stack)
            return segmenter.identity.provider

        return self.ready.using(work)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    write_phantom_study(folder, PhantomHeart(), SMALL)
    return folder / "dicom"


@pytest.fixture(scope="module")
def stack() -> CineStack:
    whole = make_phantom(PhantomHeart(), SMALL).stack
    return CineStack(np.ascontiguousarray(whole.pixels[:4]), whole.geometry, None, None)


@pytest.mark.slow
def test_a_study_whose_device_fails_midway_is_measured_on_the_cpu(study: Path, tmp_path: Path) -> None:
    installed = installed_of(Bench(failing_at(IN_MID_STUDY)).ready, InferenceLock())
    with capture_logs() as lines:
        (fallen,) = installed.analyse(study, tmp_path / "fallen")
    (plain,) = analyse_folder(study, tmp_path / "plain", [analysis_with("sax", 1, "cpu")])
    fallen_entry, entry = (read_entry(outcome.folder / "result.json") for outcome in (fallen, plain))
    assert fallen_entry["model"]["provider"] == CPU
    assert fallen_entry["measurements"] == entry["measurements"]
    assert [o.sop_instance_uid for o in fallen.objects] == [o.sop_instance_uid for o in plain.objects]
    assert installed.device_failures() == 1
    (line,) = [line for line in lines if line["event"] == "device_failed"]
    assert "FAIL" in line["reason"]
    assert line["used"] == "CPU"


@pytest.mark.slow
def test_the_device_is_tried_again_after_a_while(stack: CineStack) -> None:
    bench = Bench(failing_at(IN_MID_STUDY), failing_at(1), failing_at())
    assert bench.provider_of(stack) == CPU
    bench.now_s = RETRY_DEVICE_AFTER_S - 1
    assert bench.provider_of(stack) == CPU
    assert bench.ready.device_failures == 1
    bench.now_s = RETRY_DEVICE_AFTER_S
    assert bench.provider_of(stack) == CPU
    assert bench.ready.device_failures == 2, "it fails again while it is opened"
    bench.now_s = 2 * RETRY_DEVICE_AFTER_S
    assert bench.provider_of(stack) == DEVICE
    assert bench.ready.device_failures == 2


def test_a_device_that_fails_at_the_start_leaves_the_service_running() -> None:
    bench = Bench(failing_at(1))
    assert bench.ready.model().identity.provider == CPU
    assert bench.ready.device_failures == 1


def test_a_device_of_which_only_the_cpu_is_left_is_not_taken_for_back() -> None:
    opened, now_s = [DEVICE, CPU, CPU], [0.0]
    device = DeviceModel(
        lambda _: SaxSegmenter(OnnxNetwork(model_folder("sax"), 1, opened.pop(0))), "auto", lambda: now_s[0]
    )
    with pytest.raises(ZeroDivisionError):
        device.use(lambda _: 1 // 0)
    assert device.failures == 0, "a defect is no failure of the device"

    def work(segmenter: SaxSegmenter) -> str:
        if segmenter.identity.provider == DEVICE:
            raise DeviceFailed("device_failed", "It is off the bus.")
        return segmenter.identity.provider

    assert device.use(work) == CPU
    now_s[0] = RETRY_DEVICE_AFTER_S
    assert device.use(work) == CPU
    assert device.failures == 2


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_a_provider_that_does_not_load_is_never_replaced_in_silence() -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("CUDA is offered here")
    with pytest.raises(DeviceFailed, match=f"opens {CPU} in its place"):
        OnnxNetwork(model_folder("sax"), 1, "CUDAExecutionProvider")


def test_automatically_the_first_provider_that_runs_is_taken() -> None:
    offered = onnxruntime.get_available_providers()
    assert providers_for("auto") == tuple(p for p in PREFERRED_PROVIDERS if p in offered)
    network = open_onnx(model_folder("sax"), 1, "auto")
    assert network.provider in PREFERRED_PROVIDERS
    for provider in PREFERRED_PROVIDERS[: PREFERRED_PROVIDERS.index(network.provider)]:
        assert provider in reason_for("auto", network.provider)


def test_a_provider_that_is_not_offered_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationInvalid) as missing:
        open_onnx(model_folder("sax"), 1, "rocm")
    assert missing.value.code == "provider_missing"
    assert CPU in missing.value.hint


@pytest.mark.parametrize(
    ("asked", "running", "reason"),
    [
        ("cpu", CPU, 'configured as "cpu"'),
        ("cuda", CPU, '"cuda" is configured and does not run here'),
        ("openvino", "OpenVINO CPU", 'configured as "openvino"'),
        ("cuda", "torch cuda", 'configured as "cuda"'),
        ("auto", "torch cpu", "the only runtime of its file format"),
    ],
)
def test_why_a_provider_runs(asked: str, running: str, reason: str) -> None:
    assert reason_for(asked, running) == reason


def test_batches_grow_with_the_memory_of_the_device() -> None:
    pixels = 192 * 192
    assert [batch_on_device(pixels, None, gb * 10**9) for gb in (1, 2, 4, 140)] == [9, 19, 38, 64]
    assert batch_on_device(4 * pixels, None, 4 * 10**9) == 9
    assert batch_on_device(2000 * pixels, None, 10**9) == 1
    assert batch_on_device(pixels, None, None) == 16
    assert batch_on_device(pixels, 3, 140 * 10**9) == 3


def test_no_driver_has_no_memory() -> None:
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("there is an NVIDIA driver here")
    assert device_memory_bytes() is None


@pytest.mark.slow
def test_phases_of_a_study_share_a_batch_where_the_device_has_room(stack: CineStack) -> None:
    """The labels are those of two images at a time on the CPU."""
    n_slices, sessions = stack.shape[1], []

    def opened(*args: Any, **kwargs: Any) -> FailingSession:
        sessions.append(failing_at()(*args, **kwargs))
        return sessions[0]

    network = OnnxNetwork(model_folder("sax"), 1, DEVICE, 3 * n_slices + 1, opened)
    labels = SaxSegmenter(network).segment(stack).labels
    assert sessions[0].batches.count(3 * n_slices) == 1, "four phases are three and one"
    on_cpu = SaxSegmenter(OnnxNetwork(model_folder("sax"), 1)).segment(stack)
    assert np.array_equal(labels, on_cpu.labels)
