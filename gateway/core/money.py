"""Amounts are integers of minor units; this is the only place that knows what a unit is.

Exponents follow ISO 4217. Currencies with four decimals or none of their own
(XAU, CLF, …) are not taken.
"""

import re

from gateway.core.errors import BadRequest

MAX_AMOUNT = 9_999_999_999
DEFAULT_CURRENCY = "INR"

_ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_TWO = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP "
    "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS "
    "INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN "
    "MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE "
    "SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST "
    "XCD XCG YER ZAR ZMW ZWG"
)

EXPONENTS = (
    dict.fromkeys(_TWO.split(), 2) | dict.fromkeys(_ZERO.split(), 0) | dict.fromkeys(_THREE.split(), 3)
)

# The least amount of an order, in minor units; 100 where no row says otherwise.
MINIMUMS = {"INR": 100, "IDR": 100_000, "KRW": 1000, "VND": 10_000, "CLP": 500, "UGX": 1000}

_SYMBOLS = {"INR": "₹", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


def minimum(currency: str) -> int:
    """The least amount of an order in this currency, in minor units."""
    return MINIMUMS.get(currency, 100)


def display(amount: int, currency: str = DEFAULT_CURRENCY, *, trim: bool = False) -> str:
    """`₹1,23,456.50`: for people. Rupees group the Indian way, the rest by thousands.

    trim  `₹5,00,000`: leaves out decimals that say nothing
    """
    exponent = EXPONENTS[currency]
    whole, fraction = divmod(abs(amount), 10**exponent)
    digits = _indian(whole) if currency == "INR" else f"{whole:,}"
    tail = f".{fraction:0{exponent}d}" if exponent and (fraction or not trim) else ""
    symbol = _SYMBOLS.get(currency, f"{currency} ")
    return f"{'-' if amount < 0 else ''}{symbol}{digits}{tail}"


def decimal(amount: int, currency: str = DEFAULT_CURRENCY) -> str:
    """`123456.50`: for other programs that want major units as text."""
    exponent = EXPONENTS[currency]
    whole, fraction = divmod(amount, 10**exponent)
    return f"{whole}.{fraction:0{exponent}d}" if exponent else str(whole)


# Plain digits, grouped by thousands or the Indian way; a comma is never a decimal point.
_WRITTEN = re.compile(r"([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})*,[0-9]{3})(?:\.([0-9]+))?")


def parse(text: str, currency: str = DEFAULT_CURRENCY, field: str = "amount") -> int:
    """The minor units of what a person typed: `1,250.50` or `₹1,250.50`.

    raises  BadRequest  it is no plain amount, has more decimals than the
                        currency, or is more than anybody may pay; names `field`
    """
    exponent = EXPONENTS[currency]
    example = decimal(499 * 10**exponent, currency)
    typed = text.strip()
    if not typed:
        raise BadRequest(f"Enter an amount, such as {example}", field=field)
    for sign in (_SYMBOLS.get(currency), currency):
        typed = typed.removeprefix(sign or "").lstrip()
    written = _WRITTEN.fullmatch(typed)
    if written is None:
        raise BadRequest(f"This is not an amount. Write it like {example}", field=field)
    whole, fraction = written[1].replace(",", "").lstrip("0"), written[2] or ""
    if len(fraction) > exponent:
        most = f"at most {exponent}" if exponent else "no"
        raise BadRequest(f"{currency} has {most} decimals. Write it like {example}", field=field)
    # Counted before it is computed: nobody waits for a number of a million digits.
    amount = int((whole or "0") + fraction.ljust(exponent, "0")) if len(whole) < 20 else MAX_AMOUNT + 1
    if amount > MAX_AMOUNT:
        raise BadRequest(f"The most is {display(MAX_AMOUNT, currency)}", field=field)
    return amount


def _indian(whole: int) -> str:
    head, tail = divmod(whole, 1000)
    if head == 0:
        return str(tail)
    text = str(head)
    pairs = [text[max(0, end - 2) : end] for end in range(len(text), 0, -2)]
    return ",".join([*reversed(pairs), f"{tail:03d}"])
