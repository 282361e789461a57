"""The commands as somebody types them, around a gateway of a few lines."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

GATEWAY = Path(__file__).resolve().parents[2] / "gateway"
OURS = ("__init__", "__main__", "cli", "stack", "supervisor", "core/__init__", "core/config")

STAND_INS = {
    "gateway/app.py": """
        import os
        def prepare(config):
            config.var_dir.mkdir(exist_ok=True)
            with (config.var_dir / "prepared").open("a") as file:
                file.write("again ")
            if "NO_DATABASE" in os.environ:
                from sqlalchemy.exc import OperationalError
                raise OperationalError("SELECT 1", {}, Exception("nobody listens there"))
    """,
    "gateway/core/migration.py": """
        def upgrade(config):
            print("upgraded", config.database_url)
    """,
    "gateway/check.py": """
        import json, os, urllib.request
        def run(base_url, shop_url, key, secret):
            urls = base_url + "/health/ready", shop_url + "/health"
            told = json.load(urllib.request.urlopen(base_url + "/api/v1/webhooks/config"))
            print("to our shop:", told["webhook_url"] == shop_url + "/webhook")
            print("checked", [urllib.request.urlopen(url).status for url in urls], key, secret)
            return os.environ["CHECK_PASSES"] == "yes"
    """,
    "wsgi.py": """
        import json, os, time
        from pathlib import Path
        if "WEB_DIES" in os.environ:
            raise SystemExit("no web today")
        config = Path(os.environ.get("MERCHANT", "/nowhere"))
        def app(environ, start_response):
            if environ["REQUEST_METHOD"] == "PUT":
                assert environ["HTTP_X_API_SECRET"] == "secret_test_xyz789"
                config.write_text(json.loads(environ["wsgi.input"].read())["webhook_url"])
            if environ["PATH_INFO"] == "/slow":
                time.sleep(2)
            start_response("200 OK", [("Content-Type", "application/json")])
            told = {"pid": os.getpid(), "parent": os.getppid(), "environ": dict(os.environ)}
            seeded = os.environ.get("TEST_WEBHOOK_URL")
            told["webhook_url"] = config.read_text() if config.exists() else seeded
            told["worker"] = "stopped" if "WORKER_DIES" in os.environ else "running"
            return [json.dumps(told).encode()]
    """,
    "huey_worker.py": """
        import json, os, signal, sys
        print(json.dumps({"pid": os.getpid(), "arguments": sys.argv[1:]}), flush=True)
        if "WORKER_DIES" in os.environ:
            sys.exit("no work today")
        signal.sigwait({signal.SIGTERM})
    """,
    "test_merchant/__main__.py": """
        import json, os
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
        class Shop(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps({"pid": os.getpid(), "environ": dict(os.environ)}).encode())
            def log_message(self, *_):
                pass
        ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Shop).serve_forever()
    """,
    "tests/test_found.py": """
        import json, os
        from pathlib import Path
        def test_it():
            found = {name: value for name, value in os.environ.items() if name.startswith("GATEWAY_TEST_")}
            found["worker"] = os.environ.get("PYTEST_XDIST_WORKER")
            Path("found.json").write_text(json.dumps(found))
            assert "TESTS_FAIL" not in os.environ
    """,
}

PRODUCTION = {
    "GATEWAY_ENV": "production",
    "SECRET_KEY": "s" * 32,
    "ENCRYPTION_KEY": "A" * 43 + "=",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    "REDIS_URL": "redis://127.0.0.1:9/0",
}


class House:
    """A project folder whose roof is ours and whose floors are a few lines each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.begun: list[subprocess.Popen[str]] = []
        self.stderr = subprocess.STDOUT
        (root / "gateway" / "core").mkdir(parents=True)
        for name in OURS:
            shutil.copy(GATEWAY / f"{name}.py", root / "gateway" / f"{name}.py")
        for name, text in STAND_INS.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text("\n".join(line[8:] for line in text.splitlines()))

    def begin(self, *arguments: str, **environ: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments],
            cwd=self.root,
            env={"PATH": os.environ["PATH"], "GATEWAY_BOOTSTRAP": "off", "PYTHONUNBUFFERED": "1"} | environ,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            text=True,
        )
        self.begun.append(process)
        return process

    def run(self, *arguments: str, **environ: str) -> tuple[int, str]:
        process = self.begin(*arguments, **environ)
        said, _ = process.communicate(timeout=120)
        return process.returncode, said


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "my house")
    yield house
    for process in house.begun:
        process.terminate()
        process.communicate(timeout=30)


