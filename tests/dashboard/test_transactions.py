"""The list of payments: finding, sorting, turning pages, exporting."""

import csv
import io
import re
from collections.abc import Callable

import pytest

from gateway.domain import search
from tests.conftest import Person
from tests.dashboard.conftest import Visit

PAGE = "/dashboard/transactions"


def ids_on(visit: Visit, address: str) -> list[str]:
    answer = visit.get(address)
    assert answer.status_code == 200, answer.text
    return re.findall(r'data-payment-id="(pay_\w+)"', answer.text)


def card(merchant: Person, order: dict, number: str = "4111111111111111") -> dict:
    details = {
        "number": number,
        "expiry_month": 12,
        "expiry_year": 2040,
        "cvv": "123",
        "holder_name": "Asha Verma",
    }
    answer = merchant.post("/payments", {"order_id": order["id"], "method": "card", "card": details})
    assert answer.status_code == 201, answer.text
    return dict(answer.json)


def test_each_row_says_what_the_contract_promises(visit: Visit, merchant: Person) -> None:
    payment = merchant.pay(merchant.order(amount=50000))
    text = visit.get(PAGE).text
    assert 'data-test-id="transactions-table"' in text
    row = re.search(r"<tr id=.*?</tr>", text, re.S)[0]
    assert f'data-test-id="transaction-row" data-payment-id="{payment["id"]}"' in row
    assert f'data-test-id="payment-id">{payment["id"]}<' in row
    assert f'data-test-id="order-id">{payment["order_id"]}<' in row
    assert 'data-test-id="amount" data-amount="50000">₹500.00<' in row
    assert 'data-test-id="method">upi<' in row
    shown = payment["created_at"].replace("T", " ").removesuffix("Z")
    assert re.search(rf'data-test-id="created-at"><time datetime="[^"]+" title="UTC">{shown}</time>', row)
    assert re.search(r'data-test-id="status"><span class="status" data-tone="info">.*?pending</span>', row)


def test_nobody_sees_a_rivals_payments(rival_visit: Visit, merchant: Person) -> None:
    payment = merchant.pay()
    assert ids_on(rival_visit, PAGE) == []
    assert ids_on(rival_visit, f"{PAGE}?q={payment['id']}") == []
    assert payment["id"] not in rival_visit.get(f"{PAGE}/export.csv").text
    assert "No payments yet" in rival_visit.get(PAGE).text


def test_one_field_finds_by_whatever_is_remembered(
    visit: Visit, merchant: Person, settle: Callable[[], int]
) -> None:
    order = merchant.order(receipt="INV-2026_7%")
    payment = merchant.pay(order, vpa="Asha.V@okbank")
    other = card(merchant, merchant.order(receipt="1111x"))
    third = card(merchant, merchant.order(receipt="OTHER"), "5555555555554444")
    settle()
    refund = merchant.post(f"/payments/{payment['id']}/refunds", {"amount": 100}).json
    for text in (payment["id"], order["id"], refund["id"], "asha.v@okbank", "asha.v@", "inv-2026_7%"):
        assert ids_on(visit, f"{PAGE}?q={text.replace('%', '%25')}") == [payment["id"]], text
    assert ids_on(visit, f"{PAGE}?q=++{payment['id']}+") == [payment["id"]]
    assert ids_on(visit, f"{PAGE}?q=1111") == [other["id"]]
    assert ids_on(visit, f"{PAGE}?q=4444") == [third["id"]]
    for nothing in ("%25", "_", "pay_0000000000000000", "x@y", "9999", "%00", "a" * 300, "' OR 1=1 --"):
        assert ids_on(visit, f"{PAGE}?q={nothing}") == [], nothing
    assert "No payment has this UPI address" in visit.get(f"{PAGE}?q=x@y").text


