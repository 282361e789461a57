"""Somebody who shops with a browser that runs no scripts: follows links, fills in forms, keeps cookies."""

import http.cookiejar
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin


@dataclass
class Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, dict[str, str]] = field(default_factory=dict)


class Page(HTMLParser):
    """What one page says: texts by data-test-id, attributes by data-test-id, and its forms."""

    def __init__(self, url: str, status: int, html: str) -> None:
        super().__init__()
        self.url, self.status, self.html = url, status, html
        self.texts: dict[str, str] = {}
        self.attributes: dict[str, dict[str, str]] = {}
        self.forms: list[Form] = []
        self._named: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
        if tag == "input" and self.forms:
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        test_id = given.get("data-test-id")
        if test_id:
            self.attributes.setdefault(test_id, given)
            if tag == "button" and self.forms:
                self.forms[-1].buttons[test_id] = given
            if tag != "input":
                self._named.append((tag, test_id))

    def handle_data(self, data: str) -> None:
        for _, test_id in self._named:
            self.texts[test_id] = f"{self.texts.get(test_id, '')} {data.strip()}".strip()

    def handle_endtag(self, tag: str) -> None:
        if self._named and self._named[-1][0] == tag:
            self._named.pop()


class Customer:
    def __init__(self, shop_url: str) -> None:
        self.url = shop_url
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        # A proxy of the environment is not the way to this machine.
        self._browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)
        self.page = Page(shop_url, 0, "")

    def visit(self, path: str) -> Page:
        return self._load(urllib.request.Request(urljoin(self.url, path)))

    def press(self, button: str, **filled_in: str) -> Page:
        """Submit the first form of the page that has this button."""
        form = next(form for form in self.page.forms if button in form.buttons)
        pressed = form.buttons[button]
        sent = form.fields | filled_in
        if "name" in pressed:
            sent[pressed["name"]] = pressed.get("value", "")
        url = urljoin(self.page.url, pressed.get("formaction") or form.action)
        return self._load(urllib.request.Request(url, urlencode(sent).encode()))

    def _load(self, request: urllib.request.Request) -> Page:
        try:
            answer = self._browser.open(request, timeout=20)
        except urllib.error.HTTPError as refusal:
            answer = refusal
        with answer:
            self.page = Page(answer.url, answer.status, answer.read().decode())
        return self.page
