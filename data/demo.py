"""`./run demo`: from nothing to a closed revenue window and a portal to look at, on the local Supabase alone.

Every step may be repeated: rows that are there stay, days that are scored stay scored, a closed window answers with its
first result. What the demo was made of is kept beside the stack, so that the same command finds its own data again.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from core.engine import connect
from core.errors import BadInput
from core.settings import DEFAULT_STACK, Settings
from core.terminal import Advance, console, progress
from core.timewindows import Window
from data import demo_accounts
from data.attack_report import AttackGain, attack_gains
from data.dataset import Dataset, make_dataset
from data.demo_summary import Summary, made_up_revenue, print_summary
from data.importers import import_folder
from data.insert import insert_dataset
from data.plan import Plan, midnight
from data.simulator import attack_names
from frontend import serve
from local_stack.stack import Stack
from revenue_split.ledger_checks import check
from revenue_split.policy import CLASSIC_V1, FAIRSHARE_V1, PRORATA
from revenue_split.windows import close, closed_before, default_key, preview
from viewer_activity.gateway import open_store
from viewer_activity.score import DayDone, days_with_events, score_windows, weeks

DEFAULT_USERS = 12_000
DEFAULT_DAYS = 14
WINDOW_DAYS = 7


@dataclass(frozen=True)
class Recipe:
    """What a demo is made of; kept in `.local/<stack>/demo.json`, readable by its owner alone."""

    users: int
    days: int
    seed: int
    attacks: str
    data: str | None
    end: str
    password: str

    def same_options(self, other: Recipe) -> bool:
        """Everything but what was drawn when it was first made."""
        drawn = {"end": "", "password": ""}
        return asdict(self) | drawn == asdict(other) | drawn


@dataclass
class Stages:
    """Seconds by stage, in their order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        console.print(f"{name} …")
        begin = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - begin


def run_demo(stack: Stack, recipe: Recipe) -> Summary:
    """All steps up to the summary. Raises BadInput where the stack holds something else."""
    stages = Stages()
    with stages.stage("start the local Supabase and migrate"):
        settings = stack.up()
    recipe = _kept(stack, recipe)
    dataset: Dataset | None = None
    with stages.stage("seed" if recipe.data is None else "import"):
        if recipe.data is None:
            dataset = _seed(settings, recipe)
        else:
            import_folder(settings, Path(recipe.data))
            demo_accounts.lend_creator(settings, recipe.password)
        demo_accounts.staff(settings, recipe.password)
    with stages.stage("score every day"):
        with open_store(settings) as store:
            days = days_with_events(store)
        if not days:
            raise BadInput("no day with events is over yet; there is nothing to score")
        models = [policy.model for policy in (FAIRSHARE_V1, CLASSIC_V1)]
        with progress("score", total=len(days) * len(models)) as advance:
            for model in models:
                on_day = partial(_tell, advance, model)
                score_windows(settings, weeks(days), model=model, on_day=on_day)
    window = Window(max(days[0].start, days[-1].end - timedelta(days=WINDOW_DAYS)), days[-1].end)
    with stages.stage("preview and close the last week's window"):
        events = demo_accounts.count_events(settings, window)
        inputs = made_up_revenue(events.total)
        # Imported accounts have no KYC levels: with caps nobody could be paid anything.
        use_caps = recipe.data is None
        figures = preview(settings, window, inputs, FAIRSHARE_V1, use_caps=use_caps)
        key = default_key(window, figures.policy)
        done = closed_before(settings, key, window, inputs, figures.policy) or close(settings, figures, key)
    with stages.stage("check the books"), demo_accounts.database(settings) as connection:
        broken = [found for found in check(connection) if found.rows]
    gains: list[AttackGain] = []
    if dataset is not None and dataset.world.attacks:
        with stages.stage("compare with a world without the attacks"), connect(settings) as con:
            gains = attack_gains(
                con,
                dataset.world,
                window,
                pool_cents=done["pool_cents"],
                policies=[FAIRSHARE_V1, CLASSIC_V1, PRORATA],
                use_caps=use_caps,
            )
    return Summary(
        window=window,
        inputs=inputs,
        events=events,
        figures=figures,
        done=done,
        broken=broken,
        gains=gains,
        discounts=demo_accounts.discounts(settings, window, FAIRSHARE_V1.model),
        seconds=stages.seconds,
        password=recipe.password,
        use_caps=use_caps,
    )


