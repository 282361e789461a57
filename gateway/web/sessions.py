"""Cookie sessions are for people's pages; the API is asked with keys, and does not look for a cookie."""

from flask import Flask, Request
from flask.sessions import NullSession, SecureCookieSession, SecureCookieSessionInterface


class PageSessions(SecureCookieSessionInterface):
    def __init__(self) -> None:
        self._nobodys = NullSession()

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if request.path.startswith("/api/"):
            return None  # Flask asks for an empty one in its place
        return super().open_session(app, request)

    def make_null_session(self, app: Flask) -> NullSession:
        return self._nobodys  # cannot be written to, so one is enough
