"""``cvai readers``: who may use the reader's page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cvai.cli.options import Config
from cvai.cli.page import session_limits
from cvai.review.database import Database
from cvai.review.server import DATABASE_NAME
from cvai.review.sign_in.accounts import Accounts, Role
from cvai.settings import load_settings

readers_app = typer.Typer(help="Manage readers of the page: add, list, remove.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Short name, as lists show it.")]


@contextmanager
def _accounts(config: Config) -> Iterator[Accounts]:
    settings = load_settings(config)
    database = Database(settings.data_folder / DATABASE_NAME)
    try:
        yield Accounts(database, session_limits(settings))
    finally:
        database.close()


@readers_app.command("add")
def add(
    name: Name,
    person: Annotated[str, typer.Option(help="Name as signed reports state it: Family^Given.")],
    role: Annotated[Role, typer.Option(help="viewer looks, reviewer signs, admin sees agreement.")] = (
        Role.REVIEWER
    ),
    config: Config = None,
) -> None:
    """Add a reader and print their token, which is not stored and cannot be shown again.

    \b
    Example: cvai readers add hart --person "Hart^Ada" --role reviewer
    """
    with _accounts(config) as accounts:
        typer.echo(accounts.add(name, role, person))


@readers_app.command("list")
def list_readers(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False, config: Config = None
) -> None:
    """List all readers.

    \b
    Example: cvai readers list
    """
    with _accounts(config) as accounts:
        readers = accounts.all()
    if as_json:
        rows = [{"name": r.name, "role": r.role, "person": r.person_name} for r in readers]
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table()
    for column in ("name", "role", "person"):
        table.add_column(column)
    for reader in readers:
        table.add_row(reader.name, reader.role, reader.person_name)
    Console().print(table)


@readers_app.command("remove")
def remove(name: Name, config: Config = None) -> None:
    """Remove a reader at once; signed results are kept.

    \b
    Example: cvai readers remove hart
    """
    with _accounts(config) as accounts:
        accounts.remove(name)
