"""One request to the gateway, server to server. The secret never reaches a browser."""

import json
from dataclasses import dataclass
from typing import Any

import urllib3

from test_merchant.settings import Settings

# No retries of urllib3's own: whoever asks again sends the same Idempotency-Key.
_http = urllib3.PoolManager(retries=False)


class NoAnswer(Exception):
    """Nobody answered in time; the request may have arrived all the same."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`fields` is empty where the answer is no JSON object."""

    status: int
    fields: dict[str, Any]

    @property
    def description(self) -> str:
        """What a refusal says, for the shop's owner."""
        error = self.fields.get("error")
        text = error.get("description") if isinstance(error, dict) else None
        return text[:200].encode("utf-8", "replace").decode() if isinstance(text, str) else ""


def ask(
    settings: Settings,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    *,
    idempotency_key: str = "",
    timeout_s: float = 10,
) -> Answer:
    """What the gateway answered. Raises NoAnswer."""
    headers = {"X-Api-Key": settings.api_key, "X-Api-Secret": settings.api_secret}
    if idempotency_key:
        headers["Idempotency-Key"] = idempotency_key
    try:
        answer = _http.request(
            method,
            settings.gateway_url + path,
            json=body,
            headers=headers,
            timeout=urllib3.Timeout(connect=3, read=timeout_s),
            redirect=False,  # the secret goes to the gateway and nowhere else
        )
    except urllib3.exceptions.HTTPError:
        raise NoAnswer(f"No answer from {settings.gateway_url}. Is the gateway running?") from None
    return Answer(answer.status, _fields(answer.data))


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
