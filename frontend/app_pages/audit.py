"""Who did what, when, with which figures; for admins."""

from frontend import operations, readers, shell
from ui import cards, formats

me = shell.require("audit")
fmt = formats.reader_formats()
cards.page_head("Audit", "Every act of staff and jobs, written down with the act itself and never changed.")
operations.audit_panel(readers.read_audit(me.client), fmt=fmt)
