"""The application behind R1 and R2: the same server as the gateway's, with less to do.

    R1  Flask answers JSON, with no database
    R2  the same, with one INSERT and its commit on a raw connection from a pool
        of the gateway's own size

A server loads it; nobody else imports it, for it connects at once.
"""

import sqlite3
from queue import LifoQueue
from typing import Any
from uuid import uuid4

import psycopg2
from flask import Flask, request

from gateway.bench.single_insert import INSERT
from gateway.core.config import Config

app = Flask(__name__)


@app.get("/health/ready")
def ready() -> dict[str, str]:
    return {"status": "ready"}


@app.post("/json")
def answer_json() -> dict[str, Any]:
    """R1."""
    return {"id": str(uuid4()), "size": len(request.get_data())}


@app.post("/insert")
def insert_one() -> dict[str, Any]:
    """R2."""
    row_id, body = str(uuid4()), request.get_data(as_text=True)
    connection = pool.get()
    try:
        connection.cursor().execute(f"{INSERT} ({pool.mark}, {pool.mark})", (row_id, body))
        connection.commit()
    finally:
        pool.put(connection)
    return {"id": row_id, "size": len(body)}


class _Pool(LifoQueue[Any]):
    """As many raw connections as the process has threads."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.mark = "?" if config.is_embedded else "%s"
        for _ in range(config.web_threads):
            self.put(_connect(config))


def _connect(config: Config) -> Any:
    url = config.database_url
    if not config.is_embedded:
        return psycopg2.connect(url.replace("+psycopg2", "", 1))
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=15, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


pool = _Pool(Config.from_env())
