"""Rows that wait for the processor: how they are claimed, and asked for again.

A payment or refund is its own queue entry (models/work.py). A worker leases
what is due, goes outside with no transaction open, and writes the outcome only
where its lease still stands.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from sqlalchemy import update

from gateway.core import clock, rows
from gateway.core.db import fetch_all, fetch_one, session
from gateway.core.ids import new_uuid
from gateway.core.processor import Answer
from gateway.core.statements import Statement, moment
from gateway.models import Payment, Refund

LEASE_S = 15
# When the processor did not say: ask again after these seconds, then leave it to a human.
INQUIRY_WAITS_S = (2, 5, 15, 60, 300, 1800, 3600, 7200)

# Chosen first and by itself: as a part of the UPDATE, PostgreSQL may run it twice and so pass the limit.
_LEASE = {
    model: Statement(
        f"WITH due AS MATERIALIZED (SELECT id FROM {model.__tablename__} WHERE due_at <= :now"
        " AND (lease_until IS NULL OR lease_until < clock_timestamp())"
        " ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)"
        f" UPDATE {model.__tablename__} SET lease_token = :token, attempts = attempts + 1,"
        f" lease_until = clock_timestamp() + interval '{LEASE_S} seconds'"
        f" WHERE id IN (SELECT id FROM due) RETURNING {rows.columns(model)}"
    )
    for model in (Payment, Refund)
}
_NEXT_DUE = {
    model: Statement(f"SELECT min(due_at) FROM {model.__tablename__} WHERE lease_until IS NULL")
    for model in (Payment, Refund)
}

WorkRow = TypeVar("WorkRow", Payment, Refund)


class Claimed(Protocol):
    """What a claim of either kind says about itself."""

    @property
    def id(self) -> str: ...
    @property
    def token(self) -> str: ...
    @property
    def attempt(self) -> int: ...


C = TypeVar("C", bound=Claimed)


def lease(model: type[WorkRow], limit: int) -> tuple[str, Sequence[WorkRow]]:
    """A new lease token, and up to `limit` due rows that nobody else holds, now held under it."""
    token = new_uuid()
    session()  # first, because whoever claims may go on to settle in the same unit of work
    found = fetch_all(_LEASE[model], token=token, now=clock.now(), limit=limit)
    return token, [rows.of(model, values) for values in found]


def by_answer(results: Iterable[tuple[C, Answer]]) -> dict[tuple[Answer, str], list[str]]:
    """The ids that got the same final answer under the same lease, so that one UPDATE serves them."""
    groups: dict[tuple[Answer, str], list[str]] = {}
    for claim, answer in results:
        if answer.outcome.is_final:
            groups.setdefault((answer, claim.token), []).append(claim.id)
    return groups


def ask_again(model: type[Payment] | type[Refund], results: Iterable[tuple[C, Answer]]) -> None:
    """Put rows without a final answer back, due after a growing wait; in the end flag them for a human."""
    for claim, answer in results:
        if answer.outcome.is_final:
            continue
        is_over = claim.attempt > len(INQUIRY_WAITS_S)
        wait_s = INQUIRY_WAITS_S[min(claim.attempt, len(INQUIRY_WAITS_S)) - 1]
        session().execute(
            update(model)
            .where(model.id == claim.id, model.lease_token == claim.token, model.status == "pending")
            .values(
                due_at=None if is_over else clock.now() + timedelta(seconds=wait_s),
                flagged=f"No final answer from the bank after {claim.attempt} tries" if is_over else None,
                lease_until=None,
                lease_token=None,
            )
            .execution_options(synchronize_session=False)
        )


def next_due(model: type[Payment] | type[Refund]) -> datetime | None:
    """When the next row that nobody holds is due."""
    row = fetch_one(_NEXT_DUE[model])
    return None if row is None or row[0] is None else moment(row[0])
