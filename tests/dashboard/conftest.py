"""People who are signed in at the dashboard."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from gateway.core import clock
from gateway.core.db import session, transaction
from gateway.domain import merchants, sessions
from gateway.models import User
from tests.conftest import RIVAL_ID


@dataclass
class Visit:
    """Somebody's browser, signed in; forms carry the token that a page gave it."""

    client: FlaskClient
    person: sessions.Person

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, **more)

    def post(self, path: str, **fields: Any) -> TestResponse:
        return self.client.post(path, data=fields | {"csrf_token": self._token()})

    def _token(self) -> str:
        # Every page of the dashboard has the form that signs out.
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get("/dashboard").text)
        assert found is not None
        return found[1]


def sign_in(app: Flask, email: str) -> Visit:
    """A browser with the cookie of a new session of this person."""
    with transaction():
        user_id = session().scalars(select(User.id).where(User.email == email)).one()
        token = sessions.begin(user_id, "tests")
    person = sessions.find(token)
    assert person is not None
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie.update(_user_id=token, _fresh=True, _permanent=True)
    return Visit(client, person)


def hire(merchant_id: str, role: str) -> str:
    """Somebody new with this role; their e-mail address. Nobody signs in with their password."""
    email, now = f"{role}-{uuid4().hex[:8]}@example.com", clock.now()
    with transaction():
        session().add(
            User(
                id=str(uuid4()),
                merchant_id=merchant_id,
                email=email,
                password_hash="",
                role=role,
                created_at=now,
                updated_at=now,
            )
        )
    return email


@pytest.fixture
def visit(app: Flask) -> Visit:
    """The seeded merchant's owner."""
    return sign_in(app, "test@example.com")


@pytest.fixture
def as_role(app: Flask) -> Callable[[str], Visit]:
    """Somebody new of the seeded merchant, by role."""
    return lambda role: sign_in(app, hire(merchants.SEEDED_MERCHANT_ID, role))


@pytest.fixture
def viewer(as_role: Callable[[str], Visit]) -> Visit:
    return as_role("viewer")


@pytest.fixture
def developer(as_role: Callable[[str], Visit]) -> Visit:
    return as_role("developer")


@pytest.fixture
def rival_visit(app: Flask) -> Visit:
    """The owner of another merchant, who must see nothing of the first one's."""
    return sign_in(app, hire(RIVAL_ID, "owner"))
