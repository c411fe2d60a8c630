"""The commands by name, imported when they are asked for.

All of them together import the service, its database and a web server; ``cvai segment`` would wait for that,
and so would the help page.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "analyze": "Measure the heart in every study in SRC: MR, ultrasound and angiography.",
        "segment": "Label an image.",
        "serve": "Watch an archive, analyse its studies and store SEG, SR and PDF, until stopped.",
        "worker": "Work on queued jobs without watching the archive; for a second process or machine.",
        "demo": "Analyse a synthetic heart of known volumes with a running service.",
        "doctor": "Check whether the service can run, or explain how a study would be handled.",
        "config": "Show the settings.",
        "jobs": "List, show and retry jobs.",
        "readers": "Manage readers of the page: add, list, remove.",
        "acceptance": "Compare cvai with a site's own values, and judge by bounds that were set beforehand.",
        "intervals": "Show intervals of the model beside those that the site's own studies give.",
        "dataset": "Export and rank signed results as a data set for training.",
        "backup": "Copy jobs, decisions, accounts, results, embedded archive and configuration to a folder.",
        "restore": "Restore a backup into the data folder and jobs database of the settings.",
        "models": "Manage installed models.",
        "train": "Train a model; an interrupted run continues from its last checkpoint.",
        "evaluate": "Compare a model with the reference contours of the split's validation patients.",
        "calibrate": "Write intervals that follow a patient's difficulty into a short-axis model's card.",
        "pool": "Summarise the folds of a cross-validation.",
        "export": "Write the run's network as ONNX with its card, after checking that both compute the same.",
        "phantom": "Write a synthetic MR, ultrasound or angiography study whose measurements are known.",
    }
)
"""With the line that each begins its own help with, in the order of the help page; ``cvai.cli.NAME`` holds a
function NAME, or a ``NAME_app`` of several."""


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

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help page, for which no command is imported."""
        self._described().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Names and options that begin so; no command is imported either."""
        return self._described().shell_complete(ctx, incomplete)

    def _described(self) -> TyperGroup:
        """This group with commands that are nothing but their names and lines of help."""
        commands = [TyperCommand(name, help=line) for name, line in COMMANDS.items()]
        return TyperGroup(
            name=self.name,
            commands=commands,
            help=self.help,
            params=self.params,
            rich_markup_mode=self.rich_markup_mode,
        )
