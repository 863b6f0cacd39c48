"""The colours of charts, for both themes; the widgets' colours are in .streamlit/config.toml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

#: The logo, also the browser tab's icon; a file of ours, since Streamlit fetches named icons for tabs from elsewhere.
MARK = str(Path(__file__).resolve().parent / "mark.svg")


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by meaning. Text on the page keeps a contrast of 4.5 or more against `paper`."""

    ink: str
    soft: str
    line: str
    paper: str
    brand: str
    good: str
    fair: str
    bad: str
    held: str
    quiet: str


LIGHT = Palette(
    ink="#10201d",
    soft="#55655f",
    line="#d5ded9",
    paper="#ffffff",
    brand="#0f766e",
    good="#15803d",
    fair="#d99a0b",
    bad="#c2410c",
    held="#4f63c6",
    quiet="#a9b8b2",
)
DARK = Palette(
    ink="#e6efec",
    soft="#9fb2ab",
    line="#2b3a35",
    paper="#0e1614",
    brand="#2bb5a5",
    good="#4ac07a",
    fair="#e3b341",
    bad="#f0814f",
    held="#8d9cf0",
    quiet="#5b6d66",
)


def palette() -> Palette:
    """The colours for the theme that the reader uses."""
    return DARK if st.context.theme.type == "dark" else LIGHT
