"""The story's steps: each yields what it saw, with a value, or raises Missed."""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

from gateway.check.story import Answer, Missed, Story, expect

AT_ONCE_S = 1.0
NOTES = {"पुस्तक": "गोदान, मुंशी प्रेमचंद", "gift": "🎁 with a card"}
VPA = "meera@okbank"
CARD = {
    "number": "4111 1111 1111 1111",
    "expiry_month": "12",
    "expiry_year": "30",
    "cvv": "123",
    "holder_name": "मीरा शर्मा",
}
EVENTS = ("payment.created", "payment.pending", "payment.success")

Seen = Iterator[tuple[str, str]]


def healthy(story: Story) -> Seen:
    wanted = {"status": "healthy", "database": "connected", "worker": "running"}

    def missing() -> str:
        answer = story.gateway.get("/health")
        said = {name: answer.fields.get(name) for name in wanted}
        return "" if answer.status == 200 and said == wanted else str(answer)

    story.wait("the gateway is healthy", missing, may_be_away=True)
    yield "the gateway is healthy", "database connected, worker running"


def shop_open(story: Story) -> Seen:
    expected = "the shop is open"

    def missing() -> str:
        answer = story.shop.get("/events.json")
        # A shop may have heard another database's events, with the same numbers.
        story.heard_before = {str(row.get("id")) for row in answer.rows}
        return "" if answer.status == 200 else str(answer)

    story.wait(expected, missing, may_be_away=True)
    yield expected, f"{len(story.heard_before)} events heard before"


def upi_payment(story: Story) -> Seen:
    order_id = create_order(story)
    yield "an order is created, its notes kept letter for letter", order_id
    story.upi_request = {"order_id": order_id, "method": "upi", "vpa": VPA}
    answer = pay(story, "UPI", story.upi_request, key=story.upi_key)
    yield "a UPI payment is accepted at once, pending", f"{answer.took_s * 1000:.0f} ms"
    yield "the UPI payment succeeds", f"{story.paid['UPI']}, {succeed(story, 'UPI'):.1f} s later"


def card_payment(story: Story) -> Seen:
    answer = pay(story, "card", {"order_id": create_order(story), "method": "card", "card": CARD})
    expect_masked(answer)
    yield "a card payment is accepted at once, pending", f"{answer.took_s * 1000:.0f} ms"
    yield "the card payment succeeds", f"{story.paid['card']}, {succeed(story, 'card'):.1f} s later"
    expect_masked(story.gateway.get(f"/api/v1/payments/{story.paid['card']}"))
    yield "the card is known by network and last four, nothing more", "visa 1111"


def idempotency(story: Story) -> Seen:
    expected = "the same key and body get the same bytes again"
    first = story.answers.get("UPI")
    if first is None:
        raise Missed(expected, "there is no UPI payment to repeat")
    again = story.gateway.post("/api/v1/payments", story.upi_request, key=story.upi_key)
    expect((again.status, again.body) == (first.status, first.body), expected, again)
    replayed = again.headers.get("Idempotent-Replayed")
    expect(replayed == "true", "a replay says Idempotent-Replayed: true", replayed)
    yield expected, f"{len(again.body)} bytes, replayed"
    changed = story.upi_request | {"vpa": "somebody.else@okbank"}
    other = story.gateway.post("/api/v1/payments", changed, key=story.upi_key)
    fits = (other.status, other.code) == (422, "IDEMPOTENCY_ERROR")
    expect(fits, "the same key with another body is refused with 422", other)
    yield "the same key with another body is refused", "422 IDEMPOTENCY_ERROR"


def wrong_secret(story: Story) -> Seen:
    answer = story.stranger.post("/api/v1/orders", {"amount": 50000})
    fits = (answer.status, answer.code) == (401, "AUTHENTICATION_ERROR")
    expect(fits, "a wrong secret is refused with 401 AUTHENTICATION_ERROR", answer)
    yield "a wrong secret is refused", "401 AUTHENTICATION_ERROR"


