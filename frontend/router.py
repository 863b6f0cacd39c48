"""The Streamlit script: who is there, which pages they see, and the one that they opened."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import Page

from core.errors import FairshareError
from frontend import navigation, shell, surroundings
from frontend.navigation import Entry, Role
from ui.theme import MARK

SCRIPT = Path(__file__).resolve()
_PAGES = SCRIPT.parent / "app_pages"


def run() -> None:
    """Draws the portal for whoever looks at it."""
    st.set_page_config(page_title="Fairshare", page_icon=MARK, layout="wide")
    try:
        local = surroundings.mailbox() is not None
        visitor = shell.greet()
    except FairshareError as error:
        st.error(error.sentence)
        st.stop()
    roles = visitor.roles if visitor else frozenset({Role.ANONYMOUS})
    visible = navigation.pages_for(*roles, local=local)
    start = navigation.start_page(visible, preferred=surroundings.beginning())
    sections: dict[str, list[Page]] = {}
    for entry in visible:
        # Before signing in there are few pages: one row at the top, without headings.
        heading = entry.section if visitor else ""
        sections.setdefault(heading, []).append(_page(entry, is_start=entry is start))
    # The start page answers at the root alone; its own address leads there.
    to_start = partial(st.switch_page, f"app_pages/{start.module}.py")
    sections[start.section if visitor else ""].append(
        st.Page(to_start, title=start.title, url_path=start.path, visibility="hidden")
    )
    # An address that is not for this visitor is answered in words; that page's own code is not even loaded.
    others = [entry for entry in navigation.REGISTRY if entry not in visible and (local or not entry.local_only)]
    sections[start.section if visitor else ""] += [
        st.Page(partial(shell.refuse, entry, visitor), title=entry.title, url_path=entry.path, visibility="hidden")
        for entry in others
    ]
    page = st.navigation(sections, position="sidebar" if visitor else "top")
    st.logo(MARK, size="large")
    if visitor:
        shell.sidebar(visitor)
    with shell.errors_in_words():
        page.run()


def _page(entry: Entry, *, is_start: bool) -> Page:
    return st.Page(
        _PAGES / f"{entry.module}.py",
        title=entry.title,
        icon=f":material/{entry.icon}:",
        url_path="start" if is_start else entry.path,
        default=is_start,
        help=entry.help,
    )


if __name__ == "__main__":
    run()
