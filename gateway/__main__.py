"""`python3 -m gateway …`: makes .venv at the first start, then hands over to gateway.cli inside it.

Standard library only, in words that any Python 3 can parse: whoever starts this
with an old one reads a sentence, not a SyntaxError. GATEWAY_BOOTSTRAP=off skips
all of it, for an image whose site-packages already hold everything.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, NoReturn

OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = ROOT / "var" / "install.log"
# Lies in .venv while something is installed; a start that finds it knows that the last one was killed.
UNFINISHED = VENV / ".unfinished"
ARRIVED = "GATEWAY_BOOTSTRAPPED"

TO_RUN = ("requirements.txt",)
TO_TEST = ("requirements.txt", "requirements-dev.txt")


def main() -> None:
    if os.name != "posix":
        stop("Windows is served by WSL or by `docker compose up`.")
    if sys.version_info < OLDEST:
        start_with_newer_python()
    os.chdir(str(ROOT))
    if os.environ.get("GATEWAY_BOOTSTRAP") != "off" and os.environ.pop(ARRIVED, "") != str(VENV):
        try:
            install(TO_TEST if sys.argv[1:2] in (["test"], ["pictures"]) else TO_RUN)
        except OSError as error:
            stop(f"{VENV} cannot be prepared: {error}")
        except KeyboardInterrupt:
            stop("interrupted; the next start begins anew.")
        os.environ[ARRIVED] = str(VENV)
        os.execv(PYTHON, [str(PYTHON), "-m", "gateway", *sys.argv[1:]])

    from gateway.cli import main as command

    command()


def start_with_newer_python() -> NoReturn:
    for name in NEWER:
        python = shutil.which(name)
        # Version managers put names on PATH that they then refuse to start, so try.
        if python and subprocess.call([python, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            os.chdir(str(ROOT))
            os.execv(python, [python, "-m", "gateway", *sys.argv[1:]])
    have = ".".join(str(part) for part in sys.version_info[:3])
    stop(
        f"Python 3.11 or newer is needed; this is {have}, and PATH holds no newer one.\n"
        "  Debian, Ubuntu   apt-get install python3 python3-venv\n"
        "  Fedora           dnf install python3.13\n"
        "  macOS            brew install python\n"
        "  anywhere         docker compose up"
    )


def install(names: "tuple[str, ...]") -> None:
    """Leave .venv holding what these requirements files list; a few milliseconds when it does already.

    One install at a time: the log is the lock, and because pip writes to it, pip
    holds it too. A start that was killed leaves nobody behind who still unpacks.
    """
    import fcntl

    if is_installed(names):
        return
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("a+") as log:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another start is installing; waiting for it …")
            fcntl.flock(log, fcntl.LOCK_EX)
        if is_installed(names):
            return
        log.truncate(0)
        began = time.monotonic()
        say(f"installing {' and '.join(names)} into .venv, about a minute the first time …")
        if not is_sound(log):
            make_venv(log)
        fill_venv(log, names)
        say(f"installed in {time.monotonic() - began:.0f} s")


def is_installed(names: "tuple[str, ...]") -> bool:
    try:
        is_sealed = stamp(names).read_text() == seal(names)
    except OSError:
        return False
    return is_sealed and os.access(PYTHON, os.X_OK) and not UNFINISHED.exists()


def stamp(names: "tuple[str, ...]") -> Path:
    return VENV / f".installed-{names[-1]}"


def seal(names: "tuple[str, ...]") -> str:
    """What a finished .venv vouches for: its place, its interpreter, and the requirements it holds."""
    digest = hashlib.sha256()
    for name in names:
        digest.update((ROOT / name).read_bytes() + b"\0")
    return f"{place()}{digest.hexdigest()}\n"


def place() -> str:
    """Where .venv lies and which interpreter it leads to; the real path tells 3.11 from 3.13."""
    return f"{VENV}\n{os.path.realpath(PYTHON)}\n"


def is_sound(log: "IO[str]") -> bool:
    """Whether .venv can be installed into: not half made, not moved, and its interpreter runs."""
    if UNFINISHED.exists() or not os.access(PYTHON, os.X_OK):
        return False
    if stamp(TO_RUN).exists() and not stamp(TO_RUN).read_text().startswith(place()):
        return False
    works = "sys.version_info >= (3, 11) and os.path.samefile(sys.prefix, sys.argv[1])"
    return run(log, PYTHON, "-c", f"import os, sys; sys.exit(not ({works}))", VENV)


def make_venv(log: "IO[str]") -> None:
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    elif VENV.exists():
        shutil.rmtree(VENV)
    VENV.mkdir()
    UNFINISHED.touch()
    # Debian keeps ensurepip in a package of its own; without it the venv's pip is left to `installer`.
    if not run(log, outer_python(), "-m", "venv", VENV) and not run(
        log, outer_python(), "-m", "venv", "--without-pip", VENV
    ):
        give_up(log, "no virtual environment could be made with this Python.")


def outer_python() -> str:
    """The interpreter outside any venv: with an activated .venv, sys.executable goes when that is remade."""
    return str(getattr(sys, "_base_executable", sys.executable))


def fill_venv(log: "IO[str]", names: "tuple[str, ...]") -> None:
    UNFINISHED.touch()
    listed = [part for name in names for part in ("-r", str(ROOT / name))]
    if not run(log, *installer(log), *listed):
        if stamp(TO_RUN).exists():
            # pip takes back a change that failed, so what was there before still serves.
            UNFINISHED.unlink()
        give_up(log, f"{' and '.join(names)} could not be installed.")
    for done in (TO_RUN, names):
        stamp(done).write_text(seal(done))
    UNFINISHED.unlink()


def installer(log: "IO[str]") -> "list[str]":
    """The command that installs into .venv: by its own pip, else by uv, else by the pip outside."""
    options = ["--prefer-binary", "--disable-pip-version-check", "--no-input"]
    if run(log, PYTHON, "-m", "pip", "--version"):
        return [str(PYTHON), "-m", "pip", "install", *options]
    uv = shutil.which("uv")
    if uv:
        # Unlike pip, uv gives up when it cannot write a cache below HOME.
        return [uv, "pip", "install", "--python", str(PYTHON), "--no-cache"]
    pip = [outer_python(), "-m", "pip", "--python", str(PYTHON)]
    if run(log, *pip, "--version"):
        return [*pip, "install", *options]
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    stop(
        f"{outer_python()} has neither ensurepip nor pip, and there is no uv, so nothing can be installed.\n"
        f"  Debian, Ubuntu   apt-get install python3-venv   (or python{version}-venv)\n"
        "  elsewhere        install pip or uv for this Python\n"
        "  anywhere         docker compose up"
    )


def run(log: "IO[str]", *command: object) -> bool:
    words = [str(word) for word in command]
    log.write("$ " + " ".join(words) + "\n")
    log.flush()
    return subprocess.call(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log) == 0


def give_up(log: "IO[str]", why: str) -> NoReturn:
    log.seek(0)
    end = "".join(log.readlines()[-20:])
    stop(f"{why} The end of {LOG}:\n\n{end}")


def say(words: str) -> None:
    print(f"gateway: {words}", file=sys.stderr, flush=True)


def stop(words: str) -> NoReturn:
    say(words)
    sys.exit(1)


if __name__ == "__main__":
    main()
