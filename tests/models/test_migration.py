"""Migrations: what they build is what the models say, whoever runs them and how often."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect, text

from gateway.core import migration
from gateway.core.config import Config
from gateway.models import Base
from tests.conftest import POSTGRES, PROJECT, fresh_postgres

# CONTRACT, "Tables outsiders know by name". The secrets of merchants live in tables of their own.
CONTRACT_TABLES = {
    "merchants": "id name email is_active created_at updated_at",
    "orders": "id merchant_id amount currency receipt notes status created_at updated_at",
    "payments": "id order_id merchant_id amount currency method status vpa card_network card_last4 error_code"
    " error_description captured created_at updated_at",
    "refunds": "id payment_id merchant_id amount reason status created_at processed_at",
    "webhook_logs": "id merchant_id event payload status attempts last_attempt_at next_retry_at response_code"
    " response_body created_at",
    "idempotency_keys": "key merchant_id response created_at expires_at",
}
MORE_TABLES = (
    "users",
    "user_sessions",
    "api_keys",
    "webhook_endpoints",
    "events",
    "delivery_attempts",
    "audit_log",
)
# Table, the first column of an index, and what the index leaves out.
CONTRACT_INDEXES = [
    ("orders", "merchant_id", None),
    ("payments", "order_id", None),
    ("payments", "status", None),
    ("refunds", "payment_id", None),
    ("webhook_logs", "merchant_id", None),
    ("webhook_logs", "status", None),
    ("webhook_logs", "next_retry_at", "pending"),
]


@contextmanager
def empty_database(kind: str, var: Path, name: str) -> Iterator[dict[str, str]]:
    """The environment of a gateway whose database has no table yet."""
    environ = {"GATEWAY_VAR": str(var / "100 % var")}
    if kind == "sqlite":
        yield environ
        return
    if POSTGRES is None:
        pytest.skip("no PostgreSQL was found")
    with fresh_postgres(name) as url:
        yield environ | {"DATABASE_URL": url}


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path, worker_name: str) -> Iterator[dict[str, str]]:
    with empty_database(request.param, tmp_path, f"gateway_empty_{worker_name}") as environ:
        yield environ


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def upgraded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_name: str
) -> Iterator[Connection]:
    """A database that the migrations built, to look at."""
    var = tmp_path_factory.mktemp("upgraded")
    with empty_database(request.param, var, f"gateway_upgraded_{worker_name}") as environ:
        migration.upgrade(Config.from_env(environ))
        engine = open_engine(environ)
        with engine.connect() as connection:
            yield connection
        engine.dispose()


def open_engine(environ: dict[str, str]) -> Engine:
    return create_engine(Config.from_env(environ).database_url)


def test_models_and_migrations_agree(upgraded: Connection) -> None:
    context = MigrationContext.configure(
        upgraded,
        opts={"compare_type": True, "compare_server_default": True, "target_metadata": Base.metadata},
    )
    assert compare_metadata(context, Base.metadata) == []


def test_migrations_build_what_the_models_would_build(
    upgraded: Connection, tmp_path: Path, worker_name: str
) -> None:
    """Alembic compares neither CHECKs nor storage; here both databases describe themselves."""
    if upgraded.dialect.name == "sqlite":
        engine = create_engine(f"sqlite:///{tmp_path / 'models.db'}")
        Base.metadata.create_all(engine)
        with engine.connect() as connection:
            assert schema_of_sqlite(upgraded) == schema_of_sqlite(connection)
        engine.dispose()
        return
    with fresh_postgres(f"gateway_models_{worker_name}") as url:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
        Base.metadata.create_all(engine)
        with engine.connect() as connection:
            assert schema_of_postgres(upgraded) == schema_of_postgres(connection)
        engine.dispose()


def schema_of_sqlite(connection: Connection) -> dict[str, list[str]]:
    """Each table and index with the lines of its definition, in whichever order they were written.

    SQLite quotes the name of a table that a batch has rebuilt.
    """
    found = connection.execute(
        text(
            "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL"
            " AND name NOT LIKE 'alembic%'"
        )
    )
    return {
        name: sorted(
            line.strip().rstrip(",") for line in sql.replace(f'TABLE "{name}"', f"TABLE {name}").splitlines()
        )
        for name, sql in found
    }


def schema_of_postgres(connection: Connection) -> set[tuple[Any, ...]]:
    """Columns, constraints, indexes and storage as PostgreSQL itself words them."""
    questions = (
        "SELECT 'column', table_name, column_name, data_type, character_maximum_length, is_nullable,"
        " column_default, is_identity FROM information_schema.columns WHERE table_schema = 'public'",
        "SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace",
        "SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT 'storage', relname, relkind, reloptions::text FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace",
    )
    rows = {tuple(row) for question in questions for row in connection.execute(text(question))}
    return {row for row in rows if not str(row[1]).startswith("alembic")}


def test_upgrading_twice_is_harmless_and_undoing_leaves_nothing(empty: dict[str, str]) -> None:
    config = Config.from_env(empty)
    migration.upgrade(config)
    engine = open_engine(empty)
    merchant_id = "550e8400-e29b-41d4-a716-446655440000"
    insert = f"INSERT INTO event_counters (merchant_id, last_sequence) VALUES ('{merchant_id}', 7)"
    with engine.begin() as connection:
        connection.execute(text(insert))
    migration.upgrade(config)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT last_sequence FROM event_counters")).all() == [(7,)]
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [(newest(),)]
        connection.rollback()
        command.downgrade(alembic_on(connection), "base")
        connection.commit()
        assert inspect(connection).get_table_names() == ["alembic_version"]
    migration.upgrade(config)
    assert set(inspect(engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}
    engine.dispose()


def alembic_on(connection: Connection) -> AlembicConfig:
    """Alembic's way to single revisions, up and down, over this connection."""
    alembic = AlembicConfig()
    alembic.set_main_option("script_location", str(PROJECT / "migrations"))
    alembic.attributes["connection"] = connection
    return alembic


