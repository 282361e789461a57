"""Amounts are integers of minor units; this is the only place that knows what a unit is.

Exponents follow ISO 4217. Currencies with four decimals or none of their own
(XAU, CLF, …) are not taken.
"""

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


def _indian(whole: int) -> str:
    head, tail = divmod(whole, 1000)
    if head == 0:
        return str(tail)
    text = str(head)
    pairs = [text[max(0, end - 2) : end] for end in range(len(text), 0, -2)]
    return ",".join([*reversed(pairs), f"{tail:03d}"])
