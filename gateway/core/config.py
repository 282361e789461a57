"""Every setting of the gateway, read from the environment once.

Names and defaults are the contract's; `.env.example` lists each with its unit.
Nonsense is refused aloud and all at once, before anything starts.
"""

import base64
import hashlib
import json
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

PROJECT_ROOT = Path(__file__).resolve().parents[2]

SANDBOX_SECRET_KEY = "sandbox-only-secret-key-change-me"
SEEDED_API_KEY = "key_test_abc123"
SEEDED_API_SECRET = "secret_test_xyz789"
SEEDED_WEBHOOK_SECRET = "whsec_test_abc123"
SEEDED_PASSWORD = "password"

RETRY_INTERVALS_S = (0, 60, 300, 1800, 7200)
TEST_RETRY_INTERVALS_S = (0, 5, 10, 15, 20)

DATABASE_SCHEMES = ("sqlite:///", "postgresql://", "postgres://", "postgresql+psycopg2://")
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")

FACES = frozenset({"api", "dashboard", "checkout"})

T = TypeVar("T")


class ConfigError(Exception):
    """One or more settings make no sense; the text has a line for each."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of one process. Times in seconds unless the name says ms."""

    env: str = "sandbox"
    # These two may carry passwords.
    database_url: str = field(default="", repr=False)
    redis_url: str | None = field(default=None, repr=False)
    var_dir: Path = PROJECT_ROOT / "var"
    port: int = 8000
    web_workers: int = 2
    web_threads: int = 16
    public_url: str = "http://localhost:8000"
    api_url: str = "http://localhost:8000"
    checkout_url: str = "http://localhost:8000"
    faces: frozenset[str] = FACES

    secret_key: str = field(default=SANDBOX_SECRET_KEY, repr=False)
    encryption_keys: tuple[str, ...] = field(default=(), repr=False)

    test_mode: bool = False
    test_processing_delay_ms: int = 1000
    test_payment_success: bool = True
    test_refund_delay_ms: int | None = None
    processing_delay_ms: tuple[int, int] = (5000, 10000)
    refund_delay_ms: tuple[int, int] = (3000, 5000)
    upi_success_rate: float = 0.90
    card_success_rate: float = 0.95
    repeat_payments: bool = False

    webhook_retry_intervals_s: tuple[int, ...] = RETRY_INTERVALS_S
    webhook_allow_private: bool = True
    idempotency_ttl_hours: int = 24
    rate_limit_per_minute: int = 600
    allow_signup: bool = False

    test_merchant_email: str = "test@example.com"
    test_api_key: str = SEEDED_API_KEY
    test_api_secret: str = field(default=SEEDED_API_SECRET, repr=False)
    test_webhook_url: str | None = None

    @property
    def is_sandbox(self) -> bool:
        return self.env == "sandbox"

    @property
    def is_embedded(self) -> bool:
        """True on SQLite: one web process, one worker process, nothing installed."""
        return self.database_url.startswith("sqlite")

    @property
    def fernet_keys(self) -> tuple[str, ...]:
        """Keys for secrets at rest, the first of which encrypts.

        Without ENCRYPTION_KEY one is derived from SECRET_KEY, so that a sandbox
        of several containers needs a single shared value.
        """
        if self.encryption_keys:
            return self.encryption_keys
        digest = hashlib.sha256(b"gateway.encryption:" + self.secret_key.encode()).digest()
        return (base64.urlsafe_b64encode(digest).decode(),)

    def payment_delay_ms(self) -> int:
        """How long the bank takes for one payment, drawn anew at each call."""
        if self.test_mode:
            return self.test_processing_delay_ms
        return random.randint(*self.processing_delay_ms)

    def bank_refund_delay_ms(self) -> int:
        """How long the bank takes for one refund, drawn anew at each call."""
        if self.test_mode and self.test_refund_delay_ms is not None:
            return self.test_refund_delay_ms
        return random.randint(*self.refund_delay_ms)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Config":
        """Read the settings; the process environment by default.

        raises  ConfigError  one line for each setting that makes no sense
        """
        read = _Reader(os.environ if environ is None else environ)
        production = read.choice("GATEWAY_ENV", "sandbox", ("sandbox", "production")) == "production"
        asks_for_test_mode = read.flag("TEST_MODE", False)
        test_mode = asks_for_test_mode and not production
        var_dir = Path(read.text("GATEWAY_VAR", str(PROJECT_ROOT / "var")))
        database_url = sqlalchemy_url(
            read.address("DATABASE_URL", f"sqlite:///{var_dir / 'gateway.db'}", DATABASE_SCHEMES)
        )
        port = read.integer("PORT", 8000, 1, 65535)
        public_url = read.url("PUBLIC_URL", f"http://localhost:{port}")
        config = cls(
            env="production" if production else "sandbox",
            database_url=database_url,
            redis_url=read.address("REDIS_URL", "", REDIS_SCHEMES) or None,
            var_dir=var_dir,
            port=port,
            web_workers=read.integer("WEB_WORKERS", 2, 1, 64),
            web_threads=read.integer("WEB_THREADS", 16, 1, 64),
            public_url=public_url,
            api_url=read.url("API_URL", public_url),
            checkout_url=read.url("CHECKOUT_URL", public_url),
            faces=read.faces("GATEWAY_FACES"),
            secret_key=read.text("SECRET_KEY", "") or read.text("JWT_SECRET", "") or SANDBOX_SECRET_KEY,
            encryption_keys=read.fernet_keys("ENCRYPTION_KEY"),
            test_mode=test_mode,
            test_processing_delay_ms=read.integer("TEST_PROCESSING_DELAY", 1000, 0, 3_600_000),
            test_payment_success=read.flag("TEST_PAYMENT_SUCCESS", True),
            test_refund_delay_ms=read.optional_integer("TEST_REFUND_DELAY", 0, 3_600_000),
            processing_delay_ms=read.bounds("PROCESSING_DELAY_MIN", 5000, "PROCESSING_DELAY_MAX", 10000),
            refund_delay_ms=read.bounds("REFUND_DELAY_MIN", 3000, "REFUND_DELAY_MAX", 5000),
            upi_success_rate=read.rate("UPI_SUCCESS_RATE", 0.90),
            card_success_rate=read.rate("CARD_SUCCESS_RATE", 0.95),
            repeat_payments=read.choice(
                "REPEAT_PAYMENTS", "allow" if test_mode else "refuse", ("allow", "refuse")
            )
            == "allow",
            webhook_retry_intervals_s=read.retry_intervals(),
            webhook_allow_private=read.flag("WEBHOOK_ALLOW_PRIVATE", not production),
            idempotency_ttl_hours=read.integer("IDEMPOTENCY_TTL_HOURS", 24, 1, 24 * 365),
            rate_limit_per_minute=read.integer("RATE_LIMIT_PER_MINUTE", 600, 1, 1_000_000),
            allow_signup=read.flag("ALLOW_SIGNUP", False),
            test_merchant_email=read.text("TEST_MERCHANT_EMAIL", "test@example.com"),
            test_api_key=read.text("TEST_API_KEY", "") or read.text("API_KEY", SEEDED_API_KEY),
            test_api_secret=read.text("TEST_API_SECRET", "") or read.text("API_SECRET", SEEDED_API_SECRET),
            test_webhook_url=read.text("TEST_WEBHOOK_URL", "") or None,
        )
        if production:
            read.complaints += _not_for_production(config, read)
            if asks_for_test_mode:
                read.complaints.append("TEST_MODE: a switch of the sandbox, not of production")
        if read.complaints:
            raise ConfigError("\n".join(read.complaints))
        return config


