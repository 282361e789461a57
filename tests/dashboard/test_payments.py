"""One payment's page: its story, its capture, its refunds."""

import html
import re
from collections.abc import Callable

import pytest

from gateway.core.db import reading
from gateway.domain import verification
from tests.conftest import Office, Person
from tests.dashboard.conftest import Visit
from tests.scripted import DECLINED, PAID, SILENCE, ScriptedBank

Settle = Callable[[], int]


def page_of(payment: dict) -> str:
    return f"/dashboard/transactions/{payment['id']}"


@pytest.fixture
def paid(merchant: Person, bank: ScriptedBank, settle: Settle) -> dict:
    payment = merchant.pay(merchant.order(amount=50000))
    settle()
    return merchant.payment(payment["id"])


def confirm(visit: Visit, payment: dict, amount_text: str, **more: str):
    """Preview this refund and send the form that the preview shows."""
    preview = visit.get(f"{page_of(payment)}/refund", query_string={"amount_text": amount_text, **more})
    assert preview.status_code == 200, preview.text
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', preview.text)
    fields = {name: html.unescape(value) for name, value in found}
    del fields["csrf_token"]
    return visit.post(f"{page_of(payment)}/refund", **fields)


def steps_on(text: str) -> list[str]:
    return re.findall(r'data-step="([^"]+)"', text)


def test_it_shows_the_payment_and_its_json(visit: Visit, paid: dict) -> None:
    text = visit.get(page_of(paid)).text
    assert 'data-test-id="amount" data-amount="50000">₹500.00<' in text
    assert f"/dashboard/orders/{paid['order_id']}" in text
    assert f"&#34;id&#34;: &#34;{paid['id']}&#34;" in text


def test_a_rival_finds_nothing_there(rival_visit: Visit, paid: dict, rows: Callable) -> None:
    for path in ("", "/state", "/refund?amount_text=1"):
        assert rival_visit.get(page_of(paid) + path).status_code == 404
    assert rival_visit.post(f"{page_of(paid)}/capture").status_code == 404
    assert rival_visit.post(f"{page_of(paid)}/refund", amount_text="1").status_code == 404
    assert rows("SELECT * FROM refunds") == []
    assert rows("SELECT captured FROM payments")[0]["captured"] in (False, 0)


@pytest.mark.parametrize("odd", ["pay_short", "order_0000000000000000", "x", "pay_000000000000000%00"])
def test_an_id_of_no_payment_is_not_found(visit: Visit, odd: str) -> None:
    assert visit.get(f"/dashboard/transactions/{odd}").status_code == 404


@pytest.mark.parametrize("role", ["viewer", "developer"])
def test_who_may_not_move_money_sees_no_button_and_is_refused(
    role: str, request: pytest.FixtureRequest, paid: dict, rows: Callable
) -> None:
    someone: Visit = request.getfixturevalue(role)
    text = someone.get(page_of(paid)).text
    assert "capture-button" not in text and "refund-form" not in text
    assert "₹500.00</strong> of this payment can still be refunded" in text
    assert someone.get(f"{page_of(paid)}/refund?amount_text=1").status_code == 403
    for act in ("capture", "refund"):
        assert someone.post(f"{page_of(paid)}/{act}", amount_text="1").status_code == 403
    assert rows("SELECT * FROM refunds") == []


def test_its_story_is_told_in_order_with_events_and_deliveries(
    visit: Visit, merchant: Person, paid: dict, office: Office, settle: Settle, wait: Callable, rows: Callable
) -> None:
    merchant.put("/webhooks/config", {"webhook_url": "http://127.0.0.1:9/hook"})
    visit.post(f"{page_of(paid)}/capture")
    wait(20)
    confirm(visit, paid, "200", reason="Ware <zurück>")
    wait(30)
    office.refund()
    text = visit.get(page_of(paid)).text
    assert steps_on(text) == [
        "created",
        "success",
        "order.paid",
        "captured",
        "refund.created",
        "refund.processed",
    ]
    assert "Refund of ₹200.00 asked for: Ware &lt;zurück&gt;" in text
    assert text.count(f"by {visit.person.email}") == 2
    assert "not numbered yet" in text and "hx-trigger" in text
    office.deliver()
    text = visit.get(page_of(paid)).text
    assert "not numbered yet" not in text
    assert re.findall(r"#(\d+)<", text) == [str(n) for n in range(1, 8)]
    deliveries = {row["id"] for row in rows("SELECT id FROM webhook_logs")}
    links = re.findall(r'href="/dashboard/webhooks/([^"]+)"', text)
    assert deliveries and {str(id_) for id_ in deliveries} == set(links)
    assert visit.get(f"/dashboard/webhooks/{links[0]}").status_code == 200


