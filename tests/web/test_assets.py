"""Files that browsers fetch: whole, compressed, kept for ever, and those we did not write unchanged."""

import gzip
import hashlib
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.web import assets
from tests.conftest import PROJECT

# What was taken over as it is; a change of one byte is a change of what runs in merchants' browsers.
VENDORED = {
    "static/vendor/htmx.min.js": "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
    "tests/browser/vendor/axe.min.js": "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c",
}


@pytest.mark.parametrize("path", VENDORED)
def test_what_we_did_not_write_is_as_it_came(path: str) -> None:
    assert hashlib.sha256((PROJECT / path).read_bytes()).hexdigest() == VENDORED[path]


@pytest.mark.parametrize("name", sorted(assets._names()))
def test_every_file_is_served_at_an_address_of_its_own_content(app: Flask, name: str) -> None:
    with app.test_request_context():
        url = assets.asset_url(name)
    answer = app.test_client().get(url)
    assert answer.status_code == 200
    assert answer.data == (assets.STATIC / name).read_bytes()
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_old_address_gives_the_new_file_and_is_not_kept(visitor: FlaskClient) -> None:
    answer = visitor.get("/static/000000000000/dashboard.css")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"


def test_it_is_compressed_for_who_takes_that(visitor: FlaskClient) -> None:
    answer = visitor.get("/static/x/dashboard.css", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data) == (assets.STATIC / "dashboard.css").read_bytes()
    assert visitor.get("/static/x/dashboard.css").headers["ETag"] != answer.headers["ETag"]


def test_who_has_it_is_told_so(visitor: FlaskClient) -> None:
    etag = visitor.get("/static/x/dashboard.css").headers["ETag"]
    assert visitor.get("/static/x/dashboard.css", headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize("name", ["nothing.css", "../gateway/app.py", "..%2fwsgi.py", "vendor", ""])
def test_there_is_nothing_else(visitor: FlaskClient, name: str) -> None:
    assert visitor.get(f"/static/x/{name}").status_code in (404, 308)


def test_every_icon_that_a_page_asks_for_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (assets.STATIC / "icons.svg").read_text()))
    asked = set()
    for path in [*(PROJECT / "templates").rglob("*.html"), *(PROJECT / "gateway").rglob("*.py")]:
        asked |= set(re.findall(r'icon\("([a-z0-9-]+)"\)', path.read_text()))
    assert asked - drawn == set()
