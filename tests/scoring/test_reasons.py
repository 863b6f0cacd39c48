"""The catalogue of reasons: complete, the same everywhere, and silent about where limits lie."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from bot_account_detection.labels import Verdict
from bot_account_detection.reasons import BY_CODE, CATALOGUE, CLEARED, CONFIRMED, Source, page, reason
from bot_account_detection.thresholds import THRESHOLDS, Thresholds
from bot_account_detection.viewer_weights import REASONS
from core.settings import ROOT
from core.tables import VERDICTS

LABELS = ROOT / "supabase" / "migrations" / "20261122000200_labels.sql"


def test_every_code_has_one_entry_with_words_for_the_creator():
    assert len(BY_CODE) == len(CATALOGUE)
    for one in CATALOGUE:
        for text in (one.title, one.counts, one.sentence, one.action, one.review):
            assert text.strip() == text
            assert text, one.code
        assert one.sentence.endswith(".")
        assert one.action.endswith(".")


def test_every_family_and_every_verdict_is_explained():
    assert {reason(code).source for code in REASONS.values()} == {Source.MACHINE}
    assert {reason(code).source for code in (*CONFIRMED, *CLEARED)} == {Source.PERSON}
    assert tuple(verdict.value for verdict in Verdict) == VERDICTS


@pytest.mark.parametrize(("verdict", "codes"), [("confirmed", CONFIRMED), ("cleared", CLEARED)])
def test_the_database_knows_the_same_codes(verdict, codes):
    text = LABELS.read_text()
    listed = re.search(rf"when '{verdict}' then p_reason_code in \(([^)]*)\)", text).group(1)
    assert tuple(re.findall(r"'(\w+)'", listed)) == codes


def test_the_page_of_the_docs_is_made_from_the_table():
    assert (ROOT / "docs" / "reasons.md").read_text() == page()


NUMBERS = "two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|forty|fifty|hundred|thousand|half|third"
TIMES = "quarter|twice|percent|per cent|seconds?|minutes?|hours?|days?|weeks?|months?|years?"


def tells(text: str) -> list[str]:
    """What in a text would help somebody to stay just under a limit."""
    names = [field.name for field in fields(Thresholds) if "_" in field.name]
    return [found.group() for found in re.finditer(rf"\d|\b({NUMBERS}|{TIMES})\b", text, re.IGNORECASE)] + [
        name for name in names if name in text or name.replace("_", " ") in text
    ]


@pytest.mark.parametrize("one", CATALOGUE, ids=lambda one: one.code)
def test_no_sentence_for_creators_tells_where_a_limit_lies(one):
    assert tells(one.title + one.sentence + one.action) == []


@pytest.mark.parametrize(
    "leak",
    [
        "Accounts younger than 30 days count less.",
        "More than three accounts on one device are a farm.",
        "Within the hour they came to the same videos.",
        f"The limit is {THRESHOLDS.lockstep_jaccard}.",
        "See lockstep_videos.",
    ],
)
def test_a_sentence_that_tells_is_noticed(leak):
    """The mutants of the test above."""
    assert tells(leak)


def test_a_code_that_is_in_no_catalogue_is_an_error():
    with pytest.raises(KeyError):
        reason("because")
