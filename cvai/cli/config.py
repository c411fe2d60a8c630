"""``cvai config``: the settings in force, and where each is from."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import typer
from pydantic import BaseModel, SecretStr

from cvai.cli.options import AsJson, Config
from cvai.settings import Settings, load_settings

config_app = typer.Typer(help="Show the settings.", no_args_is_help=True)

NOT_SHOWN = "(set, not shown)"


@config_app.callback()
def _config() -> None:
    """Show the settings."""


@config_app.command("show")
def show(config: Config = None, as_json: AsJson = False) -> None:
    r"""Print every setting as it is in force, and whether the environment, the file or the default gives it.

    Passwords and tokens are not printed.

    \b
    Example: cvai config show --config service.toml
    """
    settings = load_settings(config)
    in_file = {} if config is None else tomllib.loads(config.read_text(encoding="utf-8"))
    rows = [(name, value, _source(name, in_file)) for name, value in _values(settings)]
    if as_json:
        typer.echo(
            json.dumps({name: {"value": value, "from": source} for name, value, source in rows}, indent=1)
        )
        return
    width = max(len(name) for name, _, _ in rows)
    for name, value, source in rows:
        typer.echo(f"{name:<{width}}  {json.dumps(value, ensure_ascii=False)}{_said(source)}")


def _said(source: str) -> str:
    return "" if source == "default" else f"  # {source}"


def _values(settings: BaseModel, table: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting by its name, such as ``folder.inbox``, with its value as JSON has it; no secret."""
    as_json = settings.model_dump(mode="json")
    for key in type(settings).model_fields:
        value = getattr(settings, key)
        if isinstance(value, BaseModel):
            yield from _values(value, f"{table}{key}.")
        else:
            yield f"{table}{key}", NOT_SHOWN if isinstance(value, SecretStr) else as_json[key]


def _source(name: str, in_file: Mapping[str, Any]) -> str:
    """``environment`` before ``file`` before ``default``, as they are read."""
    parts = name.split(".")
    prefix = Settings.model_config["env_prefix"]
    # A whole table may be given as JSON in one variable.
    variables = {f"{prefix}{'__'.join(parts[: n + 1])}".upper() for n in range(len(parts))}
    if variables & {key.upper() for key in os.environ}:
        return "environment"
    found: Any = in_file
    for part in parts:
        if not isinstance(found, Mapping) or part not in found:
            return "default"
        found = found[part]
    return "file"
