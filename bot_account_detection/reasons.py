"""Every reason for which an event counts less, or not at all: one frozen table for code, pages, documents and tests.

A creator reads `sentence` and `action`: what happened and what can be done. Neither says where a limit lies: a
threshold that is known is a threshold that is evaded. Reviewers read `review` beside the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Who says so."""

    RULE = "rule"
    """It follows from what the event is."""

    MACHINE = "machine"
    """A family of signals found it."""

    PERSON = "person"
    """A reviewer decided it."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One code. `counts`: what becomes of the events, in a word or two."""

    code: str
    source: Source
    title: str
    counts: str
    sentence: str
    action: str
    review: str

    @property
    def may_ask(self) -> bool:
        """Whether its action names a review; the database holds the same list."""
        return _APPEAL in self.action


#: The code of what counts without a remark.
COUNTED = "counted"

_APPEAL = "If you know these people to be real, ask for a review: what a reviewer decides outranks the machine."
_NOTHING = "There is nothing that you need to do."

CATALOGUE: tuple[Reason, ...] = (
    Reason(
        COUNTED, Source.RULE, "Counted", "counted",
        "These viewers are counted, each with the weight that their account has earned.",
        _NOTHING,
        "No independent family speaks against these accounts.",
    ),
    Reason(
        "own_event", Source.RULE, "Your own activity", "not counted",
        "What you do on your own videos is left out, for every creator alike.",
        _NOTHING,
        "Events of the video's own creator.",
    ),
    Reason(
        "reported_it", Source.RULE, "From people who reported the video", "not counted",
        "Whoever reports a video gives it nothing: their views and likes neither help nor harm you.",
        _NOTHING,
        "Engagement of accounts that also reported the video.",
    ),
    Reason(
        "reports", Source.RULE, "Reports", "a review is open",
        "People reported the video. Until a reviewer has looked, reports move the score very little; all reports of "
        "accounts that act as one are one vote.",
        "Wait for the review. If the video breaks a rule, take it down or change it.",
        "Decide: upheld or dismissed. The reporters are believed more or less next time.",
    ),
    Reason(
        "new_account", Source.MACHINE, "From new or unproven accounts", "counted in part",
        "Accounts that are new, or of which little is known, count for little at first. Their weight grows by itself "
        "as they grow older, and faster once their owners have shown who they are.",
        "Nothing is wrong with your video. Viewers who stay and verify their phone or identity count more.",
        "The tier is low: age, KYC level, trust score or the flag of a likely bot.",
    ),
    Reason(
        "shared_device", Source.MACHINE, "From accounts that share devices", "counted in part",
        "Many accounts used the same devices. The more accounts share a device, the less each of them counts, down to "
        "the few people who can use one device.",
        f"Do not take views from devices that serve many accounts. {_APPEAL}",
        "More accounts on one device than a household has; see which devices and who else uses them.",
    ),
    Reason(
        "together_at_one_place", Source.MACHINE, "From accounts that move as a group", "counted in part",
        "Accounts at one device or one network kept coming to the same videos. Each of them counts less, down to the "
        "few people who seem to be behind them. Sharing a network alone changes nothing.",
        f"If somebody offered you an audience, end it. {_APPEAL}",
        "Accounts at one place that meet on the same videos far more often than the place explains.",
    ),
    Reason(
        "moves_in_lockstep", Source.MACHINE, "From accounts that act as one", "counted in part",
        "These accounts came to the same videos at nearly the same times and did little else. Each of them counts "
        "less, down to the few people who seem to be behind them.",
        f"If you bought or traded engagement, end it: it brings you nothing. {_APPEAL}",
        "A cluster in lockstep; see the videos they met on and when.",
    ),
    Reason(
        "one_shot_crowd", Source.MACHINE, "From throw-away accounts", "counted in part",
        "Far more accounts than is usual did hardly anything on the platform, and did it here. They count as the "
        "number that is usual.",
        f"You need not do anything if you did not send for them. {_APPEAL}",
        "More one-shot accounts than comparable creators have.",
    ),
    Reason(
        "crowd_for_one_creator", Source.MACHINE, "From a crowd that came for you alone", "counted in part",
        "Far more accounts than is usual came for your videos and for hardly anything else. They count as the number "
        "that is usual; the fans you always had are counted first.",
        f"You need not do anything if you did not send for them. {_APPEAL}",
        "A devoted crowd far beyond what comparable creators have.",
    ),
    Reason(
        "accounts_of_one_age", Source.MACHINE, "From accounts made together", "counted in part",
        "Far more accounts than is usual in an audience were opened at about the same time. They count as the number "
        "that is usual.",
        f"You need not do anything if you did not send for them. {_APPEAL}",
        "A batch: more accounts of one age than comparable creators have.",
    ),
    Reason(
        "crowd_that_praises", Source.MACHINE, "From a crowd that only praises", "counted in part",
        "Far more accounts than is usual liked, commented or shared nearly everything that they saw of yours. They "
        "count as the number that is usual.",
        f"Agreements to like each other's videos bring you little. {_APPEAL}",
        "Praise far beyond what comparable audiences give.",
    ),
    Reason(
        "crowd_that_comes_for_this_alone", Source.MACHINE, "From accounts that drop by for you", "counted in part",
        "Far more accounts than is usual came for your videos apart from everything else that they did. They count as "
        "the number that is usual.",
        f"You need not do anything if you did not send for them. {_APPEAL}",
        "Sittings in which only this creator was visited, by accounts that are otherwise elsewhere.",
    ),
    Reason(
        "one_creator_only", Source.MACHINE, "From accounts with one favourite", "counted in part",
        "Some accounts came to your videos again and again and to nearly nobody else's, far beyond what popularity "
        "explains. Each of them counts less for it. For this alone, nobody loses more than a part.",
        f"Real fans are welcome. {_APPEAL}",
        "Concentration of single viewers on this creator.",
    ),
    Reason(
        "mutual_circle", Source.MACHINE, "From creators who visit one another", "counted in part",
        "Creators in a circle visit each other far more often than their habits explain. What they do for one another "
        "counts in part; they are real people and never count for nothing.",
        f"Agreements to like each other's videos bring you little. {_APPEAL}",
        "Mutual visits between creators beyond chance.",
    ),
    Reason(
        "counts_less_here", Source.MACHINE, "From an unusual part of your audience", "counted in part",
        "Part of your audience is of a kind that comparable creators have far less of. It counts as the number that is "
        "usual.",
        f"You need not do anything if you did not send for them. {_APPEAL}",
        "The accounts count less for this creator than their own weight says.",
    ),
    Reason(
        "automation", Source.PERSON, "From automated accounts", "not counted",
        "A reviewer found that these accounts are run by a program.",
        _APPEAL,
        "Confirmed: a program, no person.",
    ),
    Reason(
        "paid_engagement", Source.PERSON, "From paid accounts", "not counted",
        "A reviewer found that these accounts sell engagement.",
        f"End any such service. {_APPEAL}",
        "Confirmed: sells views, likes or comments.",
    ),
    Reason(
        "traded_account", Source.PERSON, "From accounts that changed hands", "not counted",
        "A reviewer found that these accounts were sold by those who opened them.",
        _APPEAL,
        "Confirmed: bought or rented with somebody else's history or identity.",
    ),
    Reason(
        "hijacked_account", Source.PERSON, "From hijacked accounts", "not counted",
        "A reviewer found that these accounts were used by somebody else than their owners.",
        _NOTHING,
        "Confirmed: taken over; expires when the owner has it back.",
    ),
    Reason(
        "returned_after_ban", Source.PERSON, "From accounts of people who were banned", "not counted",
        "A reviewer found that people who were banned came back with these accounts.",
        _NOTHING,
        "Confirmed: the person was banned before.",
    ),
    Reason(
        "household", Source.PERSON, "Cleared: one household", "counted in full",
        "A reviewer looked: these are people of one household. They count in full.",
        _NOTHING,
        "Cleared: different people who share devices at home.",
    ),
    Reason(
        "institution", Source.PERSON, "Cleared: a school, firm or library", "counted in full",
        "A reviewer looked: these are people of one school, firm or library. They count in full.",
        _NOTHING,
        "Cleared: different people behind shared devices or one network.",
    ),
    Reason(
        "real_event", Source.PERSON, "Cleared: a real event", "counted in full",
        "A reviewer looked: these people came because of something that happened. They count in full.",
        _NOTHING,
        "Cleared: an event, a broadcast or the press explains the crowd.",
    ),
    Reason(
        "identity_shown", Source.PERSON, "Cleared: identity shown", "counted in full",
        "A reviewer looked: this person has shown who they are. They count in full.",
        _NOTHING,
        "Cleared: a document or a call proves the person.",
    ),
    Reason(
        "appeal_upheld", Source.PERSON, "Cleared: appeal", "counted in full",
        "An appeal was right: these accounts count in full.",
        _NOTHING,
        "Cleared after an appeal, by another reviewer than the first.",
    ),
)  # fmt: skip
BY_CODE = {reason.code: reason for reason in CATALOGUE}

#: The codes that a reviewer may give with each verdict; the database holds the same lists.
CONFIRMED = ("automation", "paid_engagement", "traded_account", "hijacked_account", "returned_after_ban")
CLEARED = ("household", "institution", "real_event", "identity_shown", "appeal_upheld")
WITHDRAWN = ("decided_in_error", "new_evidence")


def reason(code: str) -> Reason:
    """The entry of a code. KeyError for a code that is in no catalogue."""
    return BY_CODE[code]


_INTRODUCTION = """Every code that may stand on a video's explanation: what a creator reads, and what can be done.
`bot_account_detection/reasons.py` makes this page; a test compares them."""


def page() -> str:
    """The catalogue as the page docs/reasons.md."""
    heads = {
        Source.RULE: "What follows from the rules",
        Source.MACHINE: "What the machine found",
        Source.PERSON: "What a reviewer decided",
    }
    parts = ["# Why an event counted less", _INTRODUCTION]
    for source, head in heads.items():
        parts.append(f"## {head}")
        parts += [
            f"### {one.title}\n\n`{one.code}` · {one.counts}\n\n{one.sentence}\n\n*{one.action}*"
            for one in CATALOGUE
            if one.source is source
        ]
    return "\n\n".join(parts) + "\n"
