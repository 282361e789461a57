"""Minor units, and how people read them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import money
from gateway.core.errors import BadRequest

amounts = st.integers(0, money.MAX_AMOUNT)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "₹0.00"),
        (1, "₹0.01"),
        (99, "₹0.99"),
        (100, "₹1.00"),
        (50000, "₹500.00"),
        (99999, "₹999.99"),
        (100000, "₹1,000.00"),
        (9999999, "₹99,999.99"),
        (12345650, "₹1,23,456.50"),
        (50000000, "₹5,00,000.00"),
        (1000000000, "₹1,00,00,000.00"),
        (9999999999, "₹9,99,99,999.99"),
        (-12345650, "-₹1,23,456.50"),
    ],
)
def test_rupees_group_the_indian_way(amount: int, shown: str) -> None:
    assert money.display(amount) == shown


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (12345650, "USD", "$123,456.50"),
        (12345650, "EUR", "€123,456.50"),
        (123456, "JPY", "¥123,456"),
        (1234567, "KWD", "KWD 1,234.567"),
        (7, "BHD", "BHD 0.007"),
        (500, "KRW", "KRW 500"),
    ],
)
def test_other_currencies_group_by_thousands_with_their_own_decimals(amount, currency, shown) -> None:
    assert money.display(amount, currency) == shown


@given(amounts)
def test_what_is_shown_of_rupees_is_the_amount_again(amount: int) -> None:
    shown = money.display(amount)
    assert re.fullmatch(r"₹(\d{1,3}|\d{1,2}(,\d\d)*,\d{3})\.\d\d", shown)
    assert int(re.sub(r"\D", "", shown)) == amount


@given(amounts, st.sampled_from(sorted(set(money.EXPONENTS) - {"INR"})))
def test_what_is_shown_of_any_currency_is_the_amount_again(amount: int, currency: str) -> None:
    shown = money.display(amount, currency)
    assert int(re.sub(r"\D", "", shown.removeprefix(currency))) == amount
    decimals = shown.partition(".")[2]
    assert len(decimals) == money.EXPONENTS[currency]


@pytest.mark.parametrize(
    ("exponent", "currencies"),
    [
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"),
        (2, "INR USD EUR GBP AED AUD CAD CHF CNY HUF IDR LKR MGA MRU MYR NPR PKR SGD THB TWD ZAR"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
    ],
)
def test_exponents_are_those_of_iso_4217(exponent: int, currencies: str) -> None:
    assert {money.EXPONENTS[currency] for currency in currencies.split()} == {exponent}


def test_only_exponents_zero_two_and_three_are_taken() -> None:
    assert set(money.EXPONENTS.values()) == {0, 2, 3}
    for other in ("CLF", "UYW", "XAU", "XXX", "BTC", "inr", ""):
        assert other not in money.EXPONENTS


@pytest.mark.parametrize("currency", ["XCD", "XCG", "ZWG"])
def test_currencies_of_small_countries_and_recent_years_are_taken(currency: str) -> None:
    """East Caribbean dollar; Caribbean guilder (ISO 4217 since 2025); Zimbabwe Gold (since 2024)."""
    assert money.EXPONENTS[currency] == 2


def test_the_least_order_is_a_rupee_and_each_currency_has_its_own() -> None:
    assert money.minimum("INR") == 100
    assert money.minimum("USD") == 100
    assert money.minimum("VND") == 10_000
    # The table's own CHECK refuses less than 100 in any currency.
    assert all(least >= 100 for least in money.MINIMUMS.values())
    assert set(money.MINIMUMS) <= set(money.EXPONENTS)


def test_the_largest_amount_is_the_contracts() -> None:
    assert money.MAX_AMOUNT == 9_999_999_999


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (50_000_000, "INR", "₹5,00,000"),
        (50_050, "INR", "₹500.50"),
        (0, "INR", "₹0"),
        (1200, "USD", "$12"),
        (500, "JPY", "¥500"),
        (1_000, "KWD", "KWD 1"),
        (1_001, "KWD", "KWD 1.001"),
    ],
)
def test_decimals_that_say_nothing_may_be_left_out(amount: int, currency: str, text: str) -> None:
    assert money.display(amount, currency, trim=True) == text


currencies = st.sampled_from(sorted(money.EXPONENTS))


@given(amounts, currencies)
def test_what_is_shown_may_be_typed_again(amount: int, currency: str) -> None:
    assert money.parse(money.display(amount, currency), currency) == amount
    assert money.parse(money.decimal(amount, currency), currency) == amount


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("500", "INR", 50000),
        (" 500.5 ", "INR", 50050),
        ("₹ 1,23,456.50", "INR", 12345650),
        ("123,456.50", "INR", 12345650),
        ("INR 7.00", "INR", 700),
        ("0.01", "INR", 1),
        ("007", "INR", 700),
        ("500", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("$12", "USD", 1200),
    ],
)
def test_an_amount_is_read_as_a_person_means_it(text: str, currency: str, amount: int) -> None:
    assert money.parse(text, currency) == amount


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("", "INR"),
        ("   ", "INR"),
        ("abc", "INR"),
        ("-1", "INR"),
        ("+1", "INR"),
        ("1e3", "INR"),
        (".5", "INR"),
        ("5.", "INR"),
        ("1.234", "INR"),
        ("1,50", "INR"),
        ("1,2,3", "INR"),
        (",500", "INR"),
        ("1 000", "INR"),
        ("१२३", "INR"),
        ("٣", "INR"),
        ("½", "INR"),
        ("0x10", "INR"),
        ("1.5", "JPY"),
        ("$5", "INR"),
        ("₹₹5", "INR"),
        ("NaN", "INR"),
        ("99999999.99.9", "INR"),
        ("100000000.00", "INR"),
        ("9" * 100_000, "INR"),
        ("0." + "0" * 100_000, "INR"),
    ],
)
def test_anything_else_is_refused_beside_its_field(text: str, currency: str) -> None:
    with pytest.raises(BadRequest) as refused:
        money.parse(text, currency, "refund_amount")
    assert refused.value.field == "refund_amount"
    assert len(refused.value.description) < 100


@given(st.text(max_size=30), currencies)
def test_whatever_is_typed_is_an_amount_or_a_refusal(text: str, currency: str) -> None:
    try:
        amount = money.parse(text, currency)
    except BadRequest as refused:
        assert refused.field == "amount"
    else:
        assert 0 <= amount <= money.MAX_AMOUNT
        assert money.parse(money.display(amount, currency), currency) == amount
