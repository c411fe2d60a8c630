"""What the built wheel says of itself, and what is in it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser

import pytest

from cvai.models.card import load_card
from tests.conftest import ROOT

WEIGHTS = sorted(path.name for path in (ROOT / "models").iterdir() if (path / "card.toml").is_file())
LICENCES = (
    "LICENSE",
    "cvai/dicom/write/report/fonts/DejaVu-LICENSE.txt",
    "cvai/dicom/write/report/fonts/OFL.txt",
    *(f"models/{name}/LICENSE" for name in WEIGHTS),
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    pytest.importorskip("hatchling", reason="hatchling is not installed: make install does it")
    out = tmp_path_factory.mktemp("wheel")
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(out)]
    subprocess.run([sys.executable, "-m", "pip", *build, str(ROOT)], check=True, cwd=out)
    (path,) = out.glob("cvai-*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


@pytest.mark.slow
def test_the_metadata_name_the_licences_of_code_weights_and_fonts(metadata: Message) -> None:
    terms = ["Apache-2.0", "CC-BY-NC-SA-4.0", "CC-BY-4.0", "OFL-1.1", "Bitstream-Vera"]
    assert metadata["License-Expression"] == " AND ".join(terms)
    assert set(metadata.get_all("License-File") or ()) == set(LICENCES)


def test_the_licences_that_are_named_are_in_it_word_for_word(wheel: zipfile.ZipFile) -> None:
    (folder,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    for name in LICENCES:
        assert wheel.read(f"{folder}/licenses/{name}") == (ROOT / name).read_bytes()


def test_weights_lie_beside_their_licence(wheel: zipfile.ZipFile) -> None:
    for name in WEIGHTS:
        assert {f"cvai/_models/{name}/{file}" for file in ("LICENSE", "card.toml", "model.onnx")} <= set(
            wheel.namelist()
        )


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_terms_of_weights_are_those_the_metadata_name(name: str) -> None:
    terms = load_card(ROOT / "models" / name).license
    assert terms in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"].split(" AND ")
    assert terms.replace("CC-", "CC ").replace("-4.0", " 4.0") in (
        ROOT / "models" / name / "LICENSE"
    ).read_text(encoding="utf-8")


def test_it_holds_no_tests_and_nothing_of_anybody_s_data(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" not in name} == {"cvai"}
    assert not [name for name in wheel.namelist() if name.endswith((".dcm", ".sqlite", ".pyc"))]
