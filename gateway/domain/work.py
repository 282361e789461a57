"""Rows that wait for the processor: how they are claimed, and asked for again.

A payment or refund is its own queue entry (models/work.py). A worker leases
what is due, goes outside with no transaction open, and writes the outcome only
where its lease still stands.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from gateway.core import clock, rows
from gateway.core.db import fetch_all, fetch_many, fetch_one, later
from gateway.core.ids import new_uuid
from gateway.core.processor import Answer, Outcome
from gateway.core.statements import Statement, columns_of, moment, update_each
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


def _of_held(model: type[Payment] | type[Refund], sets: str, row: str, returning: str = "") -> Statement:
    """An UPDATE of pending rows whose lease still stands, which it ends."""
    table = model.__tablename__
    # IS TRUE, or a plan made while few rows are pending would for ever look through all that are.
    is_held = f" AND {table}.lease_token = r.token AND ({table}.status = 'pending') IS TRUE"
    sets = f"{sets}, lease_until = NULL, lease_token = NULL"
    return update_each(table, sets, f"id text, token uuid, {row}", is_held, returning=returning)


_FINISH = {
    model: _of_held(
        model,
        f"status = r.status, due_at = NULL, {sets}",
        "status text, problem text, now timestamptz",
        columns_of(model.__table__),
    )
    for model, sets in (
        (
            Payment,
            "error_code = CASE r.status WHEN 'failed' THEN 'PAYMENT_FAILED' END,"
            " error_description = CASE r.status WHEN 'failed' THEN r.problem END, updated_at = r.now",
        ),
        (
            Refund,
            "processed_at = CASE r.status WHEN 'processed' THEN r.now END, error_description = r.problem",
        ),
    )
}
_ASK_AGAIN = {
    model: _of_held(model, "due_at = r.due_at, flagged = r.flagged", "due_at timestamptz, flagged text")
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
    found = fetch_all(_LEASE[model], token=token, now=clock.now(), limit=limit)
    return token, [rows.of(model, values) for values in found]


def finish(model: type[WorkRow], results: Iterable[tuple[C, Answer]], success: str) -> list[WorkRow]:
    """Write final answers down, the first of each lease and only where it still stands.

    success  the status after a success; after a failure it is `failed`

    The rows that were reached, as they are now, in the order of the results.
    """
    now = clock.now()
    answers: dict[tuple[str, str], dict[str, Any]] = {}
    for claim, answer in results:
        if answer.outcome.is_final:
            status = success if answer.outcome is Outcome.SUCCESS else "failed"
            values = {"id": claim.id, "token": claim.token, "status": status}
            answers.setdefault((claim.id, claim.token), values | {"problem": answer.description, "now": now})
    finished = [rows.of(model, values) for values in fetch_many(_FINISH[model], answers.values())]
    place = {row_id: at for at, (row_id, _) in enumerate(answers)}
    return sorted(finished, key=lambda row: place[row.id])


def ask_again(model: type[Payment] | type[Refund], results: Iterable[tuple[C, Answer]]) -> None:
    """Put rows without a final answer back, due after a growing wait; in the end flag them for a human."""
    for claim, answer in results:
        if answer.outcome.is_final:
            continue
        is_over = claim.attempt > len(INQUIRY_WAITS_S)
        wait_s = INQUIRY_WAITS_S[min(claim.attempt, len(INQUIRY_WAITS_S)) - 1]
        later(
            _ASK_AGAIN[model],
            id=claim.id,
            token=claim.token,
            due_at=None if is_over else clock.now() + timedelta(seconds=wait_s),
            flagged=f"No final answer from the bank after {claim.attempt} tries" if is_over else None,
        )


def next_due(model: type[Payment] | type[Refund]) -> datetime | None:
    """When the next row that nobody holds is due."""
    row = fetch_one(_NEXT_DUE[model])
    return None if row is None or row[0] is None else moment(row[0])
