"""What the environment says, read once."""

from collections.abc import Mapping
from dataclasses import dataclass

SLOW_MS_MAX = 600_000


@dataclass(frozen=True, slots=True)
class Settings:
    host: str = "0.0.0.0"
    port: int = 4000
    gateway_url: str = "http://localhost:8000"
    checkout_url: str = "http://localhost:8000"
    api_key: str = "key_test_abc123"
    api_secret: str = "secret_test_xyz789"
    webhook_secret: str = "whsec_test_abc123"
    fail_first_n: int = 0
    slow_ms: int = 0
    db: str = ""


DEFAULTS = Settings()


def read(environ: Mapping[str, str]) -> Settings:
    """The shop's settings; a variable that is empty counts as not set.

    raises   ValueError   a number or URL that is none, named in the text
    """
    gateway_url = _url(environ, "GATEWAY_URL", DEFAULTS.gateway_url)
    return Settings(
        host=environ.get("HOST") or DEFAULTS.host,
        port=_number(environ, "PORT", DEFAULTS.port, 65_535),
        gateway_url=gateway_url,
        checkout_url=_url(environ, "CHECKOUT_URL", gateway_url),
        api_key=environ.get("API_KEY") or DEFAULTS.api_key,
        api_secret=environ.get("API_SECRET") or DEFAULTS.api_secret,
        webhook_secret=environ.get("WEBHOOK_SECRET") or DEFAULTS.webhook_secret,
        fail_first_n=_number(environ, "FAIL_FIRST_N", 0, 1_000_000),
        slow_ms=_number(environ, "SLOW_MS", 0, SLOW_MS_MAX),
        db=environ.get("SHOP_DB") or DEFAULTS.db,
    )


def _url(environ: Mapping[str, str], name: str, default: str) -> str:
    url = (environ.get(name) or default).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{name} must start with http:// or https://, not {url!r}")
    return url


def _number(environ: Mapping[str, str], name: str, default: int, largest: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= largest):
        raise ValueError(f"{name} must be a whole number from 0 to {largest}, not {text!r}")
    return int(text)