def test_older_payments_have_told_of_themselves_and_newer_ones_are_not_forgotten(
    empty: dict[str, str],
) -> None:
    config = Config.from_env(empty)
    migration.upgrade(config)
    engine = open_engine(empty)
    with engine.connect() as connection:
        alembic = alembic_on(connection)
        command.downgrade(alembic, "0005")
        pay(connection, "pay_older")
        connection.commit()
        command.upgrade(alembic, "0006")
        assert connection.scalar(text("SELECT count(*) FROM payments WHERE is_announced")) == 1
        pay(connection, "pay_newer")
        connection.execute(text("UPDATE payments SET is_announced = false WHERE id = 'pay_newer'"))
        connection.commit()
        with pytest.raises(RuntimeError, match="let a worker write them"):
            command.downgrade(alembic, "0005")
        connection.rollback()
        assert connection.scalar(text("SELECT count(*) FROM payments WHERE NOT is_announced")) == 1
    engine.dispose()


def test_who_was_killed_in_the_midst_of_a_rebuild_can_start_again(tmp_path: Path) -> None:
    """SQLite's tables are rebuilt beside themselves; the name of the half-made one is Alembic's."""
    environ = {"GATEWAY_VAR": str(tmp_path)}
    config = Config.from_env(environ)
    migration.upgrade(config)
    engine = open_engine(environ)
    with engine.connect() as connection:
        alembic = alembic_on(connection)
        command.downgrade(alembic, "0005")
        pay(connection, "pay_1")
        connection.execute(text("CREATE TABLE _alembic_tmp_payments (id TEXT)"))
        connection.commit()
    migration.upgrade(config)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT id FROM payments")).all() == [("pay_1",)]
        assert "_alembic_tmp_payments" not in inspect(connection).get_table_names()
    engine.dispose()


