"""What stands beside the product behind the same nginx: workers that answer a constant, and Fastify with pg.

Each gets a server of its own in the stack's nginx, which is the product's own server with another port and another place to go to.
"""

import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import socket
import subprocess
import sys
import time

BENCH = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH.parent / "dev"))

import prepare  # noqa: E402
from stack import free_port  # noqa: E402

FASTIFY = BENCH / "peers" / "fastify"
SOCKETIO = BENCH / "peers" / "socketio"
WORKER_CONNECTIONS = 19000
TO_PUSH = "proxy_pass http://peal_push;"
TO_WORKERS = "include snippets/peal-fastcgi.conf;\n\t\tfastcgi_pass peal_fast;"
TO_NODE = """proxy_pass http://bench_node;
		proxy_http_version 1.1;
		proxy_set_header Connection "";
		proxy_set_header Host $host;
		proxy_set_header X-Request-Id $request_id;
		proxy_buffer_size 16k;
		proxy_buffers 16 16k;
		proxy_busy_buffers_size 32k;
		proxy_next_upstream off;"""


class Peer:
    """A process of ours beside the stack's, and the port by which nginx reaches it."""

    def __init__(self, name, port, process, note=""):
        self.name, self.port, self.process, self.note = name, port, process, note

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


class Front:
    """Adds servers to the stack's nginx."""

    def __init__(self, stack):
        self.stack = stack
        self.blocks = []
        site = (stack.dir / "nginx" / "peal.conf").read_text()
        self.server = site[site.index("\nserver {"):]

    def _server(self, old, new):
        port = free_port()
        text = self.server.replace(f"listen 127.0.0.1:{self.stack.port};", f"listen 127.0.0.1:{port};")
        if text == self.server or old not in text:
            raise RuntimeError("nginx/peal.conf has changed: bench/peers.py must be told")
        self.blocks.append(text.replace(old, new))
        return port

    def to_workers(self, socket):
        return self._server(TO_WORKERS, TO_WORKERS.replace("peal_fast", f"unix:{socket}"))

    def to_node(self, socket):
        self.blocks.append(f"upstream bench_node {{ server unix:{socket}; keepalive 64; }}")
        return self._server(TO_WORKERS, TO_NODE)

    def to_sockets(self, name, sockets):
        """WebSockets, spread over these as the product's are over its own."""
        servers = "".join(f" server unix:{socket};" for socket in sockets)
        self.blocks.append(f"upstream bench_{name} {{ least_conn;{servers} }}")
        return self._server(TO_PUSH, TO_PUSH.replace("peal_push", f"bench_{name}"))

    def apply(self, workers=1):
        """With several workers, connections are spread over them by the kernel, and each takes as many as it may have descriptors."""
        nginx = self.stack.dir / "nginx"
        (nginx / "bench.conf").write_text("\n".join(self.blocks))
        main = (nginx / "nginx.conf").read_text().rstrip()
        if "bench.conf" not in main:
            main = main.removesuffix("}") + f"\tinclude {nginx}/bench.conf;\n}}\n"
        if workers > 1:
            main = re.sub(r"worker_connections \d+;", f"worker_connections {WORKER_CONNECTIONS};", re.sub(r"worker_processes \d+;", f"worker_processes {workers};", main))
        (nginx / "nginx.conf").write_text(main)
        for site in (nginx / "bench.conf", nginx / "peal.conf") if workers > 1 else ():
            site.write_text(re.sub(r"(listen 127\.0\.0\.1:\d+);", r"\1 reuseport;", site.read_text()))
        subprocess.run(["chmod", "-R", "a+rX", nginx], check=True)
        self.stack.restart("nginx")


def _start(stack, argv, wrap=list, **options):
    return subprocess.Popen(wrap(stack.as_user(argv)), cwd=stack.dir, env=stack._env(), stdin=subprocess.DEVNULL, **options)


