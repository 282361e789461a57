"""From values to JSON answers."""

from collections.abc import Callable

from flask import Response

from gateway.domain import wire
from gateway.domain.listing import Page, Row, Wanted


def answer(value: wire.Json, status: int = 200) -> Response:
    """A JSON answer; its bytes are what an idempotency key keeps."""
    return Response(wire.encode(value), status, mimetype="application/json")


def answer_page(page: Page[Row], word: Callable[[Row], wire.Json], wanted: Wanted) -> Response:
    """One page of a list. By `offset` it has a total; by `after` it says whether more follows."""
    data = [word(row) for row in page.rows]
    if page.total is None:
        return answer({"data": data, "limit": wanted.limit, "has_more": page.has_more})
    where = {"total": page.total, "limit": wanted.limit, "offset": wanted.offset}
    return answer({"data": data, **where, "has_more": page.has_more})
