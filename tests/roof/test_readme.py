"""What the README shows is what happens."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import pictures
from gateway.adapters.sandbox import SandboxBank
from gateway.core.config import Config
from gateway.core.processor import Card

PROJECT = Path(__file__).resolve().parents[2]
README = (PROJECT / "README.md").read_text()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Where `up` is running, with nothing set."""
    port, shop_port = free_port(), free_port()
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "up", "--port", str(port), "--shop-port", str(shop_port)],
        cwd=PROJECT,
        env=kept | {"GATEWAY_VAR": str(tmp_path), "GATEWAY_BOOTSTRAP": "off"},
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}/health/ready")
        yield port
    finally:
        process.terminate()
        assert process.wait(30) == 0


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=1)
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"nothing answered at {url}")


def test_the_story_runs_as_it_is_told(port: int) -> None:
    (script,) = re.findall(r"```bash\n(.*?)```", README, re.S)
    story = "set -euo pipefail\n" + script.replace("localhost:8000", f"127.0.0.1:{port}")
    told = subprocess.run(["bash", "-c", story], capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stderr
    pending, success, log = told.stdout.splitlines()
    assert (pending, success) == ("pending", "success")
    for event in ("payment.created", "payment.pending", "payment.success"):
        assert f'"event":"{event}","status":"success"' in log


def test_it_opens_with_the_two_commands() -> None:
    opening = README.split("\n## ")[0]
    assert opening.index("python3 -m gateway up ") < opening.index("python3 -m gateway test")


def test_the_sandbox_instruments_are_the_ones_it_lists() -> None:
    bank = SandboxBank(Config())
    listed = re.findall(r"\| `(\w+)@sandbox` \| ([\d ]+) \|", README)
    assert len(listed) == 6
    for scenario, number in listed:
        card = Card(number.replace(" ", ""), 12, 2030, "123", "Asha", "visa")
        assert bank.tokenise(card).split("_")[1] == scenario


def test_every_file_it_names_is_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README) + re.findall(r'src="([^"]+\.png)"', README):
        assert (PROJECT / target).exists(), target


def test_it_shows_every_page_that_the_command_takes_a_picture_of() -> None:
    shown = set(re.findall(r'src="static/pictures/([^"]+)\.png"', README))
    shown |= set(re.findall(r"\(static/pictures/([^)]+)\.png\)", README))
    assert shown == {path.stem for path in (PROJECT / "static" / "pictures").glob("*.png")}
    taken = [*pictures.PAGES, *pictures.DOORS]
    assert shown == {f"{name}-{size}" for name in taken for size in ("wide", "narrow")}
