"""The family of refusals.

Raised anywhere below the faces, worded once per face. Codes and statuses are
the contract's.
"""


class Refusal(Exception):
    """Something the caller asked for cannot be done, and why.

    description  for people: says what is wrong and, where it can, what to do
    field        the part of the input to look at
    reason       a finer code for programs
    retry_after  seconds after which asking again makes sense
    """

    code = "BAD_REQUEST_ERROR"
    status = 400

    def __init__(
        self,
        description: str,
        *,
        field: str | None = None,
        reason: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(description)
        self.description = description
        self.field = field
        self.reason = reason
        self.retry_after = retry_after


class BadRequest(Refusal):
    """The request makes no sense, or not now."""


class InvalidVpa(Refusal):
    code = "INVALID_VPA"


class InvalidCard(Refusal):
    code = "INVALID_CARD"


class ExpiredCard(Refusal):
    code = "EXPIRED_CARD"


class AuthenticationFailed(Refusal):
    """One text for every cause, so that nobody learns which half was wrong."""

    code = "AUTHENTICATION_ERROR"
    status = 401

    def __init__(self) -> None:
        super().__init__("Invalid API credentials")


class NotFound(Refusal):
    """There is no such thing, or it is somebody else's; the two read the same."""

    code = "NOT_FOUND_ERROR"
    status = 404


class MethodNotAllowed(Refusal):
    code = "METHOD_NOT_ALLOWED"
    status = 405


class KeyInUse(Refusal):
    """The first request with this idempotency key is still running."""

    code = "IDEMPOTENCY_ERROR"
    status = 409


class KeyReused(Refusal):
    """This idempotency key belongs to a request with another body."""

    code = "IDEMPOTENCY_ERROR"
    status = 422


class PayloadTooLarge(Refusal):
    code = "PAYLOAD_TOO_LARGE"
    status = 413


class RateLimited(Refusal):
    code = "RATE_LIMIT_ERROR"
    status = 429


class Unavailable(Refusal):
    """The database is away or busy: nothing was done, asking again is safe."""

    code = "SERVER_ERROR"
    status = 503


class Busy(Unavailable):
    """Somebody held a lock for longer than we wait."""
