"""What a page may change, through the user's own client: the database decides whether it is allowed."""

from __future__ import annotations

from typing import Any


def become_creator(client: Any) -> None:
    """Turns the signed-in viewer into a creator."""
    client.rpc("become_creator").execute()


def record_act(client: Any, action: str, object_type: str, object_id: str, figures: dict[str, Any]) -> None:
    """Writes down what the portal did for staff with the service's rights, in the name of who pressed the button."""
    arguments = {"p_action": action, "p_object_type": object_type, "p_object_id": object_id, "p_figures": figures}
    client.rpc("record_staff_act", arguments).execute()
