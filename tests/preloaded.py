"""What every service needs, imported once by the process that ``tests.forked`` forks them from.

Modules are left out of every later search for garbage, which costs a service half a second otherwise.
"""

from __future__ import annotations

import gc
from importlib import import_module

IMPORTED = ("tests.service", "tests.fuzzed_service", "cvai.cli.serve", "cvai.models.runtimes.onnx")

gc.disable()
for name in IMPORTED:
    import_module(name)
gc.freeze()
gc.enable()
