"""What comes back from trying to deliver a webhook: plain values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Receipt:
    """The end of one attempt.

    outcome        success (2xx), refused (any other answer), timeout,
                   unreachable (no connection, no name), blocked (address not allowed)
    response_code  null when there was no answer
    response_body  at most 10 kB of it, as text
    retry_after_s  what the receiver asked us to wait, if it did
    """

    outcome: str
    duration_ms: int
    response_code: int | None = None
    response_body: str | None = None
    error: str | None = None
    retry_after_s: int | None = None

    @property
    def is_success(self) -> bool:
        return self.outcome == "success"