def test_filters_narrow_the_list(visit: Visit, merchant: Person, settle: Callable[[], int]) -> None:
    small = merchant.pay(merchant.order(amount=10000))
    large = card(merchant, merchant.order(amount=90000))
    yen = merchant.pay(merchant.order(amount=500, currency="JPY"))
    settle()
    pending = merchant.pay(merchant.order(amount=20000), vpa="later@upi")
    assert ids_on(visit, f"{PAGE}?status=pending") == [pending["id"]]
    assert ids_on(visit, f"{PAGE}?method=card") == [large["id"]]
    assert ids_on(visit, f"{PAGE}?min=150&max=500.00&status=") == [pending["id"], yen["id"]]
    assert ids_on(visit, f"{PAGE}?max=₹100&sort=smallest") == [small["id"]]
    everything = [small["id"], pending["id"], yen["id"], large["id"]]
    assert ids_on(visit, f"{PAGE}?sort=smallest") == everything
    assert ids_on(visit, f"{PAGE}?sort=largest") == everything[::-1]
    today = small["created_at"][:10]
    assert len(ids_on(visit, f"{PAGE}?from={today}")) == 4
    assert ids_on(visit, f"{PAGE}?to=2020-01-01") == []
    assert len(ids_on(visit, f"{PAGE}?status=nonsense&method=&sort=upwards")) == 4


@pytest.mark.parametrize(
    ("query", "field"),
    [("min=abc", "min"), ("max=1.234", "max"), ("from=yesterday", "from"), ("to=9999-12-31", "to")],
)
def test_a_filter_that_makes_no_sense_is_told_beside_it(visit: Visit, query: str, field: str) -> None:
    answer = visit.get(f"{PAGE}?{query}")
    assert answer.status_code == 400
    assert f'data-test-id="{field}-error"' in answer.text
    assert visit.get(f"{PAGE}/export.csv?{query}").status_code == 400