def constant(stack, front, name, workers, answer):
    """Workers that always give this answer: (status, reason, headers, body)."""
    status, reason, headers, body = answer
    files = []
    for part, data in (("headers", headers), ("body", body)):
        files.append(stack.dir / f"constant-{name}.{part}")
        files[-1].write_bytes(data)
    socket = stack.run_dir / f"constant-{name}.sock"
    program = stack.dir / "bin" / "constant"
    if not program.exists():
        shutil.copy2(stack.build_dir / "bench" / "constant", program)
    process = _start(stack, [program, socket, workers, *files, status, reason])
    _wait_for(lambda: socket.exists(), f"constant-{name}", process)
    return Peer(name, front.to_workers(socket), process)


def install_node(folder=FASTIFY):
    """npm ci, unless it was done before with this lock file."""
    env = {**os.environ, "npm_config_update_notifier": "false"}
    stamp = prepare._stamp([folder / "package.json", folder / "package-lock.json"])
    prepare._unless_stamped(folder / "node_modules" / ".peal-stamp", stamp, lambda: prepare.run(
        ["npm", "ci", "--no-progress"], f"npm ci in bench/peers/{folder.name}", cwd=folder, env=env))


def _start_node(stack, peer, config):
    """A copy of the peer with this configuration, when it says that it is ready; and what else it said."""
    folder = stack.dir / peer.name
    if not folder.exists():
        shutil.copytree(peer, folder)
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    (folder / "config.json").write_text(json.dumps(config))
    os.chmod(folder / "config.json", 0o644)
    process = _start(stack, [shutil.which("node"), folder / "server.js", folder / "config.json"], stdout=subprocess.PIPE, text=True)
    said = []
    _wait_for(lambda: select.select([process.stdout], [], [], 0.05)[0] and said.append(process.stdout.readline()) is None, peer.name, process)
    if not said[0].startswith("ready: "):
        raise RuntimeError(f"{peer.name}: {said[0]}{process.stdout.read()}")
    return process, said[0].removeprefix("ready: ").strip()


def fastify(stack, front, statements, processes, connections):
    """The same statements behind Fastify; `connections` to the database in all, shared by its processes."""
    socket = stack.run_dir / "fastify.sock"
    config = {
        "socket": str(socket), "processes": processes, "connections": connections,
        "database": {"host": str(stack.run_dir), "port": 5432, "database": "peal", "user": "peal", "options": SESSION},
        "public_key": pathlib.Path(stack.conf["token_public_key_file"]).read_text(), "issuer": "peal", "audience": "peal",
        "statements": {name: {"text": s.typed(), "parameters": len(s.parameters)} for name, s in statements.items()},
    }
    process, note = _start_node(stack, FASTIFY, config)
    port = front.to_node(socket) if front else None
    return Peer("fastify", port, process, note)


# ---- what takes WebSockets and tells everybody what is posted to it ----

class Broadcaster(Peer):
    """The port by which sockets reach it, and the one that it is posted to."""

    def __init__(self, name, port, process, publish_port, note="", status=200, behind_nginx=True):
        super().__init__(name, port, process, note)
        self.publish_port, self.status, self.behind_nginx, self.idle = publish_port, status, behind_nginx, None


def _answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def broadcast(stack, front, processes):
    """bench/peers/broadcast.c."""
    program, port = stack.dir / "bin" / "broadcast", free_port()
    if not program.exists():
        shutil.copy2(stack.build_dir / "bench" / "peers" / "broadcast", program)
    sockets = [stack.run_dir / f"broadcast-{i}.sock" for i in range(processes)]
    process = _start(stack, [program, port, *sockets])
    _wait_for(lambda: _answers(port), "broadcast", process)
    return Broadcaster("broadcast", front.to_sockets("broadcast", sockets), process, port)


def socketio(stack, front, processes):
    sockets, port = [stack.run_dir / f"socketio-{i}.sock" for i in range(processes)], free_port()
    process, note = _start_node(stack, SOCKETIO, {"sockets": list(map(str, sockets)), "port": port})
    _wait_for(lambda: _answers(port), "socketio", process)
    return Broadcaster("socket.io", front.to_sockets("socketio", sockets), process, port, f"{note}, {processes} processes")


