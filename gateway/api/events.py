"""The merchant's events in order, so that a receiver can prove it missed nothing."""

from flask import Response, g

from gateway.api import api
from gateway.api.answers import answer
from gateway.api.reading import limit, number
from gateway.core.db import reading
from gateway.domain import events, wire

MAX_SEQUENCE = 2**63 - 1


@api.get("/events")
def list_events() -> Response:
    after, at_most = number("after", 0, 0, MAX_SEQUENCE), limit()
    with reading():
        found, has_more = events.page(g.caller.merchant_id, after, at_most)
    return answer({"data": [wire.event(each) for each in found], "limit": at_most, "has_more": has_more})


@api.get("/events/<event_id>")
def get_event(event_id: str) -> Response:
    with reading():
        return answer(wire.event(events.get(g.caller.merchant_id, event_id)))