def bad_vpa(story: Story) -> Seen:
    # An order of its own: a paid one may be refused for that alone.
    fields = {"order_id": create_order(story), "method": "upi", "vpa": "no address"}
    answer = story.gateway.post("/api/v1/payments", fields)
    fits = (answer.status, answer.code) == (400, "INVALID_VPA")
    expect(fits, "a bad UPI address is refused with 400 INVALID_VPA", answer)
    yield "a bad UPI address is refused", "400 INVALID_VPA"


def webhooks_heard(story: Story) -> Seen:
    expected = "the shop hears of both payments, well signed"
    wanted = wanted_events(story, expected)

    def missing() -> str:
        rows = heard(story)
        well_signed = {name(row) for row in rows if row.get("standard_ok") is True}
        return name_missing(wanted - well_signed, f"of {len(rows)} webhooks with a good signature")

    seconds = story.wait(expected, missing)
    yield expected, f"{len(wanted)} events, {seconds:.1f} s later"


def sequence(story: Story) -> Seen:
    expected = "their sequence has no gap"
    wanted = wanted_events(story, expected)

    def missing() -> str:
        return sequence_flaw(heard(story), wanted)

    story.wait(expected, missing)
    own = [row["sequence"] for row in heard(story) if name(row) in wanted]
    yield expected, f"{min(own)} to {max(own)}"


def deliveries(story: Story) -> Seen:
    expected = "the gateway's log shows each of them delivered"
    wanted = wanted_events(story, expected)
    payloads: dict[str, str] = {}  # by path, since a row of the list does not name its payment

    def missing() -> str:
        answer = story.gateway.get("/api/v1/webhooks?limit=100")
        delivered = set()
        for row in answer.rows:
            if row.get("status") == "success" and row.get("event") in EVENTS:
                path = f"/api/v1/webhooks/{row.get('id')}"
                if path not in payloads and (detail := story.gateway.get(path)).status == 200:
                    payloads[path] = str(detail)
                payload = payloads.get(path, "")
                delivered |= {(row["event"], of) for of in story.paid.values() if of in payload}
        return name_missing(wanted - delivered, f"in a list of {len(answer.rows)}, answered {answer.status}")

    story.wait(expected, missing)
    yield expected, f"{len(wanted)} with status success"


def jobs_status(story: Story) -> Seen:
    expected = "the job counts make sense"
    answer = story.gateway.get("/api/v1/test/jobs/status")
    counts = {state: answer.fields.get(state) for state in ("pending", "processing", "completed", "failed")}
    are_counts = all(type(count) is int and count >= 0 for count in counts.values())
    expect(answer.status == 200 and are_counts, expected, answer)
    is_enough = int(answer.fields["completed"]) >= len(story.paid)
    expect(is_enough, expected, f"{len(story.paid)} payments made, but {counts}")
    expect(answer.fields.get("worker_status") == "running", "the worker runs", answer)
    yield expected, ", ".join(f"{count} {state}" for state, count in counts.items())


def create_order(story: Story) -> str:
    answer = story.gateway.post("/api/v1/orders", {"amount": 50000, "currency": "INR", "notes": NOTES})
    order_id = answer.fields.get("id")
    is_order = isinstance(order_id, str) and re.fullmatch(r"order_[A-Za-z0-9]{16}", order_id)
    expect(answer.status == 201 and bool(is_order), "an order of 50000 is created with 201", answer)
    kept = {name: answer.fields.get(name) for name in ("amount", "currency", "notes", "status")}
    wanted = {"amount": 50000, "currency": "INR", "notes": NOTES, "status": "created"}
    expect(kept == wanted, "an order keeps amount, currency and notes", kept)
    return str(order_id)


def pay(story: Story, method: str, fields: dict[str, Any], key: str = "") -> Answer:
    answer = story.gateway.post("/api/v1/payments", fields, key)
    payment_id = answer.fields.get("id")
    is_payment = isinstance(payment_id, str) and re.fullmatch(r"pay_[A-Za-z0-9]{16}", payment_id)
    expect(answer.status == 201 and bool(is_payment), f"a {method} payment is accepted with 201", answer)
    story.paid[method], story.answers[method] = str(payment_id), answer
    expect(answer.fields.get("status") == "pending", f"a new {method} payment is pending", answer)
    expect(answer.fields.get("amount") == 50000, f"a {method} payment is over the order's amount", answer)
    in_time = answer.took_s < AT_ONCE_S
    expect(in_time, f"a {method} payment is accepted within {AT_ONCE_S:g} s", f"took {answer.took_s:.2f} s")
    return answer