def test_a_failed_payment_says_why_and_offers_nothing(
    visit: Visit, merchant: Person, bank: ScriptedBank, settle: Settle
) -> None:
    payment = merchant.pay()
    bank.will_say(DECLINED)
    settle()
    text = visit.get(page_of(payment)).text
    assert steps_on(text) == ["created", "failed"]
    assert "Payment was declined by the bank" in text
    assert "capture-button" not in text and "refund-form" not in text


def test_it_tells_how_often_the_bank_was_asked(
    visit: Visit, merchant: Person, bank: ScriptedBank, settle: Settle
) -> None:
    payment = merchant.pay()
    bank.will_say(SILENCE)
    settle()
    assert "Waiting for its answer" in visit.get(page_of(payment)).text
    bank.will_say(SILENCE, PAID)
    settle()
    assert "Asked 2 times without a final answer" in visit.get(page_of(payment)).text
    settle()
    assert "The bank said yes when asked 3 times" in visit.get(page_of(payment)).text


def test_a_pending_payment_is_watched_and_a_finished_one_is_not(
    visit: Visit, merchant: Person, bank: ScriptedBank, office: Office, settle: Settle
) -> None:
    payment = merchant.pay()
    assert f'hx-get="{page_of(payment)}/state"' in visit.get(page_of(payment)).text
    settle()
    office.deliver()
    finished = visit.get(f"{page_of(payment)}/state")
    assert "hx-trigger" not in finished.text and "<html" not in finished.text
    again = visit.get(f"{page_of(payment)}/state", headers={"If-None-Match": finished.headers["ETag"]})
    assert again.status_code == 304


def test_capture_is_the_apis_capture_and_twice_is_once(visit: Visit, paid: dict, rows: Callable) -> None:
    for _ in range(2):
        answer = visit.post(f"{page_of(paid)}/capture")
        assert (answer.status_code, answer.headers["Location"]) == (303, page_of(paid))
    text = visit.get(page_of(paid)).text
    assert "The payment is captured" in text and "not in capturable state" not in text
    assert "capture-button" not in text
    lines = rows("SELECT actor, act, subject FROM audit_log WHERE act = 'payment.captured'")
    assert lines == [{"actor": visit.person.email, "act": "payment.captured", "subject": paid["id"]}]
    assert len(rows("SELECT * FROM events WHERE event = 'payment.captured'")) == 1


def test_what_cannot_be_captured_returns_with_the_reason(visit: Visit, merchant: Person) -> None:
    payment = merchant.pay()
    answer = visit.client.post(
        f"{page_of(payment)}/capture",
        data={"csrf_token": token(visit)},
        headers={"Referer": f"http://localhost{page_of(payment)}"},
    )
    assert answer.status_code == 303
    assert "Payment not in capturable state" in visit.get(page_of(payment)).text


def token(visit: Visit) -> str:
    return re.search(r'name="csrf_token" value="([^"]+)"', visit.get("/dashboard/transactions").text)[1]


def test_a_preview_does_nothing(visit: Visit, paid: dict, rows: Callable) -> None:
    text = visit.get(f"{page_of(paid)}/refund?amount_text=200&reason=torn").text
    assert "Refund ₹200.00?" in text
    assert 'data-test-id="refundable-after">₹300.00<' in text
    assert "torn" in text
    assert rows("SELECT * FROM refunds") == []
    everything = visit.get(f"{page_of(paid)}/refund?all=yes&amount_text=")
    assert "Refund ₹500.00?" in everything.text


