"""What admins see of due work and of what was done: jobs with their attempts, and the audit log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.errors import FairshareError
from frontend.auth.visitor import Visitor
from frontend.readers import sure
from revenue_split import jobs
from ui import cards
from ui.formats import Formats

_STATES = {
    "waiting": "waiting",
    "running": "running",
    "failed": "failed, tried again",
    "done": "done",
    "dead": "dead: needs a person",
}


def jobs_panel(me: Visitor, rows: Sequence[dict[str, Any]], *, fmt: Formats) -> None:
    """The latest jobs, those that need a person first."""
    if not rows:
        cards.empty("No job yet", "Due work is planned and done by ./run jobs run.", icon="schedule")
        return
    dead = [row for row in rows if row["status"] in ("dead", "failed")]
    for row in dead:
        with st.container(border=True):
            st.markdown(f"**{_STATES[row['status']]}** · job {row['id']}")
            st.text(f"{row['key']}: {row['last_error'] or ''}")
            if st.button("Try again now", key=f"job_retry_{row['id']}"):
                _retry(me, row["id"])
    st.dataframe(
        {
            "no.": [row["id"] for row in rows],
            "job": [row["key"] for row in rows],
            "state": [_STATES[row["status"]] for row in rows],
            "attempts": [row["attempts"] for row in rows],
            "when": [fmt.moment(sure(row["finished_at"] or row["next_attempt_at"])) for row in rows],
            "what came of it": [row["last_error"] or _figures(row["result"]) for row in rows],
        },
        hide_index=True,
        key="job_list",
    )


def _retry(me: Visitor, job_id: int) -> None:
    try:
        jobs.retry(me.client, job_id)
    except FairshareError as refused:
        st.error(refused.sentence)
        return
    st.rerun()


def audit_panel(rows: Sequence[dict[str, Any]], *, fmt: Formats) -> None:
    """The latest acts, filtered by what was done."""
    if not rows:
        cards.empty("No act yet", "Every act of staff and jobs is written down here.", icon="history")
        return
    actions = sorted({row["action"] for row in rows})
    chosen = st.multiselect("Acts", actions, key="audit_actions", placeholder="all")
    kept = [row for row in rows if not chosen or row["action"] in chosen]
    columns = {
        "when": [fmt.moment(sure(row["at"])) for row in kept],
        "who": [_who(row) for row in kept],
        "act": [row["action"].replace("_", " ") for row in kept],
        "on": [f"{row['object_type']} {row['object_id']}" for row in kept],
        "figures": [_figures(row["figures"]) for row in kept],
        "reason": [row["reason"] or "" for row in kept],
        "no.": [row["id"] for row in kept],
    }
    st.dataframe(columns, hide_index=True, key="audit_list")
    lines = "\n".join(json.dumps(row, sort_keys=True) for row in kept)
    st.download_button(
        "Download as JSON lines",
        lines,
        "audit.jsonl",
        "application/jsonl",
        key="audit_file",
        icon=":material/download:",
    )


def _who(row: dict[str, Any]) -> str:
    return row["actor_role"] if row["actor_id"] is None else f"{row['actor_role']} {row['actor_id'][:8]}"


def _figures(figures: dict[str, Any] | None) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in (figures or {}).items() if value is not None
    )
