"""Tables that people open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

# A cell that begins like this is run as a formula, whoever wrote it (OWASP, "CSV Injection"); East Asian
# spreadsheets take the full-width signs for the plain ones.
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# Without the mark, spreadsheets take UTF-8 for something older.
_BYTE_ORDER_MARK = "\ufeff"

Cell = str | int | None


def stream(head: Sequence[str], batches: Iterable[Iterable[Sequence[Cell]]]) -> Iterator[bytes]:
    """The table as CSV (RFC 4180), a batch at a time; no cell of it is a formula."""
    yield (_BYTE_ORDER_MARK + _lines([head])).encode()
    for batch in batches:
        yield _lines(batch).encode()


def _lines(rows: Iterable[Sequence[Cell]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def harmless(cell: Cell) -> str:
    """The cell as text; with an apostrophe in front where a spreadsheet would run it."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(_DANGEROUS) else text
