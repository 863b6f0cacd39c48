"""Revenue windows for admins: inputs, a preview that writes nothing, one close, the second approval, the reversal."""

from frontend import approvals, comparison, readers, revenue, shell
from ui import cards, formats

me = shell.require("revenue-window")
fmt = formats.reader_formats()
cards.page_head("Revenue window", "What came in, what creators get of it, and the close that makes it final.")
approvals.told()
closed = readers.read_closed_windows(me.client)
kept = readers.read_policies(me.client)
approvals.proposals_panel(me, readers.read_proposals(me.client), fmt=fmt)
revenue.inputs_form(me, fmt=fmt, closed=closed, kept=kept)
draft = revenue.current_draft()
if draft is not None:
    revenue.preview_panel(me, draft, closed=closed, fmt=fmt)
    comparison.comparison_panel(me, draft, kept, fmt=fmt)
revenue.closed_panel(closed, fmt=fmt)
approvals.reversal_panel(me, closed, fmt=fmt)
