"""How many images a network computes at once."""

from __future__ import annotations

import ctypes
from functools import cache

BATCH_ON_CPU = 2
"""On a processor logits are the same bit by bit whatever their number, larger batches are no faster, and the
runtime keeps the memory of the largest: 16 images of 192 x 192 took 0.4 GB, two 0.06."""

BATCH_OF_UNKNOWN_MEMORY = 16
LARGEST_BATCH = 64
"""Six phases of ten slices: their logits of 192 x 192 x 4 take 38 MB of the host's memory."""

_BYTES_A_PIXEL = 700
"""Of activations, as measured on a processor: 0.4 GB for 16 images of 192 x 192."""

_SHARE_OF_MEMORY = 0.25
"""The rest is for weights, workspaces, other models and other programs."""


def batch_on_device(pixels: int, stated: int | None, memory_bytes: int | None) -> int:
    """Images of so many pixels that a device computes at once.

    Args:
        pixels: of an image.
        stated: the setting; None to go by the memory.
        memory_bytes: of the device; None where it is not known.

    >>> batch_on_device(192 * 192, None, 4 * 10**9)
    38
    """
    if stated is not None:
        return stated
    if memory_bytes is None:
        return BATCH_OF_UNKNOWN_MEMORY
    fitting = int(_SHARE_OF_MEMORY * memory_bytes / (_BYTES_A_PIXEL * pixels))
    return min(max(1, fitting), LARGEST_BATCH)


@cache
def device_memory_bytes() -> int | None:
    """Memory of the first NVIDIA device that this process may use; None where there is none."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, total = ctypes.c_int(), ctypes.c_size_t()
    found = (
        driver.cuInit(0) == 0
        and driver.cuDeviceGet(ctypes.byref(device), 0) == 0
        and driver.cuDeviceTotalMem_v2(ctypes.byref(total), device) == 0
    )
    return total.value if found else None
