"""make run, stop and status, as a person uses them: on copies of this checkout, side by side, interrupted, killed and refused."""

import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

import prepare
import run
from stack import free_port, port_is_free

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEFT_OUT = ("run", ".git", "out", "__pycache__", "test", "san", "fuzz", "ccache")


@pytest.fixture(scope="module")
def checkouts(tmp_path_factory):
    """Two copies with everything built, in a folder that nobody else can enter; their stacks are ended whatever happens."""
    base = tmp_path_factory.mktemp("closed")
    os.chmod(base, 0o700)
    made = [base / "one", base / "a second checkout"]
    for target in made:
        shutil.copytree(ROOT, target, symlinks=True, ignore=lambda folder, names: [
            n for n in names if n in LEFT_OUT and (n not in ("run", "test", "san", "fuzz") or pathlib.Path(folder) in (ROOT, ROOT / "build"))])
    yield made
    for target in made:
        make(target, "stop")
        place = place_of(target)
        shutil.rmtree(place, ignore_errors=True)


def place_of(target):
    link = target / "run"
    return link.resolve().parent if link.is_symlink() else link


def make(target, *args, **env):
    clean = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PORT", "DETACH", "ONLY", "TIER", "SAN")}
    return subprocess.run(["make", "-s", *args], cwd=target, env={**clean, **env}, capture_output=True, text=True, timeout=300, check=False)


def text_of(done):
    return done.stdout + done.stderr


def services_of(target):
    return json.loads((place_of(target) / "state.json").read_text())


def sign_in(port, name):
    status, reply = run.call(f"http://127.0.0.1:{port}", "POST", "/auth/login",
                             {"username": name, "password": f"{name}-likes-long-passwords", "token_delivery": "body"})
    assert status == 200, reply
    return reply["access_token"]


def talk(port):
    """name -> [(last_seq of each of their conversations)], sorted."""
    found = {}
    for name in ("alice", "bob", "carol"):
        _, reply = run.call(f"http://127.0.0.1:{port}", "GET", "/conversations", token=sign_in(port, name))
        found[name] = sorted((c["peer"]["username"], int(c["last_seq"])) for c in reply["items"])
    return found


def gone(pids, seconds=10):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(run.born(p) and pathlib.Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split()[0] != "Z" for p in pids):
            return True
        time.sleep(0.05)
    return False


def test_a_life(checkouts):
    """Start, sign in, start again, stop, start with the data kept; the second start is quick."""
    here, port = checkouts[0], free_port()
    first = make(here, "run", f"PORT={port}", "DETACH=1")
    assert first.returncode == 0, text_of(first)
    assert f"http://localhost:{port}" in first.stdout and "make stop" in first.stdout
    assert all(f"{name}-likes-long-passwords" in first.stdout for name in ("alice", "bob", "carol"))
    with urllib.request.urlopen(f"http://localhost:{port}/", timeout=10) as page:
        assert b"/assets/" in page.read()
    before = talk(port)
    assert before == {"alice": [("bob", 3), ("carol", 2)], "bob": [("alice", 3), ("carol", 1)], "carol": [("alice", 2), ("bob", 1)]}

    status = make(here, "status")
    assert status.returncode == 0 and "/ready answers 200" in status.stdout
    assert all(re.search(rf"{name}\s+running", status.stdout) for name in ("postgres", "redis", "peal-fcgi", "peal-push-0", "peal-jobs", "nginx"))
    again = make(here, "run", f"PORT={port}", "DETACH=1")
    assert again.returncode == 0 and f"runs already at http://localhost:{port}" in again.stdout

    pids = list(services_of(here)["services"].values())
    stopped = make(here, "stop")
    assert stopped.returncode == 0 and gone(pids) and port_is_free(port), text_of(stopped)
    assert "does not run" in make(here, "status").stdout and make(here, "stop").returncode == 0
    began = time.monotonic()
    second = make(here, "run", f"PORT={port}", "DETACH=1")
    took = time.monotonic() - began
    print(f"figures: second start of make run {took:.1f} s")
    assert second.returncode == 0 and took < 30, text_of(second)
    assert talk(port) == before
    assert make(here, "stop").returncode == 0


