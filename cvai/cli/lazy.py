"""The commands by name, imported when they are asked for.

All of them together import the service, its database and a web server; ``cvai segment`` would wait for that.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

COMMANDS = (
    "analyze",
    "segment",
    "serve",
    "worker",
    "demo",
    "doctor",
    "jobs",
    "readers",
    "dataset",
    "backup",
    "restore",
    "models",
    "train",
    "evaluate",
    "pool",
    "export",
    "phantom",
)
"""In the order of the help page; ``cvai.cli.NAME`` holds a function NAME, or a ``NAME_app`` of several."""


class LazyCommands(TyperGroup):
    """A group whose commands are imported one by one."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class gives it
        """All names."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the base class gives it
        """Import a command; None where there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"cvai.cli.{cmd_name}")
        alone = typer.Typer(rich_markup_mode="rich", add_completion=False)
        if several := getattr(module, f"{cmd_name}_app", None):
            alone.add_typer(several, name=cmd_name)
        else:
            alone.command(cmd_name)(getattr(module, cmd_name))
        return get_group(alone).commands[cmd_name]
