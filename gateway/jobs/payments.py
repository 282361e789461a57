"""Takes due payments to the bank and settles them."""

from collections.abc import Sequence

from gateway.adapters import acquirer
from gateway.adapters.acquirer import charge, is_quick
from gateway.core.processor import Answer
from gateway.domain import payments, work
from gateway.domain.payments import Claim
from gateway.jobs.desk import Job
from gateway.models import Payment


def claim(free: int, _under_way: Sequence[Claim]) -> Sequence[Claim]:
    return payments.claim(free)


def call(claim: Claim) -> Answer:
    return charge(acquirer(), claim.asked)


def job() -> Job[Claim, Answer]:
    bank = acquirer()
    return Job(
        "payments",
        bank.max_concurrent,
        claim,
        call,
        payments.settle,
        lambda: work.next_due(Payment),
        hold=payments.hold if is_quick(bank) else None,
    )
