"""Why money did not move: one class a reason, each with its object and a sentence for the user.

The database raises distinct SQLSTATEs (the migrations list them) with the object as JSON in the detail; `refusal`
turns them into these classes. Everything derives from `core.errors.Refused`, so a command ends with exit code 2.
"""

from __future__ import annotations

from datetime import date

from core.errors import CodedRefusal, refusal_below
from core.timewindows import Window


class MoneyRefused(CodedRefusal):
    """Root of the refusals of the books."""


class NotAllowed(MoneyRefused):
    """The caller is not an admin and not a job."""

    code = "42501"


class KeyReused(MoneyRefused):
    """The idempotency key was used for another request; `details` names what it did."""

    code = "22Z01"


class WindowOverlaps(MoneyRefused):
    """A closed window of the same kind shares time with this one."""

    code = "22Z03"


class FiguresDisagree(MoneyRefused):
    """Shares, allocations, residual and pool do not add up."""

    code = "22Z04"


class PoolNotAllowed(MoneyRefused):
    """The pool does not follow from the window's inputs, policy and kept scores."""

    code = "22Z05"


class StalePreview(MoneyRefused):
    """A carried balance or a label changed after the figures were computed: preview again."""

    code = "22Z06"


class ForeignVideo(MoneyRefused):
    """A share names a video of another creator."""

    code = "22Z07"


class OverCap(MoneyRefused):
    """An allocation is above the cap of the creator's KYC level."""

    code = "22Z08"


class Unbalanced(MoneyRefused):
    """Ledger entries that do not sum to zero."""

    code = "22Z09"


class AppendOnly(MoneyRefused):
    """Somebody tried to change or remove what is written once."""

    code = "22Z10"


class Overdraft(MoneyRefused):
    """An account would fall below zero; `details` names it and what it holds."""

    code = "22Z11"


class MalformedRequest(MoneyRefused):
    """A request that lacks something or holds something that is no number, time or key."""

    code = "22Z12"


class ReversalRefused(MoneyRefused):
    """A reversal that does not mirror its original, or comes a second time."""

    code = "22Z13"


class PolicyUnknown(MoneyRefused):
    """There is no policy of that name and version."""

    code = "22Z40"


class PolicyDiffers(MoneyRefused):
    """The figures were computed by other rules than those that are kept under the policy's name and version."""

    code = "22Z41"


class ProposalSettled(MoneyRefused):
    """The proposal was approved, rejected or withdrawn before."""

    code = "22Z42"


class ProposalExpired(MoneyRefused):
    """Nobody decided in time: what was asked for has to be asked for anew."""

    code = "22ZG0"


class SecondPersonNeeded(MoneyRefused):
    """Who proposes does not approve."""

    code = "22Z43"


class WindowNotClosed(MoneyRefused):
    """Only a closed window that stands can be reversed."""

    code = "22Z44"


class NoStatements(MoneyRefused):
    """Statements are issued for closed windows that stand."""

    code = "22Z45"


class NotThisJob(MoneyRefused):
    """The job is not, or no longer, the one of this worker; or it can not be started again."""

    code = "22Z46"


class AwaitingApproval(MoneyRefused):
    """Nothing moved yet: the request is kept as a proposal until another admin approves it."""


class BelowMinimum(MoneyRefused):
    """A payout of less than the minimum."""

    code = "22Z20"


class MoreThanAvailable(MoneyRefused):
    """Amount and fee are more than what is available."""

    code = "22Z21"


class KycTooLow(MoneyRefused):
    """The creator's KYC level does not allow a payout of this amount, or none at all."""

    code = "22Z22"


class KycUnknown(MoneyRefused):
    """The KYC level can not be read: neither level 0 nor "no limit" is made of that."""

    code = "22Z23"


class PayoutOpen(MoneyRefused):
    """Another payout of the creator is still open."""

    code = "22Z24"


class PayoutHeld(MoneyRefused):
    """The payout is on hold; the message says why."""

    code = "22Z25"


class StepNotPossible(MoneyRefused):
    """The payout's state does not allow this step; `details` has both states."""

    code = "22Z26"


class NoSuchPayout(MoneyRefused):
    """There is no such payout, or it is somebody else's."""

    code = "22Z27"


class MethodNotUsable(MoneyRefused):
    """The payout method is not there, was removed, or can not be added."""

    code = "22Z28"


class DebtFirst(MoneyRefused):
    """Something is owed to the platform, which the next credits fill first."""

    code = "22Z29"


class NoSuchHold(MoneyRefused):
    """The hold is not there, or the release gives no reason."""

    code = "22Z30"


class ReferenceReused(MoneyRefused):
    """A clawback's reference took something else back before."""

    code = "22Z31"


class GivenBackBefore(MoneyRefused):
    """A clawback is given back once."""

    code = "22ZG1"


class EventChanged(MoneyRefused):
    """A provider's event id came before with another content."""

    code = "22Z32"


class NoCreator(MoneyRefused):
    """Only creators are paid."""

    code = "22Z33"


class ScoresFinal(MoneyRefused):
    """Scores of a closed window were to be changed; `details` names the window."""

    code = "22Z60"


class DaysNotScored(MoneyRefused):
    """Days of the window have events and no scores yet, or scores whose viewers were weighed over another window than
    `weighed_over`; `days` lists them.
    """

    def __init__(self, days: list[date], model: str, *, weighed_over: Window | None = None) -> None:
        self.days = days
        shown = ", ".join(day.isoformat() for day in days[:3]) + (" …" if len(days) > 3 else "")
        count = "1 day of the window is" if len(days) == 1 else f"{len(days)} days of the window are"
        what, how = "not scored", "--all"
        if weighed_over is not None:
            what = "not scored as a part of this window"
            how = f"--from {weighed_over.start:%Y-%m-%d} --to {weighed_over.end:%Y-%m-%d}"
        super().__init__(
            f"{count} {what} under {model} yet ({shown}): run ./run score {how} --model {model}",
            {"days": [day.isoformat() for day in days], "model": model},
        )


def refusal(code: str | None, message: str, detail: str | None) -> MoneyRefused | None:
    """The refusal that the database meant, or None for any other error."""
    return refusal_below(MoneyRefused, code, message, detail)
