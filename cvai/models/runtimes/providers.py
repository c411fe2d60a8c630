"""Which provider of ONNX Runtime runs a network, and why."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import onnxruntime

from cvai.errors import ConfigurationInvalid

AUTO = "auto"
CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"
_TENSORRT = "TensorrtExecutionProvider"

PREFERRED_PROVIDERS = (_TENSORRT, _CUDA, "OpenVINOExecutionProvider", CPU)
"""What ``auto`` tries, in this order, as far as the installed ONNX Runtime offers it. The package
``openvino`` is not among them: it computes on the CPU as well, with other rounding."""

_SHORT = {"cpu": CPU, "cuda": _CUDA, "tensorrt": _TENSORRT}

_OPTIONS: dict[str, dict[str, str]] = {
    # TF32 has 10 bits of mantissa: other logits than the card's.
    _CUDA: {"use_tf32": "0"},
}


def providers_for(asked: str) -> tuple[str, ...]:
    """The providers to be tried, in order.

    Args:
        asked: ``auto``, ``cpu``, ``cuda``, ``tensorrt``, or a provider of ONNX Runtime by its name.

    Raises:
        ConfigurationInvalid: ``provider_missing``, the installed ONNX Runtime does not offer it.
    """
    offered = onnxruntime.get_available_providers()
    if asked == AUTO:
        return tuple(p for p in PREFERRED_PROVIDERS if p in offered)
    provider = _SHORT.get(asked, asked)
    if provider not in offered:
        raise ConfigurationInvalid(
            "provider_missing",
            f"{provider} is not offered by the ONNX Runtime installed here.",
            f"Offered: {', '.join(offered)}.",
        )
    return (provider,)


def session_providers(provider: str) -> list[tuple[str, dict[str, Any]]]:
    """``provider`` with its options, and those that run what it cannot."""
    after = [_CUDA, CPU] if provider == _TENSORRT else [CPU]
    offered = onnxruntime.get_available_providers()
    names = dict.fromkeys([provider, *(p for p in after if p in offered)])
    return [(name, _OPTIONS.get(name, {})) for name in names]


def load_device_libraries(provider: str) -> None:
    """Load CUDA and cuDNN from NVIDIA's Python packages, where they are installed as such."""
    if provider in (_CUDA, _TENSORRT):
        # It prints what it does not find, which may lie elsewhere; what is missing the session shows.
        with contextlib.redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()


def reason_for(asked: str, running: str) -> str:
    """Why a network runs on ``running`` where ``asked`` was configured, in words."""
    if asked != AUTO:
        is_asked = running in (_SHORT.get(asked, asked), *_also_called(asked))
        return f'configured as "{asked}"' if is_asked else f'"{asked}" is configured and does not run here'
    if running not in PREFERRED_PROVIDERS:
        return "the only runtime of its file format"
    offered = onnxruntime.get_available_providers()
    passed_over = [
        f"{provider} {'is offered and does not run here' if provider in offered else 'is not offered'}"
        for provider in PREFERRED_PROVIDERS[: PREFERRED_PROVIDERS.index(running)]
    ]
    version = f"ONNX Runtime {onnxruntime.__version__}"
    return "; ".join([f'"auto" takes the first that runs in {version}', *passed_over])


def _also_called(asked: str) -> tuple[str, ...]:
    """Names that other runtimes give to what they run on."""
    return {"openvino": ("OpenVINO CPU",)}.get(asked, (f"torch {asked}",))
