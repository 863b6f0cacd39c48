"""Policies side by side under the preview: what each would pay for the same days, nothing written."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.errors import FairshareError
from frontend import readers, surroundings
from frontend.auth.visitor import Visitor
from frontend.revenue import Draft, shown
from revenue_split import policies
from revenue_split.comparison import Outcome, by_creator, compare, table_rows
from revenue_split.policies import KeptPolicy
from ui import cards
from ui.formats import Formats

_FOUND = "_comparison"
_MONEY = (
    ("pool_cents", "pool"),
    ("allocated_cents", "allocated"),
    ("platform_fee_cents", "fee"),
    ("reserve_cents", "reserve"),
    ("carried_cents", "carried"),
    ("residual_cents", "residual"),
    ("top_cents", "top ten"),
    ("moved_cents", "moves"),
)


def comparison_panel(me: Visitor, draft: Draft, kept: Sequence[KeptPolicy], *, fmt: Formats) -> None:
    """Chooses policies to stand beside the preview's, and shows what they would pay."""
    mine = f"{draft.figures.policy.name}@{draft.figures.policy.version}"
    others = [one.label for one in kept if one.label != mine]
    with st.expander("Compare with other policies", icon=":material/compare_arrows:"):
        st.caption("The same days and the same revenue under other rules. Nothing is written.")
        chosen = st.multiselect("Policies", others, key=f"compare_with_{draft.key}", max_selections=4)
        pressed = st.button("Compare", key="compare_press", disabled=not chosen)
        if pressed:
            found = _compared(me, draft, [mine, *chosen], kept)
            if found is not None:
                st.session_state[_FOUND] = (draft.key, found)
        key, outcomes = st.session_state.get(_FOUND, (None, []))
        if key == draft.key:
            _table(outcomes, draft.figures.currency, fmt)


def _compared(me: Visitor, draft: Draft, labels: list[str], kept: Sequence[KeptPolicy]) -> list[Outcome] | None:
    by_label = {one.label: one.policy for one in kept}
    figures = draft.figures
    # The preview reads with the service's rights, so the database is asked once more who this is.
    if not readers.read_is_admin(me.client):
        st.error("Only admins compare policies.", icon=":material/block:")
        return None
    try:
        with st.spinner("Computing; nothing is written."):
            rules = [by_label[label] for label in labels]
            return compare(surroundings.settings(), figures.window, figures.inputs, rules, currency=figures.currency)
    except FairshareError as refused:
        st.error(refused.sentence)
        return None


def _table(outcomes: Sequence[Outcome], currency: str, fmt: Formats) -> None:
    rows = table_rows(outcomes)
    full = [row for row in rows if not row["why"]]
    if full:
        columns = {"policy": [str(row["policy"]) for row in full]}
        for name, title in _MONEY:
            columns[title] = [fmt.money(int(row[name] or 0), currency) for row in full]
        columns["creators paid"] = [fmt.count(int(row["paid_creators"] or 0)) for row in full]
        st.dataframe(columns, hide_index=True, key="compare_table")
        st.caption("“moves” is what would go to other creators than under the first policy.")
    for row in rows:
        if row["why"]:
            st.info(f"{row['policy']}: {row['why']}")
    differing = policies.differences([outcome.policy for outcome in outcomes])
    if differing:
        st.markdown("**Where the rules differ**")
        labels = [outcome.label for outcome in outcomes]
        st.dataframe(
            {
                "setting": [name for name, _ in differing],
                **{label: [str(values[at]) for _, values in differing] for at, label in enumerate(labels)},
            },
            hide_index=True,
            key="compare_rules",
        )
    if len(full) > 1:
        cards.section("Creator by creator")
        table = by_creator(outcomes)
        named = table.rename_columns([f"{name}_cents" if name != "creator_id" else name for name in table.column_names])
        st.dataframe(shown(named.to_pandas()), hide_index=True, key="compare_creators")
