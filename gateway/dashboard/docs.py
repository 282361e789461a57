"""The integration guide, with the merchant's own keys in its code."""

from collections.abc import Sequence

from flask import g, render_template
from flask.typing import ResponseReturnValue
from markupsafe import Markup, escape

from gateway.adapters.sandbox import INSTRUMENTS
from gateway.core import config, errors
from gateway.core.db import transaction
from gateway.dashboard import dashboard, snippets
from gateway.dashboard.snippets import Account, Call
from gateway.domain import endpoints, merchants, roles
from gateway.domain.roles import Act
from gateway.web import pages, sdk

ORDER_ID, PAYMENT_ID = "order_0123456789abcdef", "pay_0123456789abcdef"
RECEIVER_PORT = 9000

_V1 = "/api/v1"
CALLS = {
    "create-order": Call(
        "POST", f"{_V1}/orders", ("id", "status"), {"amount": 50000, "currency": "INR", "receipt": "tea-1"}
    ),
    "create-payment": Call(
        "POST",
        f"{_V1}/payments",
        ("id", "status"),
        {"order_id": ORDER_ID, "method": "upi", "vpa": "success@sandbox"},
        idempotency_key="tea-1-payment",
    ),
    "get-payment": Call("GET", f"{_V1}/payments/{PAYMENT_ID}", ("id", "status")),
    "capture-payment": Call(
        "POST", f"{_V1}/payments/{PAYMENT_ID}/capture", ("id", "captured"), {"amount": 50000}
    ),
    "create-refund": Call(
        "POST",
        f"{_V1}/payments/{PAYMENT_ID}/refunds",
        ("id", "status"),
        {"amount": 20000, "reason": "One cup was broken"},
        idempotency_key="tea-1-refund",
    ),
    "list-events": Call("GET", f"{_V1}/events?after=0&limit=100", ("sequence", "event"), is_list=True),
}
VERIFIERS = {"curl": "verify.sh", "python": "verify.py", "node": "verify.mjs", "php": "verify.php"}
# When each event happens; a test holds it against the events that there are.
WHEN = {
    "payment.created": "A payer has begun to pay an order.",
    "payment.pending": "The payment is on its way to the bank.",
    "payment.success": "The bank has said yes.",
    "payment.failed": "The bank has refused. The order can still be paid.",
    "payment.captured": "You have captured a successful payment.",
    "order.paid": "An order got its first successful payment.",
    "refund.created": "A refund has begun; its amount is reserved.",
    "refund.processed": "The money is on its way to the payer.",
    "refund.failed": "The bank has refused the refund; its amount is free again.",
    "webhook.test": "Somebody pressed the button, or called the API.",
}


@dashboard.get("/dashboard/docs")
def docs() -> ResponseReturnValue:
    account, webhook_secret = _own_keys()
    code = {name: snippets.in_every_language(call, account) for name, call in CALLS.items()}
    code["webhook"] = {
        language: render_template(f"dashboard/docs/{name}.txt", secret=webhook_secret, port=RECEIVER_PORT)
        for language, name in VERIFIERS.items()
    }
    return pages.page(
        "dashboard/docs/page.html",
        section="docs",
        account=account,
        code=code,
        languages=snippets.LANGUAGES,
        sdk_code=_sdk_code(account.key),
        sdk_url=sdk.sdk_url(),
        sdk_integrity=sdk.integrity(),
        when=WHEN,
        codes=errors.CODES,
        instruments=INSTRUMENTS,
        order_id=ORDER_ID,
        payment_id=PAYMENT_ID,
        port=RECEIVER_PORT,
        waits=_in_words(config.current().webhook_retry_intervals_s[1:]),
        marked=_marked,
        settings=config.current(),
    )


def _own_keys() -> tuple[Account, str]:
    """The merchant's newest key and its webhook secret; secrets only for eyes that may see them here."""
    settings = config.current()
    may_see = settings.is_sandbox and roles.may(g.person.role, Act.SEE_SECRETS)
    with transaction():
        key, secret = merchants.newest_key(g.person.merchant_id) or ("YOUR_API_KEY", None)
        webhook_secret = endpoints.secret_of(endpoints.default(g.person.merchant_id))
    shown = secret if may_see and secret else "YOUR_API_SECRET"
    return Account(settings.api_url, key, shown), webhook_secret if may_see else "YOUR_WEBHOOK_SECRET"


def _marked(text: str) -> Markup:
    """Text whose `words between backticks` are code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts)
    )


def _in_words(waits_s: Sequence[int]) -> str:
    """`1 min, 5 min and 2 h`."""
    words = []
    for wait_s in waits_s:
        unit, size = next((u, n) for u, n in (("h", 3600), ("min", 60), ("s", 1)) if wait_s % n == 0)
        words.append(f"{wait_s // size} {unit}")
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words) or "never"


def _sdk_code(key: str) -> str:
    return render_template(
        "dashboard/docs/sdk.html.txt", key=key, order_id=ORDER_ID, checkout_url=config.current().checkout_url
    )
