"""Pictures of every page in light, dark and at 390 px, to be looked at: `python -m tests.portal.screenshots OUT`.

It starts a stack of its own with a small world in it, takes the pictures and removes the stack. With `--readme FILE`
it takes the README's one instead: the dashboard of the demo's creator (after `./run demo --no-serve`). With
`--explanations FOLDER` it takes the explanations of the demo's three most discounted videos.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import psycopg
from playwright.sync_api import BrowserContext, Page, sync_playwright

from core.settings import DEFAULT_STACK
from core.timewindows import Window
from local_stack.stack import Stack
from revenue_split import jobs, payouts, policies, windows
from revenue_split.errors import AwaitingApproval
from revenue_split.policy import FAIRSHARE_V1, PoolInputs
from supabase_conn import user_client
from tests.conftest import RunningStack
from tests.portal.scene import LAUNCH, Person, find_chromium, make_person, serve, sign_in
from tests.portal.test_explanations_page import farm
from tests.portal.world import close_window, last_days, make_events, make_video, make_viewers, populate
from viewer_activity import reviews
from viewer_activity.score import score_days

LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "has_touch": True},
}
ANONYMOUS = ("sign-in", "sign-up", "reset-password", "mailbox")


@dataclass(frozen=True)
class Cast:
    """Who signs in, and which pages they are pictured on."""

    person: Person
    name: str
    pages: tuple[str, ...]


def cast(stack: RunningStack) -> Iterator[Cast]:
    """One of each role; the creators of the world have money."""
    creator = make_person(stack, "creator", kyc_level=2, creator_trust_score=71.5)
    admin = make_person(stack, "admin")
    others = [make_person(stack, "creator", kyc_level=n % 4).user_id for n in range(6)]
    window = populate(stack, [creator.user_id, *others], videos=3, viewers=60)
    days = window.days()
    close_window(stack, Window(days[0].start, days[2].end), gross_cents=310_055)
    close_window(stack, Window(days[3].start, days[6].end), gross_cents=402_310)
    ask_for_payouts(stack, creator)
    ask_for_a_review(stack, creator, admin)
    yield Cast(creator, "creator", ("dashboard", "payouts", "viewer-activity", "explanations", "account"))
    yield Cast(make_person(stack, "creator", kyc_level=0), "new-creator", ("dashboard", "payouts"))
    yield Cast(make_person(stack), "viewer", ("home", "revenue-window"))
    yield Cast(make_person(stack, "reviewer"), "reviewer", ("viewer-activity", "reviews"))
    strict = policies.keep(stack.settings, replace(FAIRSHARE_V1, name="strict", approval_limit_cents=1))
    figures = windows.preview(
        stack.settings, Window(days[3].start, days[6].end), PoolInputs(gross_cents=9_000_00), strict, kind="bonus"
    )
    with contextlib.suppress(AwaitingApproval):
        windows.close(stack.settings, figures, "pictured")
    jobs.run_due(stack.settings)
    yield Cast(admin, "admin", ("revenue-window", "all-payouts", "due-work", "audit"))


def ask_for_payouts(stack: RunningStack, creator: Person) -> None:
    """One payout that came back, and one that is held with a reason."""
    client = user_client(stack.settings)
    client.auth.sign_in_with_password({"email": creator.email, "password": creator.password})
    for number, token in enumerate(("sim_late_return", "sim_paid")):
        method = payouts.add_method(client, provider="simulator", token=token, label=f"My account {number + 1}")
        payouts.request(client, amount_cents=1_000 + number, method_id=method, idempotency_key=f"picture {number}")
        if number == 0:
            for _ in range(3):
                payouts.send_due(stack.settings)
    payouts.hold(stack.settings, creator.user_id, reason="A person looks at an unusual week.")


def ask_for_a_review(stack: RunningStack, creator: Person, admin: Person) -> None:
    """Two videos of an earlier week with accounts on one device: one request is answered, one waits; and a clawback."""
    end = last_days(1).start - timedelta(days=40)
    window = Window(end - timedelta(days=7), end)
    videos = [make_video(stack, creator.user_id, title, window=window) for title in ("Sports day", "The choir's trip")]
    for video in videos:
        make_events(stack, video, make_viewers(stack, 30), window=window, seed=video)
        farm(stack, video, window, 24)
    score_days(stack.settings, window.days())
    asks, answers = user_client(stack.settings), user_client(stack.settings)
    for client, person in ((asks, creator), (answers, admin)):
        client.auth.sign_in_with_password({"email": person.email, "password": person.password})
    for video, words in zip(
        videos, ("They are pupils of my school, at one computer.", "Our choir's tablet."), strict=True
    ):
        number = reviews.ask(asks, video, window.start, window.end, code="shared_device", words=words)
        if video == videos[0]:
            reviews.answer(answers, number, upheld=False, words="All of it came within one hour, night after night.")
    with psycopg.connect(stack.db_url, autocommit=True) as db:
        db.execute("select claw_back(%s, 'fraud', 'case 7', 900, 'Confirmed by two people.')", (creator.user_id,))


def picture(page: Page, path: str, file: Path) -> None:
    """The whole page, once it stands still; a sideways overflow is told."""
    page.goto(f"/{path}")
    page.get_by_test_id("stAppViewContainer").wait_for()
    page.wait_for_function("() => !document.querySelector('[data-testid=stStatusWidget], [data-testid=stSkeleton]')")
    page.wait_for_timeout(1500)
    if path == "revenue-window":
        page.get_by_role("button", name="Preview").or_(page.get_by_text("This page is for")).first.wait_for(
            timeout=60_000
        )
        page.wait_for_timeout(1500)
    if path == "revenue-window" and page.get_by_role("textbox", name="Gross revenue (USD)").count():
        page.get_by_role("textbox", name="Gross revenue (USD)").fill("12000")
        page.get_by_role("button", name="Preview").click()
        page.get_by_text("Every creator").or_(page.get_by_role("alert")).first.wait_for(timeout=60_000)
        page.wait_for_timeout(2500)
        if page.get_by_text("Compare with other policies").count():
            page.get_by_text("Compare with other policies").click()
            page.get_by_role("combobox", name="Policies").click()
            page.get_by_role("option", name="strict@1").click()
            page.keyboard.press("Escape")
            page.get_by_role("button", name="Compare", exact=True).click()
            page.get_by_text("Where the rules differ").wait_for(timeout=60_000)
            page.wait_for_timeout(1500)
    # The page scrolls inside a container: the window is made as tall as its content.
    size = page.viewport_size or {"width": 1280, "height": 900}
    tall = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": max(size["height"], min(int(tall) + 20, 6000))})
    page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')")
    page.wait_for_timeout(1500)
    page.screenshot(path=file)
    wide = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    if wide > size["width"]:
        print(f"{file.name}: {wide} px wide in a window of {size['width']}")
    page.set_viewport_size(size)


def main(out: Path) -> None:
    """Takes all pictures into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    path = find_chromium()
    if path is None:
        sys.exit("no Chromium: apt-get install chromium, or name one in FAIRSHARE_CHROMIUM")
    local = Stack(f"pictures-{os.getpid()}")
    try:
        stack = RunningStack(local, local.up())
        with serve(stack, log=out / "portal.log") as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=LAUNCH)
            actors = list(cast(stack))
            for look, options in LOOKS.items():
                context: BrowserContext = browser.new_context(base_url=url, **options)  # type: ignore[arg-type]
                for name in ANONYMOUS:
                    picture(context.new_page(), name, out / f"{look}-anonymous-{name}.png")
                context.close()
                for actor in actors:
                    context = browser.new_context(base_url=url, **options)  # type: ignore[arg-type]
                    page = context.new_page()
                    sign_in(page, actor.person)
                    for name in actor.pages:
                        picture(page, name, out / f"{look}-{actor.name}-{name}.png")
                    context.close()
            browser.close()
    finally:
        local.remove()