def sqlalchemy_url(url: str) -> str:
    """The same address with the driver named; SQLAlchemy 2.1 would look for psycopg 3."""
    for prefix in ("postgres://", "postgresql://"):
        if url.startswith(prefix):
            return "postgresql+psycopg2://" + url.removeprefix(prefix)
    return url


def _not_for_production(config: Config, read: "_Reader") -> list[str]:
    complaints = []
    if config.secret_key == SANDBOX_SECRET_KEY or len(config.secret_key) < 32:
        complaints.append("SECRET_KEY: production needs one of its own, 32 characters or more")
    if not config.encryption_keys:
        complaints.append("ENCRYPTION_KEY: production needs a Fernet key of its own")
    if config.is_embedded or config.redis_url is None:
        complaints.append("DATABASE_URL and REDIS_URL: production runs on PostgreSQL and Redis")
    seeded = {SEEDED_API_KEY, SEEDED_API_SECRET, SEEDED_WEBHOOK_SECRET}
    names = ("TEST_API_KEY", "API_KEY", "TEST_API_SECRET", "API_SECRET")
    public = [name for name in names if read.text(name, "") in seeded]
    return complaints + [f"{name}: the sandbox's value is public" for name in public]


class _Reader:
    """Reads typed values and gathers complaints instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.complaints: list[str] = []

    def text(self, name: str, default: str) -> str:
        # An empty line in .env says nothing, like a missing one.
        return self.environ.get(name, "").strip() or default

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, "").lower() or default
        if value not in allowed:
            self.complaints.append(f"{name}: {value!r} is none of {', '.join(allowed)}")
            return default
        return value

    def flag(self, name: str, default: bool) -> bool:
        words = {"1": True, "true": True, "yes": True, "on": True}
        words |= {"0": False, "false": False, "no": False, "off": False}
        value = self.text(name, "").lower()
        if value and value not in words:
            self.complaints.append(f"{name}: {value!r} is neither true nor false")
        return words.get(value, default)

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        return self._parse(
            name, default, int, lambda n: least <= n <= most, f"a whole number, {least} to {most}"
        )

    def optional_integer(self, name: str, least: int, most: int) -> int | None:
        return self.integer(name, least, least, most) if self.text(name, "") else None

    def rate(self, name: str, default: float) -> float:
        return self._parse(name, default, float, lambda share: 0 <= share <= 1, "a share from 0 to 1")

    def bounds(self, least_name: str, least: int, most_name: str, most: int) -> tuple[int, int]:
        low = self.integer(least_name, least, 0, 3_600_000)
        high = self.integer(most_name, max(most, low), 0, 3_600_000)
        if high < low:
            self.complaints.append(f"{most_name}: {high} is less than {least_name} {low}")
        return low, high

    def address(self, name: str, default: str, schemes: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value and not value.startswith(schemes):
            # The value is not repeated: it may hold a password.
            self.complaints.append(f"{name}: begins with none of {', '.join(schemes)}")
            return default
        return value

    def url(self, name: str, default: str) -> str:
        value = (self.text(name, "") or default).rstrip("/")
        if not value.startswith(("http://", "https://")):
            self.complaints.append(f"{name}: {value!r} is no http address")
            return default
        return value

    def faces(self, name: str) -> frozenset[str]:
        chosen = frozenset(part.strip() for part in self.text(name, "all").split(",")) - {""}
        if not chosen or "all" in chosen:
            return FACES
        if chosen - FACES:
            self.complaints.append(
                f"{name}: {', '.join(sorted(chosen - FACES))} is none of api, dashboard, checkout, all"
            )
        return chosen & FACES

    def fernet_keys(self, name: str) -> tuple[str, ...]:
        keys = tuple(part.strip() for part in self.text(name, "").split(",") if part.strip())
        for key in keys:
            try:
                usable = len(base64.urlsafe_b64decode(key)) == 32
            except ValueError:
                usable = False
            if not usable:
                self.complaints.append(f"{name}: a Fernet key is 32 bytes in URL-safe base64")
        return keys

    def retry_intervals(self) -> tuple[int, ...]:
        name = "WEBHOOK_RETRY_INTERVALS"
        text = self.text(name, "") or self.text(name.lower(), "")
        if not text:
            return TEST_RETRY_INTERVALS_S if self.flag(f"{name}_TEST", False) else RETRY_INTERVALS_S
        return self._parse(
            name,
            RETRY_INTERVALS_S,
            lambda _: tuple(json.loads(text)),
            lambda waits: (
                1 <= len(waits) <= 100 and all(type(s) is int and 0 <= s <= 31_536_000 for s in waits)
            ),
            "a JSON array of 1 to 100 whole numbers of seconds, the first attempt's included",
            text,
        )

    def _parse(
        self,
        name: str,
        default: T,
        parse: Callable[[str], T],
        is_sane: Callable[[T], bool],
        wanted: str,
        text: str | None = None,
    ) -> T:
        text = self.text(name, "") if text is None else text
        if not text:
            return default
        try:
            value = parse(text)
            if is_sane(value):
                return value
        except (ValueError, TypeError):
            pass
        self.complaints.append(f"{name}: {text!r} is not {wanted}")
        return default


_current: Config | None = None


def use(config: Config) -> None:
    """Make these the settings of this process; the roof does it once."""
    global _current
    _current = config


def current() -> Config:
    assert _current is not None, "config.use was not called"
    return _current
