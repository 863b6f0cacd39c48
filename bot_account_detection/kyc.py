"""How far a person's identity has been checked."""

from __future__ import annotations

from enum import IntEnum


class KycLevel(IntEnum):
    """The one meaning of `users.kyc_level`. An unknown level is None, which is less than NONE for payouts:
    nothing is known, so nothing is guessed.
    """

    NONE = 0
    """No check: nothing is paid out."""

    CONTACT = 1
    """E-mail and phone are confirmed."""

    DOCUMENT = 2
    """An identity document was checked."""

    FULL = 3
    """Document, address and payout account agree."""
