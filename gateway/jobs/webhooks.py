"""Announces payments, hands events out to endpoints and delivers them."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future

from gateway.adapters.sender import Sender
from gateway.core import config
from gateway.core.db import ring
from gateway.core.sending import Receipt
from gateway.domain import announcing, dispatch
from gateway.domain.dispatch import Claim
from gateway.jobs.desk import Job

SENDERS = 256
PER_ENDPOINT = 64


def claim(free: int, under_way: Sequence[Claim]) -> Sequence[Claim]:
    has_more = announcing.announce_new()
    claims = dispatch.claim_with_new(free, _busy(under_way), PER_ENDPOINT)
    if has_more:
        ring("webhooks")  # not before: handing events out hushes it
    return claims


def claim_new(free: int, under_way: Sequence[Claim]) -> Sequence[Claim]:
    return dispatch.claim_new(free, _busy(under_way), PER_ENDPOINT)


def _busy(under_way: Sequence[Claim]) -> Counter[str]:
    return Counter(claim.endpoint_id for claim in under_way)


def job() -> Job[Claim, Receipt]:
    sender = Sender(
        allow_private=config.current().webhook_allow_private, per_endpoint=PER_ENDPOINT, threads=SENDERS
    )

    def call(claim: Claim) -> Receipt:
        return sender.post(claim.url, claim.body, claim.headers())

    def begin(claim: Claim) -> Future[Receipt]:
        return sender.begin(claim.url, claim.body, claim.headers())

    return Job(
        "webhooks",
        SENDERS,
        claim,
        call,
        dispatch.record,
        dispatch.next_due,
        begin=begin,
        claim_new=claim_new,
    )
