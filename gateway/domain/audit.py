"""The audit log: each act of a merchant leaves a line, in the transaction of the act."""

from uuid import uuid4

from gateway.core import clock
from gateway.core.db import add
from gateway.models import AuditLine


def note(merchant_id: str, actor: str, act: str, subject: str | None = None) -> None:
    """Write down that `actor` did `act` (`webhook.saved`) to `subject`; never a secret."""
    add(
        AuditLine(
            id=str(uuid4()),
            merchant_id=merchant_id,
            actor=actor,
            act=act,
            subject=subject,
            created_at=clock.now(),
        )
    )