class Stack:
    """A running `up`, on ports nobody else has."""

    def __init__(self, house: House, **environ: str) -> None:
        self.port, self.shop_port = free_port(), free_port()
        ports = ("--port", str(self.port), "--shop-port", str(self.shop_port))
        self.process = house.begin("up", *ports, **environ)
        self.said = read_until(self.process, "Ctrl-C stops it")

    def web(self) -> dict[str, Any]:
        return ask(f"http://127.0.0.1:{self.port}/")

    def shop(self) -> dict[str, Any]:
        return ask(f"http://127.0.0.1:{self.shop_port}/")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def ask(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        asked: dict[str, Any] = json.load(answer)
        return asked


def read_until(process: "subprocess.Popen[str]", words: str) -> str:
    assert process.stdout is not None
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            watchdog.cancel()
            return said
    raise AssertionError(f"{words!r} was never said, but: {said}")


def wait_until(is_reached: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 30
    while not is_reached():
        assert time.monotonic() < ends_at, "it never came"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """False for a zombie too: one whose new parent has not looked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_help_names_every_command(house: House) -> None:
    exit_code, said = house.run("--help")
    assert exit_code == 0
    named = re.findall(r"^  (\w+)", said.split("Commands:")[1], re.M)
    assert {"migrate", "seed", "test", "up", "web", "worker"} <= set(named)


def test_up_says_where_everything_is_and_stops_at_ctrl_c(house: House) -> None:
    stack = Stack(house)
    web, shop = stack.web(), stack.shop()
    worker = json.loads(stack.said.split("worker | ")[1].splitlines()[0])
    for words in (
        f"http://localhost:{stack.port}/dashboard",
        f"http://localhost:{stack.port}/api/v1",
        f"http://localhost:{stack.shop_port}",
        "test@example.com / password",
        "key_test_abc123",
        "secret_test_xyz789",
    ):
        assert words in stack.said.split("is open")[1]
    stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(timeout=30) == 0
    assert not any(is_alive(pid) for pid in (web["pid"], web["parent"], shop["pid"], worker["pid"]))


def test_up_tells_shop_and_gateway_of_each_other(house: House) -> None:
    stack = Stack(house, TEST_API_KEY="key_test_mine")
    known = stack.shop()["environ"]
    assert known["GATEWAY_URL"] == f"http://localhost:{stack.port}"
    assert (known["API_KEY"], known["API_SECRET"]) == ("key_test_mine", "secret_test_xyz789")
    assert known["WEBHOOK_SECRET"] == "whsec_test_abc123"
    assert known["CHECKOUT_URL"] == f"http://localhost:{stack.port}"
    assert known["SHOP_DB"] == str(house.root / "var" / "shop.db")
    assert stack.web()["environ"]["TEST_WEBHOOK_URL"] == f"http://localhost:{stack.shop_port}/webhook"


def test_up_switches_test_mode_on_and_says_so(house: House) -> None:
    stack = Stack(house, TEST_MODE="")
    assert "TEST_MODE, WEBHOOK_RETRY_INTERVALS_TEST" in stack.said
    switched = stack.web()["environ"]
    assert (switched["TEST_MODE"], switched["WEBHOOK_RETRY_INTERVALS_TEST"]) == ("true", "true")


def test_up_leaves_what_was_said_alone(house: House) -> None:
    own = {
        "TEST_MODE": "false",
        "WEBHOOK_RETRY_INTERVALS_TEST": "false",
        "TEST_WEBHOOK_URL": "http://localhost:1/hook",
        "WEBHOOK_SECRET": "whsec_mine",
        "SHOP_DB": "/tmp/mine.db",
        "CHECKOUT_URL": "http://pay.example",
    }
    stack = Stack(house, **own)
    assert "Switched on" not in stack.said
    assert own.items() <= stack.web()["environ"].items()
    assert own.items() <= stack.shop()["environ"].items()


def test_up_is_reachable_from_this_machine_alone_unless_host_says_otherwise(house: House) -> None:
    assert Stack(house).web()["environ"]["HOST"] == "127.0.0.1"
    assert Stack(house, HOST="0.0.0.0").web()["environ"]["HOST"] == "0.0.0.0"


def test_up_asks_no_proxy_for_its_own_children(house: House) -> None:
    assert "is open" in Stack(house, http_proxy="http://127.0.0.1:1").said


@pytest.mark.parametrize(("settings", "expected"), [({}, 1), (PRODUCTION, 3)])
def test_the_web_is_one_process_on_sqlite_and_several_on_postgresql(
    house: House, settings: dict[str, str], expected: int
) -> None:
    main = Stack(house, **settings, WEB_WORKERS="3").web()["parent"]
    assert len(Path(f"/proc/{main}/task/{main}/children").read_text().split()) == expected


def test_up_in_production_has_no_shop_no_test_mode_and_prints_no_keys(house: House) -> None:
    stack = Stack(house, **PRODUCTION)
    assert "production" in stack.said
    assert "secret" not in stack.said
    assert "TEST_MODE" not in stack.web()["environ"]
    with pytest.raises(OSError):
        stack.shop()


def test_up_starts_again_what_was_killed(house: House) -> None:
    stack = Stack(house)
    first = stack.web()
    os.kill(first["parent"], signal.SIGKILL)
    read_until(stack.process, "starting again")

    def is_back() -> bool:
        try:
            return bool(stack.web()["pid"] != first["pid"])
        except OSError:
            return False

    wait_until(is_back)
    assert not is_alive(first["pid"]), "it would go on sharing the port"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("option", ["--port", "--shop-port"])
def test_up_refuses_a_taken_port_before_anything_starts(house: House, option: str, host: str) -> None:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        neighbour = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"no {host} here")
    with neighbour:
        port = str(neighbour.getsockname()[1])
        ports = {"--port": str(free_port()), "--shop-port": str(free_port())} | {option: port}
        exit_code, said = house.run("up", *(word for pair in ports.items() for word in pair))
    assert exit_code == 1
    assert f"port {port} is taken; choose another with {option}" in said
    assert not (house.root / "var").exists()


def test_up_check_turns_a_used_databases_webhooks_to_its_shop_and_back(house: House, tmp_path: Path) -> None:
    merchant = tmp_path / "merchant"
    merchant.write_text("http://localhost:4000/webhook")
    exit_code, said = house.run("up", "--check", CHECK_PASSES="yes", MERCHANT=str(merchant))
    assert exit_code == 0, said
    assert "to our shop: True" in said
    assert merchant.read_text() == "http://localhost:4000/webhook"


def test_up_check_keeps_its_table_apart_from_what_the_children_say(house: House) -> None:
    house.stderr = subprocess.PIPE
    process = house.begin("up", "--check", CHECK_PASSES="yes")
    table, said = process.communicate(timeout=120)
    assert "checked" in table
    assert "worker | " in said
    assert " | " not in table


@pytest.mark.parametrize("name", ["web", "worker"])
def test_up_gives_up_when_a_process_keeps_stopping(house: House, name: str) -> None:
    ports = ("--port", str(free_port()), "--shop-port", str(free_port()))
    exit_code, said = house.run("up", *ports, **{f"{name.upper()}_DIES": "yes"})
    assert exit_code == 1
    assert re.search(rf"^{name} +\| no w\w+ today$", said, re.M)
    assert "keeps stopping" in said
    assert "is open" not in said


@pytest.mark.parametrize(("passes", "expected"), [("yes", 0), ("no", 1)])
def test_up_check_tries_the_stack_on_free_ports_and_tells_by_its_exit_code(
    house: House, tmp_path: Path, passes: str, expected: int
) -> None:
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as neighbour:
        taken = str(neighbour.getsockname()[1])
        exit_code, said = house.run("up", "--check", CHECK_PASSES=passes, PORT=taken, TMPDIR=str(tmp))
    assert exit_code == expected, said
    assert "checked [200, 200] key_test_abc123 secret_test_xyz789" in said
    assert not (house.root / "var").exists(), "it must not touch the data of a gateway that runs here"
    assert list(tmp.iterdir()) == []


def test_nonsense_in_the_settings_is_told_in_words(house: House) -> None:
    exit_code, said = house.run("up", TEST_PROCESSING_DELAY="soon", UPI_SUCCESS_RATE="2")
    assert exit_code == 1
    assert "TEST_PROCESSING_DELAY" in said
    assert "UPI_SUCCESS_RATE" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", ["seed", "web", "up"])
def test_a_silent_database_is_told_in_words(house: House, command: str) -> None:
    exit_code, said = house.run(command, NO_DATABASE="yes")
    assert exit_code == 1
    assert "the database says: nobody listens there" in said
    assert "Traceback" not in said


def test_web_prepares_and_then_serves(house: House) -> None:
    port = free_port()
    web = house.begin("web", PORT=str(port))
    wait_until(lambda: is_open(port))
    assert ask(f"http://127.0.0.1:{port}/")["parent"] == web.pid
    assert (house.root / "var" / "prepared").read_text() == "again "


def test_web_lets_a_running_request_finish(house: House) -> None:
    port = free_port()
    web = house.begin("web", PORT=str(port))
    wait_until(lambda: is_open(port))
    with ThreadPoolExecutor() as threads:
        running = threads.submit(ask, f"http://127.0.0.1:{port}/slow")
        time.sleep(0.5)
        web.terminate()
        assert running.result()["parent"] == web.pid
    assert web.wait(timeout=30) == 0


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_worker_becomes_the_huey_worker_with_its_queues(house: House) -> None:
    worker = house.begin("worker", "--queue", "webhooks", "--queue", "refunds")
    told = json.loads(read_until(worker, "pid"))
    assert told == {"pid": worker.pid, "arguments": ["--queue", "webhooks", "--queue", "refunds"]}


def test_worker_refuses_a_queue_nobody_knows(house: House) -> None:
    exit_code, said = house.run("worker", "--queue", "invoices")
    assert exit_code == 2
    assert "payments" in said


def test_migrate_upgrades_the_database_of_the_settings(house: House) -> None:
    assert house.run("migrate", DATABASE_URL="sqlite:////tmp/x.db") == (0, "upgraded sqlite:////tmp/x.db\n")


# Ports 1 and 2 belong to nobody.
ALONE = {"TEST_POSTGRES_URL": "postgresql://me:hush@127.0.0.1:1/x", "TEST_REDIS_URL": "redis://127.0.0.1:2/0"}


def test_test_says_what_is_left_out_and_tells_pytest(house: House) -> None:
    exit_code, said = house.run("test", **ALONE, PATH="/nowhere", GATEWAY_TEST_REDIS_URL="stale")
    assert exit_code == 0, said
    assert re.search(r"postgres .*127.0.0.1:1/x +left out: .*refused", said)
    assert re.search(r"redis .*127.0.0.1:2/0 +left out: .*refused", said)
    assert re.search(r"node .*left out: not on PATH", said)
    assert "hush" not in said
    assert json.loads((house.root / "found.json").read_text()).keys() == {"worker"}


def test_test_passes_on_what_it_found(house: House, tmp_path: Path) -> None:
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\n")
    node.chmod(0o755)
    exit_code, said = house.run("test", **ALONE, PATH=str(tmp_path), GATEWAY_TEST_REQUIRE="node")
    assert exit_code == 0, said
    assert json.loads((house.root / "found.json").read_text())["GATEWAY_TEST_NODE"] == str(node)


@pytest.mark.parametrize("name", ["POSTGRES", "REDIS"])
def test_test_finds_a_server_that_answers(house: House, name: str) -> None:
    url = os.environ.get(f"GATEWAY_TEST_{name}_URL")
    if not url:
        pytest.skip(f"no {name.title()} here")
    urls = ALONE | {f"TEST_{name}_URL": url}
    exit_code, said = house.run("test", **urls, GATEWAY_TEST_REQUIRE=name.lower())
    assert exit_code == 0, said
    assert json.loads((house.root / "found.json").read_text())[f"GATEWAY_TEST_{name}_URL"] == url


def test_test_refuses_to_run_without_what_is_required(house: House) -> None:
    exit_code, said = house.run("test", **ALONE, GATEWAY_TEST_REQUIRE="postgres, redis")
    assert exit_code == 1
    assert "GATEWAY_TEST_REQUIRE wants postgres, redis" in said
    assert not (house.root / "found.json").exists()


def test_test_refuses_a_requirement_nobody_knows(house: House) -> None:
    exit_code, said = house.run("test", **ALONE, GATEWAY_TEST_REQUIRE="postgresql")
    assert exit_code == 1
    assert "postgres, redis, node" in said


def test_tests_exit_code_is_pytests(house: House) -> None:
    assert house.run("test", **ALONE, TESTS_FAIL="yes")[0] == 1
    assert house.run("test", "tests/nowhere.py", **ALONE)[0] == 4


@pytest.mark.parametrize(
    ("arguments", "is_split"),
    [
        ("", True),
        ("-q -x", True),
        ("tests/test_found.py", False),
        ("-n 0", False),
        ("-s -pno:xdist", False),
    ],
)
def test_only_a_plain_test_run_is_split_in_two(house: House, arguments: str, is_split: bool) -> None:
    exit_code, said = house.run("test", *arguments.split(), **ALONE)
    assert exit_code == 0, said
    assert (json.loads((house.root / "found.json").read_text())["worker"] is not None) == is_split
