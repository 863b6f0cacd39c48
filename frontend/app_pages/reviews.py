"""What creators asked to be looked at again, for reviewers: evidence, accounts, an answer with its reason."""

from frontend import explanation_reads, shell
from frontend import reviews as panels
from ui import cards, formats
from viewer_activity import reviews

MOST_WAITING, MOST_ANSWERED = 20, 100

me = shell.require("reviews")
fmt = formats.reader_formats()
cards.page_head("Reviews", "What creators asked to be looked at again, the oldest first.")
panels.said()
waiting = reviews.requests(me.client, is_open=True, limit=MOST_WAITING)
explained = {
    one.review_id: explanation_reads.read_explanation(me.client, one.video_id, one.start, one.end) for one in waiting
}
panels.queue_panel(me, waiting, explained, most=MOST_WAITING, fmt=fmt)
panels.answered_panel(reviews.requests(me.client, is_open=False, limit=MOST_ANSWERED), fmt=fmt)
