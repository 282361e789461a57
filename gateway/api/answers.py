"""From values to JSON answers."""

from collections.abc import Callable
from typing import Any

from flask import Response
from werkzeug.datastructures import Headers

from gateway.domain import wire
from gateway.domain.listing import Page, Row, Wanted


class JsonAnswer(Response):
    """JSON that is ready as it is: its one piece goes to the server untouched, its headers say all."""

    def __init__(self, text: str, status: int = 200) -> None:
        body = text.encode()
        super().__init__([body], status, content_type="application/json", direct_passthrough=True)
        self.headers.add("Content-Length", str(len(body)))

    def get_wsgi_headers(self, environ: dict[str, Any]) -> Headers:
        return self.headers


def answer(value: wire.Json, status: int = 200) -> Response:
    """A JSON answer; its text is what an idempotency key keeps."""
    return JsonAnswer(wire.encode(value), status)


def answer_page(page: Page[Row], word: Callable[[Row], wire.Json], wanted: Wanted) -> Response:
    """One page of a list. By `offset` it has a total; by `after` it says whether more follows."""
    data = [word(row) for row in page.rows]
    if page.total is None:
        return answer({"data": data, "limit": wanted.limit, "has_more": page.has_more})
    where = {"total": page.total, "limit": wanted.limit, "offset": wanted.offset}
    return answer({"data": data, **where, "has_more": page.has_more})
