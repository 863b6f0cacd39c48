"""Cards, marks and states that every page uses, so that the same thing looks the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import streamlit as st


class Standing(Enum):
    """How settled a figure is; shown beside every figure."""

    ESTIMATED = ("estimated", "orange", ":material/hourglass_top:")  #: may still move: no closed window holds it
    FINAL = ("final", "blue", ":material/lock:")  #: booked in the ledger or fixed by a closed window
    PAID = ("paid", "green", ":material/check:")  #: the money has left

    @property
    def badge(self) -> str:
        """The mark as Markdown of ours."""
        word, colour, icon = self.value
        return f":{colour}-badge[{icon} {word}]"


def stat(
    label: str, value: str, *, standing: Standing | None, as_of: str, note: str | None = None, help: str | None = None
) -> None:
    """A figure with its mark, its time and a short note."""
    with st.container(border=True, height="stretch"):
        st.metric(label, value, help=help)
        settled(standing, f"as of {as_of}")
        if note:
            st.caption(note)


def settled(standing: Standing | None, words: str) -> None:
    """A mark and its time; not a caption, since that would fade the mark."""
    mark = f"{standing.badge} " if standing else ""
    st.markdown(f"{mark}:small[:gray[{words}]]")


def page_head(title: str, sentence: str) -> None:
    """The head of a page: what it is and what it is for."""
    st.title(title, anchor=False)
    st.markdown(f":gray[{sentence}]")


def section(title: str, sentence: str | None = None) -> None:
    """The head of a part."""
    st.subheader(title, anchor=False, divider=False)
    if sentence:
        st.caption(sentence)


def empty(title: str, sentence: str, *, icon: str = "inbox") -> None:
    """What stands where there is nothing yet: why, and what will bring something here."""
    with st.container(border=True):
        st.markdown(f":material/{icon}: **{title}**")
        st.caption(sentence)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a first-run checklist; `hint` says what to do while it is open."""

    title: str
    done: bool
    hint: str


def checklist(steps: Sequence[Step]) -> None:
    """What is done and what comes next."""
    with st.container(border=True):
        done = sum(step.done for step in steps)
        st.markdown(f"**Getting started** · {done} of {len(steps)} done")
        for step in steps:
            if step.done:
                st.markdown(f":green[:material/check_circle:] {step.title}")
            else:
                st.markdown(f":gray[:material/radio_button_unchecked:] **{step.title}**  \n:small[:gray[{step.hint}]]")


def actions_required(sentences: Sequence[str]) -> None:
    """The banner for what only the reader can do; nothing where there is nothing."""
    if sentences:
        lines = "\n".join(f"- {sentence}" for sentence in sentences)
        st.warning(f"**Needs your attention**\n{lines}", icon=":material/priority_high:")
