"""What stands beside the product behind the same nginx: workers that answer a constant, and Fastify with pg.

Each gets a server of its own in the stack's nginx, which is the product's own server with another port and another place to go to.
"""

import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import time

BENCH = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH.parent / "dev"))

import prepare  # noqa: E402
from stack import free_port  # noqa: E402

FASTIFY = BENCH / "peers" / "fastify"
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

    def apply(self):
        nginx = self.stack.dir / "nginx"
        (nginx / "bench.conf").write_text("\n".join(self.blocks))
        main = (nginx / "nginx.conf").read_text().rstrip()
        if "bench.conf" not in main:
            (nginx / "nginx.conf").write_text(main.removesuffix("}") + f"\tinclude {nginx}/bench.conf;\n}}\n")
        subprocess.run(["chmod", "-R", "a+rX", nginx], check=True)
        self.stack.restart("nginx")


def _start(stack, argv, **options):
    return subprocess.Popen(stack.as_user(argv), cwd=stack.dir, env=stack._env(), stdin=subprocess.DEVNULL, **options)


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


def install_fastify():
    """npm ci, unless it was done before with this lock file."""
    env = {**os.environ, "npm_config_update_notifier": "false"}
    stamp = prepare._stamp([FASTIFY / "package.json", FASTIFY / "package-lock.json"])
    prepare._unless_stamped(FASTIFY / "node_modules" / ".peal-stamp", stamp, lambda: prepare.run(
        ["npm", "ci", "--no-progress"], "npm ci in bench/peers/fastify", cwd=FASTIFY, env=env))


def fastify(stack, front, statements, processes, connections):
    """The same statements behind Fastify; `connections` to the database in all, shared by its processes."""
    folder = stack.dir / "fastify"
    if not folder.exists():
        shutil.copytree(FASTIFY, folder)
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    socket = stack.run_dir / "fastify.sock"
    config = {
        "socket": str(socket), "processes": processes, "connections": connections,
        "database": {"host": str(stack.run_dir), "port": 5432, "database": "peal", "user": "peal", "options": SESSION},
        "public_key": pathlib.Path(stack.conf["token_public_key_file"]).read_text(), "issuer": "peal", "audience": "peal",
        "statements": {name: {"text": s.typed(), "parameters": len(s.parameters)} for name, s in statements.items()},
    }
    (folder / "config.json").write_text(json.dumps(config))
    os.chmod(folder / "config.json", 0o644)
    process = _start(stack, [shutil.which("node"), folder / "server.js", folder / "config.json"], stdout=subprocess.PIPE, text=True)
    process_said = []
    _wait_for(lambda: select.select([process.stdout], [], [], 0.05)[0] and process_said.append(process.stdout.readline()) is None,
              "fastify", process)
    if not process_said[0].startswith("ready: "):
        raise RuntimeError(f"fastify: {process_said[0]}{process.stdout.read()}")
    port = front.to_node(socket) if front else None
    return Peer("fastify", port, process, process_said[0].removeprefix("ready: ").strip())


def _wait_for(done, what, process, seconds=20):
    until = time.monotonic() + seconds
    while not done():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{what} did not start")
        time.sleep(0.02)


# What lib/store/db.c sets for its sessions.
SESSION = ("-c statement_timeout=2000 -c lock_timeout=1000 -c idle_in_transaction_session_timeout=5000 "
           "-c plan_cache_mode=force_generic_plan -c jit=off -c synchronous_commit=on -c TimeZone=UTC -c client_min_messages=warning "
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
