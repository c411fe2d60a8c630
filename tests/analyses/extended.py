"""The package with the example among its analyses, as docs/extending.md says."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from tests.conftest import ROOT

REGISTRY = Path("cvai") / "analyses" / "registry.py"
KIND = "cavity_area"


def extended_tree(root: Path) -> Path:
    """Copy the package below ``root``, with one folder and one line more."""
    shutil.copytree(ROOT / "cvai", root / "cvai", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "examples" / KIND, root / "cvai" / "analyses" / KIND)
    source = (root / REGISTRY).read_text()
    extended = source.replace("from cvai.analyses import ", f"from cvai.analyses import {KIND}, ")
    extended = re.sub(r"(ANALYSES: .* = \(.*)\)", rf"\1, {KIND}.SPEC)", extended)
    assert extended.count(KIND) == 2
    (root / REGISTRY).write_text(extended)
    return root


def environment_of(tree: Path) -> dict[str, str]:
    """In which a Python takes the package from the tree, and the models from here."""
    return {**os.environ, "PYTHONPATH": str(tree), "CVAI_MODELS": str(ROOT / "models")}
