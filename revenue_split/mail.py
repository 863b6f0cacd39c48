"""How a mail leaves: one small interface, and the local mailbox behind it.

Every message has a key of its own, and sending the same key again must not send a second mail: the local mailbox names
the file by it. There is no other way out yet: without a local mailbox nothing is sent, and the sender is told so.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from core.errors import ConfigError
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Message:
    """One mail. `key` stands for this mail and no other."""

    key: str
    to: str
    subject: str
    text: str


class Mailer(Protocol):
    """Something that sends mail, once per key."""

    def send(self, message: Message) -> None: ...


@dataclass(frozen=True, slots=True)
class LocalMailbox:
    """The folder that the portal shows in local mode; nothing leaves this machine."""

    folder: Path

    def send(self, message: Message) -> None:
        """Writes the message beside its place and moves it there, so that a reader never sees half of one."""
        name = f"{hashlib.sha256(message.key.encode()).hexdigest()[:32]}.json"
        if (self.folder / name).exists():
            return
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        data = {"to": message.to, "subject": message.subject, "text": message.text, "html": None, "at": at}
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        half = self.folder / f".{name}"
        half.write_text(json.dumps(data))
        half.chmod(0o600)
        half.replace(self.folder / name)


def mailer(settings: Settings) -> Mailer:
    """The way out that these settings know. Raises ConfigError when there is none."""
    if settings.is_local and settings.fairshare_mailbox_dir is not None:
        return LocalMailbox(settings.fairshare_mailbox_dir)
    raise ConfigError("there is no way to send mail: only the local stack's mailbox is built")
