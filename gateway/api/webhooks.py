"""Webhooks in JSON: configuration, deliveries, retries."""

from typing import Annotated

from flask import Response, g
from pydantic import Field

from gateway.api import api
from gateway.api.answers import answer, answer_page
from gateway.api.reading import read, wanted
from gateway.core.db import reading, transaction
from gateway.core.validation import Body, Text
from gateway.domain import deliveries, endpoints, listing, wire
from gateway.models import Delivery
from gateway.models.webhooks import EVENTS

EventName = Annotated[Text, Field(json_schema_extra={"enum": list(EVENTS)})]


class WebhookConfigBody(Body):
    """Where the merchant's webhooks go; null switches them off."""

    webhook_url: Annotated[Text, Field(max_length=endpoints.MAX_URL_LENGTH)] | None
    events: Annotated[
        list[EventName] | None,
        Field(min_length=1, description="Which events are wanted, null means every one; left out: as before"),
    ] = None


@api.get("/webhooks")
def list_webhooks() -> Response:
    asked = wanted()
    with reading():
        return answer_page(listing.page(Delivery, g.caller.merchant_id, asked), wire.delivery, asked)


@api.get("/webhooks/<delivery_id>")
def get_webhook(delivery_id: str) -> Response:
    with reading():
        delivery = deliveries.get(g.caller.merchant_id, delivery_id)
        return answer(wire.delivery_detail(delivery, deliveries.attempts_of(delivery)))


@api.post("/webhooks/<delivery_id>/retry")
def retry_webhook(delivery_id: str) -> Response:
    with transaction():
        deliveries.retry(g.caller.merchant_id, g.caller.key, delivery_id)
    return answer({"id": delivery_id, "status": "pending", "message": "Webhook retry scheduled"})


@api.get("/webhooks/config")
def get_webhook_config() -> Response:
    with transaction():
        endpoint = endpoints.default(g.caller.merchant_id)
        return answer(wire.webhook_config(endpoint, endpoints.secret_of(endpoint)))


@api.put("/webhooks/config")
def save_webhook_config() -> Response:
    body = read(WebhookConfigBody)
    with transaction():
        endpoint = endpoints.configure(g.caller.merchant_id, g.caller.key, body.webhook_url)
        if "events" in body.model_fields_set:
            endpoints.choose_events(g.caller.merchant_id, g.caller.key, body.events)
        return answer(wire.webhook_config(endpoint, endpoints.secret_of(endpoint)))


@api.post("/webhooks/regenerate-secret")
def regenerate_webhook_secret() -> Response:
    with transaction():
        endpoint = endpoints.regenerate_secret(g.caller.merchant_id, g.caller.key)
        return answer(wire.webhook_config(endpoint, endpoints.secret_of(endpoint)))


@api.post("/webhooks/test")
def send_test_webhook() -> Response:
    with transaction():
        event_id = deliveries.send_test(g.caller.merchant_id, g.caller.key)
    return answer({"id": event_id, "event": "webhook.test", "message": "Test webhook scheduled"})