def _tell(advance: Advance, model: str, done: DayDone) -> None:
    advance(note=f"{model}, {done.day.start:%Y-%m-%d}")


def _kept(stack: Stack, recipe: Recipe) -> Recipe:
    """The recipe that this stack was made of, or this one from now on. Raises BadInput for another one."""
    file = stack.dir / "demo.json"
    if file.exists():
        kept = Recipe(**json.loads(file.read_text()))
        if kept.same_options(recipe):
            return kept
        raise BadInput(
            f"the local stack {stack.name!r} holds a demo with other options; choose another with --stack NAME, "
            f"or remove it with ./run stack reset --name {stack.name}"
        )
    file.touch(mode=0o600)
    file.write_text(json.dumps(asdict(recipe), indent=1))
    return recipe


def _seed(settings: Settings, recipe: Recipe) -> Dataset:
    plan = Plan(
        end=datetime.fromisoformat(recipe.end),
        days=recipe.days,
        users=recipe.users,
        seed=recipe.seed,
    )
    dataset = make_dataset(plan, attack_names(recipe.attacks))
    inserted = insert_dataset(
        settings,
        dataset,
        emails=[demo_accounts.VIEWER],
        creator_emails=[demo_accounts.CREATOR],
        password=recipe.password,
    )
    return inserted.dataset


def main(
    users: Annotated[int, typer.Option(min=10, help="Honest users to simulate.")] = DEFAULT_USERS,
    days: Annotated[int, typer.Option(min=1, max=366, help="Days to simulate; the last week is paid.")] = DEFAULT_DAYS,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same data.")] = 1,
    attacks: Annotated[str, typer.Option(help="all, none, or names separated by commas.")] = "all",
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Your users, videos and events instead of simulated ones.")
    ] = None,
    stack: Annotated[
        str | None, typer.Option(envvar="FAIRSHARE_STACK", help="Which local stack; by default one for each source.")
    ] = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="End after the summary.")] = False,
    port: Annotated[int, typer.Option(min=1024, max=65535, help="The portal's port.")] = serve.DEFAULT_PORT,
) -> None:
    """Set up, start the local Supabase, migrate, seed, score every day, close the last week's window, say who was paid
    and what did not count, and serve the portal. Never touches a hosted project. Safe to repeat.
    """
    if data is not None and not data.is_dir():
        raise BadInput("there is no such folder", file=data)
    attack_names(attacks)
    if not no_serve:
        serve.check_port(port)
    name = stack or (DEFAULT_STACK if data is None else f"demo-{data.resolve().name.lower().replace(' ', '-')}")
    recipe = Recipe(
        users=users,
        days=days,
        seed=seed,
        attacks=attacks,
        data=None if data is None else str(data.resolve()),
        end=midnight(datetime.now(UTC)).isoformat(),
        password=secrets.token_urlsafe(12),
    )
    local = Stack(name)
    summary = run_demo(local, recipe)
    print_summary(summary)
    if summary.broken:
        raise typer.Exit(1)
    _farewell(local, no_serve, port)


def _farewell(stack: Stack, no_serve: bool, port: int) -> None:
    is_default = stack.name == DEFAULT_STACK
    typer.echo("")
    if no_serve:
        typer.echo(f"serve the portal: {'' if is_default else f'FAIRSHARE_STACK={stack.name} '}./run portal")
    typer.echo(f"stop the local Supabase: ./run stack down{'' if is_default else f' --name {stack.name}'}")
    if no_serve:
        return
    os.environ["FAIRSHARE_STACK"] = stack.name
    serve.main(port=port, host=serve.LOCAL_HOST)
