"""A browser, a gateway as real processes, and people who look at its pages.

Every page is watched: a console error, a page error or a report of the
Content-Security-Policy fails the test whose browser saw it. Nothing here
measures time; whatever is waited for may take as long as Playwright allows.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from gateway.app import connect
from gateway.core import clock, crypto
from gateway.core.db import session, transaction
from gateway.domain import sessions
from gateway.models import User
from tests.faults.town import Merchant, Town, leave

BROWSER = os.environ.get("GATEWAY_TEST_BROWSER")
AXE = Path(__file__).with_name("vendor") / "axe.min.js"
PATIENCE_MS = 30_000
PASSWORD = "correct horse battery"
WIDE, NARROW = (1280, 900), (375, 667)

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if BROWSER is None:
        pytest.skip("no browser was found")
    # Without these it looks for its maker's hosts at every start.
    quiet = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    with sync_playwright() as playwright:
        playwright.selectors.set_test_id_attribute("data-test-id")
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", "--disable-quic", *quiet]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def town(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Web and worker on SQLite; payments and refunds settle at once, webhooks are retried after a second."""
    directory = tmp_path_factory.mktemp("browser")
    with Town(
        directory, TEST_PROCESSING_DELAY="300", ALLOW_SIGNUP="true", RATE_LIMIT_PER_MINUTE="100000"
    ) as town:
        yield town


@dataclass
class Owner:
    """A merchant, and the person who signs in for it. `api` is the same merchant's server."""

    town: Town
    api: Merchant
    email: str
    role: str = "owner"

    def cookie(self) -> dict[str, Any]:
        """The cookie of a browser in which this person is signed in."""
        connect(self.town.config)
        try:
            with transaction():
                user_id = session().query(User.id).filter(User.email == self.email).scalar()
                token = sessions.begin(user_id, "tests")
        finally:
            leave()
        app = Flask("cookies")
        app.secret_key = self.town.config.secret_key
        signer = SecureCookieSessionInterface().get_signing_serializer(app)
        assert signer is not None
        value = signer.dumps({"_user_id": token, "_fresh": True, "_permanent": True})
        return {"name": "gateway_session", "value": value, "url": f"http://localhost:{self.town.port}"}


@pytest.fixture
def hire(town: Town) -> Callable[..., Owner]:
    """Makes somebody who can sign in: `hire()` for a new merchant, `hire(owner, "viewer")` beside one."""

    def hire(colleague: Owner | None = None, role: str = "owner") -> Owner:
        api = colleague.api if colleague else town.new_merchant()
        email = f"{uuid4().hex[:12]}@example.com"
        connect(town.config)
        try:
            now = clock.now()
            with transaction():
                session().add(
                    User(
                        id=str(uuid4()),
                        merchant_id=api.id,
                        email=email,
                        password_hash=crypto.hash_password(PASSWORD),
                        role=role,
                        created_at=now,
                        updated_at=now,
                    )
                )
        finally:
            leave()
        return Owner(town, api, email, role)

    return hire


@pytest.fixture
def owner(hire: Callable[..., Owner]) -> Owner:
    return hire()


@dataclass
class Watch:
    """Opens pages and writes down what goes wrong in them."""

    browser: Browser
    base_url: str
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def open(
        self,
        *,
        size: tuple[int, int] = WIDE,
        dark: bool = False,
        scripts: bool = True,
        signed_in: Owner | None = None,
        **more: Any,
    ) -> Page:
        """A new browser window on an empty page; addresses are relative to the gateway."""
        context = self.browser.new_context(
            base_url=self.base_url,
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            **more,
        )
        context.set_default_timeout(PATIENCE_MS)
        self.contexts.append(context)
        if signed_in is not None:
            context.add_cookies([signed_in.cookie()])  # type: ignore[list-item]
        page = context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text} ({message.location.get('url')})")

    def forgive(self, text: str) -> None:
        """Take back complaints that a test provoked; there must have been one."""
        kept = [complaint for complaint in self.complaints if text not in complaint]
        assert len(kept) < len(self.complaints), f"nobody complained of {text!r}: {self.complaints}"
        self.complaints[:] = kept


@pytest.fixture
def watch(chromium: Browser, town: Town) -> Iterator[Watch]:
    watch = Watch(chromium, f"http://localhost:{town.port}")
    yield watch
    for context in watch.contexts:
        context.close()
    assert watch.complaints == []


def is_accessible(page: Page) -> None:
    """Fails where axe-core finds a serious or critical issue on the page as it stands."""
    page.wait_for_load_state("load")
    page.evaluate(AXE.read_text())
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    serious = [
        f"{issue['id']}: {issue['help']} {[node['target'] for node in issue['nodes']][:3]}"
        for issue in found
        if issue["impact"] in ("serious", "critical")
    ]
    assert serious == []


def fits(page: Page) -> None:
    """Fails where the page is wider than its window, so that a phone would scroll it sideways."""
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{overflow} px too wide"
