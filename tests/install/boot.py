#!/usr/bin/python3
"""Installs Peal in a fresh Debian 12 by the commands of docs/install.md, boots it under systemd, and chats there (TIER=3).

    tests/install/boot.py           needs root, debootstrap and systemd-container; KEEP=1 leaves the system for a look

The commands are taken from the page as they stand: blocks marked `sh build` run here, `sh tree` and `sh` in the container, which
has the checkout read only and no network. Prints `ok:` or `NOT OK:` for everything it looks at.
"""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "dev"))

import prepare  # noqa: E402

CACHE = pathlib.Path(os.environ.get("CACHE", "/var/tmp/peal-nspawn"))
SOURCE = "/usr/src/peal"
PACKAGES = ["nginx-light", "postgresql", "redis-server", "python3", "clamav-daemon",
            *re.search(r"the host then needs the libraries\n`([^`]*)`", (ROOT / "docs/install.md").read_text())[1].split()]
SERVICES = ["peal-fcgi", "peal-auth", "peal-jobs", "peal-media", "peal-push@0"]
SOCKETS = {"fast": "www-data", "slow": "www-data", "auth": "www-data", "upload": "www-data", "media": "www-data", "tus": "www-data",
           "push-0": "www-data", "command": "peal-push", "feed": "peal-push", "keeper": "peal"}
TALK = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(sys.stdin.buffer.read()); "
        "print(b\"\".join(iter(lambda: s.recv(65536), b\"\")).decode())")
REBOOT = 133    # how systemd-nspawn says with --keep-unit that the system wants to come up again
failures = []


def check(what, good, why=""):
    print(f"{'ok' if good else 'NOT OK'}: {what}" + (f"\n{why}" if why and not good else ""), flush=True)
    if not good:
        failures.append(what)


class Fatal(Exception):
    """Without this nothing that follows makes sense."""


