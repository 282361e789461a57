"""The simulated bank.

It keeps no books: what it decides follows from the reference alone, so asking
twice gives the same answer, as with a real bank that knows its references.
Some instruments make it behave in a chosen way, whatever the rates say.
"""

import hashlib
import secrets
from urllib.parse import quote, urlencode

from gateway.core import money
from gateway.core.config import Config
from gateway.core.processor import Answer, Card, Charge, Outcome, Return

# UPI address, card, what happens: for those who read about it.
INSTRUMENTS = (
    ("success@sandbox", "4000 0000 0000 0077", "Paid"),
    ("declined@sandbox", "4000 0000 0000 0002", "Refused"),
    ("timeout@sandbox", "4000 0000 0000 0259", "No answer; asked again, the bank says paid"),
    ("pending@sandbox", "4000 0000 0000 0341", "Undecided until the third inquiry, then paid"),
    ("silent@sandbox", "4000 0000 0000 0044", "Never an answer: flagged for a human"),
    ("norefund@sandbox", "4000 0000 0000 5126", "Paid, and every refund of it is refused"),
)
_SCENARIO_CARDS = {
    card.replace(" ", ""): address.removesuffix("@sandbox") for address, card, _ in INSTRUMENTS
}
SCENARIOS = frozenset(_SCENARIO_CARDS.values())

# What an app that was opened by a link pays from, by the button that plays it.
APP_ADDRESSES = {"approve": "success@sandbox", "decline": "declined@sandbox"}

_PAID = Answer(Outcome.SUCCESS)
_DECLINED = Answer(Outcome.FAILED, "Payment was declined by the bank")
_NOT_REFUNDED = Answer(Outcome.FAILED, "Refund was refused by the bank")
_DECIDES_AT_ATTEMPT = 4


class SandboxBank:
    """Fulfils `Acquirer` without leaving the process."""

    max_concurrent = 100
    is_quick = True

    def __init__(self, config: Config) -> None:
        self._config = config

    def tokenise(self, card: Card) -> str:
        scenario = _SCENARIO_CARDS.get(card.number, "card")
        return f"tok_{scenario}_{secrets.token_hex(8)}"

    def upi_link(self, asked: Charge) -> str | None:
        """As NPCI's "UPI Linking Specifications" word it; UPI knows rupees only."""
        if asked.currency != "INR":
            return None
        words = {
            "pa": "gateway@sandbox",
            "pn": "Sandbox",
            "am": money.decimal(asked.amount),
            "cu": "INR",
            "tr": asked.reference,
            "tn": f"Payment {asked.reference}",
        }
        return f"upi://pay?{urlencode(words, safe='@', quote_via=quote)}"

    def charge(self, asked: Charge) -> Answer:
        scenario = _scenario(asked.instrument)
        if scenario == "pending":
            return Answer(Outcome.PENDING)
        if scenario in ("timeout", "silent"):
            return Answer(Outcome.UNKNOWN)
        return self._decide(asked, scenario)

    def refund(self, asked: Return) -> Answer:
        return _NOT_REFUNDED if _scenario(asked.instrument) == "norefund" else _PAID

    def inquire(self, asked: Charge | Return) -> Answer:
        if isinstance(asked, Return):
            return self.refund(asked)
        if not asked.instrument:
            return Answer(Outcome.ABSENT)  # no app has answered
        scenario = _scenario(asked.instrument)
        if scenario == "silent":
            return Answer(Outcome.UNKNOWN)
        if scenario == "pending" and asked.attempt < _DECIDES_AT_ATTEMPT:
            return Answer(Outcome.PENDING)
        return self._decide(asked, scenario)

    def _decide(self, asked: Charge, scenario: str | None) -> Answer:
        if scenario is not None:
            return _DECLINED if scenario == "declined" else _PAID
        if self._config.test_mode:
            return _PAID if self._config.test_payment_success else _DECLINED
        rates = {"upi": self._config.upi_success_rate, "card": self._config.card_success_rate}
        return _PAID if _draw(asked.reference) < rates[asked.method] else _DECLINED


def _scenario(instrument: str) -> str | None:
    """The scenario that an instrument stands for, if it is one of those in the table above."""
    if "@" in instrument:
        name = instrument.removesuffix("@sandbox")
    else:
        name = instrument.partition("tok_")[2].partition("_")[0]
    return name if name in SCENARIOS else None


def _draw(reference: str) -> float:
    """A number from 0 up to 1 that looks random and is always the same for one reference."""
    digest = hashlib.sha256(reference.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
