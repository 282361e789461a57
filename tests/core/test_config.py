"""Settings: the contract's names and defaults, and nonsense refused aloud."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from gateway.core.config import (
    FACES,
    PROJECT_ROOT,
    RETRY_INTERVALS_S,
    SANDBOX_SECRET_KEY,
    TEST_RETRY_INTERVALS_S,
    Config,
    ConfigError,
    sqlalchemy_url,
)

# Made from a word, so that every test process names its tests alike.
FERNET_KEY = base64.urlsafe_b64encode(b"thirty-two bytes, no more nor less"[:32]).decode()
PRODUCTION = {
    "GATEWAY_ENV": "production",
    "SECRET_KEY": "x" * 32,
    "ENCRYPTION_KEY": FERNET_KEY,
    "DATABASE_URL": "postgresql://gateway_user:pw-of-the-database@postgres/payment_gateway",
    "REDIS_URL": "redis://:pw-of-redis@redis:6379/0",
}


def read(**environ: str) -> Config:
    return Config.from_env(environ)


def complaints(**environ: str) -> list[str]:
    """The names of the settings that were complained about, in order."""
    with pytest.raises(ConfigError) as refused:
        Config.from_env(environ)
    return [line.split(":")[0] for line in str(refused.value).splitlines()]


@pytest.mark.parametrize(
    ("setting", "default"),
    [
        ("env", "sandbox"),
        ("database_url", f"sqlite:///{PROJECT_ROOT}/var/gateway.db"),
        ("redis_url", None),
        ("var_dir", PROJECT_ROOT / "var"),
        ("port", 8000),
        ("public_url", "http://localhost:8000"),
        ("api_url", "http://localhost:8000"),
        ("checkout_url", "http://localhost:8000"),
        ("faces", {"api", "dashboard", "checkout"}),
        ("secret_key", SANDBOX_SECRET_KEY),
        ("encryption_keys", ()),
        ("test_mode", False),
        ("test_processing_delay_ms", 1000),
        ("test_payment_success", True),
        ("test_refund_delay_ms", None),
        ("processing_delay_ms", (5000, 10000)),
        ("refund_delay_ms", (3000, 5000)),
        ("upi_success_rate", 0.9),
        ("card_success_rate", 0.95),
        ("repeat_payments", False),
        ("webhook_retry_intervals_s", (0, 60, 300, 1800, 7200)),
        ("webhook_allow_private", True),
        ("idempotency_ttl_hours", 24),
        ("allow_signup", False),
        ("test_merchant_email", "test@example.com"),
        ("test_api_key", "key_test_abc123"),
        ("test_api_secret", "secret_test_xyz789"),
        ("test_webhook_url", None),
        ("is_sandbox", True),
        ("is_embedded", True),
    ],
)
def test_each_setting_has_the_contracts_default(setting: str, default: object) -> None:
    assert getattr(read(), setting) == default


@pytest.mark.parametrize(
    ("name", "text", "setting", "value"),
    [
        ("REDIS_URL", "redis://localhost:6379/3", "redis_url", "redis://localhost:6379/3"),
        ("GATEWAY_VAR", "/srv/var", "var_dir", Path("/srv/var")),
        ("PORT", "9000", "port", 9000),
        ("PORT", "9000", "public_url", "http://localhost:9000"),
        ("PUBLIC_URL", "https://pay.example/", "public_url", "https://pay.example"),
        ("PUBLIC_URL", "https://pay.example", "checkout_url", "https://pay.example"),
        ("CHECKOUT_URL", "https://out.example", "checkout_url", "https://out.example"),
        ("PUBLIC_URL", "https://pay.example", "api_url", "https://pay.example"),
        ("API_URL", "https://api.example/", "api_url", "https://api.example"),
        ("GATEWAY_FACES", "api", "faces", {"api"}),
        ("GATEWAY_FACES", "api, checkout", "faces", {"api", "checkout"}),
        ("GATEWAY_FACES", "all", "faces", FACES),
        ("SECRET_KEY", "mine", "secret_key", "mine"),
        ("JWT_SECRET", "old name", "secret_key", "old name"),
        ("ENCRYPTION_KEY", FERNET_KEY, "encryption_keys", (FERNET_KEY,)),
        ("ENCRYPTION_KEY", f"{FERNET_KEY}, {FERNET_KEY}", "encryption_keys", (FERNET_KEY,) * 2),
        ("TEST_MODE", "true", "test_mode", True),
        ("TEST_MODE", "ON", "test_mode", True),
        ("TEST_MODE", "0", "test_mode", False),
        ("TEST_PROCESSING_DELAY", "0", "test_processing_delay_ms", 0),
        ("TEST_PAYMENT_SUCCESS", "false", "test_payment_success", False),
        ("TEST_REFUND_DELAY", "10", "test_refund_delay_ms", 10),
        ("PROCESSING_DELAY_MIN", "20000", "processing_delay_ms", (20000, 20000)),
        ("PROCESSING_DELAY_MAX", "5000", "processing_delay_ms", (5000, 5000)),
        ("REFUND_DELAY_MIN", "1", "refund_delay_ms", (1, 5000)),
        ("REFUND_DELAY_MAX", "9000", "refund_delay_ms", (3000, 9000)),
        ("UPI_SUCCESS_RATE", "0", "upi_success_rate", 0.0),
        ("CARD_SUCCESS_RATE", "1", "card_success_rate", 1.0),
        ("REPEAT_PAYMENTS", "allow", "repeat_payments", True),
        ("WEBHOOK_ALLOW_PRIVATE", "false", "webhook_allow_private", False),
        ("IDEMPOTENCY_TTL_HOURS", "1", "idempotency_ttl_hours", 1),
        ("ALLOW_SIGNUP", "yes", "allow_signup", True),
        ("TEST_MERCHANT_EMAIL", "shop@example.com", "test_merchant_email", "shop@example.com"),
        ("TEST_API_KEY", "key_mine", "test_api_key", "key_mine"),
        ("API_KEY", "key_old_name", "test_api_key", "key_old_name"),
        ("TEST_API_SECRET", "secret_mine", "test_api_secret", "secret_mine"),
        ("API_SECRET", "secret_old_name", "test_api_secret", "secret_old_name"),
        ("TEST_WEBHOOK_URL", "http://shop:4000/webhook", "test_webhook_url", "http://shop:4000/webhook"),
    ],
)
def test_each_variable_is_read(name: str, text: str, setting: str, value: object) -> None:
    assert getattr(read(**{name: text}), setting) == value
    assert getattr(read(**{name: f"  {text} "}), setting) == value


@pytest.mark.parametrize(
    ("new", "old", "setting"),
    [
        ("SECRET_KEY", "JWT_SECRET", "secret_key"),
        ("TEST_API_KEY", "API_KEY", "test_api_key"),
        ("TEST_API_SECRET", "API_SECRET", "test_api_secret"),
    ],
)
def test_a_new_name_wins_over_its_old_one(new: str, old: str, setting: str) -> None:
    assert getattr(read(**{new: "new", old: "old"}), setting) == "new"
    assert getattr(read(**{new: "", old: "old"}), setting) == "old"


@pytest.mark.parametrize(
    "name",
    [
        "GATEWAY_ENV", "DATABASE_URL", "REDIS_URL", "GATEWAY_VAR", "PORT", "PUBLIC_URL",
        "API_URL", "CHECKOUT_URL",
        "GATEWAY_FACES", "SECRET_KEY", "JWT_SECRET", "ENCRYPTION_KEY", "TEST_MODE", "TEST_PROCESSING_DELAY",
        "TEST_PAYMENT_SUCCESS", "TEST_REFUND_DELAY", "PROCESSING_DELAY_MIN", "PROCESSING_DELAY_MAX",
        "REFUND_DELAY_MIN", "REFUND_DELAY_MAX", "UPI_SUCCESS_RATE", "CARD_SUCCESS_RATE", "REPEAT_PAYMENTS",
        "WEBHOOK_RETRY_INTERVALS", "webhook_retry_intervals", "WEBHOOK_RETRY_INTERVALS_TEST",
        "WEBHOOK_ALLOW_PRIVATE", "IDEMPOTENCY_TTL_HOURS", "ALLOW_SIGNUP", "TEST_MERCHANT_EMAIL",
        "TEST_API_KEY", "API_KEY", "TEST_API_SECRET", "API_SECRET", "TEST_WEBHOOK_URL",
    ],
)  # fmt: skip
def test_an_empty_variable_is_one_that_is_not_set(name: str) -> None:
    """docker compose passes `NAME=` for every `${NAME:-}` that nobody filled in."""
    assert read(**{name: ""}) == read()
    assert read(**{name: "  "}) == read()


@pytest.mark.parametrize(
    ("name", "nonsense"),
    [
        ("GATEWAY_ENV", "staging"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "80.5"),
        ("PUBLIC_URL", "pay.example"),
        ("PUBLIC_URL", "javascript:alert(1)"),
        ("API_URL", "api.example"),
        ("CHECKOUT_URL", "ftp://pay.example"),
        ("GATEWAY_FACES", "api,admin"),
        ("GATEWAY_FACES", "API"),
        ("ENCRYPTION_KEY", "short"),
        ("ENCRYPTION_KEY", "ключ"),
        ("ENCRYPTION_KEY", f"{FERNET_KEY},short"),
        ("TEST_MODE", "maybe"),
        ("TEST_PROCESSING_DELAY", "-1"),
        ("TEST_PROCESSING_DELAY", "1s"),
        ("TEST_PAYMENT_SUCCESS", "2"),
        ("TEST_REFUND_DELAY", "soon"),
        ("PROCESSING_DELAY_MIN", "-5"),
        ("PROCESSING_DELAY_MAX", "4999"),
        ("REFUND_DELAY_MAX", "1"),
        ("UPI_SUCCESS_RATE", "1.01"),
        ("UPI_SUCCESS_RATE", "90%"),
        ("CARD_SUCCESS_RATE", "-0.1"),
        ("CARD_SUCCESS_RATE", "nan"),
        ("REPEAT_PAYMENTS", "true"),
        ("WEBHOOK_RETRY_INTERVALS_TEST", "quick"),
        ("WEBHOOK_ALLOW_PRIVATE", "sometimes"),
        ("IDEMPOTENCY_TTL_HOURS", "0"),
        ("ALLOW_SIGNUP", "si"),
        ("DATABASE_URL", "mysql://root@localhost/gateway"),
        ("DATABASE_URL", "payment_gateway"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "http://localhost:6379"),
    ],
)
def test_nonsense_is_refused_by_name(name: str, nonsense: str) -> None:
    assert complaints(**{name: nonsense}) == [name]


@pytest.mark.parametrize(
    "nonsense",
    ["5", "soon", "[]", "[0, 5.0]", "[0, true]", "[0, -1]", '["0"]', "{}", '{"0": 1}', "null", "[0,", "[NaN]",
     "[[0]]", '"0"', str([0] * 101), "[99999999999]"],
)  # fmt: skip
def test_a_retry_schedule_is_a_json_array_of_whole_seconds_or_refused(nonsense: str) -> None:
    assert complaints(WEBHOOK_RETRY_INTERVALS=nonsense) == ["WEBHOOK_RETRY_INTERVALS"]
    assert complaints(webhook_retry_intervals=nonsense) == ["WEBHOOK_RETRY_INTERVALS"]


def test_all_nonsense_is_refused_at_once() -> None:
    named = complaints(PORT="x", TEST_MODE="x", UPI_SUCCESS_RATE="x", GATEWAY_FACES="x", ENCRYPTION_KEY="x")
    assert sorted(named) == ["ENCRYPTION_KEY", "GATEWAY_FACES", "PORT", "TEST_MODE", "UPI_SUCCESS_RATE"]


def test_a_complaint_says_what_was_found_and_what_was_wanted() -> None:
    with pytest.raises(ConfigError, match=r"^PORT: 'eighty' is not a whole number, 1 to 65535$"):
        read(PORT="eighty")


def test_a_complaint_about_a_key_does_not_show_it() -> None:
    with pytest.raises(ConfigError) as refused:
        read(ENCRYPTION_KEY="half-of-a-real-key")
    assert "half-of-a-real-key" not in str(refused.value)


def test_webhooks_are_tried_five_times_over_two_and_a_half_hours() -> None:
    assert read().webhook_retry_intervals_s == RETRY_INTERVALS_S == (0, 60, 300, 1800, 7200)


def test_the_test_schedule_ends_within_a_minute() -> None:
    intervals = read(WEBHOOK_RETRY_INTERVALS_TEST="true").webhook_retry_intervals_s
    assert intervals == TEST_RETRY_INTERVALS_S == (0, 5, 10, 15, 20)


@pytest.mark.parametrize("name", ["WEBHOOK_RETRY_INTERVALS", "webhook_retry_intervals"])
@pytest.mark.parametrize("schedule", [[0], [0, 1, 2, 3, 4, 5, 6, 7], [30, 60], list(range(100))])
def test_an_array_overrides_both_schedules_and_may_be_longer(name: str, schedule: list[int]) -> None:
    environ = {name: json.dumps(schedule)}
    assert Config.from_env(environ).webhook_retry_intervals_s == tuple(schedule)
    environ["WEBHOOK_RETRY_INTERVALS_TEST"] = "true"
    assert Config.from_env(environ).webhook_retry_intervals_s == tuple(schedule)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("postgres://u:p@h:5432/d", "postgresql+psycopg2://u:p@h:5432/d"),
        ("postgresql://u:p@h/d?sslmode=require", "postgresql+psycopg2://u:p@h/d?sslmode=require"),
        ("postgresql+psycopg2://u@h/d", "postgresql+psycopg2://u@h/d"),
        ("sqlite:///var/gateway.db", "sqlite:///var/gateway.db"),
    ],
)
def test_the_postgres_driver_is_named(given: str, wanted: str) -> None:
    assert sqlalchemy_url(given) == wanted
    config = read(DATABASE_URL=given)
    assert config.database_url == wanted
    assert config.is_embedded is given.startswith("sqlite")


def test_the_embedded_database_lives_in_the_var_directory() -> None:
    assert read(GATEWAY_VAR="/srv/var").database_url == "sqlite:////srv/var/gateway.db"


def test_production_starts_with_keys_of_its_own() -> None:
    config = Config.from_env(PRODUCTION)
    assert (config.env, config.is_sandbox, config.is_embedded) == ("production", False, False)
    assert (config.test_mode, config.repeat_payments, config.webhook_allow_private) == (False, False, False)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"SECRET_KEY": SANDBOX_SECRET_KEY}, "SECRET_KEY"),
        ({"SECRET_KEY": "x" * 31}, "SECRET_KEY"),
        ({"SECRET_KEY": "", "JWT_SECRET": "short"}, "SECRET_KEY"),
        ({"ENCRYPTION_KEY": ""}, "ENCRYPTION_KEY"),
        ({"DATABASE_URL": ""}, "DATABASE_URL and REDIS_URL"),
        ({"DATABASE_URL": "sqlite:////srv/gateway.db"}, "DATABASE_URL and REDIS_URL"),
        ({"REDIS_URL": ""}, "DATABASE_URL and REDIS_URL"),
        ({"TEST_MODE": "true"}, "TEST_MODE"),
        ({"TEST_MODE": "maybe"}, "TEST_MODE"),
        ({"TEST_MODE": "1"}, "TEST_MODE"),
        ({"TEST_API_KEY": "key_test_abc123"}, "TEST_API_KEY"),
        ({"API_KEY": "key_test_abc123"}, "API_KEY"),
        ({"TEST_API_SECRET": "secret_test_xyz789"}, "TEST_API_SECRET"),
        ({"API_SECRET": "secret_test_xyz789"}, "API_SECRET"),
        ({"TEST_API_KEY": " key_test_abc123 "}, "TEST_API_KEY"),
        ({"TEST_MODE": " True "}, "TEST_MODE"),
    ],
)
def test_production_refuses_the_sandboxs_values(changes: dict[str, str], named: str) -> None:
    assert complaints(**(PRODUCTION | changes)) == [named]


def test_production_with_nothing_set_hears_everything_at_once() -> None:
    named = complaints(GATEWAY_ENV="production", TEST_MODE="true", API_KEY="key_test_abc123")
    assert named == ["SECRET_KEY", "ENCRYPTION_KEY", "DATABASE_URL and REDIS_URL", "API_KEY", "TEST_MODE"]


def test_production_may_be_told_to_send_webhooks_to_private_addresses() -> None:
    assert Config.from_env(PRODUCTION | {"WEBHOOK_ALLOW_PRIVATE": "true"}).webhook_allow_private


def test_test_mode_lets_an_order_be_paid_again_unless_told_otherwise() -> None:
    assert read(TEST_MODE="true").repeat_payments
    assert not read(TEST_MODE="true", REPEAT_PAYMENTS="refuse").repeat_payments


@pytest.mark.parametrize("word", [repr, str])
def test_a_printed_config_shows_no_secret(word) -> None:
    secrets = {
        "SECRET_KEY": "the-secret-key-" + "x" * 32,
        "ENCRYPTION_KEY": FERNET_KEY,
        "TEST_API_SECRET": "the-api-secret",
        "DATABASE_URL": "postgresql://gateway_user:pw-of-the-database@postgres/payment_gateway",
        "REDIS_URL": "redis://:pw-of-redis@redis:6379/0",
    }
    printed = word(Config.from_env(secrets))
    shown = ("the-secret-key", FERNET_KEY, "the-api-secret", "pw-of-the-database", "pw-of-redis")
    assert [secret for secret in shown if secret in printed] == []


def test_a_sandbox_without_an_encryption_key_derives_one_from_its_secret_key() -> None:
    one, same, other = read(SECRET_KEY="a"), read(SECRET_KEY="a"), read(SECRET_KEY="b")
    assert one.fernet_keys == same.fernet_keys != other.fernet_keys
    Fernet(one.fernet_keys[0])
    assert read(SECRET_KEY="a", ENCRYPTION_KEY=FERNET_KEY).fernet_keys == (FERNET_KEY,)


def test_the_bank_takes_its_time_within_the_bounds() -> None:
    config = read(
        PROCESSING_DELAY_MIN="10", PROCESSING_DELAY_MAX="12", REFUND_DELAY_MIN="3", REFUND_DELAY_MAX="4"
    )
    assert {config.payment_delay_ms() for _ in range(300)} == {10, 11, 12}
    assert {config.bank_refund_delay_ms() for _ in range(300)} == {3, 4}


def test_test_mode_shortens_payments_and_leaves_refunds_unless_told() -> None:
    config = read(TEST_MODE="true")
    assert config.payment_delay_ms() == 1000
    assert 3000 <= config.bank_refund_delay_ms() <= 5000
    assert read(TEST_MODE="true", TEST_REFUND_DELAY="7").bank_refund_delay_ms() == 7
    assert read(TEST_REFUND_DELAY="7").bank_refund_delay_ms() >= 3000
