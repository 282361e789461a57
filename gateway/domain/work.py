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

_IS_DUE = (
    " WHERE due_at <= :now AND (lease_until IS NULL OR lease_until < clock_timestamp())"
    " ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED"
)
# Chosen first and by itself: as a part of the UPDATE, PostgreSQL may run it twice and so pass the limit.
_LEASE = {
    model: Statement(
        f"WITH due AS MATERIALIZED (SELECT id FROM {model.__tablename__}{_IS_DUE})"
        f" UPDATE {model.__tablename__} SET lease_token = :token, attempts = attempts + 1,"
        f" lease_until = clock_timestamp() + interval '{LEASE_S} seconds'"
        f" WHERE id IN (SELECT id FROM due) RETURNING {rows.columns(model)}"
    )
    for model in (Payment, Refund)
}
_HOLD = {
    model: Statement(f"SELECT {rows.columns(model)} FROM {model.__tablename__}{_IS_DUE}")
    for model in (Payment, Refund)
}


def _of_pending(model: type[Payment] | type[Refund], sets: str, row: str) -> tuple[Statement, Statement]:
    """Two UPDATEs of pending rows that end their wait: of those whose lease still stands, with what they
    are then; and of those that this transaction holds."""
    table = model.__tablename__
    # IS TRUE, or a plan made while few rows are pending would for ever look through all that are.
    is_pending = f" AND ({table}.status = 'pending') IS TRUE"
    sets, row = f"{sets}, lease_until = NULL, lease_token = NULL", f"id text, {row}"
    leased = update_each(
        table,
        sets,
        f"{row}, token uuid",
        f" AND {table}.lease_token = r.token{is_pending}",
        returning=columns_of(model.__table__),
    )
    held = update_each(
        table, f"{sets}, attempts = r.attempts", f"{row}, attempts int", is_pending, returning=f"{table}.id"
    )
    return leased, held


_FINISH = {
    Payment: _of_pending(
        Payment,
        "status = r.status, due_at = NULL, error_code = r.error_code,"
        " error_description = r.error_description, updated_at = r.updated_at, is_announced = true",
        "status text, error_code text, error_description text, updated_at timestamptz",
    ),
    Refund: _of_pending(
        Refund,
        "status = r.status, due_at = NULL, error_description = r.error_description,"
        " processed_at = r.processed_at",
        "status text, error_description text, processed_at timestamptz",
    ),
}
_ASK_AGAIN = {
    model: _of_pending(
        model, f"due_at = r.due_at, flagged = r.flagged{also}", "due_at timestamptz, flagged text"
    )
    for model, also in ((Payment, ", is_announced = true"), (Refund, ""))
}
_NEXT_DUE = {
    model: Statement(f"SELECT min(due_at) FROM {model.__tablename__} WHERE lease_until IS NULL")
    for model in (Payment, Refund)
}

WorkRow = TypeVar("WorkRow", Payment, Refund)


class Claimed(Protocol):
    """What a claim of either kind says about itself.

    token  of its lease; None where the row is held by the transaction around the caller
    row    as it is now, where it is held
    """

    @property
    def id(self) -> str: ...
    @property
    def token(self) -> str | None: ...
    @property
    def attempt(self) -> int: ...
    @property
    def row(self) -> Any: ...


C = TypeVar("C", bound=Claimed)


def lease(model: type[WorkRow], limit: int) -> tuple[str, Sequence[WorkRow]]:
    """A new lease token, and up to `limit` due rows that nobody else holds, now held under it."""
    token = new_uuid()
    found = fetch_all(_LEASE[model], token=token, now=clock.now(), limit=limit)
    return token, [rows.of(model, values) for values in found]


def hold(model: type[WorkRow], limit: int) -> Sequence[WorkRow]:
    """Up to `limit` due rows that nobody else holds, locked until the caller's transaction ends.

    It goes outside for them and writes down what came of it; should it fail, they were never touched.
    """
    held = [rows.of(model, values) for values in fetch_all(_HOLD[model], now=clock.now(), limit=limit)]
    for row in held:
        row.attempts += 1
    return held


def finish(model: type[WorkRow], results: Iterable[tuple[C, Answer]], success: str) -> list[WorkRow]:
    """Write final answers down, the first of each claim and only where it still stands.

    success  the status after a success; after a failure it is `failed`

    The rows that were reached, as they are now, in the order of the results.
    """
    of_leased, of_held = _FINISH[model]
    now = clock.now()
    ends: dict[tuple[str, str | None], dict[str, Any]] = {}
    held: dict[str, WorkRow] = {}
    for claim, answer in results:
        if answer.outcome.is_final and (claim.id, claim.token) not in ends:
            end = _end(model, success if answer.outcome is Outcome.SUCCESS else "failed", answer, now)
            ends[claim.id, claim.token] = {"id": claim.id, **end}
            if claim.token is None:
                vars(claim.row).update(end, due_at=None, lease_until=None, lease_token=None)
                held[claim.id] = claim.row
    of_leases = [end | {"token": token} for (_, token), end in ends.items() if token is not None]
    finished = [rows.of(model, values) for values in fetch_many(of_leased, of_leases)]
    of_rows = [ends[row_id, None] | {"attempts": row.attempts} for row_id, row in held.items()]
    finished += [held[row_id] for (row_id,) in fetch_many(of_held, of_rows)]
    place = {row_id: at for at, (row_id, _) in enumerate(ends)}
    return sorted(finished, key=lambda row: place[row.id])


def _end(model: type[Payment] | type[Refund], status: str, answer: Answer, now: datetime) -> dict[str, Any]:
    """What a final answer changes in its row."""
    if model is Refund:
        processed_at = now if status == "processed" else None
        return {"status": status, "error_description": answer.description, "processed_at": processed_at}
    code, description = ("PAYMENT_FAILED", answer.description) if status == "failed" else (None, None)
    return {"status": status, "error_code": code, "error_description": description, "updated_at": now}


def ask_again(model: type[Payment] | type[Refund], results: Iterable[tuple[C, Answer]]) -> None:
    """Put rows without a final answer back, due after a growing wait; in the end flag them for a human."""
    of_leased, of_held = _ASK_AGAIN[model]
    for claim, answer in results:
        if answer.outcome.is_final:
            continue
        is_over = claim.attempt > len(INQUIRY_WAITS_S)
        wait_s = INQUIRY_WAITS_S[min(claim.attempt, len(INQUIRY_WAITS_S)) - 1]
        again: dict[str, Any] = {
            "id": claim.id,
            "due_at": None if is_over else clock.now() + timedelta(seconds=wait_s),
            "flagged": f"No final answer from the bank after {claim.attempt} tries" if is_over else None,
        }
        if claim.token is None:
            later(of_held, **again, attempts=claim.attempt)
        else:
            later(of_leased, **again, token=claim.token)


def next_due(model: type[Payment] | type[Refund]) -> datetime | None:
    """When the next row that nobody holds is due."""
    row = fetch_one(_NEXT_DUE[model])
    return None if row is None or row[0] is None else moment(row[0])
