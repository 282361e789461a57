"""What to measure, and how much of it."""

from dataclasses import dataclass, field

from gateway.bench.figures import Target


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of the command. The defaults are what the targets speak of.

    only        names of steps; empty means all
    turns       how often a step is repeated for its median
    seconds     how long each load lasts
    payments    how many go end to end to a webhook
    refunds     how many of them are returned
    delayed     how many payments wait for the bank at once
    rows        the sizes at which lists are measured
    with_wrk    use wrk where it is installed
    """

    engine: str = "postgres"
    only: frozenset[str] = frozenset()
    turns: int = 3
    seconds: float = 3.0
    connections: int = 32
    payments: int = 2500
    refunds: int = 1000
    delayed: int = 200
    rows: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    with_wrk: bool = True
    # Either may carry a password.
    postgres_url: str = field(default="postgresql://postgres@127.0.0.1:5432/postgres", repr=False)
    redis_url: str = field(default="redis://127.0.0.1:6379", repr=False)

    @property
    def on_sqlite(self) -> bool:
        return self.engine == "sqlite"

    def target(self, *, least: float | None = None, most: float | None = None) -> Target | None:
        """The target on PostgreSQL. SQLite has one of its own, which is not about shares."""
        return None if self.on_sqlite else Target(least, most)
