"""The first command somebody types: real virtual environments in real folders, and no network."""

import ast
import contextlib
import ensurepip
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

GATEWAY = Path(__file__).resolve().parents[2] / "gateway"
BASE_PYTHON = os.path.realpath(getattr(sys, "_base_executable", sys.executable))

# Tells what it was handed; stands where the real commands would be.
CLI = """
import importlib.util, json, os, sys
def main():
    found = [name for name in ("red", "blue") if importlib.util.find_spec(name)]
    marker = os.environ.get("GATEWAY_BOOTSTRAPPED")
    print(json.dumps({"prefix": sys.prefix, "arguments": sys.argv[1:], "found": found, "marker": marker}))
"""


class House:
    """A copy of the project that holds nothing but its door."""

    def __init__(self, root: Path, python: str) -> None:
        self.root = root
        self.python = python
        self.venv = root / ".venv"
        self.log = root / "var" / "install.log"
        self.begun: list[subprocess.Popen[str]] = []

    def build(self) -> "House":
        (self.root / "gateway").mkdir(parents=True)
        for name in ("__init__.py", "__main__.py"):
            shutil.copy(GATEWAY / name, self.root / "gateway" / name)
        (self.root / "gateway" / "cli.py").write_text(CLI)
        self.require(self.wheel("red"))
        (self.root / "requirements-dev.txt").write_text(f"-r requirements.txt\n{self.wheel('blue')}\n")
        return self

    def wheel(self, name: str) -> str:
        info = f"{name}-1.dist-info"
        files = {
            f"{name}.py": "",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
        with zipfile.ZipFile(self.root / f"{name}-1-py3-none-any.whl", "w") as wheel:
            for file, text in files.items():
                wheel.writestr(file, text)
        return f"./{name}-1-py3-none-any.whl"

    def require(self, *lines: str) -> None:
        (self.root / "requirements.txt").write_text("\n".join(lines) + "\n")

    def begin(self, *arguments: str, python: str = "", **environ: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [python or self.python, *(arguments if arguments[0] == "-c" else ("-m", "gateway", *arguments))],
            cwd=self.root,
            # A HOME that cannot even be made, no index to ask, and nothing on PATH.
            env={"PATH": "/nowhere", "HOME": "/dev/null/home", "PIP_NO_INDEX": "1"} | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.begun.append(process)
        return process

    def start(self, *arguments: str, python: str = "", **environ: str) -> "Answer":
        return Answer(self.begin(*arguments, python=python, **environ))

    def clear(self) -> None:
        """End what a failed test left behind."""
        for process in self.begun:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


class Answer:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.output, self.words = process.communicate(timeout=120)
        self.exit_code = process.returncode

    @property
    def told(self) -> dict[str, object]:
        assert self.exit_code == 0, self.words
        told: dict[str, object] = json.loads(self.output)
        return told


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """This Python as Debian ships it without python3-venv: no ensurepip, no pip."""
    return copy_python(tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def quick_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same with a pip of its own, which spares each new venv the three seconds of ensurepip."""
    python = copy_python(tmp_path_factory.mktemp("quick"))
    give_pip(python)
    return python


def copy_python(folder: Path) -> str:
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    stdlib = folder / "lib" / version
    (stdlib / "site-packages").mkdir(parents=True)
    for entry in Path(sysconfig.get_path("stdlib")).iterdir():
        if entry.name not in ("ensurepip", "site-packages", "dist-packages", "sitecustomize.py"):
            (stdlib / entry.name).symlink_to(entry)
    python = folder / "bin" / version
    python.parent.mkdir()
    shutil.copy(BASE_PYTHON, python)
    assert subprocess.call([python, "-c", "import ensurepip"], stderr=subprocess.DEVNULL) == 1
    return str(python)


def give_pip(python: str) -> None:
    bundled = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    with zipfile.ZipFile(bundled) as wheel:
        wheel.extractall(next(Path(python).parents[1].glob("lib/python*/site-packages")))


@pytest.fixture
def house(tmp_path: Path, quick_python: str) -> Iterator[House]:
    house = House(tmp_path / "my house", quick_python).build()
    yield house
    house.clear()


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory, quick_python: str) -> House:
    """A house started once, to be copied where a test wants one that is installed."""
    house = House(tmp_path_factory.mktemp("pattern") / "my house", quick_python).build()
    assert house.start("up").exit_code == 0
    return house


@pytest.fixture
def installed(pattern: House, tmp_path: Path) -> Iterator[House]:
    """A house as if it had been installed where it stands."""
    house = House(tmp_path / "my house", pattern.python)
    shutil.copytree(pattern.root, house.root, symlinks=True)
    stamp = house.venv / ".installed-requirements.txt"
    stamp.write_text(stamp.read_text().replace(str(pattern.root), str(house.root)))
    house.log.unlink()
    yield house
    house.clear()


def test_the_first_start_makes_a_venv_and_hands_over_the_arguments(house: House) -> None:
    told = house.start("up", "--port", "8001", python=BASE_PYTHON).told
    assert told["prefix"] == str(house.venv)
    assert told["arguments"] == ["up", "--port", "8001"]
    assert told["found"] == ["red"]
    assert told["marker"] is None, "a child with a .venv of its own would skip its install"


def test_the_next_start_installs_nothing(installed: House) -> None:
    answer = installed.start("up")
    assert answer.told["found"] == ["red"]
    assert answer.words == ""
    assert not installed.log.exists()


def test_a_start_from_inside_the_venv_stays_there(installed: House) -> None:
    answer = installed.start("up", python=str(installed.venv / "bin" / "python"))
    assert answer.told["prefix"] == str(installed.venv)
    assert answer.words == ""


def test_a_changed_requirement_is_added_to_the_venv(installed: House) -> None:
    kept = installed.venv / "kept"
    kept.touch()
    installed.require("./red-1-py3-none-any.whl", "./blue-1-py3-none-any.whl")
    assert installed.start("up").told["found"] == ["red", "blue"]
    assert kept.exists()


def test_the_tests_bring_their_own_requirements_and_stamp(installed: House) -> None:
    assert installed.start("up").told["found"] == ["red"]
    assert installed.start("test").told["found"] == ["red", "blue"]
    assert installed.start("test").words == ""
    assert installed.start("up").words == ""


def test_a_venv_whose_interpreter_is_gone_is_made_anew(house: House, tmp_path: Path) -> None:
    doomed = copy_python(tmp_path / "doomed")
    give_pip(doomed)
    assert house.start("up", python=doomed).told["found"] == ["red"]
    shutil.rmtree(tmp_path / "doomed")
    assert house.start("up").told["found"] == ["red"]


def test_a_renamed_folder_gets_a_venv_of_its_own(installed: House) -> None:
    (installed.venv / "left over").touch()
    moved = House(installed.root.rename(installed.root.parent / "renamed house"), installed.python)
    assert moved.start("up").told["prefix"] == str(moved.venv)
    assert not (moved.venv / "left over").exists()


def test_a_half_made_venv_is_made_anew_even_by_the_python_inside_it(installed: House) -> None:
    (installed.venv / ".unfinished").touch()
    (installed.venv / "left over").touch()
    answer = installed.start("up", python=str(installed.venv / "bin" / "python"))
    assert answer.told["found"] == ["red"]
    assert not (installed.venv / "left over").exists()


def test_a_venv_made_by_hand_is_kept_and_filled(house: House) -> None:
    subprocess.check_call([house.python, "-m", "venv", "--without-pip", house.venv])
    kept = house.venv / "kept"
    kept.touch()
    assert house.start("up").told["found"] == ["red"]
    assert kept.exists()


def test_two_starts_at_once_install_once(installed: House) -> None:
    pipe = put_pipe(installed)
    first = installed.begin("up")
    release = hold_reader(pipe)
    second = installed.begin("up")
    assert "waiting" in first_line(second)
    release()
    answers = Answer(first), Answer(second)
    assert [answer.told["found"] for answer in answers] == [["red"], ["red"]]
    assert ["installed in" in answer.words for answer in answers] == [True, False]


def test_a_killed_install_is_outwaited_and_then_begun_anew(installed: House) -> None:
    pipe = put_pipe(installed)
    first = installed.begin("up")
    release = hold_reader(pipe)
    (installed.venv / "half made").touch()
    first.kill()
    second = installed.begin("up")
    assert "waiting" in first_line(second), "the orphaned pip still writes"
    release()
    first.communicate()
    assert Answer(second).told["found"] == ["red"]
    assert not (installed.venv / "half made").exists()


def put_pipe(house: House) -> Path:
    """A requirements file at which pip will hang, for it is a pipe."""
    pipe = house.root / "more.txt"
    os.mkfifo(pipe)
    house.require("./red-1-py3-none-any.whl", "-r more.txt")
    return pipe


def hold_reader(pipe: Path) -> Callable[[], None]:
    """Wait until pip reads the pipe; what is returned lets it go on and puts an empty file there."""
    ends_at = time.monotonic() + 30
    while True:
        try:
            writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError:
            assert time.monotonic() < ends_at, "pip never came"
            time.sleep(0.02)

    def release() -> None:
        pipe.unlink()
        pipe.touch()
        os.close(writer)

    return release


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def test_a_failed_install_shows_why_and_leaves_the_old_venv_usable(installed: House) -> None:
    (installed.venv / "kept").touch()
    installed.require("./red-1-py3-none-any.whl", "./missing-1-py3-none-any.whl")
    failed = installed.start("up")
    assert failed.exit_code == 1
    assert failed.output == ""
    assert "missing-1-py3-none-any.whl" in failed.words.split("install.log")[1]
    installed.require("./red-1-py3-none-any.whl")
    again = installed.start("up")
    assert again.told["found"] == ["red"]
    assert (installed.venv / "kept").exists()
    assert again.words == ""


def test_without_ensurepip_the_pip_outside_fills_the_venv(house: House, quick_python: str) -> None:
    told = house.start("up", python=quick_python).told
    assert (told["prefix"], told["found"]) == (str(house.venv), ["red"])
    assert not list(house.venv.glob("lib/python*/site-packages/pip"))


def test_without_ensurepip_and_pip_uv_fills_the_venv(house: House, bare_python: str, tmp_path: Path) -> None:
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    # Wants the words uv wants, and lets a pip do the work.
    uv.write_text(
        '#!/bin/sh\n[ "$1 $2 $3 $5" = "pip install --python --no-cache" ] || exit 2\npython="$4"; shift 5\n'
        f'exec "{sys.executable}" -m pip --python "$python" install "$@"\n'
    )
    uv.chmod(0o755)
    told = house.start("up", python=bare_python, PATH=f"{uv.parent}:/bin").told
    assert (told["prefix"], told["found"]) == (str(house.venv), ["red"])


def test_without_any_of_them_it_says_what_to_install(house: House, bare_python: str) -> None:
    answer = house.start("up", python=bare_python)
    assert answer.exit_code == 1
    assert "apt-get install python3-venv" in answer.words
    assert "Traceback" not in answer.words


def test_a_folder_it_may_not_write_to_is_told_in_words(house: House) -> None:
    (house.root / "var").write_text("in the way")
    answer = house.start("up")
    assert answer.exit_code == 1
    assert "cannot be prepared" in answer.words
    assert "Traceback" not in answer.words


def test_switched_off_it_makes_nothing(house: House) -> None:
    told = house.start("up", GATEWAY_BOOTSTRAP="off").told
    assert told["arguments"] == ["up"]
    assert not house.venv.exists()


# Old interpreters are not at hand everywhere, so a new one pretends.
PRETEND = """
import runpy, sys
sys.version_info, sys.argv = (3, 8, 18), ["gateway", "up"]
runpy.run_module("gateway", None, "__main__")
"""


def test_an_old_python_without_a_newer_one_says_what_to_install(house: House) -> None:
    answer = house.start("-c", PRETEND)
    assert answer.exit_code == 1
    assert "3.11 or newer is needed; this is 3.8.18" in answer.words
    assert not house.venv.exists()


def test_an_old_python_starts_the_newest_that_really_runs(installed: House, tmp_path: Path) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    (path / "python3.14").write_text("#!/bin/sh\nexit 127\n")
    (path / "python3.14").chmod(0o755)
    (path / "python3.12").symlink_to(BASE_PYTHON)
    told = installed.start("-c", PRETEND, PATH=str(path)).told
    assert (told["prefix"], told["arguments"]) == (str(installed.venv), ["up"])


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py"])
def test_an_old_python_can_read_the_door(name: str) -> None:
    tree = ast.parse((GATEWAY / name).read_text(), feature_version=(3, 6))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    arguments = [argument.annotation for function in functions for argument in function.args.args]
    for annotation in [*arguments, *(function.returns for function in functions)]:
        assert not isinstance(annotation, ast.Subscript | ast.BinOp), "evaluated by an old Python: quote it"