NCHAN = "libnginx-mod-nchan"
NCHAN_CONF = """load_module {module};
daemon off;
worker_processes {workers};
worker_rlimit_nofile 20000;
pid {dir}/nginx.pid;
error_log {dir}/error.log notice;
events {{ worker_connections {connections}; }}
http {{
	access_log off;
	client_body_temp_path {dir}/body;
	proxy_temp_path {dir}/proxy;
	fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi;
	scgi_temp_path {dir}/scgi;
	nchan_shared_memory_size 256M;
	server {{
		listen 127.0.0.1:{port} reuseport;
		location = /ws {{ nchan_subscriber websocket; nchan_channel_id bench; nchan_subscriber_first_message newest; nchan_websocket_ping_interval 30s; }}
		location = /publish {{ nchan_publisher; nchan_channel_id bench; nchan_store_messages off; }}
	}}
}}
"""


def nchan_module():
    """Debian's module of nginx, unpacked under build/ and not installed; None when it cannot be had."""
    folder = BENCH.parent / "build" / "peers" / "nchan"
    found = list(folder.glob("**/ngx_nchan_module.so"))
    if found:
        return found[0]
    folder.mkdir(parents=True, exist_ok=True)
    out = subprocess.run(["apt-get", "download", NCHAN], cwd=folder, capture_output=True, text=True, check=False)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    found = list(folder.glob("**/ngx_nchan_module.so"))
    if not found:
        print(f"nchan is left out: {NCHAN} cannot be downloaded: {out.stderr.strip()[-200:]}", file=sys.stderr)
    return found[0] if found else None


def _without_host_paths(argv):
    """nchan makes the folders that its package was built with, whatever the configuration says: somewhere that nobody else sees."""
    return ["/usr/bin/unshare", "-m", "sh", "-c", 'mount -t tmpfs -o mode=0777 none /var/lib/nginx && exec "$@"', "sh", *argv] if os.geteuid() == 0 else argv


def nchan(stack, workers):
    """nchan in an nginx of its own, which its sockets reach without a proxy; None when it cannot be had."""
    module = nchan_module()
    if not module:
        return None
    folder, port = stack.dir / "nchan", free_port()
    folder.mkdir()
    shutil.copy2(module, folder)
    (folder / "nginx.conf").write_text(NCHAN_CONF.format(module=folder / module.name, dir=folder, workers=workers, port=port, connections=WORKER_CONNECTIONS))
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    stack._own(folder)
    process = _start(stack, ["/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"], wrap=_without_host_paths)
    _wait_for(lambda: _answers(port), "nchan", process)
    return Broadcaster("nchan", port, process, port, "nchan 1.3.6", status=201, behind_nginx=False)


def _wait_for(done, what, process, seconds=20):
    until = time.monotonic() + seconds
    while not done():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{what} did not start")
        time.sleep(0.02)


# What lib/store/db.c sets for its sessions.
SESSION = ("-c statement_timeout=2000 -c lock_timeout=1000 -c idle_in_transaction_session_timeout=5000 "
           "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off -c synchronous_commit=on -c TimeZone=UTC -c client_min_messages=warning "
           "-c search_path=public")


class Statement:
    """One of the product's statements, as `pealctl check-sql --print` says it."""

    TYPES = {"i": "bigint", "n": "integer", "h": "smallint", "s": "text", "b": "boolean", "t": "timestamptz", "y": "bytea", "j": "jsonb",
             "u": "uuid", "I": "bigint[]"}

    def __init__(self, stack, name):
        params, _, self.text = stack.pealctl("check-sql", "--print", name).stdout.split("\n", 2)
        self.name, self.text = name, self.text.strip()
        self.parameters = re.findall(r"N?([inhsbtyjuI])", params)

    def typed(self):
        """For a driver that does not say the types of its parameters."""
        return re.sub(r"\$(\d+)", lambda m: f"{m.group(0)}::{self.TYPES[self.parameters[int(m.group(1)) - 1]]}", self.text)

    def for_pgbench(self, values):
        """With pgbench's variables in the place of parameters; those without one are NULL."""
        known = dict(enumerate(values, 1))
        return re.sub(r"\$(\d+)", lambda m: known.get(int(m.group(1)), "NULL"), self.typed()) + ";\n"
