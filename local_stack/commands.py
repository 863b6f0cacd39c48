"""`./run stack`: the local Supabase from the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from core.errors import StackError
from core.settings import DEFAULT_STACK
from core.terminal import console
from local_stack.stack import Stack

app = typer.Typer(
    help="Start, stop, look at or reset the local Supabase.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Option("--name", envvar="FAIRSHARE_STACK", help="Which stack; several run side by side.")]


@app.command()
def up(name: Name = DEFAULT_STACK) -> None:
    """Start what is not running and apply pending migrations. Safe to repeat."""
    stack = Stack(name)
    with console.status("starting the local Supabase …"):
        settings = stack.up()
    print(f"running: {settings.supabase_url} (keys in {stack.env_file})")


@app.command()
def down(name: Name = DEFAULT_STACK) -> None:
    """Stop it; the data stay."""
    print("stopped" if Stack(name).down() else "nothing was running")


@app.command()
def status(name: Name = DEFAULT_STACK) -> None:
    """Say what runs; exit 0 when all of it does, 1 when not."""
    found = Stack(name).status()
    if found.running:
        print(f"running: {found.url}")
        return
    parts = {"Postgres": found.postgres, "the API": found.api}
    alive = [part for part, runs in parts.items() if runs]
    if not alive:
        print("not running" if found.exists else "there is no such stack yet")
    else:
        print(f"half running: {', '.join(alive)} alone; ./run stack up repairs it")
    raise typer.Exit(1)


@app.command()
def reset(
    name: Name = DEFAULT_STACK,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove the stack's data, mail and files, then start it empty and migrated."""
    stack = Stack(name)
    if not stack.dir.exists():
        raise StackError(f"there is no local stack {name!r} to reset; ./run stack up makes one")
    if not yes:
        typer.confirm(f"Remove all data of the local stack {name!r}?", abort=True)
    with console.status("resetting the local Supabase …"):
        stack.reset()
        settings = stack.up()
    print(f"empty and running: {settings.supabase_url}")
