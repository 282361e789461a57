"""The simulated bank: its table of instruments, its rates, and that asking twice changes nothing."""

from collections.abc import Iterator

import pytest

from gateway import adapters
from gateway.adapters.acquirer import charge as charge_with
from gateway.adapters.acquirer import refund as refund_with
from gateway.adapters.sandbox import SandboxBank
from gateway.core import config as settings
from gateway.core.config import Config
from gateway.core.processor import Answer, Card, Charge, Outcome, Return
from tests.scripted import DECLINED, NEVER_HEARD, PAID, SILENCE, UNDECIDED, ScriptedBank

S, F, P, U = Outcome.SUCCESS, Outcome.FAILED, Outcome.PENDING, Outcome.UNKNOWN

# Instrument, card, what the worker hears at its attempts 1 to 6, what it hears of a refund.
TABLE = [
    ("success", "4000000000000077", [S, S, S, S, S, S], S),
    ("declined", "4000000000000002", [F, F, F, F, F, F], S),
    ("timeout", "4000000000000259", [U, S, S, S, S, S], S),
    ("pending", "4000000000000341", [P, P, P, S, S, S], S),
    ("silent", "4000000000000044", [U, U, U, U, U, U], S),
    ("norefund", "4000000000005126", [S, S, S, S, S, S], F),
]
# Rates and switches that would all say the opposite of what the instrument says.
CONFIGS = [
    Config(),
    Config(upi_success_rate=0, card_success_rate=0),
    Config(upi_success_rate=1, card_success_rate=1),
    Config(test_mode=True),
    Config(test_mode=True, test_payment_success=False),
]


def charge(
    reference: str = "pay_1",
    instrument: str = "asha@upi",
    attempt: int = 1,
    method: str = "upi",
    amount: int = 500,
) -> Charge:
    return Charge(reference, amount, "INR", method, instrument, attempt)


def give_back(instrument: str, attempt: int = 1, reference: str = "rfnd_1") -> Return:
    return Return(reference, "pay_1", 500, "INR", instrument, attempt)


def token(bank: SandboxBank, number: str) -> str:
    return bank.tokenise(Card(number, 12, 2030, "123", "Asha Rao", "visa"))


@pytest.mark.parametrize(
    "config", CONFIGS, ids=["default", "rates_0", "rates_1", "test_mode", "test_failure"]
)
@pytest.mark.parametrize(("name", "card", "heard", "refund"), TABLE, ids=[row[0] for row in TABLE])
def test_each_instrument_of_the_table_does_what_the_table_says(
    config: Config, name: str, card: str, heard: list[Outcome], refund: Outcome
) -> None:
    bank = SandboxBank(config)
    for instrument, method in ((f"{name}@sandbox", "upi"), (token(bank, card), "card")):
        asked = [charge(instrument=instrument, method=method, attempt=attempt) for attempt in range(1, 7)]
        assert [charge_with(bank, one).outcome for one in asked] == heard
        returned = [refund_with(bank, give_back(instrument, attempt)).outcome for attempt in (1, 2)]
        assert returned == [refund, refund]


def test_a_refusal_says_why() -> None:
    bank = SandboxBank(Config())
    assert bank.charge(charge(instrument="declined@sandbox")) == Answer(F, "Payment was declined by the bank")
    assert bank.refund(give_back("norefund@sandbox")) == Answer(F, "Refund was refused by the bank")
    assert bank.charge(charge(instrument="success@sandbox")).description is None


@pytest.mark.parametrize(
    "instrument",
    [
        "declined@upi", "declined@sandbox2", "xdeclined@sandbox", "declined.@sandbox", "declined",
        "card@sandbox", "tok_declined_1@upi", "tok_declined@upi", "tok_card_0123456789abcdef", "tok_",
        "tok_unknown_1", "",
    ],
)  # fmt: skip
def test_another_instrument_is_decided_by_the_rates(instrument: str) -> None:
    """A UPI address that only looks like a token is an address: `tok_declined_1@upi` may be somebody's."""
    for rate, outcome in ((1.0, S), (0.0, F)):
        bank = SandboxBank(Config(upi_success_rate=rate, card_success_rate=rate))
        assert bank.charge(charge(instrument=instrument)).outcome is outcome


def test_every_refund_succeeds_but_those_of_the_instrument_that_refuses() -> None:
    bank = SandboxBank(Config(upi_success_rate=0))
    assert bank.refund(give_back("asha@upi")).outcome is S
    assert bank.inquire(give_back("asha@upi", 2)).outcome is S
    assert bank.inquire(give_back("norefund@sandbox", 2)).outcome is F


