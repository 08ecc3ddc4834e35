"""What must be built before a stack can run: the C part by make, the web client by npm and vite, the contract as JSON.

Each step is skipped when its sources have not changed, and guarded by a lock, since `make run` and `make test` of one checkout may
come here at the same moment.
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
WEB = ROOT / "web"
TAIL = 40


class PrepareError(Exception):
    """A step failed; the text is for a person."""


@contextlib.contextmanager
def _locked(name):
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / f".{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(argv, what, **options):
    """A command whose output matters only when it fails."""
    try:
        # it ends with us: an interrupted `make run` leaves no compiler behind
        out = subprocess.run(["/usr/bin/setpriv", "--pdeathsig", "TERM", "--", *map(str, argv)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                             errors="replace", **options)
    except FileNotFoundError as e:
        raise PrepareError(f"{what}: {e.filename} is missing") from None
    if out.returncode == 127:
        raise PrepareError(f"{what}: {argv[0]} is missing; `dev/setup.sh` installs what is needed")
    if out.returncode:
        raise PrepareError(f"{what} failed:\n" + "\n".join(out.stdout.splitlines()[-TAIL:]))
    return out.stdout


def jobs():
    return len(os.sched_getaffinity(0))


def build(kind, *targets):
    """make build; the warnings of a build that succeeded are shown."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    with _locked(f"make-{kind}"):
        text = run(["make", f"-j{jobs()}", f"KIND={kind}", *(targets or ["build"])], f"make {' '.join(targets or ['build'])} KIND={kind}",
                   cwd=ROOT, env=env)
    if "warning:" in text:
        print(text, file=sys.stderr)


def contract():
    source, target = ROOT / "docs" / "openapi.yaml", BUILD / "openapi.json"
    with _locked("contract"):
        if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
            run([sys.executable, ROOT / "dev" / "openapi.py", source, target], "docs/openapi.yaml")


def _stamp(files):
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _web_sources():
    skipped = ("node_modules", "dist", "test")
    return sorted(p for p in WEB.rglob("*") if p.is_file() and p.relative_to(WEB).parts[0] not in skipped)


def _unless_stamped(stamp, value, step):
    """Run the step unless it succeeded before with this value. True when it ran."""
    if stamp.exists() and stamp.read_text(encoding="ascii") == value:
        return False
    stamp.unlink(missing_ok=True)
    step()
    stamp.write_text(value, encoding="ascii")
    return True


def modules(folder=WEB):
    """npm ci, when the lock file has changed."""
    name = folder.relative_to(ROOT)
    env = {**os.environ, "npm_config_update_notifier": "false", "npm_config_fund": "false", "npm_config_audit": "false",
           "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"}
    with _locked("modules" if folder == WEB else f"modules-{folder.name}"):
        lock = _stamp([folder / "package.json", folder / "package-lock.json"])
        return _unless_stamped(folder / "node_modules" / ".peal-stamp", lock,
                               lambda: run(["npm", "ci", "--no-progress"], f"npm ci in {name}", cwd=folder, env=env))


def web():
    """The client in web/dist, when anything it is made of has changed."""
    modules()
    with _locked("web"):
        stamp = BUILD / "web.stamp"
        if not (WEB / "dist" / "index.html").exists():
            stamp.unlink(missing_ok=True)
        return _unless_stamped(stamp, _stamp([*_web_sources(), ROOT / "lib" / "base" / "err.h"]),
                               lambda: run(["npm", "run", "--silent", "build"], "building web/", cwd=WEB))
