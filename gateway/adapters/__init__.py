"""The outside world. Only code here opens a connection to anybody but our own database and queue."""

from gateway.adapters.acquirer import Acquirer, is_quick
from gateway.adapters.sandbox import SandboxBank
from gateway.core import config, db
from gateway.core.processor import Card, Charge

_acquirer: Acquirer | None = None


def acquirer() -> Acquirer:
    """This process's payment processor; the sandbox bank until another is put in its place."""
    global _acquirer
    if _acquirer is None:
        _acquirer = SandboxBank(config.current())
    return _acquirer


def use_acquirer(other: Acquirer | None) -> None:
    """Put another processor in; None brings the configured one back."""
    global _acquirer
    _acquirer = other


def tokenise(card: Card) -> str:
    """The processor's token for this card. Where that is asked for outside, nobody else waits for it."""
    return _asked_in_a_request().tokenise(card)


def upi_link(asked: Charge) -> str | None:
    """The processor's link for this payment, in the same way; None where it offers none."""
    return _asked_in_a_request().upi_link(asked)


def _asked_in_a_request() -> Acquirer:
    bank = acquirer()
    if not is_quick(bank):
        db.stand_apart()
    return bank
