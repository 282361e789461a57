"""What is said between us and a payment processor: plain values, no card data."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """A processor's answer. Only the first two are final."""

    SUCCESS = "success"
    FAILED = "failed"
    PENDING = "pending"  # it has the request and has not decided
    UNKNOWN = "unknown"  # no answer: it may or may not have the request
    ABSENT = "absent"  # to an inquiry: it never had the request

    @property
    def is_final(self) -> bool:
        return self in (Outcome.SUCCESS, Outcome.FAILED)


@dataclass(frozen=True)
class Answer:
    outcome: Outcome
    description: str | None = None


@dataclass(frozen=True)
class Charge:
    """Take `amount` minor units from an instrument. `reference` was stored before the first call.

    is_intent  the payer's own app is asked, by a link; `instrument` is empty until it has answered
    """

    reference: str
    amount: int
    currency: str
    method: str
    instrument: str
    attempt: int
    is_intent: bool = False


@dataclass(frozen=True)
class Return:
    """Give `amount` minor units of an earlier charge back. `reference` was stored before the first call."""

    reference: str
    charge_reference: str
    amount: int
    currency: str
    instrument: str
    attempt: int


@dataclass(frozen=True)
class Card:
    """A validated card on its way to the processor; lives as long as the request."""

    number: str
    expiry_month: int
    expiry_year: int
    cvv: str
    holder_name: str
    network: str

    @property
    def last4(self) -> str:
        return self.number[-4:]

    def __repr__(self) -> str:
        return f"<Card {self.network} …{self.last4}>"