def succeed(story: Story, method: str) -> float:
    """The seconds until that payment has succeeded."""
    expected = f"the {method} payment succeeds"

    def missing() -> str:
        answer = story.gateway.get(f"/api/v1/payments/{story.paid[method]}")
        status = answer.fields.get("status")
        expect(status != "failed", expected, answer)
        return "" if answer.status == 200 and status == "success" else str(answer)

    return story.wait(expected, missing)


def expect_masked(answer: Answer) -> None:
    """The card is there as network and last four, its number and CVV are not."""
    shown = (answer.fields.get("card_network"), answer.fields.get("card_last4"))
    expect(shown == ("visa", "1111"), "the card is shown as visa 1111", shown)
    text = re.sub(r"[\s-]", "", str(answer))
    # As a whole value only: an id may well hold three such digits.
    has_cvv = re.search(rf'"cvv"|[":,\[]{CARD["cvv"]}[",}}\]]', text)
    has_number = CARD["number"].replace(" ", "") in text
    # The answer is not printed: what came is the very thing that nobody may see.
    expect(not (has_cvv or has_number), "no answer holds the card's number or CVV", "one of them is in it")


def wanted_events(story: Story, expected: str) -> set[tuple[str, str]]:
    """Every event of the two payments, as (event, payment id)."""
    expect(len(story.paid) == 2, expected, f"only {len(story.paid)} of 2 payments were made")
    return {(event, payment_id) for event in EVENTS for payment_id in story.paid.values()}


def heard(story: Story) -> list[dict[str, Any]]:
    """What has reached the shop since the story began, with a good signature."""
    genuine = [row for row in story.shop.get("/events.json").rows if row.get("signature_ok") is True]
    return [row for row in genuine if str(row.get("id")) not in story.heard_before]


def name(row: dict[str, Any]) -> tuple[str, str]:
    return str(row.get("event")), str(row.get("payment_id"))


def sequence_flaw(rows: list[dict[str, Any]], wanted: set[tuple[str, str]]) -> str:
    """What is wrong with the numbers from the first to the last of the wanted events; "" when nothing is.

    Other payments' events may lie between: they belong to the same count.
    """
    numbers = {name(row): int(row["sequence"]) for row in rows if type(row.get("sequence")) is int}
    if absent := wanted - numbers.keys():
        return name_missing(absent, "with a number")
    for payment_id in {payment_id for _, payment_id in wanted}:
        in_turn = [numbers[event, payment_id] for event in EVENTS]
        if sorted(in_turn) != in_turn:
            return f"{', '.join(EVENTS)} of {payment_id} are numbered {in_turn}"
    own = [numbers[event] for event in wanted]
    visible = {(row["sequence"], str(row.get("id"))) for row in rows if type(row.get("sequence")) is int}
    between = sorted(number for number, _ in visible if min(own) <= number <= max(own))
    for earlier, later in itertools.pairwise(between):
        if later != earlier + 1:
            return f"{earlier} is followed by {later}"
    return ""


def name_missing(missing: set[tuple[str, str]], where: str) -> str:
    if not missing:
        return ""
    event, payment_id = min(missing)
    return f"{len(missing)} missing {where}, such as {event} of {payment_id}"


STEPS: dict[str, Callable[[Story], Seen]] = {
    "the gateway is healthy": healthy,
    "the shop is open": shop_open,
    "an order is paid by UPI": upi_payment,
    "an order is paid by card": card_payment,
    "a repeated request is answered as before": idempotency,
    "a wrong secret is refused": wrong_secret,
    "a bad UPI address is refused": bad_vpa,
    "the shop hears of both payments": webhooks_heard,
    "their sequence has no gap": sequence,
    "the gateway's log shows each of them delivered": deliveries,
    "the job counts make sense": jobs_status,
}
