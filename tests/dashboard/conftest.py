"""People who look at the dashboard, without a browser."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gateway.core import clock, crypto
from gateway.core.db import session, transaction
from gateway.domain import sessions
from gateway.domain.merchants import SEEDED_MERCHANT_ID
from gateway.domain.sessions import Person
from gateway.models import User
from gateway.web import ratelimit
from tests.conftest import RIVAL_ID, Office

# The hash of "correct horse battery", made once: nobody who is signed in here needs it again.
PASSWORD = "correct horse battery"
_HASHES: list[str] = []


@dataclass
class Visit:
    """Somebody who is signed in at the dashboard."""

    client: FlaskClient
    person: Person

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, **more)

    def post(self, path: str, **fields: Any) -> TestResponse:
        """Send a form; the CSRF token is added."""
        return self.client.post(path, data={"csrf_token": self.csrf_token(), **fields})

    def csrf_token(self) -> str:
        page = self.client.get("/dashboard/settings").text
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert found is not None, page
        return found[1]


def visit_of(app: Flask, email: str) -> Visit:
    """A browser in which the person with this address is signed in."""
    with transaction():
        user_id = session().query(User.id).filter(User.email == email).scalar()
        token = sessions.begin(user_id, "tests")
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie.update({"_user_id": token, "_fresh": True})
    person = sessions.find(token)
    assert person is not None
    return Visit(client, person)


def hire(merchant_id: str, email: str, role: str) -> None:
    """Another person of this merchant, whose password is PASSWORD."""
    if not _HASHES:
        _HASHES.append(crypto.hash_password(PASSWORD))
    now = clock.now()
    with transaction():
        session().add(
            User(
                id=str(uuid4()),
                merchant_id=merchant_id,
                email=email,
                password_hash=_HASHES[0],
                role=role,
                created_at=now,
                updated_at=now,
            )
        )


@pytest.fixture
def one_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the test happens within one minute of the limits, on however slow a machine."""
    monkeypatch.setattr(ratelimit, "time", SimpleNamespace(monotonic=lambda: 600.0))


@pytest.fixture(autouse=True)
def no_limits_reached() -> None:
    ratelimit.forget()


@pytest.fixture
def visit(app: Flask) -> Visit:
    """The seeded merchant's owner."""
    return visit_of(app, app.config["GATEWAY"].test_merchant_email)


@pytest.fixture
def as_role(app: Flask) -> Callable[[str], Visit]:
    """Somebody new of the seeded merchant, by role."""

    def as_role(role: str) -> Visit:
        hire(SEEDED_MERCHANT_ID, f"{role}@example.com", role)
        return visit_of(app, f"{role}@example.com")

    return as_role


@pytest.fixture
def viewer(as_role: Callable[[str], Visit]) -> Visit:
    """A colleague of the owner who only looks."""
    return as_role("viewer")


@pytest.fixture
def developer(as_role: Callable[[str], Visit]) -> Visit:
    """A colleague of the owner who builds the integration."""
    return as_role("developer")


@pytest.fixture
def rival_visit(app: Flask) -> Visit:
    """The owner of the rival merchant."""
    hire(RIVAL_ID, "owner@rival.example", "owner")
    return visit_of(app, "owner@rival.example")


@pytest.fixture
def settle(office: Office, wait: Callable[[float], None]) -> Callable[[], int]:
    """Lets time pass until the bank has answered for every payment so far; says how many."""

    def settle() -> int:
        wait(10)
        return office.settle()

    return settle
