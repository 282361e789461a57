"""Cookie sessions are for people's pages; the API is asked with keys, and does not look for a cookie."""

from flask import Flask, Request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface


class PageSessions(SecureCookieSessionInterface):
    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if request.path.startswith("/api/"):
            return None  # Flask puts an empty one in its place, which cannot be written to
        return super().open_session(app, request)
