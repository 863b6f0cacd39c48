"""Which pages there are and who sees them: data, and one pure function over it.

The database decides what a page can read or do; this registry only spares people doors that would not open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl, urlsplit


class Role(StrEnum):
    """What somebody is to the portal. From `users.is_creator` and `staff`, never from what a user can edit."""

    ANONYMOUS = "anonymous"  #: not signed in
    VIEWER = "viewer"  #: signed in and nothing else
    CREATOR = "creator"
    REVIEWER = "reviewer"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Entry:
    """One page: its address, its words, its module in `app_pages`, and the roles that see it."""

    path: str
    title: str
    icon: str
    section: str
    roles: frozenset[Role]
    help: str
    local_only: bool = False

    @property
    def module(self) -> str:
        """The file in `app_pages`."""
        return self.path.replace("-", "_")


_SIGNED_IN = frozenset({Role.VIEWER, Role.CREATOR, Role.REVIEWER, Role.ADMIN})
_ANYBODY = _SIGNED_IN | {Role.ANONYMOUS}

#: In the order of the menu; the first page that somebody sees is their start page.
REGISTRY: tuple[Entry, ...] = (
    Entry("sign-in", "Sign in", "login", "Welcome", frozenset({Role.ANONYMOUS}), "Enter with e-mail and password."),
    Entry("sign-up", "Create account", "person_add", "Welcome", frozenset({Role.ANONYMOUS}), "Make an account."),
    Entry(
        "reset-password",
        "Reset password",
        "lock_reset",
        "Welcome",
        frozenset({Role.ANONYMOUS}),
        "Set a new password with a mailed code or link.",
    ),
    Entry(
        "dashboard",
        "Dashboard",
        "space_dashboard",
        "My channel",
        frozenset({Role.CREATOR}),
        "What you earned, what is held back until when, and how your videos score.",
    ),
    Entry(
        "payouts",
        "Payouts",
        "payments",
        "My channel",
        frozenset({Role.CREATOR}),
        "What can be paid out, and what became of each payout.",
    ),
    Entry("home", "Home", "home", "My account", frozenset({Role.VIEWER}), "Your account and how to become a creator."),
    Entry(
        "revenue-window",
        "Revenue window",
        "account_balance",
        "Administration",
        frozenset({Role.ADMIN}),
        "Preview a revenue window and close it.",
    ),
    Entry(
        "all-payouts",
        "All payouts",
        "payments",
        "Administration",
        frozenset({Role.ADMIN}),
        "Everybody's payouts, with hold and release.",
    ),
    Entry(
        "due-work",
        "Due work",
        "schedule",
        "Administration",
        frozenset({Role.ADMIN}),
        "Jobs that run without a button, and what came of them.",
    ),
    Entry(
        "audit",
        "Audit",
        "history",
        "Administration",
        frozenset({Role.ADMIN}),
        "Who did what, when, with which figures.",
    ),
    Entry(
        "viewer-activity",
        "Viewer activity",
        "monitoring",
        "Integrity",
        frozenset({Role.CREATOR, Role.REVIEWER, Role.ADMIN}),
        "Integrity scores of videos, day by day.",
    ),
    Entry(
        "explanations",
        "Explanations",
        "help_center",
        "Integrity",
        frozenset({Role.CREATOR, Role.REVIEWER, Role.ADMIN}),
        "Why events of a video counted as they did, and what can be done.",
    ),
    Entry(
        "clusters",
        "Clusters",
        "hub",
        "Integrity",
        frozenset({Role.REVIEWER, Role.ADMIN}),
        "Accounts that act as one, with their evidence, and verdicts on them.",
    ),
    Entry(
        "reviews",
        "Reviews",
        "rate_review",
        "Integrity",
        frozenset({Role.REVIEWER, Role.ADMIN}),
        "What creators asked to be looked at again.",
    ),
    Entry("account", "Account", "manage_accounts", "My account", _SIGNED_IN, "Password and signing out everywhere."),
    Entry("mailbox", "Mailbox", "mail", "Local", _ANYBODY, "Mail that this local stack would send.", local_only=True),
)


def pages_for(*roles: Role, local: bool = False) -> tuple[Entry, ...]:
    """The pages that somebody with these roles sees, in menu order; no role sees nothing."""
    held = frozenset(roles)
    return tuple(entry for entry in REGISTRY if entry.roles & held and (local or not entry.local_only))


def start_page(pages: tuple[Entry, ...], *, preferred: str | None = None) -> Entry:
    """Where to begin: the preferred page if it is among them, else the first."""
    return next((entry for entry in pages if entry.path == preferred), pages[0])


def entry_of(path: str) -> Entry:
    """The entry with this path. Raises KeyError."""
    return {entry.path: entry for entry in REGISTRY}[path]


#: Where a changed password leads: its page, which says so.
PASSWORD_CHANGED = "account?changed=password"  # noqa: S105 - an address


def safe_next(path: str | None) -> str:
    """Where to go after signing in: a page of ours, or the start page; never an address from elsewhere."""
    return f"/{path}" if path == PASSWORD_CHANGED or any(entry.path == path for entry in REGISTRY) else "/"


def is_told(address: str, query: Mapping[str, str]) -> bool:
    """Whether a page was opened by this address of ours, from its query."""
    return dict(parse_qsl(urlsplit(address).query)) == dict(query)
