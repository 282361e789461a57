"""The SDK's files as merchants' pages fetch them."""

import base64
import gzip
import hashlib

import pytest
from flask.testing import FlaskClient

from gateway.web import sdk
from tests.conftest import PROJECT

SOURCE = (PROJECT / "checkout_widget" / "checkout.js").read_bytes()


def test_the_short_address_has_the_newest_for_a_while(visitor: FlaskClient) -> None:
    answer = visitor.get("/checkout.js")
    assert (answer.status_code, answer.data, answer.mimetype) == (200, SOURCE, "text/javascript")
    assert answer.headers["Cache-Control"] == "public, max-age=300, must-revalidate"
    again = visitor.get("/checkout.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_a_versions_address_never_changes(visitor: FlaskClient) -> None:
    version = hashlib.sha256(SOURCE).hexdigest()[:12]
    assert sdk.sdk_url() == f"http://localhost:8000/sdk/{version}/checkout.js"
    answer = visitor.get(sdk.path())
    assert answer.data == SOURCE and "immutable" in answer.headers["Cache-Control"]
    other = visitor.get("/sdk/000000000000/checkout.js")
    assert other.data == SOURCE and "immutable" not in other.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["/checkout.js", sdk.path(), sdk.path("frame.js"), sdk.path("checkout.d.ts")]
)
def test_any_page_may_fetch_it(visitor: FlaskClient, path: str) -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        answer = visitor.open(path, method=method, headers={"Origin": "https://shop.example"})
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_the_integrity_is_that_of_the_file(visitor: FlaskClient) -> None:
    digest = hashlib.sha384(visitor.get(sdk.path()).data).digest()
    assert sdk.integrity() == f"sha384-{base64.b64encode(digest).decode()}"


def test_it_is_small(visitor: FlaskClient) -> None:
    answer = visitor.get("/checkout.js", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(answer.data) == SOURCE
    assert len(answer.data) < 8_000


def test_there_is_nothing_else(visitor: FlaskClient) -> None:
    for name in ("checkout.py", "..%2Fpyproject.toml", "page.js"):
        assert visitor.get(f"/sdk/000000000000/{name}").status_code == 404


def test_the_page_itself_is_read_by_no_other_page(visitor: FlaskClient) -> None:
    for method, path in (
        ("GET", "/checkout"),
        ("POST", "/checkout/payments"),
        ("POST", "/checkout/handshake"),
    ):
        answer = visitor.open(path, method=method, headers={"Origin": "https://shop.example"})
        assert "Access-Control-Allow-Origin" not in answer.headers
