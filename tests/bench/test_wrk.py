"""What wrk is told to do, and how its report is read."""

import pytest

from gateway.bench import wrk
from gateway.bench.load import Load, LoadFailed, Requests, checked

GOOD = """Running 3s test @ http://127.0.0.1:8000/
  2 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     9.93ms    3.13ms  47.52ms   91.13%
    Req/Sec     1.63k   150.57     1.90k    73.33%
  Latency Distribution
     50%    9.21ms
     75%   10.52ms
     90%   12.40ms
     99%    1.20s
  9747 requests in 3.01s, 4.92MB read
Requests/sec:   3238.17
Transfer/sec:      1.63MB
"""


def test_a_report_is_read() -> None:
    assert wrk.parse(GOOD) == Load(3238.17, 9.21, 1200.0, 9747, 0)


def test_refusals_and_broken_connections_are_failures() -> None:
    troubles = "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 50\n"
    assert wrk.parse(GOOD.replace("Requests/sec", troubles + "Requests/sec")).failures == 60


@pytest.mark.parametrize(
    ("text", "ms"), [("850.00us", 0.85), ("1.10ms", 1.1), ("2.00s", 2000), ("1.00m", 60_000)]
)
def test_latencies_come_in_many_units(text: str, ms: float) -> None:
    assert wrk.parse(GOOD.replace("9.21ms", text)).p50_ms == pytest.approx(ms)


def test_what_is_no_report_is_not_taken_for_one() -> None:
    with pytest.raises(ValueError, match="Requests/sec"):
        wrk.parse("unable to connect to 127.0.0.1:8000 Connection refused")


def test_the_script_numbers_its_requests() -> None:
    script = wrk.script_for(Requests("POST", "/p/{n}", {"A": 'q"'}, '{"id": "o_{n}"}', 500, "run"))
    assert "at % 500 + 1" in script
    assert 'wrk.format("POST", "/p/" .. n .. "", headers, "{\\"id\\": \\"o_" .. n .. "\\"}")' in script
    assert 'headers["Idempotency-Key"] = "run-" .. at' in script
    assert '["A"] = "q\\""' in script


def test_the_script_can_repeat_one_key_or_have_none() -> None:
    assert 'headers["Idempotency-Key"] = "run"\n' in wrk.script_for(
        Requests("POST", "/", {}, "{}", key="run", same_key=True)
    )
    assert "Idempotency-Key" not in wrk.script_for(Requests("GET", "/", {}))


def test_a_load_of_refusals_is_no_figure() -> None:
    assert checked(Load(1, 1, 1, 1000, 10)).answered == 1000
    with pytest.raises(LoadFailed, match="11 of 1000"):
        checked(Load(1, 1, 1, 1000, 11))
