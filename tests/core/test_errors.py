"""The family of refusals: codes and statuses are the contract's."""

import pytest

from gateway.core import errors
from gateway.core.errors import Refusal


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (errors.BadRequest, 400, "BAD_REQUEST_ERROR"),
        (errors.InvalidVpa, 400, "INVALID_VPA"),
        (errors.InvalidCard, 400, "INVALID_CARD"),
        (errors.ExpiredCard, 400, "EXPIRED_CARD"),
        (errors.NotFound, 404, "NOT_FOUND_ERROR"),
        (errors.MethodNotAllowed, 405, "METHOD_NOT_ALLOWED"),
        (errors.KeyInUse, 409, "IDEMPOTENCY_ERROR"),
        (errors.PayloadTooLarge, 413, "PAYLOAD_TOO_LARGE"),
        (errors.KeyReused, 422, "IDEMPOTENCY_ERROR"),
        (errors.RateLimited, 429, "RATE_LIMIT_ERROR"),
        (errors.Unavailable, 503, "SERVER_ERROR"),
        (errors.Busy, 503, "SERVER_ERROR"),
    ],
)
def test_each_refusal_has_its_code_and_status(refusal: type[Refusal], status: int, code: str) -> None:
    made = refusal("why not", field="amount", reason="finer", retry_after=3)
    assert (made.status, made.code) == (status, code)
    assert (made.description, made.field, made.reason, made.retry_after) == ("why not", "amount", "finer", 3)
    assert str(made) == "why not"


def test_failed_authentication_has_one_text_for_every_cause() -> None:
    made = errors.AuthenticationFailed()
    assert (made.status, made.code) == (401, "AUTHENTICATION_ERROR")
    assert made.description == "Invalid API credentials"
    assert (made.field, made.reason) == (None, None)


def test_every_refusal_is_one_of_the_family_and_says_nothing_more_unless_asked() -> None:
    family = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert len(family) >= 13
    for kind in family:
        assert issubclass(kind, Refusal)
        if kind is not errors.AuthenticationFailed:
            assert vars(kind("why not")) == {
                "description": "why not", "field": None, "reason": None, "retry_after": None
            }  # fmt: skip


def test_a_busy_database_counts_as_unavailable() -> None:
    assert issubclass(errors.Busy, errors.Unavailable)


def test_every_code_is_explained_and_every_explanation_is_of_a_code() -> None:
    explained = [(code, status) for code, status, _, _ in errors.CODES]
    assert len(explained) == len(set(explained))
    raised = {
        (kind.code, kind.status)
        for kind in vars(errors).values()
        if isinstance(kind, type) and kind is not Refusal
    }
    # What nobody raises: an unforeseen fault, and the error_code of a payment that failed.
    assert set(explained) == raised | {("SERVER_ERROR", 500), ("PAYMENT_FAILED", None)}
    assert all(when.endswith(".") and what.endswith(".") for _, _, when, what in errors.CODES)