def readme(file: Path) -> None:
    """The dashboard of the demo down to the way from share to money, with all its labels."""
    local = Stack(DEFAULT_STACK)
    password = json.loads((local.dir / "demo.json").read_text())["password"]
    stack = RunningStack(local, local.up())
    file.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as logs,
        serve(stack, log=Path(logs) / "log") as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH)
        page = browser.new_page(base_url=url, viewport={"width": 1360, "height": 968}, color_scheme="light")
        sign_in(page, Person("creator@example.com", password, 0, ""))
        page.get_by_role("heading", name="Your videos").wait_for()
        page.wait_for_timeout(2500)
        page.screenshot(path=file)
        browser.close()


def explanations(out: Path, *, name: str) -> None:
    """The explanation page as the demo's admin sees it, who knows what was paid: in every look."""
    local = Stack(name)
    password = json.loads((local.dir / "demo.json").read_text())["password"]
    stack = RunningStack(local, local.up())
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as logs,
        serve(stack, log=Path(logs) / "log") as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH)
        for look, options in LOOKS.items():
            context = browser.new_context(base_url=url, **options)  # type: ignore[arg-type]
            page = context.new_page()
            sign_in(page, Person("admin@example.com", password, 0, ""))
            picture(page, "explanations", out / f"explanations-{look}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--readme"]:
        readme(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["--explanations"]:
        explanations(Path(sys.argv[2]), name=os.environ.get("FAIRSHARE_STACK", DEFAULT_STACK))
    else:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots"))
