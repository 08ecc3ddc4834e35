"""make run, make stop, make status: the private stack of this checkout under ./run, with demo people in it.

run [PORT=8080] [DETACH=1] builds what has changed, starts everything and stays until Ctrl-C; with DETACH=1 it returns when all is
ready and a supervisor stays behind. As root the stack lives in /var/tmp/peal-dev-<hash of the checkout's path>, so that the
services' unprivileged user can reach it wherever the checkout lies, and ./run is a link to it.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import pathlib
import pwd
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request

import prepare
from stack import ROOT, Stack, StackError, port_is_free

PEOPLE = [(name, name.capitalize(), f"{name}-likes-long-passwords") for name in ("alice", "bob", "carol")]
TALK = {
    ("alice", "bob"): [("alice", "Hi Bob! This server is ours."), ("bob", "Nice. And it is quick."), ("alice", "Lunch at noon?")],
    ("carol", "alice"): [("carol", "Alice, have you seen the new place by the river?"), ("alice", "Not yet. Tomorrow?")],
    ("bob", "carol"): [("bob", "Carol, the tickets are in the drawer.")],
}
RESTARTS_AT_MOST = 5
STOP_SECONDS = 60


class Refusal(Exception):
    """Why this cannot be done, for a person to read."""


class Place:
    """Where the stack of this checkout lies, and who holds it."""

    def __init__(self):
        self.link = ROOT / "run"
        if os.geteuid() == 0:
            self.base = pathlib.Path(f"/var/tmp/peal-dev-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:10]}")
            self.dir = self.base / "run"
        else:
            self.base = self.dir = self.link
        self.state_file = self.base / "state.json"
        self.lock = None

    def check(self):
        """Only what the same user made before may be used again."""
        owner = self.link.lstat().st_uid if os.path.lexists(self.link) else None
        if owner is not None and (owner != os.geteuid() or self.link.is_symlink() != (os.geteuid() == 0)):
            name = pwd.getpwuid(owner).pw_name
            raise Refusal(f"{self.link} was made by a stack of {name}: use `make run` as {name}, or remove it (its data go with it)")
        if self.base != self.link and os.path.lexists(self.base) and (self.base.is_symlink() or self.base.stat().st_uid != 0):
            raise Refusal(f"{self.base} exists and is not root's; remove it")

    def make(self):
        self.check()
        self.base.mkdir(exist_ok=True, mode=0o755)
        if self.base != self.link:
            self.dir.mkdir(exist_ok=True)
            self.link.unlink(missing_ok=True)
            self.link.symlink_to(self.dir)

    def take(self):
        """True when nobody else runs the stack; held until the process that took it, and its children by fork, are gone."""
        self.lock = open(self.base / "lock", "w", encoding="ascii")  # pylint: disable=consider-using-with
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            self.lock.close()
            return False

    def is_running(self):
        if not (self.base / "lock").exists():
            return False
        try:
            free = self.take()
        except PermissionError:
            raise Refusal(f"the stack in {self.link} belongs to another user") from None
        if free:
            self.lock.close()
        return not free

    def state(self):
        with contextlib.suppress(OSError, ValueError):
            return json.loads(self.state_file.read_text(encoding="utf-8"))
        return {}

    def write_state(self, **state):
        fresh = self.state_file.with_suffix(".new")
        fresh.write_text(json.dumps(state), encoding="utf-8")
        fresh.rename(self.state_file)


def born(pid):
    """When a process started, in ticks since boot: together with its number that names it for ever. None when it is gone."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    return None


# -- progress -------------------------------------------------------------------------------------------------------------------

class Progress:
    """One line per step with how long it took, on a stream or a pipe."""

    def __init__(self, stream, began=None):
        self.stream, self.began, self.open = stream, began or time.monotonic(), None

    def step(self, text):
        self.done()
        self.open = time.monotonic()
        self.stream.write(f"  {text:<44}")
        self.stream.flush()

    def done(self, note=""):
        if self.open is not None:
            self.stream.write(f"{time.monotonic() - self.open:6.1f} s{note}\n")
            self.stream.flush()
        self.open = None

    def say(self, text=""):
        if self.open is not None:
            self.stream.write("\n")
        self.open = None
        self.stream.write(text + "\n")
        self.stream.flush()


