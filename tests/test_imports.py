"""What cvai imports is declared, and the service runs on what is declared for it alone."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from cvai.phantom.cine_sax.study import write_phantom_study
from cvai.phantom.parameters import PhantomAcquisition
from tests.conftest import ROOT

NOT_IMPORTED = {
    "python-gdcm": "pydicom decodes compressed pixels with it",
    "onnxscript": "torch.onnx.export needs it",
    "openvino": "imported by name in cvai/models/runtimes/openvino.py",
}
GUARDED = {"cvai/models/runtimes/torchscript.py": {"torch"}}
"""Imports outside ``training`` whose absence is a message to the user."""

SMALL = PhantomAcquisition(n_phases=8, rows=112, columns=112, spacing_y_mm=3.0, spacing_x_mm=3.0)

ANALYZE_ALONE = """
import sys
from importlib import import_module
from pathlib import Path

study, out, *absent = sys.argv[1:]
sys.modules.update(dict.fromkeys(absent))  # importing a name that is None fails

import cvai
(result,) = cvai.analyze(study)
result.write(out)
assert result.report().startswith(b"%PDF")

for found in Path(cvai.__path__[0]).rglob("*.py"):
    module = ".".join(["cvai", *found.relative_to(cvai.__path__[0]).with_suffix("").parts])
    if "training" not in module and not module.endswith((".__init__", ".__main__", ".torchscript")):
        import_module(module)
"""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def declared(extra: str | None = None) -> frozenset[str]:
    """Distributions that pyproject.toml asks for, by normalised name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    return frozenset(normal(re.match(r"[A-Za-z0-9._-]+", wanted)[0]) for wanted in listed)


@cache
def imported(path: Path) -> frozenset[str]:
    """Top-level modules from elsewhere that a file imports, also those for type checkers alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            names = [node.module]
        else:
            continue
        found.update(name.split(".")[0] for name in names)
    return frozenset(found - KNOWN)


KNOWN = sys.stdlib_module_names | {"cvai"}
PROVIDED_BY = {module: frozenset(map(normal, names)) for module, names in packages_distributions().items()}
FILES = sorted((ROOT / "cvai").rglob("*.py"))


@pytest.mark.slow
def test_every_import_is_declared_for_the_extra_that_needs_it() -> None:
    undeclared = []
    for path in FILES:
        name = path.relative_to(ROOT).as_posix()
        allowed = declared() | (declared("train") if name.startswith("cvai/training/") else frozenset())
        for module in imported(path) - GUARDED.get(name, set()):
            if not PROVIDED_BY.get(module, frozenset()) & allowed:
                undeclared.append(f"{name}: {module}")
    assert undeclared == []


@pytest.mark.slow
def test_every_declared_package_is_imported_or_has_a_reason() -> None:
    used = {name for path in FILES for module in imported(path) for name in PROVIDED_BY.get(module, ())}
    wanted = declared() | declared("train") | declared("openvino")
    assert wanted - used == NOT_IMPORTED.keys()


@pytest.mark.slow
def test_the_service_runs_where_nothing_but_its_own_packages_is_installed(tmp_path: Path) -> None:
    locked = re.findall(r"(?m)^([A-Za-z0-9._-]+)==", (ROOT / "requirements" / "service.txt").read_text())
    service = {normal(name) for name in locked} | {"cvai"}
    absent = [module for module, names in PROVIDED_BY.items() if not names & service]
    assert {"matplotlib", "torch", "jsonschema", "pytest"} <= set(absent)
    write_phantom_study(tmp_path / "study", acquisition=SMALL)
    command = [sys.executable, "-c", ANALYZE_ALONE, tmp_path / "study", tmp_path / "out", *absent]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "result.json").read_text())["status"] == "analysed"