def test_older_events_are_told_apart_by_their_refund(empty: dict[str, str]) -> None:
    config = Config.from_env(empty)
    migration.upgrade(config)
    engine = open_engine(empty)
    with engine.connect() as connection:
        alembic = alembic_on(connection)
        command.downgrade(alembic, "0006")
        events = [("payment.success", "{}"), ("webhook.test", "{}"), ("webhook.test", "{}")]
        events += [("payment.success", "{}")]
        events += [("refund.created", f'{{"refund": {{"id": "rfnd_{number}"}}}}') for number in range(2)]
        for number, (event, data) in enumerate(events):
            connection.execute(
                text(
                    "INSERT INTO events (id, merchant_id, payment_id, event, data, created_at)"
                    " VALUES (:id, '550e8400-e29b-41d4-a716-446655440000', 'pay_1', :event, :data, :now)"
                ),
                {"id": f"evt_{number}", "event": event, "data": data, "now": "2026-01-15 10:31:00.000000"},
            )
        connection.commit()
        command.upgrade(alembic, "0007")
        found = connection.execute(text("SELECT event, payment_id, refund_id FROM events ORDER BY id"))
        assert [tuple(row) for row in found] == [
            ("payment.success", "pay_1", ""),
            ("webhook.test", None, ""),
            ("webhook.test", None, ""),
            ("payment.success", None, ""),
            ("refund.created", "pay_1", "rfnd_0"),
            ("refund.created", "pay_1", "rfnd_1"),
        ]
        command.downgrade(alembic, "0006")
        assert connection.scalar(text("SELECT count(*) FROM events")) == len(events)
    engine.dispose()


def pay(connection: Connection, payment_id: str) -> None:
    """A pending payment as plain SQL, of a merchant and an order that come along with it."""
    merchant_id, now = "550e8400-e29b-41d4-a716-446655440000", "'2026-01-15 10:31:00.000000'"
    mine = f"'{merchant_id}', 500, 'INR'"
    for sql in (
        "INSERT INTO merchants (id, name, email, is_active, requires_checkout_token, created_at, updated_at)"
        f" VALUES ('{merchant_id}', 'Shop', 'x@x.example', true, false, {now}, {now}) ON CONFLICT DO NOTHING",
        "INSERT INTO orders (id, merchant_id, amount, currency, status, created_at, updated_at)"
        f" VALUES ('order_of_{payment_id}', {mine}, 'attempted', {now}, {now})",
        "INSERT INTO payments (id, order_id, merchant_id, amount, currency, method, status, vpa, captured,"
        " amount_refunded, refunds_reserved, attempts, created_at, updated_at)"
        f" VALUES ('{payment_id}', 'order_of_{payment_id}', {mine}, 'upi', 'pending', 'asha@upi', false,"
        f" 0, 0, 0, {now}, {now})",
    ):
        connection.execute(text(sql))


def newest() -> str:
    """The one revision that no other follows."""
    heads = ScriptDirectory(str(PROJECT / "migrations")).get_heads()
    assert len(heads) == 1, "two migrations follow the same one"
    return heads[0]


def test_processes_that_start_at_once_end_well(empty: dict[str, str]) -> None:
    """As docker compose starts them: each migrates, then makes the test merchant."""
    start = (
        "from gateway.app import prepare\nfrom gateway.core.config import Config\n"
        "print('ready', flush=True)\ninput()\nprepare(Config.from_env())"
    )
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = [
        subprocess.Popen([sys.executable, "-c", start], env=own | empty, cwd=PROJECT, text=True, **pipes)
        for _ in range(2)
    ]
    assert {process.stdout.readline() for process in started if process.stdout} == {"ready\n"}
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[1] for process in started]
    last_words = [words.strip().splitlines()[-1:] for words in told]
    assert {process.returncode for process in started} == {0}, last_words
    engine = open_engine(empty)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [(newest(),)]
        assert connection.execute(text("SELECT email FROM merchants")).all() == [("test@example.com",)]
        assert connection.execute(text('SELECT "key" FROM api_keys')).all() == [("key_test_abc123",)]
    engine.dispose()


