"""docker-compose.yml and Dockerfile against the code; what they would run is run here, without Docker."""

import ast
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import pytest
import yaml
from sqlalchemy import make_url

from gateway.cli import main as cli
from gateway.core.config import PROJECT_ROOT, Config
from gateway.stack import free_port, granian
from test_merchant import settings as shop_settings
from tests.conftest import POSTGRES, fresh_postgres

REDIS = os.environ.get("GATEWAY_TEST_REDIS_URL")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text())[
    "services"
]
OF_OTHERS = ("postgres", "redis")
WEBS = ("api", "dashboard", "checkout")
GATEWAYS = (*WEBS, "worker")
OURS = (*GATEWAYS, "test-merchant")

# Native installs only: a container listens everywhere, keeps nothing, and has no use for old names.
NOT_IN_COMPOSE = {"GATEWAY_VAR", "HOST", "API_KEY", "API_SECRET"}
START_TIMEOUT_S = 60


class Listening(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.asked.add(name)
        return super().get(name, default)


def asked_by(reader: Callable[[Mapping[str, str]], object]) -> set[str]:
    environ = Listening()
    reader(environ)
    return {name for name in environ.asked if name.isupper()}


def granian_on_postgres(environ: Mapping[str, str]) -> list[str]:
    return granian(Config.from_env({"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}), environ)


GATEWAY_NAMES = asked_by(Config.from_env) | asked_by(granian_on_postgres)
SHOP_NAMES = asked_by(shop_settings.read)


def environ_of(service: str, shell: Mapping[str, str]) -> dict[str, str]:
    """What Compose gives this container when `shell` is set around it."""
    given: dict[str, str] = {}
    for name, text in SERVICES[service]["environment"].items():
        if text is not None:
            given[name] = re.sub(
                r"\$\{(\w+):-([^{}$]*)\}", lambda found: shell.get(found[1]) or found[2], text
            )
        elif name in shell:
            given[name] = shell[name]
    return given


# ---- The names and numbers of the contract


def test_the_services_are_those_of_the_contract() -> None:
    assert set(SERVICES) == {*OF_OTHERS, *OURS}


def test_the_containers_have_the_names_of_the_contract() -> None:
    assert {service: definition["container_name"] for service, definition in SERVICES.items()} == {
        "postgres": "pg_gateway",
        "redis": "redis_gateway",
        "api": "gateway_api",
        "worker": "gateway_worker",
        "dashboard": "gateway_dashboard",
        "checkout": "gateway_checkout",
        "test-merchant": "gateway_test_merchant",
    }


def test_the_ports_are_those_of_the_contract() -> None:
    assert {service: definition.get("ports", []) for service, definition in SERVICES.items()} == {
        "postgres": ["127.0.0.1:5432:5432"],
        "redis": ["127.0.0.1:6379:6379"],
        "api": ["8000:8000"],
        "worker": [],
        "dashboard": ["3000:3000"],
        "checkout": ["3001:3001"],
        "test-merchant": ["4000:4000"],
    }


@pytest.mark.parametrize("service", [*WEBS, "test-merchant"])
def test_a_container_listens_where_its_port_leads(service: str) -> None:
    (published,) = SERVICES[service]["ports"]
    assert published.split(":")[-1] == environ_of(service, {})["PORT"]


@pytest.mark.parametrize("service", ["worker", "test-merchant"])
def test_the_host_can_be_reached_from(service: str) -> None:
    assert SERVICES[service]["extra_hosts"] == ["host.docker.internal:host-gateway"]


# ---- One image


def test_one_service_builds_the_image_and_nobody_pulls_it() -> None:
    assert {service for service, definition in SERVICES.items() if "build" in definition} == {"api"}
    policies = {service: SERVICES[service]["pull_policy"] for service in OURS}
    assert policies == dict.fromkeys(OURS, "never") | {"api": "build"}
    assert {SERVICES[service]["image"] for service in OURS} == {"payment-gateway"}


def test_everyone_waits_for_what_it_needs_and_everything_waited_for_says_when_it_is_well() -> None:
    waits = {service: set(definition.get("depends_on", {})) for service, definition in SERVICES.items()}
    assert waits["api"] == set(OF_OTHERS)
    assert all(waits[service] == {*OF_OTHERS, "api"} for service in GATEWAYS if service != "api")
    assert waits["test-merchant"] == {"api"}
    for definition in SERVICES.values():
        assert definition["healthcheck"]["test"][0] == "CMD"
        needs = definition.get("depends_on", {}).values()
        assert all(need == {"condition": "service_healthy"} for need in needs)


@pytest.mark.parametrize("service", OURS)
def test_a_container_has_longer_to_stop_than_its_last_requests(service: str) -> None:
    command = granian_on_postgres({})
    kill_timeout_s = int(command[command.index("--workers-kill-timeout") + 1])
    assert int(SERVICES[service]["stop_grace_period"].removesuffix("s")) > kill_timeout_s


def test_webs_give_way_to_those_that_settle_what_they_accepted() -> None:
    """In the measure of gateway/core/priority.py, where no container stands between them."""
    shares = {service: definition.get("cpu_shares", 1024) for service, definition in SERVICES.items()}
    assert {service for service, share in shares.items() if share < 1024} == set(WEBS)
    assert {round(1024 / shares[service]) for service in WEBS} == {10}


# ---- The environment


@pytest.mark.parametrize("service", GATEWAYS)
def test_the_gateway_reads_every_name_it_is_given(service: str) -> None:
    assert set(SERVICES[service]["environment"]) <= GATEWAY_NAMES


def test_the_shop_reads_every_name_it_is_given() -> None:
    assert set(SERVICES["test-merchant"]["environment"]) <= SHOP_NAMES


@pytest.mark.parametrize("service", GATEWAYS)
def test_every_setting_reaches_every_container(service: str) -> None:
    of_web_alone = {"PORT", "GATEWAY_FACES"} if service == "worker" else set()
    assert GATEWAY_NAMES - NOT_IN_COMPOSE - of_web_alone <= set(SERVICES[service]["environment"])


def test_every_setting_of_the_shop_reaches_it() -> None:
    assert SHOP_NAMES - {"HOST"} <= set(SERVICES["test-merchant"]["environment"])


@pytest.mark.parametrize("service", GATEWAYS)
def test_what_is_set_around_compose_is_handed_on(service: str) -> None:
    theirs = {"DATABASE_URL", "REDIS_URL", "PORT", "GATEWAY_FACES"}
    shell = {name: f"said {name}" for name in SERVICES[service]["environment"]}
    given = environ_of(service, shell)
    assert {name: given[name] for name in shell.keys() - theirs} == {
        name: shell[name] for name in shell.keys() - theirs
    }


def test_no_dollar_is_left_over() -> None:
    assert "$" not in "".join("".join(environ_of(service, {}).values()) for service in OURS)


@pytest.mark.parametrize("service", GATEWAYS)
def test_the_credentials_are_those_of_the_database_service(service: str) -> None:
    url = make_url(environ_of(service, {})["DATABASE_URL"])
    owner = SERVICES["postgres"]["environment"]
    assert owner == {
        "POSTGRES_DB": "payment_gateway",
        "POSTGRES_USER": "gateway_user",
        "POSTGRES_PASSWORD": "gateway_pass",
    }
    assert (url.database, url.username, url.password) == tuple(owner.values())
    assert (url.host, url.port) == ("postgres", 5432)


def test_the_database_is_asked_as_the_user_it_has() -> None:
    words = SERVICES["postgres"]["healthcheck"]["test"]
    assert words[words.index("-U") + 1] == "gateway_user"
    assert words[words.index("-d") + 1] == "payment_gateway"


@pytest.mark.parametrize("service", GATEWAYS)
def test_redis_is_the_redis_service(service: str) -> None:
    assert urlsplit(environ_of(service, {})["REDIS_URL"]).netloc == "redis:6379"


@pytest.mark.parametrize("service", GATEWAYS)
def test_with_nothing_set_it_is_the_default_gateway_where_browsers_find_it(service: str) -> None:
    config, default = Config.from_env(environ_of(service, {})), Config.from_env({})
    differing = {name for name, value in vars(config).items() if value != getattr(default, name)}
    everywhere = {"database_url", "redis_url", "public_url", "checkout_url", "test_webhook_url"}
    alone = {"api": {"faces"}, "dashboard": {"faces", "port"}, "checkout": {"faces", "port"}}
    assert differing == everywhere | alone.get(service, set())
    assert (config.public_url, config.checkout_url) == ("http://localhost:3000", "http://localhost:3001")
    assert config.api_url == "http://localhost:8000"


@pytest.mark.parametrize("service", WEBS)
def test_a_web_container_has_its_own_face(service: str) -> None:
    assert Config.from_env(environ_of(service, {})).faces == {service}


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET"])
def test_all_containers_share_the_keys(name: str) -> None:
    for shell in ({}, {name: "a key of its own, and a long one"}):
        configs = [Config.from_env(environ_of(service, shell)) for service in GATEWAYS]
        assert len({(config.secret_key, config.fernet_keys) for config in configs}) == 1
        assert configs[0].secret_key == Config.from_env(shell).secret_key


def test_shop_and_gateway_share_the_merchant_and_the_checkout() -> None:
    set_by_hand = {
        "TEST_API_KEY": "key_x",
        "TEST_API_SECRET": "secret_x",
        "CHECKOUT_URL": "http://pay.example",
    }
    for shell in ({}, set_by_hand):
        shop = shop_settings.read(environ_of("test-merchant", shell))
        config = Config.from_env(environ_of("api", shell))
        assert (shop.api_key, shop.api_secret) == (config.test_api_key, config.test_api_secret)
        assert shop.checkout_url == config.checkout_url
        assert shop.gateway_url == "http://api:8000"
        assert config.test_webhook_url == f"http://test-merchant:{shop.port}/webhook"


# ---- The image


class Recipe:
    """The Dockerfile, instruction by instruction."""

    def __init__(self) -> None:
        text = (PROJECT_ROOT / "Dockerfile").read_text().replace("\\\n", " ")
        steps = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
        self.steps = [(word, rest.strip()) for word, rest in steps]

    def all(self, word: str) -> list[str]:
        return [rest for instruction, rest in self.steps if instruction == word]

    @property
    def environ(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for rest in self.all("ENV") for pair in rest.split())


RECIPE = Recipe()


def is_ignored(path: str) -> bool:
    """Whether .dockerignore keeps this path out of the build; the last rule that fits decides."""
    verdict = False
    for line in (PROJECT_ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            rule = re.escape(line.removeprefix("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
            if re.fullmatch(f"{rule}(/.*)?", path):
                verdict = not line.startswith("!")
    return verdict


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder holding what the image's /app would hold."""
    app = tmp_path_factory.mktemp("image") / "app"
    for copied in RECIPE.all("COPY"):
        *sources, target = copied.split()
        assert target == "./", "into WORKDIR; anything else this fixture would have to learn"
        for source in sources:
            for file in files_below(PROJECT_ROOT / source):
                path = file.relative_to(PROJECT_ROOT)
                (app / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, app / path)
    (app / "var").mkdir()
    return app


def files_below(start: Path) -> Iterator[Path]:
    if start.is_file():
        yield start
    for entry in sorted(start.iterdir()) if start.is_dir() else ():
        if not is_ignored(entry.relative_to(PROJECT_ROOT).as_posix()):
            yield from files_below(entry)


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".venv/bin/python",
        "var/gateway.db",
        "tests/conftest.py",
        "key.pem",
        "gateway/core/__pycache__/config.cpython-312.pyc",
        "gateway/__pycache__/cli.cpython-312.pyc",
    ],
)
def test_it_stays_outside_the_image(path: str) -> None:
    assert is_ignored(path)


@pytest.mark.parametrize(
    "path",
    [
        "wsgi.py",
        "huey_worker.py",
        "gateway/core/config.py",
        "migrations/script.py.mako",
        "test_merchant/static/shop.css",
        "templates/base.html",
        "static/app.css",
        "checkout_widget/checkout.js",
    ],
)
def test_it_belongs_into_the_image(path: str) -> None:
    assert not is_ignored(path)


def test_the_requirements_are_a_layer_before_the_code() -> None:
    steps = [rest for word, rest in RECIPE.steps if word in ("COPY", "RUN")]
    (install,) = (number for number, rest in enumerate(steps) if "pip install" in rest)
    assert steps[install - 1] == "requirements.txt ./"
    assert steps[install].endswith("-r requirements.txt")
    assert steps.index(". ./") > install


def test_the_image_installs_nothing_at_its_start() -> None:
    assert RECIPE.environ == {
        "GATEWAY_BOOTSTRAP": "off",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def test_the_image_serves_as_the_api_does_when_nothing_else_is_said() -> None:
    (command,) = RECIPE.all("CMD")
    assert json.loads(command) == SERVICES["api"]["command"]


def test_the_process_is_not_root_and_owns_only_var() -> None:
    (user,) = RECIPE.all("USER")
    assert user not in ("root", "0")
    made = next(rest for rest in RECIPE.all("RUN") if "useradd" in rest)
    assert re.search(rf" {user} *&&", made)
    assert f"install -d -o {user} {RECIPE.all('WORKDIR')[0]}/var" in made
    assert not any("--chown" in rest for rest in RECIPE.all("COPY"))


def test_the_process_can_read_the_code_of_a_clone_made_under_a_strict_umask() -> None:
    readable, copied, process = ("RUN", "chmod -R a+rX ."), ("COPY", ". ./"), ("USER", RECIPE.all("USER")[0])
    assert RECIPE.steps.index(copied) < RECIPE.steps.index(readable) < RECIPE.steps.index(process)


def test_the_image_has_every_package_that_its_code_imports(image: Path) -> None:
    providers = metadata.packages_distributions()
    ours = {"gateway", "test_merchant"}
    imported = {name for file in image.rglob("*.py") for name in imports_of(file)}
    foreign = imported - sys.stdlib_module_names - ours
    assert {"flask", "sqlalchemy", "huey"} <= foreign
    installed = closure_of(image / "requirements.txt")
    assert {name for name in foreign if not installed & {plain(one) for one in providers[name]}} == set()


def imports_of(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def closure_of(requirements: Path) -> set[str]:
    """The distributions that installing this file brings, dependencies included."""
    lines = requirements.read_text().splitlines()
    waiting = [line for line in lines if line and not line.startswith(("-", "#"))]
    found: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        name = plain(re.split(r"[^\w.-]", requirement)[0])
        if name not in found and "extra ==" not in requirement:
            with contextlib.suppress(metadata.PackageNotFoundError):
                waiting += metadata.requires(name) or []
                found.add(name)
    return found


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("service", OURS)
def test_a_command_names_what_the_image_has(service: str, image: Path) -> None:
    python, *words = SERVICES[service]["command"]
    assert python == "python"
    if words[0] == "-m":
        assert (image / words[1] / "__main__.py").is_file()
        assert words[2:] == [] or (words[1] == "gateway" and words[2] in cli.commands)
    else:
        assert words == ["huey_worker.py"]
        assert (image / words[0]).is_file()


# ---- The containers at work


class Container:
    """A service of the compose file, run as a plain process in a copy of the image."""

    def __init__(self, service: str, image: Path, environ: dict[str, str], ports: dict[str, int]) -> None:
        self.service = service
        self.image = image
        self.ports = ports
        # Nothing of this shell: a container does not know it either.
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
        self.environ = {"PATH": path, "HOST": "127.0.0.1", **RECIPE.environ, **environ}
        self.log = image.parent / f"{service}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                SERVICES[self.service]["command"],
                cwd=self.image,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def is_healthy(self) -> bool:
        """What its own health check says; it exits with 0 or 1 as Docker wants it, nothing else."""
        kind, *command = SERVICES[self.service]["healthcheck"]["test"]
        assert kind == "CMD"
        here = re.sub(r"'api', (\d+)", lambda found: f"'127.0.0.1', {self.ports[found[1]]}", command[-1])
        patience_s = int(SERVICES[self.service]["healthcheck"]["timeout"].removesuffix("s"))
        try:
            checked = subprocess.run(
                [*command[:-1], here], env=self.environ, capture_output=True, timeout=patience_s, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        assert checked.returncode in (0, 1), checked.stderr.decode()
        return checked.returncode == 0

    def wait_until_healthy(self) -> None:
        ends_at = time.monotonic() + START_TIMEOUT_S
        while not self.is_healthy:
            assert self.process is not None
            assert self.process.poll() is None, f"{self.service} ended:\n{self.log.read_text()}"
            assert time.monotonic() < ends_at, f"{self.service} is never healthy:\n{self.log.read_text()}"
            time.sleep(0.1)

    def stop(self) -> int:
        """SIGTERM, as Docker sends it; what the process says about its end."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.service} does not stop:\n{self.log.read_text()}")

    def clear(self) -> None:
        """End what a failed test left behind, with what it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Street:
    """All our containers side by side on free ports of this machine."""

    def __init__(self, image: Path, replaced: dict[str, str]) -> None:
        published = {environ_of(service, {})["PORT"] for service in (*WEBS, "test-merchant")}
        self.ports = dict(zip(published, free_ports(len(published)), strict=True))
        self.containers = {}
        for service in OURS:
            environ = environ_of(service, {"TEST_MODE": "true", "TEST_PROCESSING_DELAY": "50"})
            kept = {name: text for name, text in environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
            here = {name: self.native(text) for name, text in kept.items()}
            if "PORT" in here:
                here["PORT"] = str(self.ports[here["PORT"]])
            more = replaced if service in GATEWAYS else {}
            self.containers[service] = Container(service, image, here | more, self.ports)

    def native(self, text: str) -> str:
        """The same address, on this machine and its free port."""
        return re.sub(r"//[\w-]+:(\d+)", lambda found: f"//127.0.0.1:{self.ports[found[1]]}", text)

    def ask(
        self, service: str, method: str, path: str, body: str | None = None, kind: str = "application/json"
    ) -> http.client.HTTPResponse:
        port = self.containers[service].environ["PORT"]
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
        connection.request(method, path, body, {"Content-Type": kind})
        return connection.getresponse()

    def health(self) -> dict[str, str]:
        told: dict[str, str] = json.load(self.ask("api", "GET", "/health"))
        return told


def free_ports(count: int) -> set[int]:
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return found


@pytest.fixture(params=["sqlite", "postgres"])
def street(request: pytest.FixtureRequest, image: Path, tmp_path: Path, worker_name: str) -> Iterator[Street]:
    """The containers, not yet started; with PostgreSQL and Redis when the tests have them."""
    with contextlib.ExitStack() as undo:
        replaced = {"GATEWAY_VAR": str(tmp_path / "var")}
        if request.param == "postgres":
            if POSTGRES is None or REDIS is None:
                pytest.skip("no PostgreSQL and Redis were found")
            url = undo.enter_context(fresh_postgres(f"gateway_compose_{worker_name}"))
            replaced = {"DATABASE_URL": url, "REDIS_URL": REDIS}
        street = Street(image, replaced)
        for container in street.containers.values():
            undo.callback(container.clear)
        yield street


def test_the_containers_come_up_sell_something_and_go_down(street: Street) -> None:
    everyone = street.containers
    assert not any(container.is_healthy for container in everyone.values())

    start_in_turn(street)
    health = street.health()
    assert (health["status"], health["worker"]) == ("healthy", "running")
    sell_something(street)
    assert all(niceness(everyone[web]) > niceness(everyone["worker"]) for web in WEBS)

    assert everyone["worker"].stop() == 0
    everyone["api"].wait_until_healthy()
    assert not everyone["worker"].is_healthy, "its health is its heartbeat, not the api's"
    for service in (*WEBS, "test-merchant"):
        assert everyone[service].stop() == 0, everyone[service].log.read_text()
    assert not any(container.is_healthy for container in everyone.values())


def niceness(container: Container) -> int:
    """Of the process that does the work: the container's own, or the last it started."""
    assert container.process is not None
    pid = container.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return os.getpriority(os.PRIO_PROCESS, int([str(pid), *children][-1]))


def start_in_turn(street: Street) -> None:
    """As Compose does: each as soon as all that it waits for is healthy."""
    healthy = set(OF_OTHERS)
    while waiting := [service for service in OURS if service not in healthy]:
        ready = [service for service in waiting if set(SERVICES[service]["depends_on"]) <= healthy]
        assert ready, f"these wait for each other: {waiting}"
        for service in ready:
            street.containers[service].start()
        for service in ready:
            street.containers[service].wait_until_healthy()
        healthy |= set(ready)


def sell_something(street: Street) -> None:
    """The shop orders at the api, the payer pays at the checkout, the worker tells the shop."""
    form = "application/x-www-form-urlencoded"
    asked = urlencode({"item": "winter-tea", "buy_key": uuid4().hex})
    bought = street.ask("test-merchant", "POST", "/buy", asked, form)
    assert bought.status == 303
    page = street.ask("test-merchant", "GET", bought.headers["Location"].removesuffix("#pay")).read().decode()
    (hosted,) = re.findall(r'href="([^"]+/checkout\?[^"]+)"', page)
    checkout = urlsplit(hosted)
    assert str(checkout.port) == street.containers["checkout"].environ["PORT"]
    (order_id,) = parse_qs(checkout.query)["order_id"]

    asked = json.dumps({"order_id": order_id, "method": "upi", "vpa": "asha@upi"})
    paid = street.ask("checkout", "POST", "/api/v1/payments/public", asked)
    payment = json.load(paid)
    assert paid.status == 201, payment

    ends_at = time.monotonic() + 20
    wanted = {(payment["id"], event, True) for event in ("payment.success", "order.paid")}
    while not wanted <= arrivals(street):
        assert time.monotonic() < ends_at, street.containers["worker"].log.read_text()
        time.sleep(0.1)
    page = street.ask("test-merchant", "GET", f"/orders/{order_id}").read().decode()
    assert 'data-state="paid"' in page


def arrivals(street: Street) -> set[tuple[str, str, bool]]:
    """What the shop was told: about which payment, what, and whether the signature held."""
    events = json.load(street.ask("test-merchant", "GET", "/events.json"))
    return {(event["payment_id"], event["event"], event["signature_ok"]) for event in events}
