"""The audit log: each act of a merchant leaves a line, in the transaction of the act."""

from collections.abc import Sequence
from uuid import uuid4

from sqlalchemy import literal, select, tuple_

from gateway.core import clock
from gateway.core.db import add, session
from gateway.core.ids import is_uuid
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


def page(merchant_id: str, limit: int, after: str | None = None) -> tuple[Sequence[AuditLine], bool]:
    """The merchant's lines, newest first, from behind the line `after`; and whether there are more.

    An id that is no line of theirs begins at the newest.
    """
    own = AuditLine.merchant_id == merchant_id
    query = select(AuditLine).where(own).order_by(AuditLine.created_at.desc(), AuditLine.id.desc())
    if after is not None and is_uuid(after):
        place = select(AuditLine.created_at, AuditLine.id).where(own, AuditLine.id == after)
        if found := session().execute(place).first():
            # One row value, which is what lets the index begin at this very place.
            query = query.where(
                tuple_(AuditLine.created_at, AuditLine.id)
                < tuple_(literal(found[0], AuditLine.created_at.type), literal(found[1], AuditLine.id.type))
            )
    rows = session().scalars(query.limit(limit + 1)).all()
    return rows[:limit], len(rows) > limit