def test_a_second_upgrade_waits_for_the_first(empty: dict[str, str]) -> None:
    config = Config.from_env(empty)
    config.var_dir.mkdir(parents=True)
    engine = open_engine(empty)
    second = threading.Thread(target=migration.upgrade, args=(config,))
    with engine.connect() as connection, migration._locked(config, connection):
        second.start()
        second.join(0.4)
        assert second.is_alive()
        assert inspect(connection).get_table_names() == []
        connection.rollback()
    second.join(20)
    assert "payments" in inspect(engine).get_table_names()
    engine.dispose()


# What outsiders know by name


def test_the_tables_and_columns_of_the_contract_exist(upgraded: Connection) -> None:
    inspector = inspect(upgraded)
    assert set(inspector.get_table_names()) >= {*CONTRACT_TABLES, *MORE_TABLES}
    for table, columns in CONTRACT_TABLES.items():
        assert {column["name"] for column in inspector.get_columns(table)} >= set(columns.split()), table


def test_no_table_has_a_place_for_a_card_number(upgraded: Connection) -> None:
    inspector = inspect(upgraded)
    for table in inspector.get_table_names():
        for column in inspector.get_columns(table):
            assert not re.search(r"cvv|cvc|pan\b|card_number|expiry", column["name"]), (table, column["name"])


def test_the_indexes_of_the_contract_exist(upgraded: Connection) -> None:
    inspector = inspect(upgraded)
    for table, column, only in CONTRACT_INDEXES:
        leading = [index for index in inspector.get_indexes(table) if index["column_names"][0] == column]
        assert leading, (table, column)
        wheres = [
            str(where)
            for index in leading
            for name, where in index.get("dialect_options", {}).items()
            if name.endswith("_where")
        ]
        assert len(wheres) == (1 if only else 0), (table, column, wheres)
        assert all("status" in where and only in where for where in wheres if only)


def test_keys_are_those_of_the_contract(upgraded: Connection) -> None:
    inspector = inspect(upgraded)
    for table in ("merchants", "orders", "payments", "refunds", "webhook_logs"):
        assert inspector.get_pk_constraint(table)["constrained_columns"] == ["id"]
    own = inspector.get_pk_constraint("idempotency_keys")["constrained_columns"]
    assert sorted(own) == ["key", "merchant_id"]
    assert ["email"] in [unique["column_names"] for unique in inspector.get_unique_constraints("merchants")]


def test_every_constraint_has_a_name(upgraded: Connection) -> None:
    """One that has none could not be dropped by a later migration."""
    inspector = inspect(upgraded)
    for table in Base.metadata.tables:
        found = [
            inspector.get_pk_constraint(table),
            *inspector.get_foreign_keys(table),
            *inspector.get_unique_constraints(table),
            *inspector.get_check_constraints(table),
        ]
        assert all(constraint["name"] for constraint in found), table


def test_amounts_fit_and_moments_know_their_zone(upgraded: Connection) -> None:
    if upgraded.dialect.name == "sqlite":
        pytest.skip("SQLite has neither")
    columns = "information_schema.columns WHERE table_schema = 'public'"
    asked = f"SELECT DISTINCT data_type FROM {columns} AND column_name"
    amounts = upgraded.execute(
        text(f"{asked} IN ('amount', 'amount_refunded', 'refunds_reserved', 'sequence')")
    )
    assert amounts.all() == [("bigint",)]
    moments = upgraded.execute(text(f"{asked} LIKE '%\\_at'"))
    assert moments.all() == [("timestamp with time zone",)]
    texts = upgraded.execute(text(f"{asked} IN ('payload', 'response', 'data')"))
    assert texts.all() == [("text",)]
    ids = upgraded.execute(text(f"{asked} = 'merchant_id'"))
    assert ids.all() == [("uuid",)]
