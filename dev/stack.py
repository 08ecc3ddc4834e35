"""The private stack: PostgreSQL, Redis, nginx and our daemons in one folder, for `make run`, the tests and the benchmarks.

    with Stack(kind="test", settings={"push_dead_seconds": 5}) as stack:
        requests go to stack.url; stack.db() is a connection to its database
        stack.kill("peal-push-0"); stack.start("peal-push-0")

Nothing of the host is touched: no port but nginx's on 127.0.0.1, no user's files but those under the stack's folder. As root
every service runs as the user peal-dev. Leaving the block stops everything and fails if the logs hold faults, if a service ended
badly or if a process was left behind. Processes die with the one that started them, even when that one is killed.
"""

import contextlib
import fcntl
import os
import pathlib
import pwd
import random
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PG_BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
NGINX = "/usr/sbin/nginx"
REDIS = "/usr/bin/redis-server"
USER = "peal-dev"
DAEMONS = ("peal-fcgi", "peal-push", "peal-jobs", "peal-egress", "peal-media", "peal-media-image", "peal-media-av", "pealctl")
LONGEST_SOCKET = len("/.s.PGSQL.5432")
SUN_PATH = 107
MARK = "PEAL_STACK"

RATES = [f"rate_{name}_per_minute" for name in ("login", "mark", "read", "register", "session", "typing", "upload", "write")]

# Limits that would make tests wait or fail each other, and waits that nobody needs on a desk.
TEST_SETTINGS = {
    "registration": "open", "argon2_memory_kib": 1024, "argon2_passes": 1, "push_frames_per_minute": 1000000,
    "push_drain_seconds": 1, "drain_seconds": 5, "log_level": "info", "workers_fast": 8,
    **dict.fromkeys(RATES, 1000000),
}
RUN_SETTINGS = {"registration": "open", "push_drain_seconds": 1, "drain_seconds": 5}

FAULTS = {
    "daemon": re.compile(r"^\S+Z (emerg|alert|crit|error) |^<[0-3]>"),
    "nginx": re.compile(r"\[(alert|emerg|crit)\]"),
    "postgres": re.compile(r"\b(PANIC|FATAL):"),
    "redis": re.compile(r"(CRASHED|ASSERTION FAILED|Guru Meditation)"),
}
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:|stack smashing|double free|corrupted")
# The password that the people of all tests have (tests/peal/people.py), and what tokens look like: in no log of anything, ever.
SECRET = re.compile(r"a password of tests, long enough|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.|\bpeal_pat_\w{12,}")
# What else must not be there: functions from the text of a log to offsets in it. The tests add what they have sent and been given.
SECRETS = [lambda text: [m.start() for m in SECRET.finditer(text)]]
# PostgreSQL refuses connections while it starts and stops; that is no fault of anybody's.
ALWAYS_ALLOWED = [re.compile(r"FATAL:  the database system is (starting up|shutting down|not yet accepting)"),
                  re.compile(r"FATAL:  terminating (connection|background worker).* due to administrator command"),
                  # what a client that was killed looks like from the other side; that it died is told elsewhere
                  re.compile(r"FATAL:  connection to client lost")]


class StackError(Exception):
    """The stack cannot do that; the text is for a person."""


def port_is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


CLAIMED = []


def free_port():
    """One that the kernel gives to nobody by itself (net.ipv4.ip_local_port_range begins at 32768), and no other process by this function
    while we live: whoever listens on it at last does so seconds after this look."""
    while True:
        port, claim = random.randrange(15000, 32000), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0peal-port-{port}")
        except OSError:
            claim.close()
            continue
        CLAIMED.append(claim)
        if port_is_free(port):
            return port


def service_user():
    """Who runs the services: the caller, but never root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(USER)
    # two stacks may start at the same moment; useradd's own lock makes one of them lose, and that is fine
    subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent",
                    "--shell", "/usr/sbin/nologin", USER], stderr=subprocess.PIPE, check=False)
    for _ in range(50):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(USER)
        time.sleep(0.1)
    raise StackError(f"cannot create the system user {USER}")


def listener(address):
    """A listening socket to pass to a service: at a path, or at (host, port). Its number is out of the way of 3, 4, 5..."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(address)
        s.listen(4096)
        return socket.socket(fileno=fcntl.fcntl(s.fileno(), fcntl.F_DUPFD_CLOEXEC, 64))


