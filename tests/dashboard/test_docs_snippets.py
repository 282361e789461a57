"""The code on the docs page is copied as it stands and run against a real gateway.

Only what the page tells its reader to fill in is filled in: the ids of the
placeholders and, so that the languages do not get each other's answers, the
idempotency keys; and ports that are free here.
"""

import hashlib
import hmac
import html
import http.cookiejar
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.dashboard.docs import ORDER_ID, PAYMENT_ID, RECEIVER_PORT
from tests.faults.processes import PYTHON, Process, free_port, wait_until
from tests.faults.town import Merchant, Town

PATIENCE_S = 30
FILES = {"curl": "snippet.sh", "python": "snippet.py", "node": "snippet.mjs", "php": "snippet.php"}
RUN = {"curl": ["sh"], "python": [PYTHON], "node": ["node"], "php": ["php"]}
NEEDS = {"curl": "curl", "python": PYTHON, "node": "node", "php": "php"}
LANGUAGES = [
    pytest.param(
        language,
        marks=pytest.mark.skipif(
            shutil.which(needed) is None, reason=f"{Path(needed).name} is not installed"
        ),
    )
    for language, needed in NEEDS.items()
]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Town(tmp_path_factory.mktemp("docs"), TEST_PROCESSING_DELAY="0") as town:
        yield town


@pytest.fixture(scope="module")
def snippets(town: Town) -> dict[tuple[str, str], str]:
    """The code of the page, as the test merchant's owner sees it, by name and language."""
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(jar)
    base = f"http://localhost:{town.port}"
    login = browser.open(f"{base}/login", timeout=PATIENCE_S).read().decode()
    token = re.search(r'name="csrf_token" value="([^"]+)"', login)
    assert token is not None
    form = {"csrf_token": token[1], "email": "test@example.com", "password": "password"}
    browser.open(f"{base}/login", urllib.parse.urlencode(form).encode(), timeout=PATIENCE_S).close()
    page = browser.open(f"{base}/dashboard/docs", timeout=PATIENCE_S).read().decode()
    found = re.findall(r'data-snippet="([\w-]+)" data-language="(\w+)">(.*?)</code>', page, re.DOTALL)
    # The gateway of these tests listens on one address only, whatever else localhost may mean here.
    return {
        (name, language): html.unescape(text).replace("//localhost:", "//127.0.0.1:")
        for name, language, text in found
    }


