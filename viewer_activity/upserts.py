"""The statements by which scores, weights and marks are kept: from temporary tables, changing only what changed."""

from __future__ import annotations

from datetime import datetime

from core.timewindows import Window

SCORE_COLUMNS = (
    "video_id", "window_start", "window_end", "model", "features", "comment_quality", "like_integrity",
    "report_credibility", "authentic_engagement", "eis", "counted_share", "views", "likes", "comments", "shares",
    "follows", "reports", "pauses", "active_viewers", "eng_units", "counted_units", "early_boost",
)  # fmt: skip
SCORE_KEY = ("video_id", "window_start", "window_end", "model")
_SPAN = ("window_start", "window_end", "model")
#: What is kept beside the scores of a weighed window: the table's own key, its other columns.
_BESIDE = {
    "viewer_weights": ("user_id", ("weight", "factors", "cluster_id", "reasons")),
    "video_explanations": (
        "video_id",
        (
            "discounted_units", "groups", "eis", "eis_without", "counted_units", "counted_units_without", "early_boost",
            "early_boost_without",
        ),
    ),
    "window_reasons": ("code", ("unit_micro", "weighted_micro", "counted_micro")),
    "viewer_clusters": ("cluster_id", ("accounts", "counted_as", "evidence")),
}  # fmt: skip
#: The column that is JSON, where there is one.
JSON_COLUMN = {"viewer_weights": "factors", "video_explanations": "groups", "viewer_clusters": "evidence"}
BESIDE_KEY = {name: (*_SPAN, key) for name, (key, _) in _BESIDE.items()}


def _excluded(names: tuple[str, ...], of: str) -> str:
    return ", ".join(f"{of}.{name}" for name in names)


_FIGURES = tuple(name for name in SCORE_COLUMNS if name not in SCORE_KEY)
KEEP_SCORES = f"""
insert into public.video_aggregates as kept ({", ".join(SCORE_COLUMNS)})
select {", ".join("features::jsonb" if name == "features" else name for name in SCORE_COLUMNS)} from scores_in
on conflict ({", ".join(SCORE_KEY)}) do update
set {", ".join(f"{name} = excluded.{name}" for name in _FIGURES)}, computed_at = now()
where ({_excluded(_FIGURES, "kept")}) is distinct from ({_excluded(_FIGURES, "excluded")})
"""  # noqa: S608  fixed column names
_LATEST = "(select distinct on (video_id) * from scores_in order by video_id, window_end desc)"
_NEWER = (
    "(v.eis_model = s.model or v.eis_model is null) and (v.eis_updated_at is null or v.eis_updated_at <= s.window_end)"
)
_BRING_UP = """
update public.videos as v
set eis_current = s.eis, eis_updated_at = s.window_end, eis_model = s.model
from {latest} as s
where v.id = s.video_id
  and ({which})
  and (v.eis_current, v.eis_updated_at, v.eis_model) is distinct from (s.eis, s.window_end, s.model)
"""
BRING_UP = _BRING_UP.format(latest=_LATEST, which=_NEWER)
#: The scores that videos show take the place of another model's, whatever their times.
BRING_UP_LEADING = _BRING_UP.format(latest=_LATEST, which=f"v.eis_model <> s.model or {_NEWER}")


def keep_beside(name: str, window: Window, model: str) -> list[str]:
    """From `NAME_in`: the rows of the window become these, and those that are the same stay untouched."""
    key, others = _BESIDE[name]
    span = f"{literal(window.start)}, {literal(window.end)}, {word(model)}"
    values = ", ".join(f"{column}::jsonb" if column == JSON_COLUMN.get(name) else column for column in (key, *others))
    gone = f"""
delete from public.{name} kept
where (window_start, window_end, model) = ({span}) and not exists (select from {name}_in n where n.{key} = kept.{key})
"""  # noqa: S608  times, a quoted word and names of our own
    kept = f"""
insert into public.{name} as kept ({", ".join((*_SPAN, key, *others))})
select {span}, {values} from {name}_in
on conflict ({", ".join(BESIDE_KEY[name])}) do update
set {", ".join(f"{column} = excluded.{column}" for column in others)}
where ({_excluded(others, "kept")}) is distinct from ({_excluded(others, "excluded")})
"""  # noqa: S608  times, a quoted word and names of our own
    return [gone, kept]


def forget_beside(name: str, model: str) -> str:
    """Rows of windows by which no day is scored any more, because its days were weighed over another one since."""
    return f"""
delete from public.{name} w
where w.model = {word(model)} and not exists (
  select from public.scored_days s
  where s.model = w.model and s.weighed_start = w.window_start and s.weighed_end = w.window_end)
"""  # noqa: S608  a quoted word and names of our own


def mark(day: Window, model: str, *, videos: int, events: int, weighed: Window | None) -> str:
    """The day is complete."""
    over = f"{literal(weighed.start)}, {literal(weighed.end)}" if weighed else "null::timestamptz, null::timestamptz"
    return f"""
insert into public.scored_days (window_start, window_end, model, videos, events, weighed_start, weighed_end)
values ({literal(day.start)}, {literal(day.end)}, {word(model)}, {videos}, {events}, {over})
on conflict (window_start, window_end, model) do update
set videos = excluded.videos, events = excluded.events, weighed_start = excluded.weighed_start,
  weighed_end = excluded.weighed_end, scored_at = now()
where (scored_days.videos, scored_days.events, scored_days.weighed_start, scored_days.weighed_end)
  is distinct from (excluded.videos, excluded.events, excluded.weighed_start, excluded.weighed_end)
  -- The verdicts up to now are in these scores.
  or exists (select from public.account_labels l where l.decided_at > scored_days.scored_at)
"""  # noqa: S608  times, numbers and a quoted word


def literal(moment: datetime) -> str:
    """A time as SQL."""
    return f"'{moment.isoformat()}'::timestamptz"


def word(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"
