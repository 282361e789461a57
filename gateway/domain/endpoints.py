"""Endpoints: where a merchant's webhooks go, and the secret that signs them."""

from collections.abc import Collection
from functools import lru_cache
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from gateway.core import clock, crypto, signing
from gateway.core.db import session
from gateway.core.errors import BadRequest
from gateway.core.ids import new_id
from gateway.domain import audit
from gateway.models import Endpoint
from gateway.models.webhooks import EVENTS, Address

MAX_URL_LENGTH = 2048


def default(merchant_id: str) -> Endpoint:
    """The endpoint of the merchant's configuration, made with a new secret where it is missing."""
    return _find_default(merchant_id) or _make_default(merchant_id)


def _find_default(merchant_id: str) -> Endpoint | None:
    return session().scalar(
        select(Endpoint).where(Endpoint.merchant_id == merchant_id, Endpoint.is_default).with_for_update()
    )


def _make_default(merchant_id: str) -> Endpoint:
    now = clock.now()
    endpoint = Endpoint(
        id=new_id("we"),
        merchant_id=merchant_id,
        is_default=True,
        secret_encrypted=crypto.encrypt(signing.new_secret()),
        created_at=now,
        updated_at=now,
    )
    try:
        with session().begin_nested():
            session().add(endpoint)
        return endpoint
    except IntegrityError:
        # Somebody else made it at the same moment; there is one default, says the index.
        made = _find_default(merchant_id)
        assert made is not None
        return made


def is_usable(endpoint: Endpoint) -> bool:
    """Whether anything may be sent there now."""
    return endpoint.is_enabled and endpoint.url is not None


def secret_of(endpoint: Endpoint | Address) -> str:
    """The signing secret in clear, for the sender and for the merchant's own eyes."""
    return _decrypted(endpoint.secret_encrypted)


@lru_cache(maxsize=1024)
def _decrypted(secret_encrypted: str) -> str:
    return crypto.decrypt(secret_encrypted)


def configure(merchant_id: str, actor: str, url: str | None) -> Endpoint:
    """Send the merchant's webhooks to `url` from now on, or nowhere with null.

    raises  BadRequest  not an http or https address that could ever be reached
    """
    if url is not None:
        url = _checked_url(url)
    endpoint = default(merchant_id)
    endpoint.url = url
    endpoint.is_enabled, endpoint.disabled_reason = True, None
    endpoint.updated_at = clock.now()
    audit.note(merchant_id, actor, "webhook.saved", url)
    return endpoint


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise BadRequest("webhook_url is not a valid address", field="webhook_url") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadRequest("webhook_url must begin with http:// or https://", field="webhook_url")
    if len(url) > MAX_URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url:
        raise BadRequest(
            f"webhook_url must be at most {MAX_URL_LENGTH} plain characters without spaces",
            field="webhook_url",
        )
    if parts.username or parts.password or parts.fragment:
        raise BadRequest("webhook_url must carry neither credentials nor a #fragment", field="webhook_url")
    return url


def choose_events(merchant_id: str, actor: str, wanted: Collection[str] | None) -> Endpoint:
    """Send only these events to the default endpoint from now on; null means every event.

    raises  BadRequest  none at all, or one that there is not
    """
    unknown = sorted(set(wanted or ()) - set(EVENTS))
    if unknown:
        raise BadRequest(f"events: there is no event {unknown[0][:64]!r}", field="events")
    if wanted is not None and not wanted:
        raise BadRequest("events must name at least one event; null means every event", field="events")
    endpoint = default(merchant_id)
    chosen = None if wanted is None else [name for name in EVENTS if name in wanted]
    if chosen != endpoint.events:
        endpoint.events, endpoint.updated_at = chosen, clock.now()
        audit.note(merchant_id, actor, "webhook.events_chosen", ", ".join(chosen or ["every event"]))
    return endpoint


def regenerate_secret(merchant_id: str, actor: str) -> Endpoint:
    """Give the default endpoint a new secret; what is sent from now on is signed with it."""
    endpoint = default(merchant_id)
    endpoint.secret_encrypted = crypto.encrypt(signing.new_secret())
    endpoint.updated_at = clock.now()
    audit.note(merchant_id, actor, "webhook.secret_regenerated", endpoint.id)
    return endpoint