@pytest.mark.parametrize("sort", ["newest", "oldest", "largest", "smallest"])
def test_pages_turn_forth_and_back_and_miss_nothing(
    visit: Visit, merchant: Person, sort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAGE_ROWS", 3)
    for n in range(8):
        merchant.pay(merchant.order(amount=10000 + n % 3))
    monkeypatch.setattr(search, "PAGE_ROWS", 100)
    everything = ids_on(visit, f"{PAGE}?sort={sort}")
    monkeypatch.setattr(search, "PAGE_ROWS", 3)
    assert len(everything) == 8

    def turn(text: str, rel: str) -> str | None:
        found = re.search(rf'rel="{rel}" href="([^"]+)"', text)
        return None if found is None else PAGE + found[1].replace("&amp;", "&")

    address: str | None = f"{PAGE}?sort={sort}"
    seen, last = [], ""
    while address is not None:
        seen.append(ids_on(visit, address))
        last, address = address, turn(visit.get(address).text, "next")
    assert [len(page) for page in seen] == [3, 3, 2]
    assert [*seen[0], *seen[1], *seen[2]] == everything
    middle = turn(visit.get(last).text, "prev")
    assert middle is not None and ids_on(visit, middle) == seen[1]
    first = turn(visit.get(middle).text, "prev")
    assert first is not None and ids_on(visit, first) == seen[0]
    assert turn(visit.get(first).text, "prev") is None


def test_a_cursor_of_somebody_elses_is_refused(visit: Visit, rival: Person, merchant: Person) -> None:
    merchant.pay()
    foreign = rival.pay(rival.order())
    assert visit.get(f"{PAGE}?after={foreign['id']}").status_code == 400
    assert visit.get(f"{PAGE}?after=%00").status_code == visit.get(f"{PAGE}?before=%00").status_code == 400
    assert visit.get(f"{PAGE}?before=nonsense").status_code == 400


def test_the_first_page_asks_for_news_and_a_search_does_not(visit: Visit, merchant: Person) -> None:
    merchant.pay()
    assert f'hx-get="{PAGE}/rows"' in visit.get(PAGE).text
    assert "hx-trigger" in visit.get(f"{PAGE}?status=pending").text
    for address in (f"{PAGE}?q=asha@upi", f"{PAGE}?sort=largest", f"{PAGE}?min=5"):
        assert "hx-trigger" not in visit.get(address).text


def test_a_poll_is_answered_by_304_while_nothing_changes(visit: Visit, merchant: Person) -> None:
    merchant.pay()
    first = visit.get(f"{PAGE}/rows")
    assert first.status_code == 200 and "<html" not in first.text
    again = visit.get(f"{PAGE}/rows", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.text) == (304, "")
    merchant.pay()
    assert visit.get(f"{PAGE}/rows", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def table(answer) -> list[dict[str, str]]:
    text = answer.get_data().decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_an_export_has_what_is_filtered(
    visit: Visit, viewer: Visit, merchant: Person, settle: Callable[[], int]
) -> None:
    payment = merchant.pay(merchant.order(amount=123456, receipt="R-1"))
    settle()
    merchant.post(f"/payments/{payment['id']}/refunds", {"amount": 56})
    merchant.pay(merchant.order(amount=500, currency="JPY"), vpa="later@upi")
    answer = viewer.get(f"{PAGE}/export.csv?status=success&after={payment['id']}")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="transactions-')
    (row,) = table(answer)
    assert row["payment_id"] == payment["id"]
    assert (row["amount"], row["amount_minor_units"], row["currency"]) == ("1234.56", "123456", "INR")
    assert (row["receipt"], row["vpa"], row["method"], row["status"]) == ("R-1", "asha@upi", "upi", "success")
    assert row["created_at"] == payment["created_at"]
    assert [row["amount"] for row in table(visit.get(f"{PAGE}/export.csv"))] == ["500", "1234.56"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_an_export_is_a_formula(visit: Visit, merchant: Person, start: str) -> None:
    merchant.pay(merchant.order(receipt=f'{start}HYPERLINK("http://evil.example")'), vpa="-1@upi")
    (row,) = table(visit.get(f"{PAGE}/export.csv"))
    assert row["receipt"] == f'\'{start}HYPERLINK("http://evil.example")'
    assert row["vpa"] == "'-1@upi"


def test_an_export_comes_in_batches(
    visit: Visit, merchant: Person, monkeypatch: pytest.MonkeyPatch, rows: Callable
) -> None:
    monkeypatch.setattr(search, "EXPORT_BATCH_ROWS", 2)
    for _ in range(5):
        merchant.pay()
    answer = visit.get(f"{PAGE}/export.csv", buffered=False)
    parts = list(answer.iter_encoded())
    assert len(parts) == 1 + 3
    ids = [row[0] for row in rows_of(b"".join(parts))][1:]
    newest_first = rows("SELECT id FROM payments ORDER BY created_at DESC, id DESC")
    assert ids == [row["id"] for row in newest_first]


def rows_of(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def test_kinds_are_told_apart() -> None:
    assert search.kind("pay_" + "a" * 16) == "payment id"
    assert search.kind("asha@upi") == "UPI address"
    assert search.kind("1234") == "last four digits or receipt"
    assert search.kind("١٢٣٤") == "receipt"
    assert search.kind("") is None


def test_the_table_is_there_before_the_first_payment(visit: Visit, viewer: Visit) -> None:
    text = visit.get(PAGE).text
    assert 'data-test-id="transactions-table"' in text and "No payments yet" in text
    assert "/dashboard/orders/new" in text
    assert "/dashboard/orders/new" not in viewer.get(PAGE).text


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("4111111111111111", "Visa ••••&nbsp;1111"),
        ("5555555555554444", "Mastercard ••••&nbsp;4444"),
        ("6521111111111110", "RuPay ••••&nbsp;1110"),
        ("3530111333300000", "Card ••••&nbsp;0000"),
    ],
)
def test_networks_are_named_as_they_name_themselves(
    visit: Visit, merchant: Person, number: str, words: str
) -> None:
    payment = card(merchant, merchant.order(), number)
    for address in (
        "/dashboard",
        PAGE,
        f"{PAGE}/{payment['id']}",
        f"/dashboard/orders/{payment['order_id']}",
    ):
        assert words in visit.get(address).text
    assert 'data-test-id="method">card<' in visit.get(PAGE).text
    assert '<option value="upi" >UPI</option>' in visit.get(PAGE).text
