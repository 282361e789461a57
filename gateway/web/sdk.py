"""The SDK for merchants' pages: where it is, and by what hash a page may hold it to its word."""

import base64
import hashlib
from functools import cache

from gateway.core import config
from gateway.core.config import PROJECT_ROOT
from gateway.web import assets
from gateway.web.assets import Asset

_WIDGET = PROJECT_ROOT / "checkout_widget"
_TYPES = Asset((_WIDGET / "checkout.d.ts").read_bytes(), "text/plain")


def asset(name: str) -> Asset | None:
    """A file of the SDK: `checkout.js` for merchants' pages, `frame.js` inside the frame, or the types."""
    if name == "checkout.d.ts":
        return _TYPES
    return assets.read(_WIDGET / name) if name in ("checkout.js", "frame.js") else None


def path(name: str = "checkout.js") -> str:
    """The path of exactly this content; what is there never changes."""
    found = asset(name)
    assert found is not None
    return f"/sdk/{found.version}/{name}"


def sdk_url() -> str:
    """The address for `<script src>` that goes with `integrity()`."""
    return config.current().checkout_url + path()


@cache
def integrity() -> str:
    """`sha384-…` for `<script integrity>` (W3C Subresource Integrity)."""
    found = asset("checkout.js")
    assert found is not None
    return f"sha384-{base64.b64encode(hashlib.sha384(found.body).digest()).decode()}"