class System:
    """The container: an overlay on the cached system, so that every run starts from the same."""

    def __init__(self, below):
        CACHE.mkdir(parents=True, exist_ok=True)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="install-", dir=CACHE))
        self.root = self.dir / "root"
        for name in ("root", "upper", "work"):
            (self.dir / name).mkdir()
        os.chmod(self.dir / "upper", 0o755)
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                        f"lowerdir={below},upperdir={self.dir}/upper,workdir={self.dir}/work", self.root], check=True)
        self.console = open(self.dir / "console.log", "wb")
        self.nspawn = None

    def boot(self):
        name = self.dir.name.replace("_", "-").lower()
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "-q", "-b", "-D", self.root, f"--machine={name}", "--keep-unit", "--register=no", "--private-users=no",
             "--private-network", "--resolv-conf=off", "--console=read-only", f"--bind-ro={ROOT}:{SOURCE}"],
            stdin=subprocess.DEVNULL, stdout=self.console, stderr=self.console, start_new_session=True)
        self.wait_booted()

    @property
    def leader(self):
        """The container's process 1, as seen from here."""
        with contextlib.suppress(OSError):
            children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
            if children:
                return int(children[0])
        return None

    def reboot(self):
        self.run("systemctl --no-block reboot")
        code = self.nspawn.wait(120)
        check(f"it goes down for a reboot within 2 minutes: {code}", code == REBOOT)
        self.boot()

    def wait_booted(self, seconds=120):
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.nspawn.poll() is None:
            leader = self.leader
            if leader:
                with contextlib.suppress(OSError):
                    if pathlib.Path(f"/proc/{leader}/comm").read_text() == "systemd\n":
                        state = self.run("systemctl is-system-running", check=False).stdout.strip()
                        if state in ("running", "degraded"):
                            return
            time.sleep(0.3)
        raise Fatal(f"not booted within {seconds} s; see {self.dir}/console.log")

    def enter(self, *argv):
        """The command line that runs argv inside, as root."""
        return ["nsenter", "-t", str(self.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wdns=/root", "--",
                "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", *argv]

    def run(self, script, check=True, seconds=300):
        out = subprocess.run(self.enter("/bin/bash", "-euo", "pipefail", "-c", script), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             errors="replace", check=False, timeout=seconds)
        if check and out.returncode:
            raise Fatal(f"this failed with {out.returncode}:\n{script}\n{out.stdout}{out.stderr}")
        return out

    def says(self, script):
        return self.run(script, check=False).stdout.strip()

    def does(self, script):
        return self.run(script, check=False).returncode == 0

    def net(self, *argv):
        """The command line of a process of this host in the container's network."""
        return ["nsenter", f"--net=/proc/{self.leader}/ns/net", "--", *map(str, argv)]

    def chat(self, *what):
        return self.net("/usr/bin/python3", ROOT / "tests/install/chat.py", *what)

    def off(self):
        if self.nspawn and self.nspawn.poll() is None:
            if self.leader:
                os.kill(self.leader, signal.SIGRTMIN + 4)     # systemd's word for poweroff
            try:
                self.nspawn.wait(120)
            except subprocess.TimeoutExpired:
                check("it powers off within 2 minutes", False)
                os.killpg(self.nspawn.pid, signal.SIGKILL)
                self.nspawn.wait()
        self.console.close()

    def remove(self):
        subprocess.run(["umount", "-R", self.root], check=True)
        shutil.rmtree(self.dir)


def blocks(name="install"):
    """(where, script) of each block of commands of the page."""
    page = (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")
    return re.findall(r"^```sh ?(\w*)\n(.*?)^```$", page, re.M | re.S)


def build():
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "KIND")}
    for where, script in blocks():
        if where == "build":
            out = subprocess.run(["/bin/bash", "-euo", "pipefail", "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
            if out.returncode:
                raise Fatal(f"{script}\n{out.stdout}{out.stderr}"[-4000:])


def bare():
    out = subprocess.run(["bash", ROOT / "tests/tools/bare.sh", *PACKAGES], capture_output=True, text=True, check=False)
    if out.returncode:
        raise Fatal(out.stderr)
    return out.stdout.strip()


def follow_the_page(system):
    began = time.monotonic()
    for where, script in blocks():
        if where == "build":
            continue
        out = system.run(f"cd {SOURCE}\n{script}" if where == "tree" else script, check=False)
        check("docs/install.md: " + script.strip().splitlines()[0], out.returncode == 0, out.stdout + out.stderr)
        if out.returncode:
            raise Fatal("the page does not lead to the end")
    print(f"figures: following docs/install.md took {time.monotonic() - began:.1f} s without building and fetching", flush=True)


def raise_limits(system):
    """Nobody who signs in by hand comes near the limits that tests/api/test_limits.py is about; what follows does."""
    system.run("printf '%s\\n' 'rate_write_per_minute = 1000000' 'rate_read_per_minute = 1000000' 'rate_login_per_minute = 1000' >> /etc/peal/peal.conf\n"
               "pealctl config check\nsystemctl reload peal-fcgi")


def look_at_units(system):
    for service in SERVICES:
        state = system.says(f"systemctl is-active {service}.service")
        check(f"{service} is {state}", state == "active", system.says(f"systemctl status --no-pager -l {service}; journalctl -n 30 -u {service}"))
    for name, group in SOCKETS.items():
        unit = f"peal-push@{name[5:]}" if name.startswith("push-") else f"peal-{name}"
        seen = system.says(f"systemctl is-active {unit}.socket; stat -c '%U:%G %a' /run/peal/{name}.sock").split("\n")
        check(f"{unit}.socket: {' '.join(seen)}", seen == ["active", f"root:{group} 660"])
    for name, daemon in (("0", "push"), ("media", "media"), ("jobs", "jobs")):
        told = system.says("printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' | python3 -c '" + TALK + f"' /run/peal/stat-{name}.sock")
        check(f"peal-{daemon} tells its metrics", f"peal_{daemon}_" in told and " 200 " in told.split("\n")[0], told[:500])


def look_at_the_journal(system):
    for service in SERVICES:
        restarts = system.says(f"systemctl show -P NRestarts {service}")
        check(f"{service} never died", restarts == "0", restarts)
    found = system.says("journalctl -q --no-pager -p err -u 'peal-*'")
    check("no fault in the journal", not found, found)
    found = system.says("journalctl -q --no-pager -u 'peal-*' | grep -E 'SIGSYS|Operation not permitted|EPERM|EACCES|Permission denied'")
    check("nothing was forbidden to the daemons that they tried", not found, found)
    found = system.says("grep -hE '\\[(alert|emerg|crit)\\]' /var/log/nginx/error.log")
    check("no alarm of nginx's", not found, found)
    found = system.says("grep -hE 'FATAL|PANIC' /var/log/postgresql/*.log | grep -vE 'starting up|shutting down|administrator command|Peer authentication failed'")
    check("no fault of PostgreSQL's", not found, found)


WAIT = "for _ in $(seq 100); do %s && exit 0; sleep 0.2; done; exit 1"
CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


def look_at_who_may_what(system):
    def may_connect(user, path):
        return system.does(f"setpriv --reuid={user} --regid=$(id -g {user}) --init-groups python3 -c {shlex.quote(CONNECT)} {path}")

    def may_read(user, path):
        return system.does(f"runuser -u {user} -- cat {path}")

    for name, group in SOCKETS.items():
        may = {user for user in ("www-data", "peal", "peal-push", "nobody") if may_connect(user, f"/run/peal/{name}.sock")}
        check(f"{name}.sock is for {group}: {', '.join(sorted(may))}", may == {group})
    for name in ("0", "media", "jobs"):
        may = {user for user in ("www-data", "peal", "peal-push", "nobody") if may_connect(user, f"/run/peal/stat-{name}.sock")}
        check(f"stat-{name}.sock is for administrators: {', '.join(sorted(may))}", not may)
    for key in ("token.key", "refresh.key", "factor.key", "media-link.conf"):
        may = {user for user in ("www-data", "peal", "peal-push", "nobody") if may_read(user, f"/etc/peal/{key}")}
        check(f"{key} is for peal: {', '.join(sorted(may))}", may == {"peal"})
    for user in ("peal-push", "nobody", "www-data"):
        check(f"{user} does not get into the database", not system.does(f"runuser -u {user} -- psql -d peal -U peal -c 'SELECT 1'"))
    check("peal may not change tables", not system.does("runuser -u peal -- psql -d peal -c 'DROP TABLE message'"))
    check("nobody signs in as the owner", not system.does("runuser -u peal -- psql -d peal -U peal_owner -c 'SELECT 1'"))
    check("redis answers peal-push", system.says(
        "runuser -u peal-push -- redis-cli -s /run/redis/redis-server.sock ping") == "PONG")


def talk(system, when):
    out = subprocess.run(system.chat("talk"), capture_output=True, text=True, check=False)
    check(f"two people chat, {when}", out.returncode == 0, out.stdout + out.stderr[-3000:])


def endure(system):
    """Reloads and restarts while somebody sends without pause."""
    chat = subprocess.Popen(system.chat("endure"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if chat.stdout.readline() != "begun\n":
        check("somebody sends all the time", False, chat.communicate("end\n")[1])
        return
    reloads = "journalctl -q -o cat -u peal-auth | grep -c '^reloaded ' || true"
    before = system.says(reloads)
    masters = "systemctl show -P MainPID peal-fcgi peal-auth"
    pids = system.says(masters).split()
    exchange, = [script.strip().removeprefix("systemctl ") for _, script in blocks("scaling")]
    for what in ("reload peal-fcgi", "reload peal-media", "restart peal-fcgi", "restart peal-jobs", "restart peal-media", "restart peal-push@0",
                 exchange, "reload nginx", "restart redis-server", "restart peal-fcgi peal-push@0 peal-jobs peal-media"):
        began, push = time.monotonic(), system.says("systemctl show -P MainPID peal-push@0")
        out = system.run(f"systemctl {what}", check=False)
        check(f"systemctl {what}", out.returncode == 0, out.stderr)
        if what == "reload peal-fcgi":
            check("a reload keeps the masters", system.says(masters).split() == pids)
            check("it reaches the workers for passwords", system.does(WAIT % f"[ $({reloads}) -gt {before} ]"), str(before))
        elif what == exchange:
            new = f"m=$(systemctl show -P MainPID peal-push@0); [ $m != {push} ] && [ $m != 0 ]"
            check("another process of peal-push is the service", system.does(WAIT % f"{{ {new}; }}"), push)
            check("the one of before drains beside it", system.says(f"cat /proc/{push}/comm") == "peal-push")
            check("the service is active", system.says("systemctl is-active peal-push@0") == "active")
        elif what == "restart peal-fcgi":
            check("a restart replaces both masters", not set(system.says(masters).split()) & set(pids), f"{pids}")
        print(f"figures: systemctl {what}: {time.monotonic() - began:.1f} s", flush=True)
        time.sleep(1)
    out, err = chat.communicate("end\n", timeout=180)
    check(f"nothing was refused or lost meanwhile: {out.strip()}", chat.returncode == 0, err[-3000:])


def sockets_go_with_their_units(system):
    # The first two ask by themselves: a request that starts peal-fcgi would cancel its stop.
    system.run("systemctl stop peal-push@0 peal-media\nsystemctl stop peal-fcgi peal-fast.socket")
    check("a stopped socket leaves no file", not system.does("test -e /run/peal/fast.sock"))
    system.run("systemctl start peal-fast.socket")
    state = system.says("systemctl is-active peal-fcgi")
    check(f"the service waits for the first request: {state}", state == "inactive")
    system.run("systemctl start peal-push@0 peal-media")
    talk(system, "after a request started peal-fcgi")


def look_at_the_cage(system):
    """What the kernel says of every process of ours, workers included."""
    text = system.says("for p in /proc/[0-9]*; do c=$(cat $p/comm 2>/dev/null) || continue; case $c in peal*) "
                       "echo $c $(awk '{print $19}' $p/stat) $(awk '/^(NoNewPrivs|Seccomp|CapEff|CapBnd):/ {print $2}' $p/status);; esac; done")
    rows = [line.split() for line in text.splitlines()]
    check(f"{len(rows)} processes have no capability, a filter and no way up",
          len(rows) > 30 and all(row[2:] == ["0" * 16, "0" * 16, "1", "2"] for row in rows), text)
    polite = sum(row[:2] == ["peal-fcgi", "10"] for row in rows)
    check(f"{polite} workers for passwords stand back", polite == 2, text)
    groups = system.says("for p in /proc/[0-9]*; do [ \"$(cat $p/comm 2>/dev/null)\" != peal-fcgi ] || echo $(awk '{print $19}' $p/stat) "
                         "$(sed -n 's/^0:://p' $p/cgroup); done")
    seen = {tuple(line.split()) for line in groups.splitlines()}
    check("they and their master are a unit of their own", {(nice, group.rsplit("/", 1)[-1]) for nice, group in seen} ==
          {("0", "peal-fcgi.service"), ("0", "peal-auth.service"), ("10", "peal-auth.service")}, groups)
    for unit, wanted in (("peal-fcgi", 100), ("peal-auth", 10)):
        set_, group = system.says(f"systemctl show -P CPUWeight {unit}; systemctl show -P ControlGroup {unit}").splitlines()
        check(f"{unit} has the weight {set_}", set_ in (str(wanted), "[not set]" if wanted == 100 else ""))
        kernel = system.says(f"cat /sys/fs/cgroup{group}/cpu.weight")
        if kernel:
            check(f"the kernel gives {unit} the weight {kernel}", kernel == str(wanted))
        else:
            print(f"skipped: this host does not hand the cpu controller to a container: what the kernel makes of {unit}'s weight was not seen")
    most = min(65536, int(system.says("awk '/open files/ {print $5}' /proc/1/limits")))     # a container may have less
    soft, hard = system.says("awk '/open files/ {print $4, $5}' /proc/$(systemctl show -P MainPID peal-push@0)/limits").split()
    check(f"peal-push may hold {soft} sockets", int(soft) == int(hard) == most, f"{soft} {hard} {most}")


def the_tool_says_no(system):
    out = system.run("pealctl keys generate", check=False)
    check("keys are not made twice", out.returncode == 1 and "exists" in out.stderr)
    out = system.run("runuser -u postgres -- pealctl migrate", check=False)
    check("migrating again changes nothing", out.returncode == 0 and "applied" not in out.stdout, out.stdout + out.stderr)
    out = system.run("systemd-analyze verify --man=no --recursive-errors=yes /usr/lib/systemd/system/peal-*.s* 2>&1", check=False)
    check("the units verify where they are", out.returncode == 0 and not out.stdout, out.stdout)


@contextlib.contextmanager
def a_provider(system):
    """npm's oidc-provider as https://sso.example:8443 in the container's network, by a CA that the system trusts."""
    prepare.modules(ROOT / "tests/oidc")
    folder = system.dir / "provider"
    folder.mkdir()
    key, cert, ca = (folder / name for name in ("sso.key", "sso.pem", "ca.pem"))
    for argv in (["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=a CA of tests",
                  "-keyout", folder / "ca.key", "-out", ca],
                 ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=sso.example",
                  "-addext", "subjectAltName=DNS:sso.example", "-addext", "basicConstraints=critical,CA:FALSE", "-CA", ca, "-CAkey", folder / "ca.key",
                  "-keyout", key, "-out", cert]):
        subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True)
    shutil.copy(ca, system.root / "usr/local/share/ca-certificates/peal-tests.crt")
    system.run("echo '127.0.0.1 sso.example' >> /etc/hosts; update-ca-certificates")
    redirect = "http://chat.example/api/v1/auth/oidc/corp/callback"
    with subprocess.Popen(system.net("node", ROOT / "tests/oidc/provider.mjs", 8443, redirect, "a secret of tests", "id", "sso.example", key, cert),
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as provider:
        try:
            if provider.stdout.readline().strip() != "ready":
                raise Fatal("the provider did not start")
            yield ca
        finally:
            provider.terminate()


def sign_in_with_a_provider(system):
    """docs/issuers.md as it stands: without what it says the workers have no network, with it they have."""
    def try_it(what, end, username):
        out = subprocess.run(system.chat("provider", ca), capture_output=True, text=True, check=False)
        seen = json.loads(out.stdout or "{}")
        check(f"{what}: {seen}", seen == {"end": end, "username": username}, out.stdout + out.stderr[-3000:])

    folder, drop_in = (script for _, script in blocks("issuers"))
    system.run(folder)
    system.run("cd /etc/peal/issuers.d\nprintf 'a secret of tests' > corp.secret\nchgrp peal corp.secret\nchmod 640 corp.secret\n"
               "printf '%s\\n' 'issuer = https://sso.example:8443' 'client_id = peal' 'client_secret_file = /etc/peal/issuers.d/corp.secret' > corp.new\n"
               "mv corp.new corp.conf\npealctl config check")
    check("the provider is loaded", system.does(WAIT % "journalctl -q -o cat -u peal-fcgi | grep -q '^issuers_changed'"))
    with a_provider(system) as ca:
        system.run("systemctl reload peal-fcgi")
        try_it("as installed, no worker reaches a provider", "http://chat.example/?sign_in=unavailable", None)
        system.run(drop_in)
        try_it("by docs/issuers.md somebody signs in with one", "http://chat.example/", "zoe@corp")
    network = system.says("for u in fcgi auth jobs; do readlink /proc/$(systemctl show -P MainPID peal-$u)/ns/net; done; readlink /proc/1/ns/net").split()
    check("only the workers that need it have a network", network[0] == network[3] and len(set(network)) == 3, str(network))


def scan_files(system):
    """Debian's clamd by docs/media-storage.md, with one signature of our own; peal-media reaches it from its cage."""
    mark = "PEAL-TEST-THAT-A-SCANNER-FINDS-THIS"
    page = (ROOT / "docs/media-storage.md").read_text(encoding="utf-8")
    ours, theirs = re.search(r"^## A virus scanner$.*?^```\n(.*?)^```.*?^```\n(.*?)^```", page, re.M | re.S).groups()
    keys = "|".join(line.split()[0] for line in theirs.splitlines())
    system.run(f"echo 'Peal.Test.Mark:0:*:{mark.encode().hex()}' > /var/lib/clamav/peal.ndb\n"
               "for unit in service socket; do\n"      # which wait for signatures that are downloaded
               "    mkdir -p /etc/systemd/system/clamav-daemon.$unit.d\n"
               "    printf '[Unit]\\nConditionPathExistsGlob=\\n' > /etc/systemd/system/clamav-daemon.$unit.d/tests.conf\n"
               "done\n"
               f"sed -i -E '/^({keys}) /d' /etc/clamav/clamd.conf\ncat >> /etc/clamav/clamd.conf <<'END'\n{theirs}END\n"
               f"cat >> /etc/peal/peal.conf <<'END'\n{ours}END\n"
               "pealctl config check\nsystemctl daemon-reload\nsystemctl restart clamav-daemon.socket clamav-daemon.service peal-media")
    out = subprocess.run(system.chat("scan", mark), capture_output=True, text=True, check=False)
    check(f"clamd is asked, and heard: {out.stdout.strip()}", out.returncode == 0, out.stderr[-3000:] + system.says("journalctl -n 20 -u clamav-daemon -u peal-media"))
    found = system.says("journalctl -q -o cat -u peal-media | grep -c 'outcome=infected found=Peal.Test.Mark'")
    check("what was found is in the journal", found == "1", found)


def doors_over_tcp(system):
    """docs/scaling.md on one host: peal-push asks the workers by a port, which systemd opens and keeps others away from."""
    page = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
    socket, service = re.findall(r"^```ini\n# systemctl edit [^\n]*\n(.*?)^```$", page, re.M | re.S)
    local = "IPAddressAllow=127.0.0.1"
    socket, service = (re.sub(r"IPAddressAllow=.*", local, text).replace("10.0.0.11", "127.0.0.1") for text in (socket, service))
    drop_ins = {"peal-feed.socket": socket, "peal-command.socket": socket.replace("9404", "9403"), "peal-push@.service": service}
    units = "peal-push@0 peal-fcgi peal-feed.socket peal-command.socket"
    system.run(f"systemctl stop {units}")
    for unit, text in drop_ins.items():
        system.run(f"mkdir -p /etc/systemd/system/{unit}.d\ncat > /etc/systemd/system/{unit}.d/hosts.conf <<'END'\n{text}END")
    system.run("cp /etc/peal/peal.conf /root/peal.conf\nprintf '%s\\n' 'feed_address = 127.0.0.1:9404' 'command_address = 127.0.0.1:9403' >> /etc/peal/peal.conf\n"
               f"pealctl config check\nsystemctl daemon-reload\nsystemctl start {units}")
    check("no Unix socket is left of these doors", not system.does("test -e /run/peal/feed.sock -o -e /run/peal/command.sock"))
    talk(system, "with doors over TCP, by docs/scaling.md")
    reach = "import socket, sys; socket.create_connection(('127.0.0.1', 9404), 2, (sys.argv[1], 0))"
    check("peal-push's address reaches the door", system.does(f"python3 -c {shlex.quote(reach)} 127.0.0.1"))
    anybody = reach.replace("9404", "80")
    if system.does(f"systemd-run -q --wait -p IPAddressDeny=any python3 -c {shlex.quote(anybody)} 127.0.0.1"):
        print("skipped: this host has no packet filter for a container's units: that others are kept away was not seen")
    else:
        check("no other address does", not system.does(f"python3 -c {shlex.quote(reach)} 127.0.0.2"))
    system.run(f"systemctl stop {units}\ncp /root/peal.conf /etc/peal/peal.conf\n"
               "rm -r /etc/systemd/system/peal-{feed.socket,command.socket,push@.service}.d\n"
               f"systemctl daemon-reload\nsystemctl start {units}")


def restore_a_dump(system):
    """By the commands of docs/backup.md."""
    make, back = [script for _, script in blocks("backup")]
    for when, script in (("made", make), ("restored", back)):
        out = system.run(script, check=False)
        check(f"a backup is {when}", out.returncode == 0, out.stdout + out.stderr)
        talk(system, f"after a backup was {when}")
    check("the restore was noticed", "restored from a dump" in out.stdout, out.stdout)


def figures(system):
    """PSS is what a process costs: its own pages, and its share of those it shares."""
    text = system.says("for p in /proc/[0-9]*; do c=$(cat $p/comm 2>/dev/null) || continue; case $c in peal*|nginx) "
                       "awk -v c=$c '/^Pss:/ {print c, $2}' $p/smaps_rollup 2>/dev/null;; esac; done")
    total = {}
    for name, kib in re.findall(r"^(\S+) (\d+)$", text, re.M):
        total[name] = total.get(name, 0) + int(kib)
    print("figures: PSS in MiB: " + ", ".join(f"{n} {k / 1024:.1f}" for n, k in sorted(total.items())), flush=True)


def all_of_it(system):
    system.boot()
    follow_the_page(system)
    look_at_units(system)
    talk(system, "as installed")
    look_at_who_may_what(system)
    look_at_the_cage(system)
    the_tool_says_no(system)
    figures(system)
    raise_limits(system)
    endure(system)
    look_at_units(system)
    sign_in_with_a_provider(system)
    scan_files(system)
    doors_over_tcp(system)
    restore_a_dump(system)
    sockets_go_with_their_units(system)
    look_at_the_journal(system)
    system.reboot()
    look_at_units(system)
    talk(system, "after a reboot")
    look_at_the_journal(system)
    system.run(f"systemctl disable --now {' '.join(SERVICES)}; rm /etc/nginx/sites-enabled/peal; cd {SOURCE}; make uninstall")
    check("uninstalled", not system.does("ls /usr/lib/peal /usr/share/peal /usr/lib/systemd/system/peal-* /usr/bin/pealctl"))


def main():
    if os.geteuid() != 0:
        raise Fatal("boot.py needs root")
    build()
    system = System(bare())
    try:
        all_of_it(system)
    except (Fatal, subprocess.TimeoutExpired) as e:
        check("it works", False, str(e))
    finally:
        system.off()
        if os.environ.get("KEEP"):
            print(f"kept: {system.root}")
        else:
            system.remove()
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Fatal as error:
        sys.exit(f"NOT OK: {error}")
