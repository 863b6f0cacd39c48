"""Due work for admins: jobs, their attempts, and starting one again."""

from frontend import operations, readers, shell
from ui import cards, formats

me = shell.require("due-work")
fmt = formats.reader_formats()
cards.page_head(
    "Due work", "Reserves, recorded months, statement mail and the check of the books, done without a button."
)
operations.jobs_panel(me, readers.read_jobs(me.client), fmt=fmt)