def build(progress):
    """The daemons and the web client at the same time: one waits for the compiler, the other for the network."""
    failed = []

    def web():
        try:
            prepare.web()
        except prepare.PrepareError as e:
            failed.append(e)

    progress.step("compiling daemons, building the web client")
    thread = threading.Thread(target=web, daemon=True)
    thread.start()
    prepare.build("release")
    prepare.contract()
    while thread.is_alive():
        thread.join(0.2)
    if failed:
        raise failed[0]
    progress.done()


def wanted_port():
    text = os.environ.get("PORT") or "8080"
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise Refusal(f"PORT={text} is not a port number")
    return int(text)


def check_port(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except PermissionError:
            raise Refusal(f"only root may use port {port}; choose one above 1023: make run PORT=8080") from None
        except OSError as e:
            if e.errno != errno.EADDRINUSE:
                raise Refusal(f"port {port} cannot be used: {e.strerror}") from None
            other = next(p for p in range(max(port, 1024) + 1, 65536) if port_is_free(p))
            raise Refusal(f"port {port} is in use by something else; choose another one: make run PORT={other}") from None


# -- demo people ----------------------------------------------------------------------------------------------------------------

def call(url, method, path, body=None, token=None):
    """(status, reply) of a REST call."""
    request = urllib.request.Request(f"{url}/api/v1{path}", method=method,
                                     data=None if body is None else json.dumps(body).encode(),
                                     headers={"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, json.loads(reply.read() or b"null")
    except urllib.error.HTTPError as e:
        text = e.read()
        with contextlib.suppress(ValueError):
            return e.code, json.loads(text)
        return e.code, {"detail": text.decode(errors="replace")}


def must(answer, what, *statuses):
    status, reply = answer
    if status not in statuses:
        raise StackError(f"{what}: {status} {reply.get('code', '')} {reply.get('detail', '')} {reply.get('errors', '')}")
    return reply


def wait_ready(url, seconds=20):
    until = time.monotonic() + seconds
    while True:
        answer = call(url, "GET", "/ready")
        if answer[0] == 200:
            return
        if time.monotonic() > until:
            must(answer, "not ready", 200)
        time.sleep(0.1)


def sign_in(url, username, name, password):
    account = {"username": username, "password": password, "token_delivery": "body"}
    status, reply = call(url, "POST", "/auth/register", {**account, "display_name": name})
    if status == 409:
        status, reply = call(url, "POST", "/auth/login", account)
    return must((status, reply), f"signing {username} in", 200, 201)


def make_demo(url):
    """Accounts and a few words between them, unless they are there from an earlier start."""
    who = {username: sign_in(url, username, name, password) for username, name, password in PEOPLE}
    for (a, b), lines in TALK.items():
        # the one who speaks first starts: until then the other cannot see the conversation
        other = who[b]["user"]["id"]
        conversation = must(call(url, "POST", f"/conversations/{other}", token=who[a]["access_token"]), "conversation", 200, 201)
        if conversation["last_seq"] not in (0, "0"):
            continue
        for number, (speaker, text) in enumerate(lines):
            body = {"client_id": f"demo-{a}-{b}-{number}", "message_type": "text", "content": text}
            must(call(url, "POST", f"/conversations/{conversation['id']}/messages", body, who[speaker]["access_token"]), "message", 200, 201)


# -- the supervisor -------------------------------------------------------------------------------------------------------------

def greet(progress, stack, detached):
    width = max(len(name) for name, _, _ in PEOPLE)
    progress.say(f"\nPeal runs at http://localhost:{stack.port} (ready after {time.monotonic() - progress.began:.1f} s)\n")
    for username, _, password in PEOPLE:
        progress.say(f"  sign in as {username:<{width}}  with password {password}")
    progress.say("\nLogs are in run/log/. " + ("`make stop` ends it." if detached else "Ctrl-C ends it."))


def interrupt(_number, _frame):
    raise KeyboardInterrupt


def deaf():
    """From here on nothing interrupts: everything that was started is being stopped."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def write_state(place, stack):
    place.write_state(pid=os.getpid(), born=born(os.getpid()), port=stack.port, url=f"http://localhost:{stack.port}",
                      services={name: service.process.pid for name, service in stack.services.items()})


def watch(place, stack, out):
    """Until a signal comes: what dies is started again, as systemd would do it."""
    restarts = 0
    while True:
        time.sleep(0.5)
        dead = [s for s in stack.services.values() if s.wanted and not s.running]
        if not dead:
            continue
        restarts += len(dead)
        for service in dead:
            print(f"{service.name} died (code {service.process.returncode}, see run/log/{service.log.name}); starting it again",
                  file=out, flush=True)
        if restarts > RESTARTS_AT_MOST:
            raise StackError("services keep dying; giving up")
        stack.revive()
        write_state(place, stack)


def supervise(place, port, progress, detached, ready=lambda: None):
    stack = Stack(place.dir, kind="release", port=port, durable=True, progress=progress.step)
    try:
        stack.up()
        progress.step("waiting until it serves")
        write_state(place, stack)
        wait_ready(stack.url)
        progress.step("demo people")
        make_demo(stack.url)
        progress.done()
        greet(progress, stack, detached)
        ready()
        watch(place, stack, sys.stdout)
    except KeyboardInterrupt:
        deaf()
        print("\nstopping ...", flush=True)
    finally:
        deaf()
        stack.down()
        place.state_file.unlink(missing_ok=True)
    for complaint in stack.complaints:
        print(complaint, flush=True)
    print("stopped", flush=True)


def detach(place, port, began):
    """The same in a process of its own, which reports through a pipe until all is ready."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        os.setsid()
        code = 1
        pipe = os.fdopen(writer, "w", encoding="utf-8")
        try:
            supervise_detached(place, port, pipe, began)
            code = 0
        except (StackError, OSError) as e:
            with contextlib.suppress(OSError, ValueError):
                pipe.write(f"\n{e}\n")
                pipe.flush()
        finally:
            os._exit(code)
    os.close(writer)
    ready = False
    with os.fdopen(reader, encoding="utf-8") as pipe:
        while text := pipe.read(1):
            ready = ready or text == "\0"
            sys.stdout.write(text.replace("\0", ""))
            sys.stdout.flush()
    return 0 if ready else 1


def supervise_detached(place, port, pipe, began):
    log = open(place.base / "supervisor.log", "a", encoding="utf-8")  # pylint: disable=consider-using-with
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number in (1, 2):
        os.dup2(log.fileno(), number)

    def ready():
        pipe.write("\0")
        pipe.close()

    supervise(place, port, Progress(pipe, began), True, ready)


# -- commands -------------------------------------------------------------------------------------------------------------------

def run():
    port, place = wanted_port(), Place()
    place.make()
    if not place.take():
        url = place.state().get("url")
        print(f"Peal runs already at {url}; `make stop` ends it." if url else "Another `make run` of this checkout is starting it.")
        return 0
    check_port(port)
    progress = Progress(sys.stdout)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    build(progress)
    if os.environ.get("DETACH", "0") not in ("", "0"):
        return detach(place, port, progress.began)
    supervise(place, port, progress, False)
    return 0


def stop():
    place = Place()
    if not place.is_running():
        print("Peal does not run.")
        return 0
    state = place.state()
    if not state or born(state["pid"]) != state["born"]:
        raise Refusal("Peal is starting or stopping at this moment; try again")
    os.kill(state["pid"], signal.SIGTERM)
    until = time.monotonic() + STOP_SECONDS
    while place.is_running():
        if time.monotonic() > until:
            raise Refusal(f"process {state['pid']} did not stop within {STOP_SECONDS} s")
        time.sleep(0.05)
    print("Peal has stopped; its data stay in run/.")
    return 0


def status():
    place = Place()
    state = place.state() if place.is_running() else {}
    if not state:
        print("Peal does not run.")
        return 3
    print(f"Peal runs at {state['url']} (supervisor {state['pid']})")
    for name, pid in state["services"].items():
        print(f"  {name:<12} {'running' if born(pid) else 'down':<8} {pid}")
    code, _ = call(state["url"], "GET", "/ready")
    print(f"  /ready answers {code}")
    return 0 if code == 200 else 1


def main():
    try:
        return {"run": run, "stop": stop, "status": status}[sys.argv[1]]()
    except (Refusal, StackError, prepare.PrepareError) as e:
        print(f"\n{e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
