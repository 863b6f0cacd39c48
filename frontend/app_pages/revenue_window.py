"""Revenue windows for admins: inputs, a preview that writes nothing, and one close that happens once."""

from frontend import readers, revenue, shell
from ui import cards, formats

me = shell.require("revenue-window")
fmt = formats.reader_formats()
cards.page_head("Revenue window", "What came in, what creators get of it, and the close that makes it final.")
closed = readers.read_closed_windows(me.client)
revenue.inputs_form(me, fmt=fmt, closed=closed)
draft = revenue.current_draft()
if draft is not None:
    revenue.preview_panel(me, draft, closed=closed, fmt=fmt)
revenue.closed_panel(closed, fmt=fmt)
