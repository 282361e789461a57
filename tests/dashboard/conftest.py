"""People who have signed in and look at the dashboard."""

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
from gateway.domain import sessions
from gateway.domain.merchants import SEEDED_MERCHANT_ID
from gateway.domain.sessions import Person
from gateway.models import User
from tests.conftest import RIVAL_ID, Office

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass
class Visit:
    """A browser in which somebody is signed in."""

    client: FlaskClient
    person: Person
    _csrf_token: str | None = None

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.client.get(path, **more)

    def post(self, path: str, **fields: Any) -> TestResponse:
        """Send a form with these fields and what every form carries."""
        if self._csrf_token is None:
            found = _TOKEN.search(self.get("/dashboard").text)
            assert found is not None
            self._csrf_token = found[1]
        return self.client.post(path, data={"csrf_token": self._csrf_token, **fields})


@pytest.fixture
def sign_in(app: Flask) -> Callable[..., Visit]:
    """Lets somebody of this merchant sign in: a person of their own for each role, made where missing."""

    def sign_in(merchant_id: str, role: str) -> Visit:
        now = clock.now()
        with transaction():
            user_id = session().scalar(
                select(User.id).where(User.merchant_id == merchant_id, User.role == role)
            )
            if user_id is None:
                user_id = str(uuid4())
                session().add(
                    User(
                        id=user_id,
                        merchant_id=merchant_id,
                        email=f"{role}-{user_id[:8]}@example.com",
                        password_hash="nobody signs in with it",
                        role=role,
                        created_at=now,
                        updated_at=now,
                    )
                )
                session().flush()
            token = sessions.begin(user_id, "tests")
        person = sessions.find(token)
        assert person is not None
        client = app.test_client()
        with client.session_transaction() as cookie:
            cookie.update({"_user_id": token, "_fresh": True, "_permanent": True})
        return Visit(client, person)

    return sign_in


@pytest.fixture
def visit(sign_in: Callable[..., Visit]) -> Visit:
    """The seeded merchant's owner."""
    return sign_in(SEEDED_MERCHANT_ID, "owner")


@pytest.fixture
def viewer(sign_in: Callable[..., Visit]) -> Visit:
    return sign_in(SEEDED_MERCHANT_ID, "viewer")


@pytest.fixture
def developer(sign_in: Callable[..., Visit]) -> Visit:
    return sign_in(SEEDED_MERCHANT_ID, "developer")


@pytest.fixture
def rival_visit(sign_in: Callable[..., Visit]) -> Visit:
    """The owner of another merchant, who must see nothing of the first one's."""
    return sign_in(RIVAL_ID, "owner")


@pytest.fixture
def settle(office: Office, wait: Callable[[float], None]) -> Callable[[], int]:
    """Lets time pass until the bank has answered for every payment so far; says how many."""

    def settle() -> int:
        wait(10)
        return office.settle()

    return settle
