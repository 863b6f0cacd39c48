"""The command table: which function answers `./run NAME`.

A command's module is imported when it is asked for, so that `./run stack status` does not wait for the scoring
engine.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import os
import sys
from dataclasses import dataclass

import typer
from typer._click.exceptions import ClickException  # Typer's own copy, public under no other name

from core.cli import INTERRUPTED, guarded
from core.errors import BadInput

# Nothing here multiplies matrices; numpy's OpenBLAS would start threads that spin while they wait.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@dataclass(frozen=True, slots=True)
class Command:
    """One line of the table; `target` is `module:attribute`, a function or a Typer application."""

    name: str
    target: str
    help: str


COMMANDS = (
    Command("demo", "data.demo:main", "set up, seed, score, close a window, say who was paid, serve the portal"),
    Command("test", "checks:run_tests", "every test: lint, types, units, database, browser"),
    Command("check", "checks:run_checks", "lint, format, types, dead code"),
    Command("portal", "frontend.serve:main", "serve the portal"),
    Command("stack", "local_stack.commands:app", "up, down, status, reset of the local Supabase"),
    Command("seed", "data.generate_fake_data:main", "generate believable users, videos, events and attacks"),
    Command("import", "data.importers:main", "bring users, videos and events from files into Supabase"),
    Command("score", "viewer_activity.score:main", "score closed days and keep the result"),
    Command("split", "revenue_split.split:main", "score and split a pool with files alone"),
    Command("explain", "revenue_split.explain:main", "say why a video's events counted as they did, with files alone"),
    Command("close-window", "revenue_split.windows:main", "preview or close a revenue window"),
    Command("monthly", "revenue_split.monthly:main", "score, close and state a month, once"),
    Command("reverse-window", "revenue_split.reversal:main", "take a closed revenue window back"),
    Command("policies", "revenue_split.policies:app", "list, show and add the policies of revenue windows"),
    Command("payouts", "revenue_split.payouts:main", "send payouts, hear what became of them, compare the books"),
    Command("compare-policies", "revenue_split.compare_command:main", "what each policy would pay, nothing written"),
    Command("release-reserves", "revenue_split.reserves:main", "release the reserves whose time has come"),
    Command("jobs", "revenue_split.jobs:app", "run, plan, list and retry the work that is due"),
    Command("check-ledger", "revenue_split.ledger_checks:main", "check every invariant of the books"),
    Command("redteam", "data.redteam:main", "draw weeks and attacks afresh, print what each policy pays them"),
    Command("bench", "benchmarks.bench:main", "measure speed and memory against DuckDB's bare count"),
)


def _overview() -> None:
    # Loaded here, for only this list is drawn.
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2))
    for command in COMMANDS:
        table.add_row(f"./run {command.name}", command.help)
    out = Console(highlight=False)
    out.print("Fairshare: pay creators by trusted engagement.\n")
    out.print(table)
    out.print("\n./run COMMAND --help tells a command's options.")


def _application(command: Command) -> typer.Typer:
    module, attribute = command.target.split(":")
    # What is imported stays until the end: meanwhile there is no garbage to look for.
    gc.disable()
    try:
        target = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        # The image has what the portal and the jobs need; the local Supabase, demo and tests need more.
        raise BadInput(f"./run {command.name} needs the package {error.name}, see requirements-dev.txt") from None
    finally:
        gc.enable()
    if isinstance(target, typer.Typer):
        return target
    application = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    application.command(name=command.name, help=paragraphs(target.__doc__ or ""))(target)
    return application


def paragraphs(text: str) -> str:
    """One line a paragraph, so that the help is wrapped to the reader's terminal and not to the source."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))


def _run(command: Command, arguments: list[str]) -> None:
    # Typer would print a box for a wrong option and nothing for an interruption; here both are one line.
    try:
        code = _application(command)(args=arguments, prog_name=f"./run {command.name}", standalone_mode=False)
    except ClickException as error:
        if not error.format_message():  # the help was asked for by giving nothing
            raise SystemExit(error.exit_code) from None
        raise BadInput(f"{error.format_message()} (./run {command.name} --help tells the options)") from None
    except typer.Abort:
        raise BadInput("stopped, nothing was done") from None
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if isinstance(code, int) and code:
        raise SystemExit(code)


def main(arguments: list[str]) -> None:
    """Runs one command; ends the program with its exit code."""
    with guarded():
        if not arguments or arguments[0] in ("-h", "--help", "help"):
            _overview()
            return
        command = next((c for c in COMMANDS if c.name == arguments[0]), None)
        if command is None:
            names = ", ".join(c.name for c in COMMANDS)
            raise BadInput(f"there is no command {arguments[0]!r}; there are {names}")
        _run(command, arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
