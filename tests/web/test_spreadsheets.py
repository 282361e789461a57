"""Tables that people open in a spreadsheet."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web import spreadsheets

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
tables = st.lists(st.lists(cells, min_size=1, max_size=4), max_size=5)


@given(st.lists(tables, max_size=3))
def test_what_goes_in_comes_out_and_is_never_a_formula(batches: list[list[list[str]]]) -> None:
    body = b"".join(spreadsheets.stream(["a", "b"], batches)).decode("utf-8-sig")
    head, *rows = csv.reader(io.StringIO(body, newline=""))
    assert head == ["a", "b"]
    sent = [row for batch in batches for row in batch]
    assert len(rows) == len(sent)
    for row, told in zip(rows, sent, strict=True):
        for cell, original in zip(row, told, strict=True):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
            assert cell in (original, f"'{original}")


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
)
def test_a_cell_that_a_spreadsheet_would_run_is_text(start: str) -> None:
    assert spreadsheets.harmless(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


def test_numbers_and_nothing_are_cells_too() -> None:
    body = b"".join(spreadsheets.stream(["n"], [[[5], [None], ["₹"]]]))
    assert body == '\ufeffn\r\n5\r\n""\r\n₹\r\n'.encode()


def test_a_table_comes_as_its_batches_do() -> None:
    def batches():
        yield [["1"]]
        raise RuntimeError("only the first was asked for")

    parts = spreadsheets.stream(["n"], batches())
    assert [next(parts), next(parts)] == ["\ufeffn\r\n".encode(), b"1\r\n"]