@pytest.mark.parametrize(("method", "rate"), [("upi", 0.90), ("card", 0.95)])
def test_the_rates_are_met_over_five_thousand_references(method: str, rate: float) -> None:
    bank = SandboxBank(Config())
    asked = [charge(f"pay_{number:016}", "x", method=method) for number in range(5000)]
    paid = sum(bank.charge(one).outcome is S for one in asked)
    assert abs(paid / 5000 - rate) < 0.015  # three and a half standard deviations, and always the same


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_the_rates_are_those_of_the_config(rate: float) -> None:
    bank = SandboxBank(Config(upi_success_rate=rate, card_success_rate=1 - rate))
    for method, wanted in (("upi", rate), ("card", 1 - rate)):
        paid = sum(bank.charge(charge(f"pay_{n}", method=method)).outcome is S for n in range(2000))
        assert abs(paid / 2000 - wanted) < (0.04 if 0 < wanted < 1 else 1e-9)


def test_a_reference_is_decided_once_and_for_all() -> None:
    """The bank of another process, with another amount or instrument, says the same again."""
    outcomes = set()
    for number in range(200):
        first = SandboxBank(Config()).charge(charge(f"pay_{number}"))
        again = SandboxBank(Config()).charge(charge(f"pay_{number}", amount=999, instrument="ravi@upi"))
        asked_later = SandboxBank(Config()).inquire(charge(f"pay_{number}", attempt=2))
        assert first == again == asked_later
        outcomes.add(first.outcome)
    assert outcomes == {S, F}


def test_in_test_mode_the_switch_decides() -> None:
    for succeeds, outcome in ((True, S), (False, F)):
        config = Config(test_mode=True, test_payment_success=succeeds, upi_success_rate=0.5)
        answers = [
            SandboxBank(config).charge(charge(f"pay_{n}", method=m))
            for n in range(50)
            for m in ("upi", "card")
        ]
        assert {answer.outcome for answer in answers} == {outcome}


def test_outside_test_mode_the_switch_means_nothing() -> None:
    bank = SandboxBank(Config(test_payment_success=False, upi_success_rate=1))
    assert bank.charge(charge()).outcome is S


def test_a_token_tells_nothing_of_its_card_and_is_never_the_same() -> None:
    bank = SandboxBank(Config())
    number = "4111111111111111"
    tokens = {token(bank, number) for _ in range(50)}
    assert len(tokens) == 50
    for made in tokens:
        assert number[:6] not in made
        assert number[-4:] not in made or made.count("1") > 12
        assert "Asha" not in made


def test_the_first_attempt_charges_and_later_ones_ask_first() -> None:
    bank = ScriptedBank()
    bank.will_say(SILENCE)
    assert charge_with(bank, charge(attempt=1)) == SILENCE
    bank.will_say(UNDECIDED)
    assert charge_with(bank, charge(attempt=2)) == UNDECIDED
    bank.will_say(DECLINED)
    assert charge_with(bank, charge(attempt=3)) == DECLINED
    assert bank.asked == [("charge", "pay_1"), ("inquire", "pay_1"), ("inquire", "pay_1")]


def test_what_never_arrived_is_charged_again_under_its_reference() -> None:
    bank = ScriptedBank()
    bank.will_say(NEVER_HEARD, PAID)
    assert charge_with(bank, charge(attempt=2)) == PAID
    assert bank.asked == [("inquire", "pay_1"), ("charge", "pay_1")]


def test_a_refund_is_asked_after_in_the_same_way() -> None:
    bank = ScriptedBank()
    bank.will_say(SILENCE, SILENCE, NEVER_HEARD, PAID)
    answers = [refund_with(bank, give_back("asha@upi", attempt)) for attempt in (1, 2, 3)]
    assert answers == [SILENCE, SILENCE, PAID]
    assert [call for call, _ in bank.asked] == ["refund", "inquire", "inquire", "refund"]


@pytest.fixture
def nobody_in_place() -> Iterator[None]:
    before = settings._current
    adapters.use_acquirer(None)
    yield
    adapters.use_acquirer(None)
    settings._current = before


def test_the_sandbox_bank_is_asked_until_another_is_put_in(nobody_in_place: None) -> None:
    settings.use(Config(upi_success_rate=0))
    assert isinstance(adapters.acquirer(), SandboxBank)
    assert adapters.acquirer() is adapters.acquirer()
    assert adapters.acquirer().charge(charge()).outcome is F
    other = ScriptedBank()
    adapters.use_acquirer(other)
    assert adapters.acquirer() is other
    settings.use(Config(upi_success_rate=1))
    adapters.use_acquirer(None)
    assert adapters.acquirer().charge(charge()).outcome is S
