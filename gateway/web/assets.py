"""Files that browsers fetch: styles, scripts, icons, the SDK.

Each is read once, and its address carries its fingerprint, so a browser may keep
it for ever and a new version is a new address.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from flask import Blueprint, Flask, Response, request

from gateway.core.config import PROJECT_ROOT
from gateway.core.errors import NotFound

STATIC = PROJECT_ROOT / "static"
FOR_EVER = "public, max-age=31536000, immutable"

assets = Blueprint("assets", __name__)


@dataclass(frozen=True)
class Asset:
    """One file as it is sent; compressed once, where the browser takes that."""

    body: bytes
    mimetype: str

    @cached_property
    def version(self) -> str:
        """Twelve hex digits that change with the content."""
        return hashlib.sha256(self.body).hexdigest()[:12]

    @cached_property
    def gzipped(self) -> bytes:
        return gzip.compress(self.body, mtime=0)

    def response(self, cache_control: str) -> Response:
        """This file, or 304 to a browser that has it."""
        takes_gzip = request.accept_encodings["gzip"] > 0
        response = Response(self.gzipped if takes_gzip else self.body, mimetype=self.mimetype)
        if takes_gzip:
            response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["Cache-Control"] = cache_control
        response.set_etag(self.version + ("-gzip" if takes_gzip else ""))
        response.make_conditional(request)
        return response


@cache
def read(path: Path) -> Asset:
    """The file at `path`. Raises FileNotFoundError."""
    mimetype = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(path.read_bytes(), mimetype)


def asset_url(name: str) -> str:
    """The address of `static/<name>`, which changes with its content."""
    return f"/static/{read(STATIC / name).version}/{name}"


@cache
def _names() -> frozenset[str]:
    return frozenset(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file())


@assets.get("/static/<version>/<path:name>")
def send_asset(version: str, name: str) -> Response:
    if name not in _names():
        raise NotFound("There is nothing at this address")
    found = read(STATIC / name)
    return found.response(FOR_EVER if version == found.version else "no-cache")


def init_app(app: Flask) -> None:
    app.register_blueprint(assets)
    app.jinja_env.globals["asset_url"] = asset_url