def describe_death(code):
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


class Service:
    """One process of the stack with its command line, its log and how one knows that it is ready."""

    def __init__(self, stack, name, argv, ready="notify", stop=signal.SIGTERM, grace=15, env=None, passed=None, net=None):
        """passed: listening sockets {name: socket} that it is given, as systemd gives them; net: a network namespace that it lives in."""
        self.stack, self.name, self.argv, self.ready, self.stop_signal, self.grace = stack, name, argv, ready, stop, grace
        self.env, self.passed, self.net = env or {}, passed or {}, net or stack.nets.get(name)
        self.log = stack.dir / "log" / f"{name}.log"
        self.process = None
        self.notify = None
        self.wanted = False         # somebody started it and nobody stopped it
        self.may_die = False        # a test kills it, or armed a failpoint
        self.sessions = set()

    def start(self, timeout=30):
        if self.process and self.process.poll() is None:
            raise StackError(f"{self.name} runs already")
        self._wait_alone()
        self._listen()
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", MARK: self.stack.id, **self.env}
        if self.notify:
            name = self.notify.getsockname()
            env["NOTIFY_SOCKET"] = name if isinstance(name, str) else "@" + name[1:].decode("ascii")
        with open(self.log, "ab") as log:
            self.stack._own(self.log)      # nginx opens it once more by its name
            self.process = subprocess.Popen(self._command(env), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                                            cwd=self.stack.dir, start_new_session=True, pass_fds=[s.fileno() for s in self.passed.values()])
        self.sessions.add(self.process.pid)
        self.wanted, self.may_die = True, False
        self._wait_ready(timeout)

    def _wait_alone(self, seconds=10):
        """Workers outlive a killed master by the request they are in, and hold its sockets until then; systemd waits for them too."""
        until = time.monotonic() + seconds
        while self.sessions and any(int(stat[3]) in self.sessions and stat[0] not in "ZX" for _, stat in _stats()):
            if time.monotonic() > until:
                raise StackError(f"{self.name}: processes of its former start are still there")
            time.sleep(0.01)
        self.sessions.clear()

    def _listen(self):
        """A notification socket of this start only: an abstract one, which has no path to be too long or left behind."""
        if self.notify:
            self.notify.close()
        self.notify = None
        if self.ready == "notify":
            self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            if self.net:    # where abstract sockets of ours are not seen
                path = self.stack.run_dir / f"{self.name}.notify"
                path.unlink(missing_ok=True)
                self.notify.bind(str(path))
                self.stack._own(path)
            else:
                self.notify.bind("")

    def _command(self, env):
        argv = self.argv
        if self.passed:
            # numbered from 3 on (sd_listen_fds(3)); the sockets themselves are above 63 (listeners())
            moves = " ".join(f"{3 + i}<&{s.fileno()} {s.fileno()}<&-" for i, s in enumerate(self.passed.values()))
            env |= {"LISTEN_FDS": str(len(self.passed)), "LISTEN_FDNAMES": ":".join(self.passed)}
            argv = ["/bin/bash", "-c", f'exec {moves}; export LISTEN_PID=$$; exec "$@"', "bash", *argv]
        argv = self.stack.as_user(argv)
        return ["/usr/bin/nsenter", f"--net=/run/netns/{self.net}", "--", *argv] if self.net else argv

    def _wait_ready(self, timeout):
        until = time.monotonic() + timeout
        while not self._is_ready():
            if self.process.poll() is not None:
                self.wanted = False
                raise StackError(f"{self.name} {describe_death(self.process.returncode)} while starting; the end of {self.log}:\n"
                                 + self.tail())
            if time.monotonic() > until:
                raise StackError(f"{self.name} did not get ready in {timeout} s; the end of {self.log}:\n" + self.tail())

    def wait_notice(self, word=b"READY=1", timeout=30):
        """The next such notice of sd_notify(3); for reloads."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if select.select([self.notify], [], [], 0.02)[0] and word in self.notify.recv(4096).split(b"\n"):
                return
            if self.process.poll() is not None:
                break
        raise StackError(f"{self.name} did not report {word.decode()}; the end of {self.log}:\n" + self.tail())

    def _is_ready(self):
        if self.ready == "notify":
            return bool(select.select([self.notify], [], [], 0.02)[0]) and b"READY=1" in self.notify.recv(4096).split(b"\n")
        with contextlib.suppress(OSError, ValueError), socket.create_connection((self.stack.host, self.stack.port), timeout=1):
            # and it is ours that answers, which has written its number by then
            return int((self.stack.dir / "nginx" / "nginx.pid").read_text()) == self.process.pid
        time.sleep(0.01)
        return False

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def ask_to_stop(self):
        self.wanted = False
        if self.running:
            self.process.send_signal(self.stop_signal)

    def wait_stopped(self, timeout=None):
        """True when it went by itself in time; else it is killed."""
        if not self.process:
            return True
        try:
            self.process.wait(self.grace if timeout is None else timeout)
            return True
        except subprocess.TimeoutExpired:
            self.stack.complaints.append(f"{self.name} did not stop within {self.grace} s")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            return False
        finally:
            if self.notify:
                self.notify.close()
                self.notify = None

    def tail(self, lines=30):
        return "".join(self.text().splitlines(keepends=True)[-lines:])

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Stack:
    """See the head of this file. `directory` None means a temporary one that is removed after a clean end."""

    def __init__(self, directory=None, *, kind="test", build=None, port=None, settings=None, push_processes=1, durable=False,
                 postgres=None, oracle=None, keep=None, progress=None):
        self.kind = kind
        self.build_dir = pathlib.Path(build) if build else ROOT / "build" / kind
        self.port = port
        self.push_processes = push_processes
        self.durable = durable
        self.postgres = postgres or {}      # settings that replace or join ours
        self.oracle = os.environ.get("ORACLE") == "1" if oracle is None else oracle     # tests/oracle/policies.sql
        self.user = service_user()
        self.root = os.geteuid() == 0
        self.progress = progress or (lambda text: None)
        self.temporary = directory is None
        self.keep = bool(os.environ.get("KEEP")) if keep is None else keep
        self.wanted_dir = directory
        self.dir = self.run_dir = None
        self.host, self.nets = "127.0.0.1", {}      # where nginx listens; network namespaces of services (tests/peal/cluster.py)
        self.overrides = dict(TEST_SETTINGS if self.temporary else RUN_SETTINGS, **(settings or {}))
        self.conf = {}
        self.services = {}
        self.allowed = list(ALWAYS_ALLOWED)
        self.complaints = []
        self.id = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._short = None

    # -- life -----------------------------------------------------------------------------------------------------------------

    def __enter__(self):
        return self.up()

    def __exit__(self, kind, value, traceback):
        self.down()
        if kind is None:
            self.check_clean()
        if self.temporary and not self.keep and kind is None:
            self.remove()

    def up(self):
        """Start everything, each service after those that it needs. Stops what had started when one does not."""
        try:
            self._make_dir()
            self._stage()
            self._start_database()
            self._define_ours()
            for name in [n for n in self.services if n != "postgres"]:
                self.progress(f"starting {name}")
                self._start_patiently(name)
        except BaseException:
            self.down()
            raise
        return self

    def down(self):
        """Stop in reverse order. Our daemons are asked together: none of them needs another one to stop."""
        order = list(reversed(self.services.values()))
        for group in ([s for s in order if s.name == "nginx"], [s for s in order if s.name.startswith("peal-")],
                      [s for s in order if s.name == "redis"], [s for s in order if s.name == "postgres"]):
            for service in group:
                if service.wanted and not service.running and not service.may_die:
                    self.complaints.append(f"{service.name} {describe_death(service.process.returncode)} by itself")
                service.ask_to_stop()
            for service in group:
                in_time = service.wait_stopped()
                code = service.process.returncode if service.process else 0
                if in_time and code not in (0, None) and not service.may_die:
                    self.complaints.append(f"{service.name} {describe_death(code)}")
        self._end_leftovers()
        if self._short:
            shutil.rmtree(self._short, ignore_errors=True)
            with contextlib.suppress(OSError):
                (self.dir / "sock").unlink()
            self._short = None

    def remove(self):
        if self.dir:
            shutil.rmtree(self.dir, ignore_errors=True)

    # -- what tests do to it --------------------------------------------------------------------------------------------------

    @property
    def url(self):
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self):
        return f"ws://{self.host}:{self.port}/ws"

    def start(self, name, timeout=30):
        self.services[name].start(timeout)

    def stop(self, name, timeout=None):
        """By its polite signal; the exit code must be 0."""
        service = self.services[name]
        service.ask_to_stop()
        service.wait_stopped(timeout)
        if service.process.returncode != 0:
            self.complaints.append(f"{name} {describe_death(service.process.returncode)} when asked to stop")

    def kill(self, name, sig=signal.SIGKILL):
        """End it without warning, and forgive it that. For PostgreSQL, wait for its children too: they notice by themselves."""
        service = self.services[name]
        service.may_die = True
        if service.running:
            service.process.send_signal(sig)
            service.process.wait()
        service.wanted = False
        if name == "postgres":
            self._wait_gone(self.dir / "pg")

    def restart(self, name):
        self.stop(name)
        self.start(name)

    def reload(self, name, timeout=30):
        """SIGHUP, and wait until it says that the new generation serves. Not for nginx."""
        service = self.services[name]
        service.process.send_signal(signal.SIGHUP)
        service.wait_notice(timeout=timeout)

    def renew(self, name, timeout=30):
        """Reload, and wait until no worker is left that remembers anything. Not for nginx."""
        old = self.pids(name)[1:]
        self.reload(name, timeout)
        self._outlive(old, name, timeout)

    def reload_nginx(self, timeout=15):
        """After a change of its files: returns when no worker with the former ones is left."""
        old = self.pids("nginx")[1:]
        self.services["nginx"].process.send_signal(signal.SIGHUP)
        self._outlive(old, "nginx", timeout)

    def _outlive(self, old, name, timeout):
        until = time.monotonic() + timeout
        while set(old) & {pid for pid, stat in _stats() if stat[0] not in "ZX"}:
            if time.monotonic() > until:
                raise StackError(f"{name} did not change its workers; the end of its log:\n" + (self.dir / "log" / f"{name}.log").read_text()[-3000:])
            time.sleep(0.02)

    def wait_death(self, name, timeout=30):
        """A failpoint made it die: wait for that."""
        self.services[name].may_die = True
        self.services[name].process.wait(timeout)

    def revive(self):
        """Start again whatever should run and does not, as systemd would. The names."""
        dead = [s for s in self.services.values() if s.wanted and not s.running]
        for service in dead:
            service.start()
        return [s.name for s in dead]

    def running(self, name):
        return self.services[name].running

    def pid(self, name):
        return self.services[name].process.pid

    def pids(self, name):
        """Its process and all below it: a master and its workers."""
        parents = {}
        for pid, stat in _stats():
            parents.setdefault(int(stat[1]), []).append(pid)
        found, queue = [], [self.pid(name)]
        while queue:
            found.append(queue.pop())
            queue += parents.get(found[-1], [])
        return found

    def fail(self, name, text=""):
        """Arm a failpoint (lib/base/fail.h): the first process to reach it dies, or waits when text is `sleep <ms>`."""
        folder = self.run_dir / "fail"
        folder.mkdir(exist_ok=True)
        self._own(folder)
        if not text:
            for service in self.services.values():
                service.may_die = service.may_die or service.name.startswith("peal-")
        fresh = folder / f".{name}"
        fresh.write_text(text)
        self._own(fresh)
        fresh.rename(folder / name)

    def armed(self, name):
        """Whether nobody has reached it yet."""
        return (self.run_dir / "fail" / name).exists()

    def allow(self, pattern):
        """Log lines that this test provokes are no faults."""
        self.allowed.append(re.compile(pattern))

    def log(self, name):
        return self.services[name].text()

    def log_line(self, text, timeout=10):
        """The first line of a daemon's log that holds the text; logs are written after the reply, so it may take a moment. None."""
        until = time.monotonic() + timeout
        while True:
            for service in self.services.values():
                if service.name.startswith("peal-"):
                    for line in service.text().splitlines():
                        if text in line:
                            return line
            if time.monotonic() > until:
                return None
            time.sleep(0.02)

    def dsn(self, user="postgres", database="peal"):
        host = str(self.run_dir).replace("\\", "\\\\").replace("'", "\\'")
        return f"host='{host}' port=5432 dbname={database} user={user}"

    def db(self, user="postgres", database="peal"):
        import psycopg2   # only tests need it
        return psycopg2.connect(self.dsn(user, database))

    def psql(self, sql, user="postgres", database="peal"):
        """The unaligned output of psql; raises StackError with its complaint."""
        out = subprocess.run([PG_BIN / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.dsn(user, database), "-c", sql],
                             capture_output=True, text=True, env=self._env(), check=False)
        if out.returncode:
            raise StackError(f"psql: {out.stderr.strip()}")
        return out.stdout.rstrip("\n")

    def pealctl(self, *args, check=True):
        out = subprocess.run(self.as_user([self.dir / "bin" / "pealctl", "-c", self.conf_path, *args]), cwd=self.dir,
                             capture_output=True, text=True, env=self._env(), check=False)
        if check and out.returncode:
            raise StackError(f"pealctl {' '.join(map(str, args))}: {(out.stderr or out.stdout).strip()}")
        return out

    def new_cluster(self):
        """Another PostgreSQL in the place of this one, with an empty database; our daemons are stopped."""
        self.stop("postgres")
        shutil.rmtree(self.dir / "pg")
        self._start_database()

    def redis(self, *args):
        """The lines that Redis answers."""
        out = subprocess.run(["/usr/bin/redis-cli", "-s", self.redis_socket, *map(str, args)], capture_output=True, text=True, check=True)
        return out.stdout.splitlines()

    @property
    def redis_socket(self):
        return str(self.run_dir / "redis.sock")

    @property
    def conf_path(self):
        return self.dir / "peal.conf"

    # -- the verdict ----------------------------------------------------------------------------------------------------------

    def faults(self):
        """Everything wrong so far, as lines."""
        found = list(self.complaints)
        for service in self.services.values():
            pattern = FAULTS["daemon" if service.name.startswith("peal-") else service.name]
            lines = service.text().splitlines()
            for number, line in enumerate(lines):
                if SANITIZER.search(line):
                    found.append(f"{service.name}: " + "\n    ".join(lines[number:number + 25]))
                    break
                if pattern.search(line) and not any(a.search(line) for a in self.allowed):
                    found.append(f"{service.name}: {line}")
        return found

    def secrets(self):
        """Passwords and tokens in the logs: where, not which."""
        logs = {p.name: p.read_text(errors="replace") for p in sorted((self.dir / "log").iterdir()) if p.is_file()}
        lines = {(name, text.count("\n", 0, at) + 1) for name, text in logs.items() for look in SECRETS for at in look(text)}
        return [f"{name}:{line}: a secret" for name, line in sorted(lines)]

    def check_clean(self):
        found = self.faults() + self.secrets()
        if found:
            self.keep = True
            shown = found[:40] + ([f"... and {len(found) - 40} more"] if len(found) > 40 else [])
            raise AssertionError(f"the stack was not clean (logs kept in {self.dir}/log):\n  " + "\n  ".join(shown))

    def _end_leftovers(self):
        until = time.monotonic() + 10
        left = self._processes()
        while left and time.monotonic() < until:
            time.sleep(0.02)
            left = self._processes()
        for pid, title in left.items():
            self.complaints.append(f"left behind: process {pid} ({title})")
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _processes(self):
        """Processes of this stack, by session, by the mark in their environment, or by working in its folder."""
        if not self.dir:
            return {}
        sessions = {s for service in self.services.values() for s in service.sessions}
        ours = {service.process.pid for service in self.services.values() if service.running}
        sessions -= {pid for pid, stat in _stats() if stat[0] not in "ZX" and pid in sessions - ours}     # given to somebody else since
        mark, found = f"{MARK}={self.id}".encode(), {}
        for pid, stat in _stats():
            if stat[0] in "ZX" or pid == os.getpid():
                continue
            mine = int(stat[3]) in sessions
            with contextlib.suppress(OSError):
                mine = mine or mark in pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            with contextlib.suppress(OSError):
                cwd = os.readlink(f"/proc/{pid}/cwd")
                mine = mine or (stat[1] != str(os.getpid()) and cwd.startswith(f"{self.dir}/pg"))
            if mine:
                with contextlib.suppress(OSError):
                    title = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                    found[pid] = title[:120]
        return found

    def _wait_gone(self, folder, timeout=10):
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            busy = False
            for pid, stat in _stats():
                with contextlib.suppress(OSError):
                    busy = busy or (stat[0] not in "ZX" and os.readlink(f"/proc/{pid}/cwd").startswith(str(folder)))
            if not busy:
                return
            time.sleep(0.02)

    # -- making it ------------------------------------------------------------------------------------------------------------

    def as_user(self, argv):
        """The command line that runs argv as the services' user and ends with us."""
        drop = ["--reuid", str(self.user.pw_uid), "--regid", str(self.user.pw_gid), "--clear-groups"] if self.root else []
        return ["/usr/bin/setpriv", *drop, "--pdeathsig", "TERM", "--", *map(str, argv)]

    def _env(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", MARK: self.id, **_sanitizer_env()}

    def _own(self, path):
        if self.root:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def _run(self, *argv):
        out = subprocess.run(self.as_user(argv), cwd=self.dir, env=self._env(), capture_output=True, text=True, check=False)
        if out.returncode:
            raise StackError(f"{pathlib.Path(argv[0]).name}: {(out.stderr or out.stdout).strip()}")

    def _make_dir(self):
        self.progress("preparing")
        self.dir = pathlib.Path(self.wanted_dir or tempfile.mkdtemp(prefix="peal-", dir="/tmp")).resolve()
        self.dir.mkdir(parents=True, exist_ok=True)
        self._own(self.dir)
        os.chmod(self.dir, 0o750 if self.root else 0o700)
        for name in ("log", "media", "nginx", "nginx/snippets"):
            (self.dir / name).mkdir(exist_ok=True)
            self._own(self.dir / name)
        sock = self.dir / "sock"
        if len(str(sock)) + LONGEST_SOCKET <= SUN_PATH:
            if sock.is_symlink():
                sock.unlink()
            sock.mkdir(exist_ok=True)
            self.run_dir = sock
        else:
            self.run_dir = self._short = pathlib.Path(tempfile.mkdtemp(prefix="peal-", dir="/tmp"))
            if sock.is_dir() and not sock.is_symlink():
                shutil.rmtree(sock)
            sock.unlink(missing_ok=True)
            sock.symlink_to(self.run_dir)
        os.chmod(self.run_dir, 0o700)
        self._own(self.run_dir)
        for log in (self.dir / "log").glob("*.log"):
            log.rename(log.with_suffix(".log.old"))

    def _stage(self):
        """Copies of what the services read: the checkout may be closed to them, and may be rebuilt while they run."""
        missing = [d for d in DAEMONS if not (self.build_dir / d).exists()]
        if missing:
            raise StackError(f"{self.build_dir} lacks {', '.join(missing)}: run `make build KIND={self.kind}` first")
        staged = [("bin", [self.build_dir / d for d in DAEMONS]), ("sql", sorted((ROOT / "sql").glob("*.sql")))]
        for name, files in staged:
            shutil.rmtree(self.dir / name, ignore_errors=True)
            (self.dir / name).mkdir()
            for file in files:
                shutil.copy2(file, self.dir / name)
        web = self.dir / "web"
        shutil.rmtree(web, ignore_errors=True)
        if (ROOT / "web" / "dist" / "index.html").exists():
            shutil.copytree(ROOT / "web" / "dist", web)
        else:
            web.mkdir()
        contract = ROOT / "build" / "openapi.json"
        if contract.exists():
            shutil.copy(contract, self.dir / "openapi.json")
        for path in (self.dir / "bin", self.dir / "sql", web):
            subprocess.run(["chmod", "-R", "a+rX,u+w", path], check=True)

    def _start_database(self):
        data = self.dir / "pg"
        fresh = not (data / "PG_VERSION").exists()
        if fresh:
            self.progress("creating the database")
            shutil.rmtree(data, ignore_errors=True)
            data.mkdir(mode=0o700)
            self._own(data)
            self._run(PG_BIN / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8",
                      *([] if self.durable else ["--no-sync"]))
        options = {
            "listen_addresses": "", "unix_socket_directories": '"' + str(self.run_dir).replace('"', '""') + '"', "unix_socket_permissions": "0700",
            "max_connections": 120, "shared_buffers": "128MB" if self.durable else "32MB", "log_line_prefix": "%m [%p] %u ",
            "synchronous_commit": "on", "fsync": "on" if self.durable else "off", "timezone": "UTC", "log_timezone": "UTC",
            **self.postgres,
        }
        argv = [PG_BIN / "postgres", "-D", data]
        for key, value in options.items():
            argv += ["-c", f"{key}={value}"]
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for sessions to end
        self.services["postgres"] = Service(self, "postgres", argv, stop=signal.SIGINT, grace=30)
        self.progress("starting postgres")
        self.services["postgres"].start(timeout=120)
        if not self.psql("SELECT 1 FROM pg_database WHERE datname = 'peal'", database="postgres"):
            self.psql("DO $$ BEGIN CREATE ROLE peal_owner LOGIN; CREATE ROLE peal LOGIN; END $$", database="postgres")
            self.psql("CREATE DATABASE peal OWNER peal_owner", database="postgres")

    def _define_ours(self):
        self.port = self.port or free_port()
        self._write_conf()
        self.progress("applying migrations")
        self.pealctl("migrate", "--dir", self.dir / "sql")
        if self.oracle:
            self.psql((ROOT / "tests" / "oracle" / "policies.sql").read_text())
        binary, sanitizer = self.dir / "bin", _sanitizer_env()
        self.services["redis"] = Service(self, "redis", [
            REDIS, "--port", "0", "--unixsocket", self.redis_socket, "--unixsocketperm", "700", "--save", "", "--appendonly", "no",
            "--dir", self.dir / "nginx", "--daemonize", "no", "--supervised", "systemd"])
        self.services["peal-fcgi"] = Service(self, "peal-fcgi", [binary / "peal-fcgi", "-c", self.conf_path], env=sanitizer)
        for i in range(self.push_processes):
            self.services[f"peal-push-{i}"] = Service(
                self, f"peal-push-{i}", [binary / "peal-push", "-c", self.conf_path, "-i", i], env=sanitizer)
        self.services["peal-media"] = Service(self, "peal-media", [binary / "peal-media", "-c", self.conf_path], env=sanitizer)
        self.services["peal-egress"] = Service(self, "peal-egress", [binary / "peal-egress", "-c", self.conf_path], env=sanitizer)
        self.services["peal-jobs"] = Service(self, "peal-jobs", [binary / "peal-jobs", "-c", self.conf_path], env=sanitizer)
        self._write_nginx()
        self.services["nginx"] = Service(self, "nginx", [
            NGINX, "-p", f"{self.dir}/nginx/", "-c", self.dir / "nginx" / "nginx.conf", "-e", self.dir / "log" / "nginx.log"],
            ready="connect")

    def _start_patiently(self, name):
        """nginx of a temporary stack may lose its port between our look and its bind."""
        for attempt in range(3):
            try:
                return self.start(name)
            except StackError as e:
                if name != "nginx" or not self.temporary or attempt == 2 or "Address already in use" not in str(e):
                    raise
            self.port = free_port()
            self._write_conf()
            self._write_nginx()
            self.services["nginx"].log.unlink()

    def _write_conf(self):
        keys = self.dir / "keys"
        origins = f"{self.url} http://localhost:{self.port}"
        self.conf = {
            "run_dir": self.run_dir, "redis_socket": self.redis_socket, "origins": origins, "public_url": self.url,
            "database": self.dsn("peal"), "database_owner": self.dsn("peal_owner"),
            "token_private_key_file": keys / "token.key", "token_public_key_file": keys / "token.pub",
            "refresh_key_file": keys / "refresh.key", "factor_key_file": keys / "factor.key", "passkey_rp_id": "localhost",
            "call_turn_secret_file": keys / "turn.secret",
            "vapid_key_file": keys / "vapid.key", "vapid_subject": "mailto:admin@localhost",
            "media_dir": self.dir / "media",
            "media_link_secret_file": keys / "media-link.conf", "issuers_dir": self.dir / "issuers.d", **self.overrides,
        }
        self.conf = {k: str(v) for k, v in self.conf.items()}
        self.conf_path.write_text("# written by dev/stack.py at each start\n" + "".join(f"{k} = {v}\n" for k, v in self.conf.items()))
        self._own(self.conf_path)
        if not keys.exists():
            keys.mkdir(mode=0o700)
            self._own(keys)
            self.pealctl("keys", "generate")
        if not (keys / "media-link.conf").exists():
            self.pealctl("keys", "media-link")
        if not (keys / "factor.key").exists():
            self.pealctl("keys", "factor")
        if self.conf["vapid_key_file"] and not (keys / "vapid.key").exists():
            self.pealctl("keys", "vapid")
        if self.conf.get("call_turn_urls") and not (keys / "turn.secret").exists():
            self.pealctl("keys", "turn")

    def _write_nginx(self):
        """The site as a sysadmin installs it, with these values and no others replaced."""
        source, target = ROOT / "nginx", self.dir / "nginx"
        pushes = "".join(f"\tserver unix:@run@/push-{i}.sock max_fails=0;\n" for i in range(self.push_processes))
        values = [
            ("\tserver unix:/run/peal/push-0.sock max_fails=0;\n", pushes),
            ("unix:/run/peal/", "unix:@run@/"),
            ("root /usr/share/peal/web;", "root @dir@/web;"),
            ("alias /usr/share/peal/openapi.json;", "alias @dir@/openapi.json;"),
            ("listen 80;", f"listen {self.host}:{self.port};"),
            ("\tlisten [::]:80;\n", ""),
            ("include /etc/peal/media-link.conf;", "include @dir@/keys/media-link.conf;"),
            ("client_body_temp_path /var/lib/peal/media/", "client_body_temp_path @dir@/media/"),
            ("root /var/lib/peal/media;", "root @dir@/media;"),
            ("server_name chat.example;", "server_name 127.0.0.1 localhost;"),
            ("access_log /var/log/nginx/peal.log peal;", "access_log @dir@/log/access.log peal;"),
        ]
        if self.conf.get("media_store") == "s3":
            store = self.conf["s3_endpoint"].partition("://")[2]
            values += [("#upstream peal_s3 { server s3.example:443;", f"upstream peal_s3 {{ server {store};"),
                       ("#include snippets/peal-s3.conf;", "include snippets/peal-s3.conf;")]
        site = (source / "peal.conf").read_text()
        for old, new in values:
            if old not in site:
                raise StackError(f"nginx/peal.conf has no `{old.strip()}`: dev/stack.py replaces it and must be told")
            site = site.replace(old, new)
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        files = 65536 if files == resource.RLIM_INFINITY else min(files, 65536)
        main = (ROOT / "dev" / "nginx-main.conf").read_text()
        for old, new in (("@nofile@", str(files)), ("@connections@", str(min(files // 2, 16384)))):
            main = main.replace(old, new)
        (target / "peal.conf").write_text(self._with_paths(site))
        (target / "nginx.conf").write_text(self._with_paths(main))
        for snippet in (source / "snippets").glob("*.conf"):
            shutil.copy(snippet, target / "snippets")
        (target / "snippets" / "peal-origins.conf").write_text(self.pealctl("config", "origins").stdout)
        subprocess.run(["chmod", "-R", "a+rX", target], check=True)

    def _with_paths(self, text):
        """nginx's configuration with our folders filled in; words that hold one are quoted, for a folder may have blanks."""
        if re.search(r'["$\\\n]', f"{self.dir}{self.run_dir}"):
            raise StackError(f"nginx cannot work in {self.dir}: the path has a quote, a dollar or a backslash in it")
        quoted = re.sub(r'[^\s;{}"]*@(?:dir|run)@[^\s;{}"]*', r'"\g<0>"', text)
        return quoted.replace("@dir@", str(self.dir)).replace("@run@", str(self.run_dir))


def _sanitizer_env():
    return {
        "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:exitcode=99",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=98",
    }


def _stats():
    """(pid, fields of /proc/<pid>/stat after the name: state, parent, group, session ...) of every process."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                yield int(name), pathlib.Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
