"""What is installed is named by version and hash, images can be by digest, and licences are looked at."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

REQUIREMENTS = ROOT / "requirements"
LOCKS = ["service", "build", "tools", "dev", "gpu", "docs"]
BY_VERSION_ALONE = {"torch"}


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REQUIREMENTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sbom, lock = loaded("sbom"), loaded("lock")


def pins(path: Path) -> dict[str, str]:
    found = re.findall(r"(?m)^([A-Za-z0-9._-]+)==(\S+)", path.read_text())
    return {sbom.normal(name): version for name, version in found}


CONSTRAINTS = pins(ROOT / "constraints.txt")


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_version_has_hashes_and_is_the_tested_one(name: str) -> None:
    text = (REQUIREMENTS / f"{name}.txt").read_text()
    assert "".join(lock.blocks_of(text)) == text
    for block in lock.blocks_of(text):
        requirement, *hashes = block.replace("\\\n", " ").split()
        assert re.fullmatch(r"[A-Za-z0-9._-]+==\S+", requirement.partition(";")[0])
        hashes = [word for word in hashes if word.startswith("--hash=")]
        assert hashes
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", word) for word in hashes)
    tested = {n: v for n, v in pins(REQUIREMENTS / f"{name}.txt").items() if n in CONSTRAINTS}
    assert tested == {n: CONSTRAINTS[n] for n in tested}


def required() -> dict[str, list[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {
        extra: [sbom.normal(re.match(r"[A-Za-z0-9._-]+", wanted)[0]) for wanted in listed]
        for extra, listed in groups.items()
    }


def test_everything_the_project_asks_for_is_locked_but_torch() -> None:
    asked = required()
    assert set(asked[""]) <= pins(REQUIREMENTS / "service.txt").keys()
    assert set(asked.pop("docs")) <= pins(REQUIREMENTS / "docs.txt").keys()
    everything = {name for listed in asked.values() for name in listed} - {"cvai"}
    assert everything - pins(REQUIREMENTS / "dev.txt").keys() == BY_VERSION_ALONE


def test_what_is_locked_for_development_is_what_is_tested() -> None:
    dev = pins(REQUIREMENTS / "dev.txt")
    assert dev.items() >= pins(REQUIREMENTS / "service.txt").items()
    assert dev.keys() <= CONSTRAINTS.keys()


def installs(text: str) -> list[str]:
    """Commands of pip that install, each on one line."""
    whole = text.replace("\\\n", " ")
    return [c.strip() for c in re.split(r"&&|\n|;", whole) if re.search(r"\bpip\)? install |pip install ", c)]


def test_the_image_installs_nothing_without_a_hash() -> None:
    found = installs((ROOT / "Dockerfile").read_text())
    assert len(found) == 4
    assert all("--require-hashes" in command or "--no-index" in command for command in found), found


def test_the_service_is_installed_by_hash() -> None:
    text = (ROOT / "Makefile").read_text()
    (recipe,) = re.findall(r"(?m)^\$\(VENV\)/\.installed:.*\n((?:\t.*\n)+)", text)
    locked, editable, *_ = recipe.splitlines()
    assert locked.strip().startswith("$(LOCKED)")
    assert "--require-hashes" in re.findall(r"(?m)^LOCKED := (.*)", text)[0]
    assert "--no-deps" in editable


def test_ci_tries_the_wheel_where_nothing_else_is_installed() -> None:
    assert "make wheel-check\n" in (ROOT / ".ci" / "run").read_text()
    text = (ROOT / "Makefile").read_text()
    (recipe,) = re.findall(r"(?m)^\$\(WHEEL\)/\.service:.*\n((?:\t.*\n)+)", text)
    assert "--without-pip" in recipe
    assert all("--require-hashes" in command for command in recipe.splitlines() if " install " in command)


def test_requirements_are_taken_out_with_their_hashes() -> None:
    text = "a==1 \\\n    --hash=sha256:0\nb==2 \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\n"
    assert lock.without(text, frozenset({"a"})) == lock.only(text, "b") == text[text.index("b") :]


DIGEST = "sha256:" + "ab" * 32


def run_images(tmp_path: Path, docker: str | None) -> subprocess.CompletedProcess[str]:
    """``make images`` on copies, with a Docker that answers so."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    if docker is not None:
        (programs / "docker").write_text(f"#!/bin/sh\n{docker}\n")
        (programs / "docker").chmod(0o755)
    for name in ("Dockerfile", "compose.yaml"):
        if not (tmp_path / name).exists():
            (tmp_path / name).write_text((ROOT / name).read_text())
    return subprocess.run(
        [sys.executable, str(REQUIREMENTS / "images.py"), "Dockerfile", "compose.yaml"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{programs}:/usr/bin:/bin" if docker else str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_image_is_given_its_digest_and_a_newer_one_takes_its_place(tmp_path: Path) -> None:
    for digest in ("sha256:" + "00" * 32, DIGEST):
        done = run_images(tmp_path, f'echo "$6" >> asked; echo {digest}')
        assert done.returncode == 0, done.stderr
    services = yaml.safe_load((tmp_path / "compose.yaml").read_text())["services"].values()
    from_registries = {service["image"] for service in services if "build" not in service}
    assert from_registries
    assert all(image.endswith(f"@{DIGEST}") for image in from_registries)
    assert f"ARG BASE=python:3.11-slim-bookworm@{DIGEST}\n" in (tmp_path / "Dockerfile").read_text()
    asked = set((tmp_path / "asked").read_text().split())
    assert asked == {image.partition("@")[0] for image in from_registries} | {"python:3.11-slim-bookworm"}


@pytest.mark.parametrize(
    "docker",
    [None, "exit 1", "echo latest", 'case "$6" in postgres*) exit 1;; *) echo ' + DIGEST + ";; esac"],
)
def test_where_one_digest_is_not_told_nothing_is_changed(tmp_path: Path, docker: str | None) -> None:
    done = run_images(tmp_path, docker)
    assert done.returncode == 1
    assert "digest" in done.stderr
    for name in ("Dockerfile", "compose.yaml"):
        assert (tmp_path / name).read_text() == (ROOT / name).read_text()


def component(*licences: str, name: str = "it") -> dict[str, Any]:
    return {
        "name": name,
        "licenses": [
            {"expression": licence}
            if " " in licence and "::" not in licence
            else {"license": {"name": licence}}
            for licence in licences
        ],
    }


@pytest.mark.parametrize(
    "accepted",
    [
        component("MIT"),
        component("Apache-2.0 OR GPL-2.0-only"),
        component("BSD-3-Clause AND MIT"),
        component("License :: OSI Approved :: BSD License"),
        component("LGPL-3.0-only", name="psycopg"),
        {"name": "protobuf"},
    ],
)
def test_licences_that_were_looked_at_are_accepted(accepted: dict[str, Any]) -> None:
    assert sbom.with_licences({"components": [accepted]})["components"] == [accepted]


@pytest.mark.parametrize(
    "refused",
    [
        component("GPL-3.0-or-later"),
        component("MIT AND AGPL-3.0-only"),
        component("LGPL-3.0-only"),
        component("License :: OSI Approved :: GNU General Public License v3 (GPLv3)"),
        component("MIT", "GPL-2.0-only"),
        component("Proprietary"),
        {"name": "unstated"},
    ],
)
def test_a_licence_that_nobody_has_looked_at_ends_it(refused: dict[str, Any]) -> None:
    with pytest.raises(SystemExit, match="licences that nobody has looked at"):
        sbom.with_licences({"components": [refused]})


def test_a_bill_of_materials_holds_the_service_alone_with_its_weights() -> None:
    versions = {"a": "1", "b": "2"}
    bom = {
        "metadata": {"component": {"bom-ref": "root"}},
        "components": [
            {"bom-ref": f"{name}=={version}", "name": name, "version": version}
            for name, version in {**versions, "pip": "3"}.items()
        ],
        "dependencies": [
            {"ref": "root", "dependsOn": ["a==1", "pip==3"]},
            {"ref": "a==1", "dependsOn": ["pip==3"]},
            {"ref": "b==2"},
            {"ref": "pip==3"},
        ],
    }
    made = sbom.with_weights(sbom.of_the_service(bom, versions))
    cards = {path.parent.name: tomllib.loads(path.read_text()) for path in ROOT.glob("models/*/card.toml")}
    models = [item for item in made["components"] if item.get("type") == "machine-learning-model"]
    assert {item["name"] for item in made["components"]} == {"a", "b", *cards}
    assert {m["name"]: m["hashes"][0]["content"] for m in models} == {
        n: c["sha256"] for n, c in cards.items()
    }
    assert {m["name"]: m["licenses"][0]["license"]["id"] for m in models} == {
        n: c["license"] for n, c in cards.items()
    }
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in made["dependencies"]}
    assert "pip==3" not in json.dumps(needs)
    assert set(needs["root"]) == {"a==1", *(m["bom-ref"] for m in models)}


def test_a_bill_of_materials_of_something_else_than_was_locked_is_not_written() -> None:
    bom = {"metadata": {"component": {"bom-ref": "root"}}, "components": [], "dependencies": []}
    with pytest.raises(SystemExit, match=r"not installed as service\.txt says: a"):
        sbom.of_the_service(bom, {"a": "1"})
