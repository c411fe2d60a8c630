"""Every runtime gives the labels that ONNX Runtime gives on the CPU, within 0.1 % of pixels."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tomlkit
from numpy.typing import NDArray

from cvai.errors import ConfigurationInvalid, DeviceFailed, ModelInvalid
from cvai.models.card import load_card
from cvai.models.folders import model_folder
from cvai.models.network import Network, open_network
from cvai.models.reference import reference_input, reference_pixels
from cvai.models.runtimes.onnx import OnnxNetwork
from cvai.phantom.cine_sax.phantom import make_phantom
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from tests.conftest import ROOT

LABELS_MAY_DIFFER = 0.001

needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is an extra: pip install cvai[openvino]"
)


@pytest.fixture(scope="module")
def images() -> NDArray[np.float32]:
    """(n, 3, y, x) slices of a phantom between their neighbours, as the network takes them."""
    stack = make_phantom(PhantomHeart(), PhantomAcquisition(n_phases=8)).stack
    volume = stack.pixels[0][:, 40:168, 40:168]
    scaled = (volume / np.percentile(volume, 99.5)).clip(0, 1)
    return np.stack([scaled[z - 1 : z + 2] for z in range(1, len(scaled) - 1)]).astype(np.float32)


def differing(a: Network, b: Network, images: NDArray[np.float32]) -> float:
    labels = [network.logits(images).argmax(axis=1) for network in (a, b)]
    assert len(np.unique(labels[0])) > 1, "an image of one label compares nothing"
    return float(np.mean(labels[0] != labels[1]))


@pytest.mark.slow
@needs_openvino
def test_openvino_labels_as_onnx_runtime_does(images: NDArray[np.float32]) -> None:
    folder = model_folder("sax")
    network = open_network(folder, threads=1, provider="openvino")
    assert network.provider == "OpenVINO CPU"
    assert differing(OnnxNetwork(folder, threads=1), network, images) <= LABELS_MAY_DIFFER


@pytest.mark.slow
@needs_openvino
def test_a_failure_of_openvino_is_that_of_a_device(images: NDArray[np.float32]) -> None:
    network = open_network(model_folder("sax"), threads=1, provider="openvino")
    with pytest.raises(DeviceFailed, match="OpenVINO CPU"):
        network.logits(images[:, :2])


def test_onnx_runtime_does_not_report_to_its_maker(tmp_path: Path) -> None:
    """Imported as it is, it keeps a device id and a queue of events in the home folder."""
    program = (
        "from pathlib import Path; from cvai.models.network import open_network; "
        f"open_network(Path({str(ROOT / 'models' / 'lge')!r}), 1)"
    )
    unsuppressed = ("CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in unsuppressed}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, cwd=tmp_path)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.slow
@needs_openvino
def test_openvino_does_not_report_to_its_maker(tmp_path: Path) -> None:
    """Imported as it is, it leaves a client id in the home folder and sends an event."""
    program = (
        "import sys; from pathlib import Path; from cvai.models.network import open_network; "
        f"open_network(Path({str(ROOT / 'models' / 'sax')!r}), 1, 'openvino'); "
        "assert 'openvino_telemetry' not in sys.modules"
    )
    environment = os.environ | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, cwd=tmp_path)
    assert [path for path in tmp_path.rglob("*") if "openvino_ga" in path.name] == []


def convolution(folder: Path, file: str, seed: int = 5) -> Path:
    """A model folder whose network is one convolution with the same weights, as ONNX or as TorchScript."""
    torch = pytest.importorskip("torch", reason="torch is an extra: pip install cvai[train]")
    weights = np.random.default_rng(seed).normal(size=(4, 3, 3, 3)).astype(np.float32)
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".onnx":
        write_onnx_convolution(path, weights)
    else:
        layer = torch.nn.Conv2d(3, 4, 3, padding=1, bias=False)
        layer.weight.data = torch.from_numpy(weights)
        torch.jit.trace(layer.eval(), torch.zeros(1, 3, 32, 32)).save(path)
    write_card(folder, file, weights)
    return folder


def write_onnx_convolution(path: Path, weights: NDArray[np.float32]) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is an extra: pip install cvai[train]")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    node = helper.make_node("Conv", ["image", "weights"], ["logits"], pads=[1, 1, 1, 1])
    graph = helper.make_graph(
        [node],
        "convolution",
        [helper.make_tensor_value_info("image", floats, ["n", 3, "y", "x"])],
        [helper.make_tensor_value_info("logits", floats, ["n", 4, "y", "x"])],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def write_card(folder: Path, file: str, weights: NDArray[np.float32]) -> None:
    """The card of the shipped model with this file, and reference logits computed by hand."""
    card = tomlkit.parse((ROOT / "models" / "sax" / "card.toml").read_text())
    card["file"] = file
    card["sha256"] = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    image = reference_input(load_card(ROOT / "models" / "sax"))
    around = np.pad(image[0], ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3), axis=(1, 2))
    logits = np.einsum("cyxij,kcij->kyx", windows, weights)[None]
    card["reference"]["logits"] = [float(v) for v in reference_pixels(logits)]  # type: ignore[index]
    (folder / "card.toml").write_text(tomlkit.dumps(card))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_an_exported_monai_bundle_labels_as_onnx_runtime_does(
    tmp_path: Path, images: NDArray[np.float32]
) -> None:
    as_onnx = open_network(convolution(tmp_path / "onnx", "model.onnx"), threads=1)
    bundle = open_network(convolution(tmp_path / "bundle", "models/model.ts"), threads=1, provider="cpu")
    assert bundle.provider == "torch cpu"
    assert differing(as_onnx, bundle, images) <= LABELS_MAY_DIFFER


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_another_network_than_the_card_describes_is_told(tmp_path: Path) -> None:
    folder, other = convolution(tmp_path / "a", "model.ts"), convolution(tmp_path / "b", "model.ts", seed=6)
    shutil.copy(other / "model.ts", folder / "model.ts")
    with pytest.raises(ModelInvalid) as replaced:
        open_network(folder)
    assert replaced.value.code == "model_digest_differs"
    digest = hashlib.sha256((folder / "model.ts").read_bytes()).hexdigest()
    text = (folder / "card.toml").read_text().replace(load_card(other).sha256, digest)
    card = tomlkit.parse(text)
    card["sha256"] = digest
    (folder / "card.toml").write_text(tomlkit.dumps(card))
    with pytest.raises(ModelInvalid) as computes:
        open_network(folder)
    assert computes.value.code == "model_reference_differs"


def test_a_file_no_runtime_reads_is_told(tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "models" / "sax", tmp_path / "sax")
    (folder / "model.onnx").rename(folder / "model.h5")
    card = (folder / "card.toml").read_text().replace("model.onnx", "model.h5")
    (folder / "card.toml").write_text(card)
    with pytest.raises(ModelInvalid) as unknown:
        open_network(folder)
    assert unknown.value.code == "model_format_unknown"


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_device_that_is_not_there_is_told(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is an extra: pip install cvai[train]")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(ConfigurationInvalid) as missing:
        open_network(convolution(tmp_path, "model.ts"), provider="cuda")
    assert missing.value.code == "provider_missing"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_torch_labels_the_same_on_a_gpu(tmp_path: Path, images: NDArray[np.float32]) -> None:
    torch = pytest.importorskip("torch", reason="torch is an extra: pip install cvai[train]")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    folder = convolution(tmp_path, "model.ts")
    on_gpu, on_cpu = (open_network(folder, provider=provider) for provider in ("cuda", "cpu"))
    assert differing(on_cpu, on_gpu, images) <= LABELS_MAY_DIFFER


def test_onnx_runtime_labels_the_same_on_a_gpu(images: NDArray[np.float32]) -> None:
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("no CUDA provider here: it comes with onnxruntime-gpu on a machine with a CUDA device")
    folder = model_folder("sax")
    on_gpu = open_network(folder, provider="CUDAExecutionProvider")
    assert on_gpu.provider == "CUDAExecutionProvider"
    assert (
        differing(open_network(folder, provider="CPUExecutionProvider"), on_gpu, images) <= LABELS_MAY_DIFFER
    )
