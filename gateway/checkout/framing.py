"""Which pages may show the checkout in a frame.

The same list goes to the browser twice: as `frame-ancestors`, which decides
whether there is a frame at all, and to frame.js, which talks to nobody else.
"""

from gateway.core import config
from gateway.domain.merchants import Shopfront

# Until a merchant lists origins: a shop on the developer's own machine, whatever its port.
_LOCAL = tuple(f"{scheme}://{host}:*" for scheme in ("http", "https") for host in ("localhost", "127.0.0.1"))


def may_embed(shop: Shopfront | None) -> tuple[str, ...]:
    """Exact origins, or in the sandbox `scheme://host:*` where none are listed."""
    if shop is not None and shop.origins:
        return shop.origins
    return _LOCAL if config.current().is_sandbox else ()


def policy(origins: tuple[str, ...]) -> str:
    """The value of the `frame-ancestors` directive."""
    return " ".join(origins) or "'none'"
