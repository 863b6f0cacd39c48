"""Reading ahead changes neither what comes nor its order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.ahead import ahead


def test_the_same_items_in_the_same_order() -> None:
    assert list(ahead(range(100))) == list(range(100))
    assert list(ahead([])) == []
    assert list(ahead([None, None])) == [None, None]


def test_an_error_comes_after_what_came_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("the second is bad")

    items = ahead(broken())
    assert next(items) == 1
    with pytest.raises(ValueError, match="the second is bad"):
        next(items)


def test_whoever_stops_early_makes_one_item_too_many_at_most() -> None:
    made = []

    def counted() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    items = ahead(counted())
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert made in ([0], [0, 1])
