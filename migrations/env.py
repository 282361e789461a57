"""How Alembic runs here: on the connection that gateway.core.migration hands over, under its lock."""

from alembic import context

from gateway.models import Base

connection = context.config.attributes["connection"]
is_sqlite = connection.dialect.name == "sqlite"

if is_sqlite:
    # A batch rebuild drops the old table: with foreign keys on, its children would go with it.
    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    # Somebody may have been killed in the midst of one; the tables themselves are as they were.
    left_over = "SELECT name FROM sqlite_master WHERE name GLOB '_alembic_tmp_*'"
    for (name,) in connection.exec_driver_sql(left_over).fetchall():
        connection.exec_driver_sql(f'DROP TABLE "{name}"')
    connection.commit()

context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=is_sqlite)
with context.begin_transaction():
    context.run_migrations()
connection.commit()

if is_sqlite:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise RuntimeError(f"migration left {len(broken)} rows without their parent, in {broken[0][0]}")
    connection.exec_driver_sql("PRAGMA foreign_keys=ON")
