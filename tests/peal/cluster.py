"""Peal on several hosts: network namespaces with addresses of their own, joined by a switch, whose links can be cut.

    with Cluster() as stack:                    # a Stack (dev/stack.py): stack.url is the front's
        with stack.cut("push1", "redis"): ...   # these two do not hear each other any more, and are not told
        with stack.unplugged("api1"): ...       # nobody hears it

front: nginx and peal-media; api1, api2: peal-fcgi and peal-jobs; push1, push2: peal-push; data: PostgreSQL; redis: Redis. Hosts share this
machine's files, but each daemon is configured, and given its sockets, as docs/scaling.md says: TCP between hosts, and nothing else."""

import contextlib
import ctypes
import os
import pathlib
import re
import secrets
import subprocess
import threading

from stack import Service, Stack, StackError, _sanitizer_env, listener

HOSTS = {"data": 5, "redis": 6, "front": 10, "api1": 11, "api2": 12, "push1": 21, "push2": 22}
APIS, PUSHES = ("api1", "api2"), ("push1", "push2")
DOORS = {"fast": 9400, "slow": 9401, "auth": 9402, "command": 9403, "feed": 9404, "upload": 9405}
PUSH_PORT, KEEPER_PORT, HTTP_PORT = 9410, 9406, 8080
CLONE_NEWNET = 0x40000000
NOWHERE = "02:00:00:00:00:ff"
_libc = ctypes.CDLL(None, use_errno=True)


