from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).with_name("cvai")


@pytest.mark.slow
def test_the_installed_command_turns_errors_into_a_code_a_message_and_a_hint(tmp_path: Path) -> None:
    (script,) = entry_points(group="console_scripts", name="cvai")
    assert script.value == "cvai.cli.main:run"
    ended = subprocess.run(
        [SCRIPT, "segment", str(tmp_path / "missing.nii.gz"), str(tmp_path / "out.nii.gz")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    assert "not_nifti" in ended.stderr
    assert "hint:" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("asked", [["--help"], ["jobs", "--help"], ["jobs", "list", "--help"]])
def test_a_help_page_does_not_wait_for_what_the_commands_need(asked: list[str]) -> None:
    heavy = {"numpy", "scipy", "pydicom", "dbos", "fastapi", "sqlalchemy", "pydantic_settings"}
    script = (
        "import sys\nfrom typer.testing import CliRunner\nfrom cvai.cli.main import app\n"
        f"shown = CliRunner().invoke(app, {asked})\n"
        "assert shown.exit_code == 0\nassert 'Usage' in shown.output\n"
        f"assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.slow
def test_a_command_imports_what_it_needs_and_not_the_service() -> None:
    script = (
        "import sys\nfrom typer.testing import CliRunner\nfrom cvai.cli.main import app\n"
        "assert CliRunner().invoke(app, ['segment', '--help']).exit_code == 0\n"
        "assert not {'dbos', 'fastapi', 'sqlalchemy'} & set(sys.modules)\n"
        "assert CliRunner().invoke(app, ['serve', '--help']).exit_code == 0\n"
        "assert {'dbos', 'fastapi', 'sqlalchemy'} <= set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("command", [("train", "configs/train/sax.toml"), ("evaluate", "--model", "sax")])
def test_a_command_for_training_says_what_is_missing_where_the_service_is_installed_alone(
    command: tuple[str, ...],
) -> None:
    blocked = "'torch', 'monai', 'mlflow', 'matplotlib', 'onnx', 'onnxscript', 'tomlkit'"
    script = (
        f"import sys\nsys.modules.update(dict.fromkeys([{blocked}]))\n"
        f"sys.argv = {['cvai', *command]!r}\nfrom cvai.cli.main import run\nrun()\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "training_not_installed" in ended.stderr
    assert "cvai[train]" in ended.stderr
    assert "Traceback" not in ended.stderr
