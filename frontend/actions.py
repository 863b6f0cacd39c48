"""What a page may change, through the user's own client: the database decides whether it is allowed."""

from __future__ import annotations

from typing import Any


def become_creator(client: Any) -> None:
    """Turns the signed-in viewer into a creator."""
    client.rpc("become_creator").execute()
