"""Takes due refunds to the bank and records what it said."""

from collections.abc import Sequence

from gateway.adapters import acquirer
from gateway.adapters.acquirer import is_quick, refund
from gateway.core.processor import Answer
from gateway.domain import refunds, work
from gateway.domain.refunds import Claim
from gateway.jobs.desk import Job
from gateway.models import Refund


def claim(free: int, _under_way: Sequence[Claim]) -> Sequence[Claim]:
    return refunds.claim(free)


def call(claim: Claim) -> Answer:
    return refund(acquirer(), claim.asked)


def job() -> Job[Claim, Answer]:
    bank = acquirer()
    return Job(
        "refunds",
        bank.max_concurrent,
        claim,
        call,
        refunds.settle,
        lambda: work.next_due(Refund),
        hold=refunds.hold if is_quick(bank) else None,
    )
