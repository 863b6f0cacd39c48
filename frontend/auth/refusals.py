"""Why the door stays shut: each refusal is a class that carries the sentence for the user."""

from __future__ import annotations

from core.errors import FairshareError


class AuthRefused(FairshareError):
    """Root of what sign-up, sign-in and reset may refuse."""


class WrongCredentials(AuthRefused):
    """E-mail and password do not belong together; never says which of them is wrong."""

    def __init__(self) -> None:
        super().__init__("This e-mail address and password do not match an account.")


class WrongPassword(AuthRefused):
    """Who is signed in typed a current password that is not theirs."""

    def __init__(self) -> None:
        super().__init__("This is not your current password.")


class NotConfirmed(AuthRefused):
    """The account exists and its password is right, but its address is not confirmed yet."""

    def __init__(self) -> None:
        super().__init__("Confirm your e-mail address first: use the link or the code that we sent you.")


class CodeRefused(AuthRefused):
    """A link or code is wrong, used or too old."""

    def __init__(self) -> None:
        super().__init__("This link or code is wrong, already used or too old. Ask for a new one.")


class BadEmail(AuthRefused):
    """Not an address that mail can be sent to."""

    def __init__(self) -> None:
        super().__init__("Enter an e-mail address such as name@example.org.")


class WeakPassword(AuthRefused):
    """Too easy to guess."""

    def __init__(self, min_length: int) -> None:
        self.min_length = min_length
        super().__init__(f"Choose a password of at least {min_length} characters that is not easy to guess.")


class PasswordsDiffer(AuthRefused):
    """The repetition is not the same."""

    def __init__(self) -> None:
        super().__init__("The two passwords are not the same.")


class SamePassword(AuthRefused):
    """The new password is the old one."""

    def __init__(self) -> None:
        super().__init__("The new password is the one you already have.")


class TooManyAttempts(AuthRefused):
    """Throttled; `wait_s` seconds until the next attempt counts."""

    def __init__(self, wait_s: int) -> None:
        self.wait_s = wait_s
        minutes = -(-wait_s // 60)
        wait = f"{wait_s} seconds" if wait_s < 90 else f"{minutes} minutes"
        super().__init__(f"Too many attempts. Try again in {wait}.")


class TicketRefused(AuthRefused):
    """The sign-in can not be carried over: ticket unknown, used, too old, or from another browser."""

    def __init__(self) -> None:
        super().__init__("This sign-in could not be completed. Sign in again.")


class ServiceUnreachable(AuthRefused):
    """Supabase does not answer; nothing is known about the credentials."""

    def __init__(self) -> None:
        super().__init__("The sign-in service does not answer. Try again in a moment.")


class SessionEnded(AuthRefused):
    """Signed out elsewhere, revoked or expired."""

    def __init__(self) -> None:
        super().__init__("Your session has ended. Sign in again.")
