"""What the browser may load into the shop's pages: Content-Security-Policy."""

from urllib.parse import urlsplit

OWN = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


def with_checkout(checkout_url: str) -> str:
    """For the page that opens the checkout: its script and its frame, from its origin and no other."""
    parts = urlsplit(checkout_url)
    origin = f"{parts.scheme}://{parts.netloc}"
    return f"{OWN}; script-src 'self' {origin}; frame-src {origin}"
