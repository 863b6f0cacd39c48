"""The local mailbox: what Auth would have mailed, as the local stack wrote it. Local mode only."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_HREF = re.compile(r"""href\s*=\s*["']([^"']+)["']""", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s\"'<>]+")
_TAG = re.compile(r"<[^>]+>")
_CODE = re.compile(r"(?<!\d)(\d{6})(?!\d)")
_KINDS = ("signup", "recovery")


@dataclass(frozen=True, slots=True)
class Mail:
    """One message. `confirm_path` is its link on this portal (path and query), `code` its six digits."""

    to: str
    subject: str
    text: str
    at: datetime
    confirm_path: str | None
    code: str | None


def read_mailbox(folder: Path, *, limit: int = 50) -> list[Mail]:
    """The newest messages first. An unreadable file is skipped: the stack may be writing it."""
    if not folder.is_dir():
        return []
    mails = [mail for path in folder.glob("*.json") if (mail := _read(path)) is not None]
    return sorted(mails, key=lambda mail: mail.at, reverse=True)[:limit]


def _read(path: Path) -> Mail | None:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        written = path.stat().st_mtime
    except (OSError, json.JSONDecodeError, UnicodeDecodeError):
        return None
    if not isinstance(raw, dict):
        return None
    html, text = str(raw.get("html") or ""), str(raw.get("text") or "")
    plain = text or _plain(html)
    return Mail(
        to=_address(raw.get("to")),
        subject=str(raw.get("subject") or ""),
        # The link as it works here: the one that was written leads to the address of the local Auth.
        text=_URL.sub(lambda url: confirm_path(url[0]) or url[0], plain),
        at=_time(raw.get("at"), written),
        confirm_path=confirm_path(html + "\n" + text),
        # Tokens in links are hex and may hold six digits in a row; only the words are searched.
        code=_code(_plain(html) if html else _URL.sub(" ", text)),
    )


def _plain(html: str) -> str:
    lines = (" ".join(line.split()) for line in unescape(_TAG.sub("\n", html)).splitlines())
    return "\n".join(line for line in lines if line)


def _address(to: object) -> str:
    if isinstance(to, list):
        return ", ".join(_address(one) for one in to)
    if isinstance(to, dict):
        return str(to.get("address") or to.get("email") or "")
    return str(to or "")


def _time(at: object, fallback: float) -> datetime:
    if isinstance(at, str):
        try:
            parsed = datetime.fromisoformat(at)
        except ValueError:
            return datetime.fromtimestamp(fallback, UTC)
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return datetime.fromtimestamp(fallback, UTC)


def _code(text: str) -> str | None:
    found = _CODE.search(text)
    return found.group(1) if found else None


def confirm_path(message: str) -> str | None:
    """The message's link, made to lead to this portal whatever address it was written for."""
    for url in [unescape(link) for link in _HREF.findall(message)] + _URL.findall(message):
        query = parse_qs(urlsplit(url).query)
        token = (query.get("token_hash") or query.get("token") or [""])[0]
        kind = (query.get("type") or [""])[0]
        if kind in _KINDS and re.fullmatch(r"[A-Za-z0-9_-]{16,128}", token):
            return f"/auth/confirm?token_hash={token}&type={kind}"
    return None
