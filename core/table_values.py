"""Raw Arrow columns into typed ones, with the first value that breaks a rule named by its position.

Everything is done on whole columns; only after a failure is the column cut in halves until the bad value
stands alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum

import pyarrow as pa
import pyarrow.compute as pc


class Kind(Enum):
    """What a column holds."""

    INTEGER = "a whole number"
    SMALL_INTEGER = "a small whole number"
    NUMBER = "a number"
    BOOLEAN = "true or false"
    TIME = "a time such as 2026-01-31T10:00:00Z"
    TEXT = "text"


_TYPES = {
    Kind.INTEGER: pa.int64(),
    Kind.SMALL_INTEGER: pa.int32(),
    Kind.NUMBER: pa.float64(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.TIME: pa.timestamp("us", "UTC"),
    Kind.TEXT: pa.string(),
}
_DATE_ONLY = r"^\d{4}-\d{2}-\d{2}$"
_HAS_ZONE = r"(Z|[+-]\d{2}(:?\d{2})?)$"


class BadValue(Exception):
    """A value at `position` (0-based; None: the whole column) that breaks the rule told in `sentence`."""

    def __init__(self, sentence: str, position: int | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.position = position


def arrow_type(kind: Kind) -> pa.DataType:
    """The Arrow type of a finished column."""
    return _TYPES[kind]


def is_exact(found: pa.DataType, kind: Kind) -> bool:
    """Whether a Parquet column of type `found` needs no more than a plain widening to be of `kind`."""
    if kind in (Kind.INTEGER, Kind.SMALL_INTEGER):
        return bool(pa.types.is_signed_integer(found))
    if kind is Kind.NUMBER:
        return bool(pa.types.is_signed_integer(found) or pa.types.is_floating(found))
    if kind is Kind.TIME:
        return bool(pa.types.is_timestamp(found) and found.unit == "us" and found.tz is not None)
    if kind is Kind.TEXT:
        return bool(pa.types.is_string(found) or pa.types.is_large_string(found))
    return bool(found == _TYPES[kind])


def converted(
    raw: pa.ChunkedArray,
    kind: Kind,
    *,
    required: bool,
    low: float | datetime | None,
    high: float | datetime | None,
    choices: tuple[str, ...] | None,
    zero_is_unknown: bool = False,
) -> pa.ChunkedArray:
    """`raw` as `arrow_type(kind)`, every value checked. Raises BadValue for the first that is not allowed."""
    if choices is not None and pa.types.is_dictionary(raw.type):
        return _checked_dictionary(raw, required=required, choices=choices)
    if _is_bytes(raw.type):
        raw = _convert(raw, _text, "text in UTF-8")
    if pa.types.is_null(raw.type):
        raw = raw.cast(_TYPES[kind])
    values = _convert(raw, _CONVERTERS[kind], kind.value)
    if required and values.null_count:
        raise BadValue("has no value, and needs one", pc.index(pc.is_null(values), True).as_py())
    if kind is Kind.NUMBER:
        _forbid(values, pc.invert(pc.is_finite(values)), "{} is not a finite number")
    if low is not None or high is not None:
        _check_range(values, kind, low, high)
    if zero_is_unknown:
        values = pc.if_else(pc.equal(values, 0), pa.scalar(None, _TYPES[kind]), values)
    if choices is not None:
        known = pc.is_in(values, value_set=pa.array(choices))
        unknown = pc.and_(pc.invert(known), pc.is_valid(values))
        _forbid(values, unknown, "{} is not one of " + ", ".join(choices))
    if kind is Kind.TEXT:
        _forbid(values, pc.match_substring(values, "\x00"), "the text holds a zero byte")
    return values


def _checked_dictionary(raw: pa.ChunkedArray, *, required: bool, choices: tuple[str, ...]) -> pa.ChunkedArray:
    """Checks a word list through its dictionary, so that millions of rows cost as much as a few words."""
    # As bytes, for they may be no text at all.
    words = {word for chunk in raw.chunks for word in chunk.dictionary.cast(pa.binary()).to_pylist()}
    if words <= {choice.encode() for choice in choices} and not raw.null_count:
        return raw  # a dictionary still: whoever asked for one wanted the check, not the text
    plain = raw.cast(pa.string())
    return converted(plain, Kind.TEXT, required=required, low=None, high=None, choices=choices)


def _convert(
    column: pa.ChunkedArray, convert: Callable[[pa.ChunkedArray], pa.ChunkedArray], wanted: str
) -> pa.ChunkedArray:
    """`convert(column)`; when Arrow refuses, BadValue with the first value that it refuses."""
    try:
        return convert(column)
    except pa.ArrowException:
        start, stop = 0, len(column)
    while stop - start > 1:
        middle = (start + stop) // 2
        try:
            convert(column.slice(start, middle - start))
        except pa.ArrowException:
            stop = middle
        else:
            start = middle
    raise BadValue(f"{_word(column[start])} is not {wanted}", start)


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(column, pa.string())


def _words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text, empty text as null; numbers and the like are refused, for an id that lost its leading zeros is no
    id.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not _is_text(column.type):
        raise BadValue(f"the column holds {column.type}, not text")
    # Arrow takes the bytes of a Parquet file for text unseen; from bytes to text it looks at them.
    column = column.cast(pa.string()).cast(pa.binary()).cast(pa.string())
    empty = pc.equal(column, "")
    return pc.if_else(empty, pa.scalar(None, pa.string()), column) if pc.any(empty).as_py() else column


def _integers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if _is_text(column.type):
        if pc.any(pc.match_substring(column, "x", ignore_case=True)).as_py():
            raise pa.ArrowInvalid("hexadecimal")
        try:
            return column.cast(pa.int64())
        except pa.ArrowInvalid:
            # A table with gaps often writes its whole numbers as 3.0.
            return pc.replace_substring_regex(column, r"^([+-]?\d+)\.0*$", r"\1").cast(pa.int64())
    if not _is_numeric(column.type):
        raise BadValue(f"the column holds {column.type}, not whole numbers")
    return column.cast(pa.int64())


def _small_integers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return _integers(column).cast(pa.int32())


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if _is_text(column.type):
        return column.cast(pa.float64())
    if not _is_numeric(column.type):
        raise BadValue(f"the column holds {column.type}, not numbers")
    return column.cast(pa.float64())


def _booleans(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_boolean(column.type) or _is_text(column.type):
        return column.cast(pa.bool_())
    if not pa.types.is_integer(column.type):
        raise BadValue(f"the column holds {column.type}, not true or false")
    if pc.any(pc.invert(pc.is_in(column, value_set=pa.array([0, 1, None], column.type)))).as_py():
        raise pa.ArrowInvalid("neither 0 nor 1")
    return column.cast(pa.bool_())


def _times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    wanted = _TYPES[Kind.TIME]
    if pa.types.is_timestamp(column.type):
        # Finer than a microsecond is cut off; a naive time is UTC; a zone changes the clock face, not the
        # instant.
        return column.cast(pa.timestamp("us", column.type.tz), safe=column.type.unit != "ns").cast(wanted)
    if pa.types.is_date(column.type):
        return column.cast(pa.timestamp("us")).cast(wanted)
    if not _is_text(column.type):
        raise BadValue(f"the column holds {column.type}, not times")
    try:
        return column.cast(wanted)
    except pa.ArrowInvalid:
        dates = pc.match_substring_regex(column, _DATE_ONLY)
        zoned = pc.match_substring_regex(column, _HAS_ZONE)
        tail = pc.if_else(dates, "T00:00:00Z", pc.if_else(zoned, "", "Z"))
        # A date ends with -31, which looks like a zone, so the order of the two tests matters.
        fine = pc.replace_substring_regex(column, r"(\.\d{6})\d+", r"\1")
        return pc.binary_join_element_wise(fine, tail, "").cast(wanted)


_CONVERTERS: dict[Kind, Callable[[pa.ChunkedArray], pa.ChunkedArray]] = {
    Kind.INTEGER: _integers,
    Kind.SMALL_INTEGER: _small_integers,
    Kind.NUMBER: _numbers,
    Kind.BOOLEAN: _booleans,
    Kind.TIME: _times,
    Kind.TEXT: _words,
}


def _forbid(values: pa.ChunkedArray, bad: pa.ChunkedArray, sentence: str) -> None:
    """Raises BadValue at the first position where `bad` is true."""
    if pc.any(bad).as_py():
        at = pc.index(bad, True).as_py()
        raise BadValue(sentence.format(_word(values[at])), at)


def _check_range(
    values: pa.ChunkedArray, kind: Kind, low: float | datetime | None, high: float | datetime | None
) -> None:
    """One pass for the extremes; only a column that fails is compared value by value."""
    extremes = pc.min_max(values)
    for bound, end, beyond in ((low, "min", pc.less), (high, "max", pc.greater)):
        if bound is not None and beyond(extremes[end], pa.scalar(bound, _TYPES[kind])).as_py():
            break
    else:
        return
    outside = pa.scalar(False)
    for bound, beyond in ((low, pc.less), (high, pc.greater)):
        if bound is not None:
            outside = pc.or_(outside, beyond(values, pa.scalar(bound, _TYPES[kind])))
    rule = f"not between {_shown(low)} and {_shown(high)}" if high is not None else f"below {_shown(low)}"
    _forbid(values, outside, "{} is " + rule)


def _is_numeric(found: pa.DataType) -> bool:
    return bool(pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_decimal(found))


def _is_text(found: pa.DataType) -> bool:
    return bool(pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found))


def _is_bytes(found: pa.DataType) -> bool:
    return bool(pa.types.is_binary(found) or pa.types.is_large_binary(found))


def _shown(bound: float | datetime | None) -> str:
    return bound.strftime("%Y-%m-%d") if isinstance(bound, datetime) else f"{bound:g}"


def _word(value: pa.Scalar) -> str:
    """A value as it may stand in a sentence: short, on one line."""
    if pa.types.is_string(value.type) or pa.types.is_large_string(value.type):
        value = value.cast(pa.large_binary())
    try:
        plain = value.as_py()
    except (OverflowError, ValueError):  # a time that no calendar of Python's knows
        plain = value.value
    if isinstance(plain, bytes):
        plain = plain.decode("utf-8", errors="replace")
    if isinstance(plain, datetime):
        plain = plain.isoformat()
    text = repr(plain) if isinstance(plain, str) else str(plain)
    return text if len(text) <= 60 else text[:57] + "..."
