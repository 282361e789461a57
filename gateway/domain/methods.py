"""Payment methods: what a customer may pay with, and when it is refused."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Strict,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

from gateway.core import clock
from gateway.core.errors import BadRequest, ExpiredCard, InvalidCard, InvalidVpa
from gateway.core.processor import Card
from gateway.core.validation import Amount, Body, Text, first_complaint

VPA = re.compile(r"[a-zA-Z0-9._-]+@[a-zA-Z0-9]+")
MAX_VPA_LENGTH = 255
# The same for a browser, whose `pattern` wants the dash in a class escaped.
VPA_PATTERN = VPA.pattern.replace("_-]", r"_\-]")

# By the first digits; a browser reads the same patterns.
NETWORK_PATTERNS = (
    ("visa", r"4"),
    ("mastercard", r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"),
    ("amex", r"3[47]"),
    ("rupay", r"60|65|8[1-9]"),
)
_NETWORKS = tuple((name, re.compile(pattern)) for name, pattern in NETWORK_PATTERNS)


def _vpa(text: str) -> str:
    if len(text) > MAX_VPA_LENGTH or VPA.fullmatch(text) is None:
        raise ValueError("must look like name@bank")
    return text


def _digits(value: object) -> object:
    if isinstance(value, bool | float):
        raise ValueError("must be a whole number")
    return str(value) if isinstance(value, int) else value


Digits = Annotated[
    Text,
    BeforeValidator(_digits),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]}),
]


class CardBody(Body):
    """A card as the customer typed it. Number and CVV are never stored, logged or echoed."""

    number: Annotated[Text, Field(description="13 to 19 digits; spaces and dashes are ignored")]
    expiry_month: Annotated[Digits, Field(description="1 to 12")]
    expiry_year: Annotated[Digits, Field(description="Two digits (20YY) or four")]
    cvv: Annotated[Text, Field(description="3 digits, 4 for American Express")]
    holder_name: Annotated[Text, Field(min_length=1, max_length=255)]


class _Payment(Body):
    order_id: Annotated[Text, Field(description="The order to pay; it decides amount and currency")]
    amount: Annotated[Amount | None, Field(description="If given, must be the order's")] = None
    currency: Annotated[Text | None, Field(description="If given, must be the order's")] = None
    checkout_token: Annotated[
        Text | None,
        Field(description="The order's, for the open route of a merchant who wants it"),
    ] = None


class UpiPayment(_Payment):
    """The payer names their UPI address and is asked there."""

    method: Literal["upi"]
    flow: Literal["collect"] = "collect"
    vpa: Annotated[Text, AfterValidator(_vpa), Field(json_schema_extra={"pattern": f"^{VPA.pattern}$"})]


class UpiIntent(_Payment):
    """The payer opens their own UPI app by a link, the answer's `upi_link`, within five minutes."""

    method: Literal["upi"]
    flow: Literal["intent"]


class CardPayment(_Payment):
    method: Literal["card"]
    card: CardBody


class Target(Body):
    """The part of a payment that is looked at first: which order?"""

    order_id: Annotated[Text, Strict()]


Asked = UpiPayment | UpiIntent | CardPayment
_Named = Annotated[UpiPayment | CardPayment, Field(discriminator="method")]
PaymentBody = _Named | UpiIntent
_named: TypeAdapter[UpiPayment | CardPayment] = TypeAdapter(_Named)
_intent = TypeAdapter(UpiIntent)


def read(value: dict[str, Any]) -> Asked:
    """The payment asked for, by its method.

    raises  InvalidVpa, InvalidCard  the instrument is missing or of the wrong form
            BadRequest               anything else, naming the field
    """
    if value.get("method") not in ("upi", "card"):
        raise BadRequest("method must be 'upi' or 'card'", field="method")
    is_intent = value["method"] == "upi" and value.get("flow") == "intent"
    try:
        return _intent.validate_python(value) if is_intent else _named.validate_python(value)
    except ValidationError as error:
        field, complaint = first_complaint(error)
        if not is_intent:
            # Pydantic puts the tag of the chosen method in front of the field.
            field, complaint = (text.split(".", 1)[-1] for text in (field, complaint))
        family = {"vpa": InvalidVpa, "card": InvalidCard}.get(field.split(".")[0], BadRequest)
        raise family(complaint, field=field) from None


@dataclass(frozen=True)
class Instrument:
    """What a payment is made with, in the form that may be stored.

    UPI without an address is an intent: the payer's app will name it.
    """

    method: str
    vpa: str | None = None
    card_network: str | None = None
    card_last4: str | None = None
    token: str | None = None

    @property
    def is_intent(self) -> bool:
        return self.method == "upi" and self.vpa is None


def instrument(asked: Asked, tokenise: Callable[[Card], str]) -> Instrument:
    """The instrument asked for; `tokenise` trades a valid card for the processor's token.

    raises  InvalidCard, ExpiredCard  before anybody was asked for a token
    """
    if isinstance(asked, UpiIntent):
        return Instrument("upi")
    if isinstance(asked, UpiPayment):
        return Instrument("upi", vpa=asked.vpa)
    valid = card(asked.card)
    return Instrument("card", card_network=valid.network, card_last4=valid.last4, token=tokenise(valid))


def card(body: CardBody) -> Card:
    """The card, its number stripped of spaces and dashes, its network named.

    raises  InvalidCard  number, expiry or CVV cannot be right
            ExpiredCard  it was good until an earlier month
    """
    number = re.sub(r"[ -]", "", body.number)
    if re.fullmatch(r"[0-9]{13,19}", number) is None or not passes_luhn(number):
        raise InvalidCard("card.number is not a valid card number", field="card.number")
    network = network_of(number)
    cvv_length = 4 if network == "amex" else 3
    if re.fullmatch(rf"[0-9]{{{cvv_length}}}", body.cvv) is None:
        raise InvalidCard(f"card.cvv must be {cvv_length} digits", field="card.cvv")
    month = _number(body.expiry_month, (1, 2), "card.expiry_month")
    if not 1 <= month <= 12:
        raise InvalidCard("card.expiry_month must be 1 to 12", field="card.expiry_month")
    year = _number(body.expiry_year, (2, 4), "card.expiry_year")
    year += 2000 if year < 100 else 0
    today = clock.now()
    if (year, month) < (today.year, today.month):
        raise ExpiredCard("The card has expired", field="card.expiry_year")
    return Card(number, month, year, body.cvv, body.holder_name, network)


def _number(text: str, lengths: tuple[int, ...], field: str) -> int:
    if re.fullmatch(r"[0-9]+", text) is None or len(text) not in lengths:
        raise InvalidCard(f"{field} must be a number of {' or '.join(map(str, lengths))} digits", field=field)
    return int(text)


def passes_luhn(number: str) -> bool:
    """Whether the check digit fits (ISO/IEC 7812-1, annex B)."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def network_of(number: str) -> str:
    """visa, mastercard, amex or rupay by the first digits, else `unknown`."""
    for name, prefix in _NETWORKS:
        if prefix.match(number):
            return name
    return "unknown"
