"""The protocol every payment processor fulfils, and how it is asked.

Calls carry a reference that was stored before the first of them, so a repeated
call is recognisable on the other side. An adapter never raises for what the
network does: silence is the answer `unknown`.
"""

from typing import Protocol, TypeVar

from gateway.core.processor import Answer, Card, Charge, Outcome, Return

A = TypeVar("A", Charge, Return)


class Acquirer(Protocol):
    """A processor: a bank, or somebody who talks to banks."""

    #: How many calls may be under way at once in one worker.
    max_concurrent: int

    def tokenise(self, card: Card) -> str:
        """A token that stands for the card in later charges; the card itself is forgotten."""
        ...

    def upi_link(self, asked: Charge) -> str | None:
        """A `upi://pay` link by which the payer's app can pay this; None where that is not offered."""
        ...

    def charge(self, asked: Charge) -> Answer:
        """Take the money, or learn that it was taken already under this reference."""
        ...

    def refund(self, asked: Return) -> Answer:
        """Give money of an earlier charge back, once for each reference."""
        ...

    def inquire(self, asked: Charge | Return) -> Answer:
        """What became of an earlier call; `absent` when it never arrived."""
        ...


def is_quick(acquirer: Acquirer) -> bool:
    """Whether it answers without leaving the process and remembers nothing, so that it may be asked in the
    midst of other things, a transaction included. It says so by an attribute of this name."""
    return getattr(acquirer, "is_quick", False)


NOT_APPROVED = Answer(Outcome.FAILED, "The payment was not approved in time")


def charge(acquirer: Acquirer, asked: Charge) -> Answer:
    """Charge at the first attempt; later ones ask first what became of it.

    What the payer's app was asked for is only asked about: nobody else may charge it.
    """
    if asked.is_intent:
        answer = acquirer.inquire(asked)
        return NOT_APPROVED if answer.outcome is Outcome.ABSENT else answer
    answer = acquirer.inquire(asked) if asked.attempt > 1 else Answer(Outcome.ABSENT)
    return acquirer.charge(asked) if answer.outcome is Outcome.ABSENT else answer


def refund(acquirer: Acquirer, asked: Return) -> Answer:
    """Refund at the first attempt; later ones ask first what became of it."""
    answer = acquirer.inquire(asked) if asked.attempt > 1 else Answer(Outcome.ABSENT)
    return acquirer.refund(asked) if answer.outcome is Outcome.ABSENT else answer
