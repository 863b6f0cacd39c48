"""Everybody's payouts for admins, with hold and release, and what was taken back."""

from frontend import clawbacks, payout_readers, payouts, shell
from revenue_split.clawbacks import clawbacks as read_clawbacks
from ui import cards, formats

me = shell.require("all-payouts")
fmt = formats.reader_formats()
cards.page_head("All payouts", "What creators asked for, where it stands, and what waits for a person.")
payouts.said()
payouts.admin_list(me, payout_readers.read_all_payouts(me.client), payout_readers.read_open_holds(me.client), fmt=fmt)
clawbacks.clawbacks_panel(me, read_clawbacks(me.client), fmt=fmt)