def test_a_refund_goes_through_and_its_rest_is_shown(visit: Visit, paid: dict, rows: Callable) -> None:
    answer = confirm(visit, paid, "₹200", reason="torn")
    assert (answer.status_code, answer.headers["Location"]) == (303, page_of(paid))
    (refund,) = rows("SELECT * FROM refunds")
    assert (refund["amount"], refund["reason"], refund["status"]) == (20000, "torn", "pending")
    text = visit.get(page_of(paid)).text
    assert "₹200.00 is on its way back to the payer" in text
    assert 'data-test-id="refundable" data-amount="30000"' in text
    (line,) = rows("SELECT * FROM audit_log WHERE act = 'refund.created'")
    assert (line["actor"], line["subject"]) == (visit.person.email, refund["id"])
    confirm(visit, paid, "", all="yes")
    assert "All of this payment is refunded" in visit.get(page_of(paid)).text
    with reading():
        assert verification.complaints() == {}


@pytest.mark.parametrize(
    ("amount_text", "words"),
    [
        ("", "Enter an amount, such as 499.00"),
        ("abc", "This is not an amount"),
        ("-5", "This is not an amount"),
        ("0", "Enter more than nothing"),
        ("1.999", "INR has at most 2 decimals"),
        ("500.01", "₹500.00 of this payment can still be refunded"),
        ("99999999999", "The most is"),
    ],
)
def test_an_amount_that_does_not_do_is_told_beside_the_field(
    visit: Visit, paid: dict, rows: Callable, amount_text: str, words: str
) -> None:
    typed = {"amount_text": amount_text, "reason": "keep me"}
    for answer in (
        visit.get(f"{page_of(paid)}/refund", query_string=typed),
        visit.post(f"{page_of(paid)}/refund", **typed),
    ):
        assert answer.status_code == 400
        note = re.search(r'data-test-id="amount_text-error">.*?</p>', answer.text, re.S)
        assert note is not None and words in note[0]
        assert f'value="{amount_text}"' in answer.text and 'value="keep me"' in answer.text
    assert rows("SELECT * FROM refunds") == []


def test_a_reason_that_is_too_long_is_told_beside_it(visit: Visit, paid: dict) -> None:
    answer = visit.post(f"{page_of(paid)}/refund", amount_text="1", reason="x" * 1001)
    assert answer.status_code == 400
    assert "reason-error" in answer.text and "amount_text-error" not in answer.text


def test_the_same_confirmation_twice_is_one_refund(visit: Visit, paid: dict, rows: Callable) -> None:
    fields = {"amount_text": "400.00", "reason": "", "form_id": "form_0123456789abcdef"}
    for _ in range(2):
        assert visit.post(f"{page_of(paid)}/refund", **fields).status_code == 303
    assert len(rows("SELECT * FROM refunds")) == 1
    # Meant again it is another form, and then there is too little left.
    again = visit.post(f"{page_of(paid)}/refund", **fields | {"form_id": "form_another"})
    assert again.status_code == 400
    assert "₹100.00 of this payment can still be refunded" in again.text


def test_a_refused_refund_says_so_and_is_free_again(
    visit: Visit, paid: dict, bank: ScriptedBank, office: Office, wait: Callable
) -> None:
    confirm(visit, paid, "500")
    bank.will_say(DECLINED)
    wait(60)
    office.refund()
    text = visit.get(page_of(paid)).text
    assert steps_on(text)[-2:] == ["refund.created", "refund.failed"]
    assert "The amount can be refunded again" in text
    assert 'data-test-id="refundable" data-amount="50000"' in text


def test_a_refund_keeps_to_the_currency(visit: Visit, merchant: Person, bank, settle: Settle) -> None:
    payment = merchant.pay(merchant.order(amount=1500, currency="KWD"))
    settle()
    text = visit.get(f"{page_of(payment)}/refund?amount_text=1.499").text
    assert "Refund KWD 1.499?" in text and "KWD 0.001" in text
    refused = visit.get(f"{page_of(payment)}/refund?amount_text=1.501")
    assert "KWD 1.500 of this payment can still be refunded" in refused.text


def test_a_form_without_its_token_is_refused(visit: Visit, paid: dict, rows: Callable) -> None:
    answer = visit.client.post(f"{page_of(paid)}/refund", data={"amount_text": "1"})
    assert answer.status_code == 400
    assert rows("SELECT * FROM refunds") == []
