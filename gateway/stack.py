"""What `up` runs on one machine: web, worker and, in the sandbox, the test shop."""

import contextlib
import errno
import json
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from urllib.request import ProxyHandler, Request, build_opener

import click

from gateway.core.config import SEEDED_PASSWORD, SEEDED_WEBHOOK_SECRET, Config
from gateway.supervisor import Program, Supervisor

READY_TIMEOUT_S = 60
# Three deaths before the first answer are no accident.
DEATHS_TO_GIVE_UP = 3

# A proxy of the environment is not the way to this machine.
OPENER = build_opener(ProxyHandler({}))

TEST_SWITCHES = ("TEST_MODE", "WEBHOOK_RETRY_INTERVALS_TEST")


def complete_environ(environ: Mapping[str, str], shop_port: int) -> dict[str, str]:
    """The environment of the children: what was said, and what `up` says where nothing was.

    An empty variable says nothing, as everywhere else in the settings.
    """
    said = {name: value for name, value in environ.items() if value}
    completed = {
        "HOST": "127.0.0.1",
        "TEST_WEBHOOK_URL": f"{nearby_url(shop_port, said.get('HOST', ''))}/webhook",
        **said,
        # The interpreter that runs this has everything already; the children need not look again.
        "GATEWAY_BOOTSTRAP": "off",
    }
    unsaid = [name for name in TEST_SWITCHES if name not in said]
    if unsaid and said.get("GATEWAY_ENV", "").strip().lower() in ("", "sandbox"):
        completed.update(dict.fromkeys(unsaid, "true"))
        click.echo(f"Switched on, as you did not say: {', '.join(unsaid)}", err=True)
    return completed


def nearby_url(port: int, host: str) -> str:
    """How this machine reaches what listens on `host`."""
    if host in ("", "0.0.0.0", "::", "127.0.0.1"):
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def granian(config: Config, environ: Mapping[str, str], target: str = "wsgi:app") -> list[str]:
    """The command that serves wsgi.py, or another target; after SIGTERM, requests have 15 s to end."""
    options = {
        "--interface": "wsgi",
        "--http": "1",
        "--host": environ.get("HOST") or "0.0.0.0",
        "--port": str(config.port),
        # SQLite has one writer: more processes would only wait for each other.
        "--workers": "1" if config.is_embedded else str(config.web_workers),
        "--blocking-threads": str(config.web_threads),
        # The workers share this out as the connections they accept, idle ones included.
        "--backlog": "2048",
        "--http1-header-read-timeout": "10000",
        "--workers-kill-timeout": "15",
        "--respawn-interval": "1",
        # `warning` complains at each start that 16 threads are many for few cores; ours wait for a database.
        "--log-level": "error",
    }
    words = [word for option in options.items() for word in option]
    flags = ["--no-ws", "--no-access-log", "--respawn-failed-workers"]
    return [sys.executable, "-m", "granian", *words, *flags, target]