@pytest.fixture
def run(snippets: dict[tuple[str, str], str], tmp_path: Path) -> Callable[..., str]:
    """Runs a snippet with its placeholders filled in, and says what it printed."""

    def run(name: str, language: str, **fill_in: str) -> str:
        code = snippets[name, language].replace("tea-1-", f"tea-{language}-")
        for placeholder, value in fill_in.items():
            code = code.replace({"order_id": ORDER_ID, "payment_id": PAYMENT_ID}[placeholder], value)
        file = tmp_path / FILES[language]
        file.write_text(code)
        done = subprocess.run(
            [*RUN[language], str(file)], capture_output=True, text=True, timeout=PATIENCE_S, cwd=tmp_path
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def first_id(prefix: str, printed: str) -> str:
    found = re.search(rf"\b{prefix}_\w{{16}}\b", printed)
    assert found is not None, printed
    return found[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_whole_way_from_an_order_to_its_refund(
    town: Town, run: Callable[..., str], language: str
) -> None:
    merchant = town.seeded_merchant()
    printed = run("create-order", language)
    order_id = first_id("order", printed)
    assert "created" in printed

    payment_id = first_id("pay", run("create-payment", language, order_id=order_id))
    # The key is the same, so this is the same payment once more.
    assert first_id("pay", run("create-payment", language, order_id=order_id)) == payment_id
    is_paid = lambda: merchant.get(f"/payments/{payment_id}")["status"] == "success"  # noqa: E731
    wait_until(is_paid, PATIENCE_S, "a paid order")
    assert "success" in run("get-payment", language, payment_id=payment_id)

    run("capture-payment", language, payment_id=payment_id)
    assert merchant.get(f"/payments/{payment_id}")["captured"] is True
    refund_id = first_id("rfnd", run("create-refund", language, payment_id=payment_id))
    assert merchant.get(f"/refunds/{refund_id}")["amount"] == 20000

    wait_until(lambda: merchant.count("events", "sequence IS NULL") == 0, PATIENCE_S, "numbered events")
    assert "payment.created" in run("list-events", language)


class Receiver:
    """A receiver from the page, running on a free port with this secret."""

    def __init__(self, code: str, language: str, secret: str, directory: Path) -> None:
        self.port = free_port()
        file = directory / FILES[language]
        file.write_text(code.replace(str(RECEIVER_PORT), str(self.port)).replace("whsec_test_abc123", secret))
        command = [*RUN[language], str(file)]
        if language == "php":
            command = ["php", "-S", f"127.0.0.1:{self.port}", str(file)]
        self.process = Process(command, {}, directory / "receiver.log")
        self.process.start()

    def answers(self, body: bytes, **headers: str) -> int | None:
        """The status of its answer, or None while nobody is there."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}/webhook", body, given)
        try:
            return int(urllib.request.urlopen(asked, timeout=PATIENCE_S).status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None


@pytest.fixture
def start(snippets: dict[tuple[str, str], str], tmp_path: Path) -> Iterator[Callable[[str, str], Receiver]]:
    started = []

    def start(language: str, secret: str) -> Receiver:
        started.append(Receiver(snippets["webhook", language], language, secret, tmp_path))
        wait_until(lambda: started[-1].answers(b"{}") is not None, PATIENCE_S, "a receiver")
        return started[-1]

    yield start
    for receiver in started:
        receiver.process.kill()


@pytest.fixture
def merchant(town: Town) -> Iterator[Merchant]:
    newcomer = town.new_merchant()
    yield newcomer
    newcomer.receive_at(None)


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each.values != ("curl",)])
def test_a_receiver_takes_what_is_ours_and_nothing_else(
    merchant: Merchant, start: Callable[[str, str], Receiver], language: str
) -> None:
    secret = merchant.get("/webhooks/config")["webhook_secret"]
    receiver = start(language, secret)
    merchant.receive_at(f"http://127.0.0.1:{receiver.port}/webhook")
    merchant.post("/webhooks/test", status=200)
    wait_until(lambda: merchant.get("/webhooks")["data"], PATIENCE_S, "a delivery")
    wait_until(merchant.is_told_everything, PATIENCE_S, "its end")
    (delivery,) = merchant.get("/webhooks")["data"]
    assert (delivery["status"], delivery["response_code"]) == ("success", 200), receiver.process.last_words()
    assert "webhook.test pay_0000000000000000" in receiver.process.said()

    body = merchant.get(f"/webhooks/{delivery['id']}")["payload"].encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    assert receiver.answers(body, X_Webhook_Signature=signature) == 200
    forged = {
        "another body": (body.replace(b"50000", b"90000"), signature),
        "another secret": (body, hmac.new(b"guess", body, hashlib.sha256).hexdigest()),
        "a part of it": (body, signature[:-1]),
        "nothing": (body, ""),
        "no hex": (body, "x" * 64),
    }
    for words, (forged_body, forged_signature) in forged.items():
        assert receiver.answers(forged_body, X_Webhook_Signature=forged_signature) == 401, words
    assert receiver.answers(body) == 401
    assert receiver.answers(body, X_Webhook_Signature=signature) == 200


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_says_what_the_header_must_say(run: Callable[..., str], tmp_path: Path) -> None:
    body = '{"event":"payment.success","data":{"name":"मीरा"}}'.encode()
    for sent, is_ours in ((body, True), (body + b"\n", False)):
        (tmp_path / "body.json").write_bytes(sent)
        signature = hmac.new(b"whsec_test_abc123", body, hashlib.sha256).hexdigest()
        assert (signature in run("webhook", "curl")) is is_ours


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_script_of_the_sdk_snippet_is_javascript(
    snippets: dict[tuple[str, str], str], tmp_path: Path
) -> None:
    page = snippets["sdk", "html"]
    script = page.rpartition("<script>")[2].partition("</script>")[0]
    assert "new PaymentGateway({" in script
    file = tmp_path / "script.js"
    file.write_text(script)
    checked = subprocess.run(["node", "--check", str(file)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