def test_nothing_runs_as_root_and_nothing_is_open(checkouts):
    here, port = checkouts[0], free_port()
    assert make(here, "run", f"PORT={port}", "DETACH=1").returncode == 0
    state = services_of(here)
    for name, pid in state["services"].items():
        uid = int(re.search(r"^Uid:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M).group(1))
        assert uid != 0, name
    listening = subprocess.run(["cat", "/proc/net/tcp", "/proc/net/tcp6"], capture_output=True, text=True, check=True).stdout
    mine = [line for line in listening.splitlines() if f":{port:04X} " in line.split(" 0A ")[0] and " 0A " in line]
    assert len(mine) == 1 and "0100007F:" in mine[0], mine
    assert make(here, "stop").returncode == 0


def test_side_by_side(checkouts):
    one, two = checkouts
    ports = [free_port(), free_port()]
    try:
        for here, port in zip(checkouts, ports):
            done = make(here, "run", f"PORT={port}", "DETACH=1")
            assert done.returncode == 0, text_of(done)
        refused = make(two, "stop")
        assert refused.returncode == 0
        refused = make(two, "run", f"PORT={ports[0]}", "DETACH=1")
        assert refused.returncode != 0 and re.search(rf"port {ports[0]} is in use.*make run PORT=\d+", text_of(refused)), text_of(refused)
        assert make(one, "status").returncode == 0, "stopping one checkout's stack touched the other's"
    finally:
        make(one, "stop")
        make(two, "stop")


@pytest.mark.parametrize("port, says", [("eighty", "not a port number"), ("0", "not a port number"), ("70000", "not a port number")])
def test_a_wrong_port(checkouts, port, says):
    done = make(checkouts[0], "run", f"PORT={port}")
    assert done.returncode != 0 and says in text_of(done)
    assert "Traceback" not in text_of(done)


def test_a_port_that_something_else_has(checkouts):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = make(checkouts[0], "run", f"PORT={taken.getsockname()[1]}")
        assert done.returncode != 0 and "make run PORT=" in text_of(done) and "Traceback" not in text_of(done)


def test_a_missing_tool_is_named():
    with pytest.raises(prepare.PrepareError, match="no-such-compiler is missing; `dev/setup.sh`"):
        prepare.run(["no-such-compiler"], "compiling")


def foreground(here, port):
    """make run on a terminal of its own, until it greets: (process, terminal)."""
    master, slave = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DETACH")}
    process = subprocess.Popen([sys.executable, "-c", "import fcntl, os, signal, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
                                "signal.signal(signal.SIGINT, signal.SIG_DFL);"     # whoever starts the tests with & ignores it
                                "os.execvp('make', ['make', 'run'])"], cwd=here, env={**env, "PORT": str(port)},
                               stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    return process, master, read_until(master, "Ctrl-C ends it")


def read_until(master, text, seconds=120):
    seen, until = "", time.monotonic() + seconds
    while text not in seen:
        assert time.monotonic() < until, seen
        if select.select([master], [], [], 0.2)[0]:
            try:
                seen += os.read(master, 4096).decode(errors="replace")
            except OSError:
                break
    return seen


def test_ctrl_c_ends_what_it_started_and_nothing_else(checkouts):
    one, two = checkouts
    ports = [free_port(), free_port()]
    assert make(two, "run", f"PORT={ports[1]}", "DETACH=1").returncode == 0
    process, master, seen = foreground(one, ports[0])
    services = services_of(one)["services"]
    pids = list(services.values())
    assert "Ctrl-C ends it" in seen
    assert set(services) == {"postgres", "redis", "peal-fcgi", "peal-push-0", "peal-jobs", "peal-egress", "peal-media", "nginx"}
    os.write(master, b"\x03")
    assert "stopped" in read_until(master, "stopped", 30)
    process.wait(30)
    os.close(master)
    assert gone(pids) and port_is_free(ports[0])
    assert make(two, "status").returncode == 0
    assert make(two, "stop").returncode == 0


def test_killing_the_supervisor_ends_the_services(checkouts):
    here, port = checkouts[0], free_port()
    assert make(here, "run", f"PORT={port}", "DETACH=1").returncode == 0
    state = services_of(here)
    os.kill(state["pid"], signal.SIGKILL)
    assert gone(state["services"].values(), 20), "services outlived their supervisor"
    assert "does not run" in make(here, "status").stdout
    done = make(here, "run", f"PORT={port}", "DETACH=1")
    assert done.returncode == 0, text_of(done)
    assert talk(port)["alice"] == [("bob", 3), ("carol", 2)]
    assert make(here, "stop").returncode == 0


def test_what_dies_is_started_again(checkouts):
    here, port = checkouts[0], free_port()
    assert make(here, "run", f"PORT={port}", "DETACH=1").returncode == 0
    old = services_of(here)["services"]["peal-push-0"]
    os.kill(old, signal.SIGKILL)
    until = time.monotonic() + 15
    while services_of(here)["services"]["peal-push-0"] == old:
        assert time.monotonic() < until, "peal-push-0 was not started again"
        time.sleep(0.1)
    assert make(here, "status").returncode == 0
    assert make(here, "stop").returncode == 0