@dataclass(frozen=True)
class Stack:
    config: Config
    environ: dict[str, str]
    shop_port: int

    @property
    def web_url(self) -> str:
        return nearby_url(self.config.port, self.environ["HOST"])

    @property
    def shop_url(self) -> str:
        return nearby_url(self.shop_port, self.environ["HOST"])

    def refuse_taken_ports(self) -> None:
        """Look before anything starts: granian shares a port with another granian and says nothing."""
        ports = {"--port": self.config.port}
        if self.config.is_sandbox:
            ports["--shop-port"] = self.shop_port
        troubles = [
            f"port {port} {trouble}; choose another with {option}"
            for option, port in ports.items()
            if (trouble := trouble_with(self.environ["HOST"], port))
        ]
        if troubles:
            raise click.ClickException("\n".join(troubles))

    def programs(self) -> list[Program]:
        web = Program("web", granian(self.config, self.environ), self.environ)
        worker = Program("worker", [sys.executable, "huey_worker.py"], self.environ)
        if not self.config.is_sandbox:
            return [web, worker]
        shop_environ = {
            "WEBHOOK_SECRET": SEEDED_WEBHOOK_SECRET,
            "SHOP_DB": str(self.config.var_dir / "shop.db"),
            **self.environ,
            "PORT": str(self.shop_port),
            "GATEWAY_URL": self.web_url,
            "CHECKOUT_URL": self.config.checkout_url,
            "API_KEY": self.config.test_api_key,
            "API_SECRET": self.config.test_api_secret,
        }
        return [web, worker, Program("shop", [sys.executable, "-m", "test_merchant"], shop_environ)]

    def wait_until_ready(self, supervisor: Supervisor) -> bool:
        """True once everything does its work, False when somebody stopped us before."""

        def is_settled() -> bool:
            return supervisor.deaths >= DEATHS_TO_GIVE_UP or not self.missing()

        is_in_time = supervisor.tend_until(is_settled, READY_TIMEOUT_S)
        if supervisor.is_stopping:
            return False
        if supervisor.deaths >= DEATHS_TO_GIVE_UP:
            raise click.ClickException("a process keeps stopping; the lines above say why")
        if not is_in_time:
            raise click.ClickException(f"not ready after {READY_TIMEOUT_S} s: {', '.join(self.missing())}")
        return True

    def missing(self) -> list[str]:
        """The programs that do not do their work yet, by name."""
        if fetch(f"{self.web_url}/health/ready") is None:
            return ["web"]
        health = fetch(f"{self.web_url}/health")
        missing = [] if health and json.loads(health)["worker"] == "running" else ["worker"]
        if self.config.is_sandbox and fetch(f"{self.shop_url}/health") is None:
            missing.append("shop")
        return missing

    def try_out(self, supervisor: Supervisor) -> bool:
        """Whether the check passes. It runs beside the supervisor, which tends as it always does."""
        from gateway import check

        passed: list[bool] = []

        def run() -> None:
            with self.webhooks_sent_to_shop():
                key, secret = self.config.test_api_key, self.config.test_api_secret
                passed.append(check.run(self.web_url, self.shop_url, key, secret))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        supervisor.tend_until(lambda: not thread.is_alive())
        return passed == [True]

    @contextlib.contextmanager
    def webhooks_sent_to_shop(self) -> Iterator[None]:
        """For this long; a database that was there before the check may name another shop."""
        former, ours = self.webhook_url(), f"{self.shop_url}/webhook"
        if former != ours:
            self.webhook_url({"webhook_url": ours})
        try:
            yield
        finally:
            if former != ours:
                self.webhook_url({"webhook_url": former})

    def webhook_url(self, change: dict[str, str | None] | None = None) -> str | None:
        """Where the test merchant's webhooks go, after this change."""
        request = Request(
            f"{self.web_url}/api/v1/webhooks/config",
            method="PUT" if change else "GET",
            data=json.dumps(change).encode() if change else None,
            headers={
                "Content-Type": "application/json",
                "X-Api-Key": self.config.test_api_key,
                "X-Api-Secret": self.config.test_api_secret,
            },
        )
        with OPENER.open(request, timeout=10) as answer:
            url: str | None = json.load(answer)["webhook_url"]
            return url

    def welcome(self) -> str:
        config = self.config
        mode = ", test mode" if config.test_mode else ""
        lines = {
            "Dashboard": f"{config.public_url}/dashboard",
            "API": f"{config.public_url}/api/v1",
            "Checkout": f"{config.checkout_url}/checkout?order_id=…",
            "Health": f"{config.public_url}/health",
        }
        if config.is_sandbox:
            lines |= {
                "Test shop": self.shop_url,
                "Log in": f"{config.test_merchant_email} / {SEEDED_PASSWORD}",
                "API key": config.test_api_key,
                "API secret": config.test_api_secret,
            }
        title = click.style(f"The payment gateway is open ({config.env}{mode})", bold=True)
        names = {name: click.style(f"{name:<10}", dim=True) for name in lines}
        body = "\n".join(f"  {names[name]}  {value}" for name, value in lines.items())
        return f"\n  {title}\n\n{body}\n\n  Ctrl-C stops it.\n"


def trouble_with(host: str, port: int) -> str | None:
    # Browsers try `localhost` at ::1 first, so somebody who listens only there is in the way too.
    for address in (host, "::1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            socket.create_server((address, port), family=family).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "is taken"
            if address == host:
                return f"cannot be used: {error.strerror}"
    return None


def fetch(url: str) -> bytes | None:
    try:
        with OPENER.open(url, timeout=2) as answer:
            return bytes(answer.read())
    except (OSError, HTTPException):
        return None
