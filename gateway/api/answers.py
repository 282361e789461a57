"""From values to JSON answers."""

from flask import Response

from gateway.domain import wire


def answer(value: wire.Json, status: int = 200) -> Response:
    """A JSON answer; its bytes are what an idempotency key keeps."""
    return Response(wire.encode(value), status, mimetype="application/json")
