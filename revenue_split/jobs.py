"""`./run jobs`: due work, done by whoever runs this command, once each.

The database plans and hands out jobs; a worker takes one with a lease, renews it while it works, and writes down what
came of it. A failure is tried again later, each time after twice the wait; what needs a person first is put off. Every
job may be done twice without a second effect, so a worker that dies costs time and nothing else.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from core.errors import ConfigError, FairshareError, StackError
from core.settings import Settings, load_settings
from revenue_split import calls, ledger_checks, monthly, reading, revenue_inputs, statement_mail, statements
from revenue_split.errors import AwaitingApproval, NoStatements, NotThisJob, ProposalSettled
from revenue_split.mail import mailer
from revenue_split.monthly import Month
from revenue_split.reserves import release_due
from supabase_conn import sql_connection

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn

LEASE_S = 120
#: A lease is renewed three times before it would run out.
RENEW_S = LEASE_S / 4


@dataclass(frozen=True, slots=True)
class Job:
    """A job as a worker got it."""

    job_id: int
    kind: str
    key: str
    arguments: dict[str, Any]
    attempt: int
    started_at: str


@dataclass(frozen=True, slots=True)
class Done:
    """An attempt and what came of it: done, failed or deferred, and the job's state after it."""

    job: Job
    outcome: str
    #: "done", "failed", "waiting" or "dead".
    status: str
    #: What it did, or why it did not.
    words: str


Handler = Callable[[Settings, Mapping[str, Any]], dict[str, Any]]


