"""A creator's dashboard: money first, then what it rests on."""

from datetime import UTC, datetime, timedelta

from frontend import panels, readers, shell, statements, summaries
from ui import cards, formats

DAYS = 28

me = shell.require("dashboard")
fmt = formats.reader_formats()
now = datetime.now(UTC)

balances = readers.read_balances(me.client, me.user_id)
reserves = readers.read_open_reserves(me.client, me.user_id)
shares = readers.read_window_shares(me.client, me.user_id)
movements = readers.read_movements(me.client, me.user_id)
videos = readers.read_videos(me.client, me.user_id)
ids = [video.video_id for video in videos]
scores = summaries.one_model(readers.read_day_scores(me.client, ids, since=now - timedelta(days=2 * DAYS)))

cards.page_head("Dashboard", "What your channel earned, what is held back until when, and what it rests on.")
cards.actions_required(summaries.actions_required(me.me, balances, shares))
steps = summaries.first_steps(me.me, videos, shares)
if not all(step.done for step in steps):
    cards.checklist(steps)
panels.money(balances, reserves, shares, movements, fmt=fmt, now=now)
panels.movements_list(movements, fmt=fmt)
panels.windows(shares, fmt=fmt)
statements.statements_panel(me, readers.read_statement_numbers(me.client, me.user_id), fmt=fmt)
panels.integrity(me.me, scores, shares, fmt=fmt, now=now)
panels.videos(videos, summaries.last_days(scores, DAYS), shares, days=DAYS, fmt=fmt)
