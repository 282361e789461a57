"""The family of refusals.

Raised anywhere below the faces, worded once per face. Codes and statuses are
the contract's; what each means for the reader stands in CODES at the end.
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
    """The database is away or busy; sent again with the same Idempotency-Key, nothing is done twice."""

    code = "SERVER_ERROR"
    status = 503


class Busy(Unavailable):
    """Somebody held a lock for longer than we wait."""


# Every code: (code, HTTP status, when, what to do). README, the OpenAPI document and the docs page show it.
# PAYMENT_FAILED has no status: it is the `error_code` of a payment that was answered long before.
CODES: tuple[tuple[str, int | None, str, str], ...] = (
    (
        "BAD_REQUEST_ERROR",
        400,
        "A field, query parameter or header is missing or wrong, the body is no JSON object, "
        "or this cannot be done in the present state.",
        "Read `description`; `field` names the input to correct, `reason` is a finer code for programs.",
    ),
    (
        "INVALID_VPA",
        400,
        "The UPI address is missing or does not look like `name@bank`.",
        "Ask the payer for the address again.",
    ),
    (
        "INVALID_CARD",
        400,
        "The card or one of its fields is missing or cannot be right; `field` says which.",
        "Ask the payer for that field again.",
    ),
    (
        "EXPIRED_CARD",
        400,
        "The card was good until an earlier month.",
        "Ask the payer for another card.",
    ),
    (
        "AUTHENTICATION_ERROR",
        401,
        "Key or secret is missing, unknown, wrong or revoked, or the merchant is inactive.",
        "Check both values and that they belong together; the answer does not say which one is wrong.",
    ),
    (
        "NOT_FOUND_ERROR",
        404,
        "There is no such thing, the id has the wrong form, or it belongs to another merchant.",
        "Check the id and the path, and whose keys you use.",
    ),
    (
        "METHOD_NOT_ALLOWED",
        405,
        "The address exists, but not for this method.",
        "Use a method that the `Allow` header lists.",
    ),
    (
        "IDEMPOTENCY_ERROR",
        409,
        "The first request with this Idempotency-Key is still running.",
        "Send the same request again after `Retry-After` seconds; you will get the first one's answer.",
    ),
    (
        "PAYLOAD_TOO_LARGE",
        413,
        "The request body is larger than 128 KiB.",
        "Send less; nothing that the API takes is that long.",
    ),
    (
        "IDEMPOTENCY_ERROR",
        422,
        "This Idempotency-Key was used with another method, path or body.",
        "Use a new key for each new request, and the old one only to repeat the old request.",
    ),
    (
        "RATE_LIMIT_ERROR",
        429,
        "Too many requests to open routes came from your address within this minute.",
        "Wait `Retry-After` seconds.",
    ),
    (
        "SERVER_ERROR",
        500,
        "A fault of ours.",
        "Send the request again with the same Idempotency-Key, so that nothing is done twice, "
        "and report the `request_id` if it persists.",
    ),
    (
        "SERVER_ERROR",
        503,
        "The database is away or busy.",
        "Send the request again with the same Idempotency-Key, so that nothing is done twice, "
        "after `Retry-After` seconds.",
    ),
    (
        "PAYMENT_FAILED",
        None,
        "The bank refused the payment; `error_description` says why.",
        "Let the payer try again or pay in another way. The order can still be paid.",
    ),
)
