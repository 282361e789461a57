"""A processor that answers what a test tells it to, and remembers what it was asked."""

from collections import deque

from gateway.core.processor import Answer, Card, Charge, Outcome, Return

PAID = Answer(Outcome.SUCCESS)
DECLINED = Answer(Outcome.FAILED, "Payment was declined by the bank")
UNDECIDED = Answer(Outcome.PENDING)
SILENCE = Answer(Outcome.UNKNOWN)
NEVER_HEARD = Answer(Outcome.ABSENT)


class ScriptedBank:
    """Fulfils `Acquirer`; answers in the order given, and pays when nothing is left to say."""

    max_concurrent = 100

    def __init__(self, is_quick: bool = False) -> None:
        self.is_quick = is_quick
        self.answers: deque[Answer] = deque()
        self.asked: list[tuple[str, str]] = []

    def will_say(self, *answers: Answer) -> None:
        self.answers.extend(answers)

    def tokenise(self, card: Card) -> str:
        return "tok_scripted"

    def upi_link(self, asked: Charge) -> str | None:
        return f"upi://pay?pa=scripted@bank&tr={asked.reference}"

    def charge(self, asked: Charge) -> Answer:
        return self._answer("charge", asked.reference)

    def refund(self, asked: Return) -> Answer:
        return self._answer("refund", asked.reference)

    def inquire(self, asked: Charge | Return) -> Answer:
        return self._answer("inquire", asked.reference)

    def _answer(self, call: str, reference: str) -> Answer:
        self.asked.append((call, reference))
        return self.answers.popleft() if self.answers else PAID
