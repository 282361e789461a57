"""The list of refunds."""

import re
from collections.abc import Callable

from tests.conftest import Office, Person
from tests.dashboard.conftest import Visit

PAGE = "/dashboard/refunds"


def ids_on(visit: Visit, address: str) -> list[str]:
    answer = visit.get(address)
    assert answer.status_code == 200, answer.text
    return re.findall(r'data-refund-id="(rfnd_\w+)"', answer.text)


def refunded(merchant: Person, settle: Callable[[], int], part: int = 100, **order: object) -> dict:
    payment = merchant.pay(merchant.order(**order))
    settle()
    answer = merchant.post(f"/payments/{payment['id']}/refunds", {"amount": part, "reason": "torn"})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def test_a_refund_shows_its_state_payment_reason_and_currency(
    visit: Visit, merchant: Person, settle: Callable[[], int]
) -> None:
    refund = refunded(merchant, settle, 150, amount=2000, currency="KWD")
    text = visit.get(PAGE).text
    assert f"/dashboard/transactions/{refund['payment_id']}" in text
    assert 'data-amount="150">KWD 0.150<' in text
    assert "torn" in text and "pending" in text
    assert f'hx-get="{PAGE}/rows"' in text


def test_it_is_watched_until_all_are_done(
    visit: Visit, merchant: Person, settle: Callable[[], int], office: Office, wait: Callable
) -> None:
    first = refunded(merchant, settle)
    wait(60)
    office.refund()
    assert "hx-trigger" not in visit.get(PAGE).text
    second = refunded(merchant, settle)
    assert ids_on(visit, PAGE) == [second["id"], first["id"]]
    assert ids_on(visit, f"{PAGE}?status=processed") == [first["id"]]
    assert ids_on(visit, f"{PAGE}?status=pending&sort=largest&min=5") == [second["id"]]
    assert ids_on(visit, f"{PAGE}?q={first['id']}") == [first["id"]]
    assert ids_on(visit, f"{PAGE}?q={first['payment_id']}") == [first["id"]]
    assert ids_on(visit, f"{PAGE}/rows?q=nothing") == []


def test_a_rival_sees_none(
    rival_visit: Visit, viewer: Visit, merchant: Person, settle: Callable[[], int]
) -> None:
    refund = refunded(merchant, settle)
    assert ids_on(rival_visit, f"{PAGE}?q={refund['id']}") == ids_on(rival_visit, PAGE) == []
    assert "No refunds yet" in rival_visit.get(PAGE).text
    assert ids_on(viewer, PAGE) == [refund["id"]]
