"""The audit log: who did what, and when."""

from flask import g, request
from flask.typing import ResponseReturnValue

from gateway.core.db import reading
from gateway.dashboard import dashboard
from gateway.domain import audit
from gateway.web import pages

_LINES = 50

# How an act reads after the name of who did it; the subject follows. An act without a line reads as it is.
_WORDS = {
    "checkout_token.not_required": "let the checkout open without a token",
    "checkout_token.required": "made the checkout ask for a token",
    "key.created": "made the API key",
    "key.revoked": "revoked the API key",
    "merchant.renamed": "renamed the account to",
    "merchant.signed_up": "opened the account",
    "origins.saved": "set the checkout's origins to",
    "payment.captured": "captured the payment",
    "refund.created": "asked for the refund",
    "user.activated": "let back in",
    "user.added": "added",
    "user.deactivated": "shut out",
    "user.password_changed": "changed their password",
    "user.role_changed": "changed the role of",
    "user.signed_in": "signed in",
    "user.signed_out_elsewhere": "signed out their other browsers",
    "webhook.events_chosen": "chose the events of",
    "webhook.retried_failed": "sent again all failed deliveries:",
    "webhook.retried": "sent again the delivery",
    "webhook.saved": "set the webhook address to",
    "webhook.secret_regenerated": "made a new webhook secret for",
    "webhook.tested": "sent a test webhook to",
}


@dashboard.get("/dashboard/settings/audit")
def audit_log() -> ResponseReturnValue:
    with reading():
        lines, has_more = audit.page(g.person.merchant_id, _LINES, request.args.get("after"))
    return pages.page(
        "dashboard/settings/audit.html",
        section="settings",
        tab="audit",
        lines=[(line, in_words(line.act)) for line in lines],
        has_more=has_more,
        is_first=not request.args.get("after"),
    )


def in_words(act: str) -> str:
    """`key.revoked` as people say it."""
    return _WORDS.get(act) or act.replace("_", " ").replace(".", " ")
