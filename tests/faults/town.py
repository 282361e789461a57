"""A town: one gateway as real processes, its database, its queue, and its people."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import UUID, uuid4

import urllib3
from sqlalchemy import create_engine, text
from urllib3 import BaseHTTPResponse, PoolManager

from gateway.app import connect, prepare
from gateway.core import clock, db, queue
from gateway.core.config import SEEDED_API_KEY, SEEDED_API_SECRET, Config
from gateway.core.db import session, transaction
from gateway.domain import merchants
from gateway.domain.verification import RULES
from gateway.models import Merchant as MerchantRow
from tests.faults.processes import PYTHON, Process, free_port, wait_until

T = TypeVar("T")

RETRY_INTERVALS_S = (0, 1, 2, 3, 4)
SETTINGS = {
    "GATEWAY_BOOTSTRAP": "off",
    "HOST": "127.0.0.1",
    "TEST_MODE": "true",
    "TEST_PROCESSING_DELAY": "1000",
    "TEST_REFUND_DELAY": "200",
    "REPEAT_PAYMENTS": "refuse",
    "WEBHOOK_RETRY_INTERVALS": str(list(RETRY_INTERVALS_S)),
}


class Town:
    """Web and worker over the database and queue that `more` settings name, else over SQLite."""

    def __init__(self, directory: Path, **more: str) -> None:
        self.port = free_port()
        environ = SETTINGS | {"GATEWAY_VAR": str(directory / "var"), "PORT": str(self.port)} | more
        self.config = Config.from_env(environ)
        self.web = Process([PYTHON, "-m", "gateway", "web"], environ, directory / "web.log")
        self.worker = Process([PYTHON, "huey_worker.py"], environ, directory / "worker.log")
        # The server closes idle connections after a while, perhaps at the very moment of their next use.
        self.http = PoolManager(maxsize=200, headers={"Connection": "close"}, retries=False, timeout=10)
        self._engine = create_engine(self.config.database_url, pool_pre_ping=True)

    def __enter__(self) -> Self:
        prepare(self.config)
        leave()
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        self.web.kill()
        self.worker.kill()
        self.http.clear()
        self._engine.dispose()

    def mend(self) -> None:
        """Start whatever is not running and wait until the gateway says that it is well."""
        for process in (self.web, self.worker):
            if not process.is_running:
                process.start()
        wait_until(lambda: self._is_well() or self._has_died(), 30, "a healthy gateway")
        for process in (self.web, self.worker):
            assert process.is_running, f"{process.log.stem} died\n{process.last_words()}"

    def _is_well(self) -> bool:
        # The heartbeat of a killed worker is believed for a while, so look for this one's.
        return (
            self.says("healthy")
            and self.rows("SELECT id FROM workers WHERE pid = :pid", pid=self.worker.pid) != []
        )

    def _has_died(self) -> bool:
        return not (self.web.is_running and self.worker.is_running)

    def says(self, status: str) -> bool:
        """Whether /health answers, and with this word."""
        try:
            return bool(self.health()[1]["status"] == status)
        except urllib3.exceptions.HTTPError:
            return False

    def health(self) -> tuple[int, dict[str, Any]]:
        answer = self.get("/health")
        return answer.status, answer.json()

    def get(self, path: str) -> BaseHTTPResponse:
        return self.http.request("GET", f"http://127.0.0.1:{self.port}{path}")

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """What the tables hold, asked in SQL."""
        with self._engine.connect() as connection:
            found = connection.execute(text(sql), values).mappings()
            return [{name: plain(value) for name, value in row.items()} for row in found]

    def complaints(self) -> dict[str, list[dict[str, Any]]]:
        """What breaks a rule about money; nothing, whatever has happened to the processes."""
        return {rule: broken for rule, query in RULES.items() if (broken := self.rows(query))}

    def seeded_merchant(self) -> "Merchant":
        """The one whose key and webhook secret everybody knows."""
        return Merchant(self, merchants.SEEDED_MERCHANT_ID, SEEDED_API_KEY, SEEDED_API_SECRET)

    def new_merchant(self) -> "Merchant":
        """Somebody who has just moved in: no orders, no events, nowhere to send webhooks."""
        merchant_id = str(uuid4())
        key, secret = f"key_{merchant_id}", f"secret_{merchant_id}"
        connect(self.config)
        try:
            with transaction():
                now = clock.now()
                session().add(
                    MerchantRow(
                        id=merchant_id,
                        name="Newcomer",
                        email=f"{merchant_id}@example.com",
                        created_at=now,
                        updated_at=now,
                    )
                )
                session().flush()
                session().add(merchants.new_api_key(merchant_id, key, secret, shown=False))
        finally:
            leave()
        return Merchant(self, merchant_id, key, secret)


def plain(value: Any) -> Any:
    """PostgreSQL has a type for UUIDs; everywhere else they are text."""
    return str(value) if isinstance(value, UUID) else value


def leave() -> None:
    """Forget the connections this process made; what a town does, its own processes do."""
    db.disconnect()
    queue.disconnect()


class Merchant:
    """Somebody with credentials who talks to a town's API over the network."""

    def __init__(self, town: Town, merchant_id: str, key: str, secret: str) -> None:
        self.town = town
        self.id = merchant_id
        self.credentials = {"X-Api-Key": key, "X-Api-Secret": secret}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> BaseHTTPResponse:
        """Header names are written with underscores: `Idempotency_Key="k"`."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.town.http.request(
            method,
            f"http://127.0.0.1:{self.town.port}/api/v1{path}",
            json=body,
            headers={**self.town.http.headers, **self.credentials, **given},
        )

    def get(self, path: str) -> dict[str, Any]:
        return self._expect(200, self.ask("GET", path))

    def post(self, path: str, body: Any = None, status: int = 201) -> dict[str, Any]:
        return self._expect(status, self.ask("POST", path, body))

    def _expect(self, status: int, answer: BaseHTTPResponse) -> dict[str, Any]:
        assert answer.status == status, (answer.status, answer.data)
        found: dict[str, Any] = answer.json()
        return found

    def receive_at(self, url: str | None) -> None:
        self._expect(200, self.ask("PUT", "/webhooks/config", {"webhook_url": url}))

    def order(self, **more: Any) -> dict[str, Any]:
        return self.post("/orders", {"amount": 50000, **more})

    def pay(self, order: dict[str, Any], vpa: str = "asha@upi") -> dict[str, Any]:
        return self.post("/payments", upi(order, vpa))

    def orders(self, count: int) -> list[dict[str, Any]]:
        return in_parallel(self.order, count)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The merchant's rows of a table."""
        return self.town.rows(f"SELECT * FROM {table} WHERE merchant_id = :id", id=self.id)

    def count(self, table: str, where: str = "1 = 1") -> int:
        sql = f"SELECT count(*) AS n FROM {table} WHERE merchant_id = :id AND {where}"
        return int(self.town.rows(sql, id=self.id)[0]["n"])

    def is_told_everything(self) -> bool:
        """Whether each event has its sequence and each delivery is done."""
        is_numbered = self.count("events", "sequence IS NULL") == 0
        return is_numbered and self.count("webhook_logs", "status = 'pending'") == 0


def upi(order: dict[str, Any], vpa: str = "asha@upi") -> dict[str, Any]:
    """The body of a payment of this order."""
    return {"order_id": order["id"], "method": "upi", "vpa": vpa}


def in_parallel(act: Callable[[], T], times: int, threads: int = 8) -> list[T]:
    """What came of doing this so many times, by several at once."""
    with ThreadPoolExecutor(threads) as pool:
        return [done.result() for done in [pool.submit(act) for _ in range(times)]]
