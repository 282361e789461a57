"""`.env.example` against the code that reads the environment."""

import dataclasses
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.core.config import PROJECT_ROOT, Config, ConfigError
from gateway.stack import granian
from test_merchant import settings as shop_settings

TEXT = (PROJECT_ROOT / ".env.example").read_text()

# A convention of all terminal programs, not a setting of ours.
FOREIGN = {"NO_COLOR"}


class Line(NamedTuple):
    name: str
    value: str
    comment: str


class Listening(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.asked.add(name)
        return super().get(name, default)


def lines() -> list[Line]:
    found = re.findall(r"^(# .*)\n#([A-Za-z_]+)=(.*)$", TEXT, re.MULTILINE)
    return [Line(name, value, comment) for comment, name, value in found]


def read_config(environ: Mapping[str, str]) -> object:
    config = Config.from_env(environ)
    if not config.is_embedded:
        return config
    # A relative folder means one beside the project's files; `python3 -m gateway` goes there first.
    file = PROJECT_ROOT / config.database_url.removeprefix("sqlite:///")
    return dataclasses.replace(
        config, var_dir=PROJECT_ROOT / config.var_dir, database_url=f"sqlite:///{file}"
    )


def read_shop(environ: Mapping[str, str]) -> object:
    # PORT is listed for the web service; the shop has the same name for a port of its own.
    return dataclasses.replace(shop_settings.read(environ), port=0)


def read_granian(environ: Mapping[str, str]) -> object:
    return granian(Config.from_env({"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}), environ)


READERS: list[Callable[[Mapping[str, str]], object]] = [read_config, read_shop, read_granian]


def names_asked_for() -> set[str]:
    """What the three readers look up, also when everything before it was empty."""
    asked: set[str] = set()
    for reader in READERS:
        environ = Listening({})
        reader(environ)
        asked |= environ.asked
    return {name.upper() for name in asked}


def defaults_in_source() -> dict[str, str]:
    """Names that the source looks up with a literal name, and the literal default, if any."""
    lookup = re.compile(r'environ(?:\.get\(|\[)"([A-Z_]+)"(?:, "([^"]*)")?[\])](?: or "([^"]*)")?')
    found: dict[str, str] = {}
    for folder in ("gateway", "test_merchant"):
        for file in sorted((PROJECT_ROOT / folder).rglob("*.py")):
            for name, default, fallback in lookup.findall(file.read_text()):
                found[name] = found.get(name) or default or fallback
    return found


def test_every_setting_that_is_read_is_listed_once_and_nothing_else() -> None:
    listed = [line.name for line in lines()]
    assert sorted(listed) == sorted(set(listed))
    assert set(listed) == (names_asked_for() | defaults_in_source().keys()) - FOREIGN


def test_every_line_of_a_setting_has_its_comment_above() -> None:
    assert len(lines()) == len(re.findall(r"^#\w+=", TEXT, re.MULTILINE))
    assert len(lines()) > 30


def test_a_plain_copy_changes_nothing() -> None:
    assert [line for line in TEXT.splitlines() if line and not line.startswith("#")] == []


@pytest.mark.parametrize("line", lines(), ids=lambda line: line.name)
def test_the_comment_states_the_default_shown(line: Line) -> None:
    stated = re.escape(line.value or "empty")
    assert re.search(rf"default {stated}(?=$|[,;] | \()", line.comment), line.comment


@pytest.mark.parametrize("line", lines(), ids=lambda line: line.name)
def test_the_default_shown_is_the_real_one(line: Line) -> None:
    readers = names_asked_for()
    if line.name in readers:
        for reader in READERS:
            assert reader({line.name: line.value}) == reader({})
    else:
        assert line.value == defaults_in_source()[line.name]


@pytest.mark.parametrize("name", sorted(names_asked_for()))
def test_another_value_would_be_noticed(name: str) -> None:
    """Without this, a setting whose value is dropped would pass the test above."""
    others = ("7", "true", "false", "0.5", "http://elsewhere.example", "elsewhere", "api", "allow", "[0,7]")
    assert any(is_noticed(reader, {name: other}) for reader in READERS for other in others)


def is_noticed(reader: Callable[[Mapping[str, str]], object], environ: dict[str, str]) -> bool:
    try:
        return reader(environ) != reader({})
    except (ConfigError, ValueError):
        return True


@pytest.fixture(scope="module")
def sourced(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of somebody who uncommented every line and sourced the file in a shell."""
    file = tmp_path_factory.mktemp("env") / ".env"
    file.write_text(re.sub(r"^#(?=\w+=)", "", TEXT, flags=re.MULTILINE))
    script = f"set -eua; . {shlex.quote(str(file))}; exec env -0"
    output = subprocess.check_output(["sh", "-c", script], env={"PATH": "/usr/bin:/bin"}, text=True)
    given = dict(entry.split("=", 1) for entry in output.split("\0") if entry)
    return {line.name: given[line.name] for line in lines()}


def test_a_shell_reads_each_line_as_it_stands(sourced: dict[str, str]) -> None:
    assert sourced == {line.name: line.value for line in lines()}


def test_every_line_uncommented_is_the_default_gateway_and_shop(sourced: dict[str, str]) -> None:
    for reader in READERS:
        assert reader(sourced) == reader({})


def test_the_commands_it_gives_make_keys_that_production_takes(tmp_path: Path) -> None:
    commands = re.findall(r"^#   (python3 -c .*)$", TEXT, re.MULTILINE)
    secret_key, encryption_key = (run_python(command, tmp_path) for command in commands)
    config = Config.from_env(
        {
            "GATEWAY_ENV": "production",
            "SECRET_KEY": secret_key,
            "ENCRYPTION_KEY": encryption_key,
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
            "REDIS_URL": "redis://127.0.0.1:9/0",
        }
    )
    assert (config.secret_key, config.encryption_keys) == (secret_key, (encryption_key,))


def run_python(command: str, cwd: Path) -> str:
    _, *arguments = shlex.split(command)
    return subprocess.check_output([sys.executable, *arguments], cwd=cwd, text=True).strip()
