"""SQL with `:names`, read once for both engines."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.core import statements
from gateway.core.statements import Statement
from gateway.models import Base


def prepared(statement: Statement) -> str:
    """What PostgreSQL is told to prepare, without the label in front."""
    prefix = f"PREPARE {statement.label} AS "
    assert statement.prepare.startswith(prefix)
    return statement.prepare.removeprefix(prefix)


@pytest.mark.parametrize(
    ("sql", "names", "text"),
    [
        ("SELECT 1", [], "SELECT 1"),
        ("SELECT :a", ["a"], "SELECT $1"),
        ("SELECT :a, :b, :a", ["a", "b"], "SELECT $1, $2, $1"),
        ("SELECT :a, :ab, :abc", ["a", "ab", "abc"], "SELECT $1, $2, $3"),
        ("SELECT :id2, :id_3x, :id", ["id2", "id_3x", "id"], "SELECT $1, $2, $3"),
        ("SELECT x::text, :a::bigint, ':A'", ["a"], "SELECT x::text, $1::bigint, ':A'"),
        ("SELECT :a::uuid[], '10:30'::time", ["a"], "SELECT $1::uuid[], '10:30'::time"),
        ("VALUES (:a,:b)", ["a", "b"], "VALUES ($1,$2)"),
        ("SELECT :n11, :n1", ["n11", "n1"], "SELECT $1, $2"),
    ],
)
def test_names_become_numbers_and_casts_stay(sql: str, names: list[str], text: str) -> None:
    statement = Statement(sql)
    assert statement.sql == sql
    assert statement.names == names
    assert prepared(statement) == text


def test_more_than_nine_names_are_numbered_apart() -> None:
    statement = Statement(", ".join(f":n{at}" for at in range(1, 13)))
    assert prepared(statement) == ", ".join(f"${at}" for at in range(1, 13))


def test_each_statement_has_a_label_of_its_own() -> None:
    one, other = Statement("SELECT 1"), Statement("SELECT 1")
    assert one.label != other.label
    assert one.execute == f"EXECUTE {one.label}"


def test_an_insert_names_every_column_but_those_the_database_numbers() -> None:
    events = Base.metadata.tables["events"]
    insert = statements.insert_into(events)
    assert set(insert.names) == set(events.columns.keys()) - {"position"}
    columns = ", ".join(insert.names)
    assert insert.sql == f"INSERT INTO events ({columns}) VALUES (:{columns.replace(', ', ', :')})"


def test_an_update_of_single_rows_has_one_text_for_one_and_for_many() -> None:
    update = statements.update_each(
        "t",
        "a = r.x, b = b + r.y",
        "id text, x int, y int",
        " AND t.c IS NULL",
        returning="t.id, t.a",
        in_turn=True,
    )
    assert update.sql == (
        "UPDATE t SET a = :x, b = b + :y WHERE t.id = :id AND t.c IS NULL RETURNING t.id, t.a"
    )
    assert update.batch is not None
    assert update.batch.sql == (
        "WITH r AS MATERIALIZED (SELECT * FROM json_to_recordset(:rows) AS r (id text, x int, y int)),"
        " held AS MATERIALIZED (SELECT id FROM t WHERE t.id = ANY (ARRAY(SELECT id FROM r)) AND t.c IS NULL"
        " ORDER BY id FOR UPDATE)"
        " UPDATE t SET a = r.x, b = b + r.y FROM r WHERE t.id = r.id"
        " AND t.id = ANY (ARRAY(SELECT id FROM held)) AND t.c IS NULL RETURNING t.id, t.a"
    )
    plain = statements.update_each("t", "a = r.x", "id text, x int")
    assert plain.sql == "UPDATE t SET a = :x WHERE t.id = :id"
    assert plain.batch is not None
    assert plain.batch.sql == (
        "WITH r AS MATERIALIZED (SELECT * FROM json_to_recordset(:rows) AS r (id text, x int))"
        " UPDATE t SET a = r.x FROM r WHERE t.id = r.id AND t.id = ANY (ARRAY(SELECT id FROM r))"
    )


def test_a_raw_moment_is_aware_and_in_utc_from_either_engine() -> None:
    wanted = datetime(2026, 1, 15, 10, 31, 0, 7, tzinfo=UTC)
    india = timezone(timedelta(hours=5, minutes=30))
    for raw in ("2026-01-15 10:31:00.000007", wanted, wanted.astimezone(india)):
        read = statements.moment(raw)
        assert read == wanted
        assert read.utcoffset() == timedelta()


def test_neighbours_that_can_be_batched_become_one_call() -> None:
    single, many = Statement("SELECT :a"), Statement("SELECT :a", "SELECT :rows")
    calls = [(many, {"a": 1}), (many, {"a": 2}), (single, {"a": 3}), (single, {"a": 4}), (many, {"a": "₹"})]
    assert statements._in_batches(calls) == [
        (many.batch, {"rows": '[{"a":1},{"a":2}]'}),
        (single, {"a": 3}),
        (single, {"a": 4}),
        (many.batch, {"rows": '[{"a":"₹"}]'}),
    ]


def test_units_are_merged_so_that_like_stands_with_like_and_each_keeps_its_order() -> None:
    a, b, c = (Statement(f"SELECT {number}") for number in range(3))
    units = [[(a, {"n": 1}), (b, {"n": 1})], [(c, {"n": 2})], [(a, {"n": 3}), (b, {"n": 3})], []]
    merged = [(statement, values["n"]) for statement, values in statements.merged(units)]
    assert merged == [(a, 1), (a, 3), (b, 1), (b, 3), (c, 2)]


def test_sqlite_says_the_clock_and_leaves_out_row_locks() -> None:
    later = Statement(
        "SELECT d.id FROM x d WHERE d.until < clock_timestamp() + interval '15 seconds'"
        " AND d.id IN (SELECT value FROM json_array_elements_text(:ids)) FOR UPDATE OF d SKIP LOCKED"
    )
    assert later.sqlite == (
        "SELECT d.id FROM x d WHERE d.until < strftime('%Y-%m-%d %H:%M:%f', 'now', '15 seconds') || '000'"
        " AND d.id IN (SELECT value FROM json_each(:ids))"
    )
    assert Statement("SELECT a FROM b FOR UPDATE").sqlite == "SELECT a FROM b"
