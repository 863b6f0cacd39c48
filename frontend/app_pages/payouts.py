"""A creator's payouts: what there is, what stands against paying it out, the request, and what became of each."""

from datetime import UTC, datetime

from frontend import payout_readers, payouts, readers, shell
from revenue_split.payouts import eligibility
from ui import cards, formats

me = shell.require("payouts")
fmt = formats.reader_formats()
found = eligibility(me.client)
methods = payout_readers.read_methods(me.client, me.user_id)
reserves = readers.read_open_reserves(me.client, me.user_id)
rows = payout_readers.read_payouts(me.client, me.user_id)

cards.page_head("Payouts", "What can be paid out, what waits until when, and what became of each payout.")
payouts.said()
payouts.simulator_notice(methods)
payouts.balance(found, reserves, fmt=fmt, now=datetime.now(UTC))
payouts.request_panel(me, found, methods, fmt=fmt)
payouts.payout_list(me, rows, fmt=fmt)
payouts.methods_panel(me, methods)