def release_reserves(settings: Settings, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Reserves whose time has come."""
    released = release_due(settings)
    return {"released": released.count, "cents": released.cents}


def monthly_close(settings: Settings, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The month whose revenue was recorded, by the latest figures."""
    month = Month.parse(arguments["month"])
    plan = revenue_inputs.recorded(settings, month.window)
    if plan is None:
        raise StackError(f"the revenue of {month.text} was recorded and is not there")
    run = monthly.run_month(settings, month, plan)
    closed = run.closed or {}
    return {"revenue_window_id": closed.get("revenue_window_id"), "statements": run.statements}


def mail_statements(settings: Settings, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The statements of a closed window are issued, where that was not done yet, and creators are told."""
    window_id = arguments["revenue_window_id"]
    try:
        issued = statements.issue(settings, window_id)
    except NoStatements:
        # Reversed before anybody was told: there is nothing to tell.
        return {"statements": 0, "mails": 0}
    return {"statements": issued["statements"], "mails": statement_mail.send_all(settings, mailer(settings), window_id)}


def check_ledger(settings: Settings, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Every invariant of the books. Raises StackError naming those that do not hold."""
    connection = sql_connection(settings)
    if connection is None:
        raise ConfigError("check-ledger looks across all accounts and needs SUPABASE_DB_URL")
    with connection:
        findings = ledger_checks.check(connection)
    broken = [found.invariant.code for found in findings if found.rows]
    if broken:
        raise StackError(f"the books are not in order: {', '.join(broken)}")
    return {"invariants": len(findings)}


HANDLERS: Mapping[str, Handler] = {
    "release_reserves": release_reserves,
    "monthly_close": monthly_close,
    "statement_mail": mail_statements,
    "check_ledger": check_ledger,
}


def retry(who: Settings | Client, job_id: int) -> None:
    """Has a job that failed or died tried again at once. Raises NotThisJob, NotAllowed."""
    calls.call(who, "retry_job", p_job_id=job_id)


def plan(settings: Settings) -> int:
    """Makes a job of all work that is due, once per key; returns how many are new."""
    return int(calls.call(settings, "plan_jobs"))


def run_due(
    settings: Settings,
    *,
    worker: str | None = None,
    on_done: Callable[[Done], None] = lambda done: None,
    handlers: Mapping[str, Handler] = HANDLERS,
) -> list[Done]:
    """Plans, then takes one due job after the other until none is left.

    Work that a job makes due (a closed month has statements to mail) is planned and done in the same run.
    """
    me = worker or f"{socket.gethostname()}-{os.getpid()}"
    finished: list[Done] = []
    plan(settings)
    while (job := _claim(settings, me)) is not None:
        done = _attempt(settings, me, job, handlers[job.kind])
        finished.append(done)
        on_done(done)
        if done.outcome == "done":
            plan(settings)
    return finished


def _claim(settings: Settings, worker: str) -> Job | None:
    found = calls.call(settings, "claim_job", p_worker=worker, p_lease_seconds=LEASE_S)
    if found is None:
        return None
    return Job(found["id"], found["kind"], found["key"], found["arguments"], found["attempt"], found["started_at"])


def _attempt(settings: Settings, worker: str, job: Job, handler: Handler) -> Done:
    result: dict[str, Any] | None = None
    error: str | None = None
    try:
        with _lease(settings, worker, job):
            result = handler(settings, job.arguments)
        outcome = "done"
    except (AwaitingApproval, ProposalSettled) as waits:
        outcome, error = "deferred", waits.sentence
    except FairshareError as refused:
        outcome, error = "failed", refused.sentence
    except Exception as bug:
        # The attempt is written down before the bug goes on its way: a job that nobody sees failing is never mended.
        _finish(settings, worker, job, "failed", None, f"{type(bug).__name__}: {bug}")
        raise
    try:
        status = _finish(settings, worker, job, outcome, result, error)
    except NotThisJob as lost:
        return Done(job, "failed", "lost", lost.sentence)
    words = error or ", ".join(f"{name} {value}" for name, value in (result or {}).items())
    return Done(job, outcome, status, words)


def _finish(
    settings: Settings, worker: str, job: Job, outcome: str, result: dict[str, Any] | None, error: str | None
) -> str:
    answer = calls.call(
        settings,
        "finish_job",
        p_job_id=job.job_id,
        p_worker=worker,
        p_attempt=job.attempt,
        p_started_at=job.started_at,
        p_outcome=outcome,
        p_result=result,
        p_error=error,
    )
    return str(answer["status"])


@contextmanager
def _lease(settings: Settings, worker: str, job: Job) -> Iterator[None]:
    """Renews the lease in the background for as long as the work takes."""
    stop = threading.Event()

    def renew() -> None:
        while not stop.wait(RENEW_S):
            try:
                calls.call(
                    settings,
                    "renew_job",
                    p_job_id=job.job_id,
                    p_worker=worker,
                    p_attempt=job.attempt,
                    p_lease_seconds=LEASE_S,
                )
            except FairshareError:
                # Told by the end of the work: a lease that could not be renewed may be another worker's by then.
                continue

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


# -- ./run jobs ---------------------------------------------------------------------------------------------------

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Work that is due without a button.",
)
Stack = Annotated[str | None, typer.Option(help="A local stack by name.")]
FAILED = 1


@app.command("run")
def run_command(
    every: Annotated[
        int | None, typer.Option(min=1, max=86_400, metavar="S", help="Go on, and look again every S seconds.")
    ] = None,
    stack: Stack = None,
) -> None:
    """Plan and do all work that is due: reserves, recorded months, statement mail, the check of the books.

    For a timer, or with --every as a service. Exit code 1 when a job failed; it is tried again later.
    """
    settings = load_settings(stack)
    while True:
        done = run_due(settings, on_done=lambda one: typer.echo(f"{one.job.key}: {one.outcome} ({one.words})"))
        if every is None:
            if any(one.outcome == "failed" for one in done):
                raise typer.Exit(FAILED)
            return
        time.sleep(every)


@app.command("plan")
def plan_command(stack: Stack = None) -> None:
    """Make a job of all work that is due, and do none of it."""
    typer.echo(f"{plan(load_settings(stack))} new jobs")


@app.command("list")
def list_command(
    latest: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="So many, the newest first.")] = 20,
    stack: Stack = None,
) -> None:
    """The latest jobs and what came of them."""
    table = Table(show_edge=False, pad_edge=False)
    for title in ("no.", "job", "state", "attempts", "next", "what came of it"):
        table.add_column(title, overflow="fold")
    for row in listed(load_settings(stack), latest=latest):
        finished = row["status"] in ("done", "dead")
        words = row["last_error"] or ", ".join(f"{name} {value}" for name, value in (row["result"] or {}).items())
        table.add_row(
            str(row["id"]), row["key"], row["status"], str(row["attempts"]),
            "" if finished else row["next_attempt_at"][:16], words,
        )  # fmt: skip
    Console(highlight=False).print(table)


def listed(who: Settings | Client, *, latest: int = 50) -> list[dict[str, Any]]:
    """The latest jobs as rows of the table, the newest first; for jobs and admins."""
    columns = ("kind", "key", "status", "attempts", "next_attempt_at", "result", "last_error", "finished_at")
    return reading.read(who, "jobs", columns, key="id", latest=latest)


@app.command("retry")
def retry_command(
    job: Annotated[int, typer.Argument(metavar="NO", min=1, help="The job's number (./run jobs list).")],
    stack: Stack = None,
) -> None:
    """Have a job that failed or died tried again at once."""
    retry(load_settings(stack), job)
    typer.echo(f"job {job} is due again")
