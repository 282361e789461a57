"""The outside world. Only code here opens a connection to anybody but our own database and queue."""

from gateway.adapters.acquirer import Acquirer
from gateway.adapters.sandbox import SandboxBank
from gateway.core import config

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
