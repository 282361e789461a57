"""Bring the database to the newest schema, whoever asks first."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import Connection, create_engine, text

from gateway.core.config import PROJECT_ROOT, Config

# Any number will do, as long as every process of the gateway asks for the same.
_ADVISORY_LOCK = 7_342_001_966


def upgrade(config: Config) -> None:
    """Run the migrations that are missing. A second process waits and then finds nothing to do."""
    if config.is_embedded:
        config.var_dir.mkdir(parents=True, exist_ok=True)
    engine = create_engine(config.database_url)
    try:
        with engine.connect() as connection, _locked(config, connection):
            alembic = AlembicConfig()
            alembic.set_main_option("script_location", str(PROJECT_ROOT / "migrations").replace("%", "%%"))
            alembic.attributes["connection"] = connection
            command.upgrade(alembic, "head")
    finally:
        engine.dispose()


@contextmanager
def _locked(config: Config, connection: Connection) -> Iterator[None]:
    if config.is_embedded:
        with (config.var_dir / "migrate.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        return
    connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": _ADVISORY_LOCK})
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": _ADVISORY_LOCK})
        connection.commit()