def why_not():
    """None when this machine can do it, else what it lacks."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"peal-{os.getpid()}-probe"
    try:
        _ip("netns", "add", name)
        try:
            _ip("-n", name, "link", "add", "bridge", "type", "bridge")
            _ip("-n", name, "link", "add", "one", "type", "veth", "peer", "name", "other")
        finally:
            _ip("netns", "del", name)
    except (OSError, StackError) as e:
        return f"no network namespaces here: {e}"
    return None


def _ip(*words):
    out = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True, check=False)
    if out.returncode:
        raise StackError(f"ip {' '.join(map(str, words))}: {out.stderr.strip()}")
    return out.stdout


def inside(namespace, call, *args):
    """What the call returns in a thread of its own that lives in the namespace: sockets belong to where they were made."""
    found = []

    def enter():
        try:
            with open(f"/run/netns/{namespace}", "rb") as f:
                if _libc.setns(f.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            found.append(call(*args))
        except BaseException as e:  # noqa: BLE001 -- raised again by who asked
            found.append(e)
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


class Net:
    """The namespaces, their links, and what is cut."""

    def __init__(self):
        self.id = f"peal-{os.getpid()}-{secrets.token_hex(2)}"
        self.prefix = self._free_prefix()
        self.outer = f"pl{secrets.token_hex(4)}"
        self.macs = {}

    @staticmethod
    def _free_prefix():
        """A network of 198.18.0.0/15 (RFC 2544) that nobody has."""
        taken = _ip("-4", "addr")
        while True:
            prefix = f"198.{18 + secrets.randbelow(2)}.{secrets.randbelow(256)}"
            if f" {prefix}." not in taken:
                return prefix

    def name(self, host):
        return f"{self.id}-{host}"

    def address(self, host):
        return f"{self.prefix}.{HOSTS[host]}"

    def up(self):
        self._sweep()
        switch = self.name("switch")
        _ip("netns", "add", switch)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        _ip("link", "add", self.outer, "type", "veth", "peer", "name", "outer", "netns", switch)
        _ip("addr", "add", f"{self.prefix}.1/24", "dev", self.outer)
        _ip("link", "set", self.outer, "up")
        self._join("outer")
        for host in HOSTS:
            self._add(host)

    def _join(self, port):
        _ip("-n", self.name("switch"), "link", "set", port, "master", "bridge", "up")

    def _add(self, host):
        name = self.name(host)
        _ip("netns", "add", name)
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", host, "netns", self.name("switch"))
        _ip("-n", name, "addr", "add", f"{self.address(host)}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        self.macs[host] = re.search(r"link/ether (\S+)", _ip("-n", name, "link", "show", "eth0"))[1]
        self._join(host)

    def set(self, host, **values):
        """Settings of the kernel, of this host alone: tcp_keepalive_time=..."""
        def write():
            for key, value in values.items():
                pathlib.Path(f"/proc/sys/net/ipv4/{key}").write_text(str(value))
        inside(self.name(host), write)

    def down(self):
        for name in self._names():
            if name.startswith(f"{self.id}-"):
                _ip("netns", "del", name)
        subprocess.run(["ip", "link", "del", self.outer], capture_output=True, check=False)    # it goes with the switch, a moment later

    @staticmethod
    def _names():
        return [line.split()[0] for line in _ip("netns", "list").splitlines() if line]

    def _sweep(self):
        """What was left by runs that were killed."""
        for name in self._names():
            found = re.match(r"peal-(\d+)-", name)
            if found and not os.path.exists(f"/proc/{found[1]}"):
                with contextlib.suppress(StackError):
                    _ip("netns", "del", name)

    def link(self, host, state):
        _ip("-n", self.name("switch"), "link", "set", host, state)

    def deafen(self, one, other):
        """What `one` sends to `other` gets lost."""
        _ip("-n", self.name(one), "neigh", "replace", self.address(other), "lladdr", NOWHERE, "dev", "eth0", "nud", "permanent")

    def hear(self, one, other):
        _ip("-n", self.name(one), "neigh", "replace", self.address(other), "lladdr", self.macs[other], "dev", "eth0", "nud", "reachable")


class Cluster(Stack):
    def __init__(self, **options):
        self.net = Net()
        options["postgres"] = {"listen_addresses": self.net.address("data"), **options.get("postgres", {})}
        super().__init__(**options)
        self.host, self.port = self.net.address("front"), HTTP_PORT
        self.nets = {"postgres": self.net.name("data"), "redis": self.net.name("redis"), "nginx": self.net.name("front"),
                     "peal-media": self.net.name("front")}
        self.password, self.listeners = secrets.token_hex(8), []

    # -- its life

    def up(self):
        self.net.up()
        # what docs/scaling.md tells the host of nginx, with less patience
        self.net.set("front", tcp_keepalive_time=3, tcp_keepalive_intvl=1, tcp_keepalive_probes=3, tcp_retries2=5)
        return super().up()

    def down(self):
        try:
            super().down()
        finally:
            for s in self.listeners:
                s.close()
            self.listeners = []
            self.net.down()

    def _make_dir(self):
        super()._make_dir()
        hba = self.dir / "pg_hba.conf"
        hba.write_text(f"local all all trust\nhost peal peal {self.net.prefix}.0/24 scram-sha-256\n")
        self.postgres["hba_file"] = hba
        self._own(hba)
        self.passwords = {"database": f"{self.net.address('data')}:5432:peal:peal:{self.password}", "redis": self.password}
        for name, text in self.passwords.items():
            path = self.dir / f"{name}.password"
            path.write_text(text + "\n")
            path.chmod(0o600)
            self._own(path)

    def _start_database(self):
        super()._start_database()
        self.psql(f"ALTER ROLE peal PASSWORD '{self.password}'")

    # -- its processes

    def _define_ours(self):
        super()._define_ours()
        for name in [n for n in self.services if n.startswith("peal-") and n != "peal-media"]:
            del self.services[name]
        nginx, media = self.services.pop("nginx"), self.services.pop("peal-media")
        redis = self.services["redis"]
        at = redis.argv.index("--port")
        redis.argv[at:at + 2] = ["--port", "6379", "--bind", self.net.address("redis"), "--requirepass", self.password]
        for host in APIS:
            self._define_api(host)
        for host in PUSHES:
            self._define(host, "peal-push", {"push-0": PUSH_PORT}, "-i", "0")
        media.argv = [self.dir / "bin" / "peal-media", "-c", self._write_host("front")]
        self.services |= {"peal-media": media, "nginx": nginx}

    def _define_api(self, host):
        self._define(host, "peal-fcgi", DOORS)
        self._define(host, "peal-jobs", {})

    def _define(self, host, program, ports, *more):
        name = f"{program}-{host}"
        sockets = {door: inside(self.net.name(host), listener, (self.net.address(host), port)) for door, port in ports.items()}
        self.listeners += sockets.values()
        self.services[name] = Service(self, name, [self.dir / "bin" / program, "-c", self._write_host(host), *more], env=_sanitizer_env(),
                                      passed=sockets, net=self.net.name(host))

    def _addresses(self, door):
        return " ".join(f"{self.net.address(host)}:{DOORS[door]}" for host in APIS)

    def _write_host(self, host):
        """peal.conf of one host: what it has itself, and where the rest is."""
        run_dir = self.run_dir if host == "front" else self.run_dir / host
        if not run_dir.exists():
            run_dir.mkdir(mode=0o700)
            self._own(run_dir)
        conf = dict(self.conf, run_dir=run_dir, redis_socket="/nonexistent/redis.sock", redis_address=f"{self.net.address('redis')}:6379",
                    redis_password_file=self.dir / "redis.password", database="service=none")
        if host in APIS:
            conf["database"] = f"host={self.net.address('data')} dbname=peal user=peal passfile='{self.dir}/database.password'"
        else:
            conf |= {f"{door}_address": self._addresses(door) for door in ("command", "feed", "upload")}
            conf["workers_feed"] = len(APIS) * int(conf.get("workers_feed", 4))
        path = self.dir / f"{host}.conf"
        path.write_text("".join(f"{k} = {v}\n" for k, v in conf.items()))
        self._own(path)
        return path

    def _write_nginx(self):
        super()._write_nginx()
        site = self.dir / "nginx" / "peal.conf"
        text = site.read_text()
        for door in ("fast", "slow", "auth", "upload"):
            servers = " ".join(f"server {self.net.address(h)}:{DOORS[door]} fail_timeout=2s;" for h in APIS)
            text = self._replace(text, f'server "unix:{self.run_dir}/{door}.sock";', servers)
        pushes = " ".join(f"server {self.net.address(h)}:{PUSH_PORT} fail_timeout=2s;" for h in PUSHES)
        site.write_text(self._replace(text, f'server "unix:{self.run_dir}/push-0.sock" max_fails=0;', pushes))

    @staticmethod
    def _replace(text, old, new):
        if text.count(old) != 1:
            raise StackError(f"nginx/peal.conf has no `{old}`, or several")
        return text.replace(old, new)

    def redis(self, *args):
        out = subprocess.run(["/usr/bin/redis-cli", "-s", self.redis_socket, "-a", self.password, "--no-auth-warning", *map(str, args)],
                             capture_output=True, text=True, check=True)
        return out.stdout.splitlines()

    # -- what tests do to it

    @contextlib.contextmanager
    def cut(self, one, other):
        """Packets between the two get lost, in either direction; nobody is told."""
        self.net.deafen(one, other)
        self.net.deafen(other, one)
        try:
            yield
        finally:
            self.net.hear(one, other)
            self.net.hear(other, one)

    @contextlib.contextmanager
    def unplugged(self, host):
        """Its cable is out."""
        self.net.link(host, "down")
        try:
            yield
        finally:
            self.net.link(host, "up")
