#!/usr/bin/python3
"""What notifications cost PostgreSQL and the processes: /usr/bin/python3 bench/notify.py, with the test build and its push service.

Processor time, so it says the same on a busy machine. The pauses of a duty are in the figures of single messages; what they cost alone is told too.
"""

import pathlib
import shutil
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "dev"), str(ROOT / "tests")]

from peal.people import Person  # noqa: E402
from peal.pushes import Authority, Browser, Service  # noqa: E402
from stack import Stack  # noqa: E402

MANY = 4990
SPENT = ("SELECT coalesce(sum(total_exec_time), 0) || ' ' || coalesce(sum(calls), 0) FROM pg_stat_statements "
         "WHERE query ~ 'push_(follow|done|due|target)' AND query !~ 'INSERT'")


def measure(stack, label, work, per):
    stack.psql("SELECT pg_stat_statements_reset()")
    began = time.monotonic()
    work()
    ms, calls = stack.psql(SPENT).split()
    print(f"{label:<60} {float(ms) / per:8.2f} ms each, {calls} statements, {time.monotonic() - began:.1f} s")


def say(person, place, n):
    def work():
        for i in range(n):
            person.say(place, f"message {i}")
            time.sleep(0.3)
        time.sleep(1)
    return work


def burst(stack, service, person, place):
    def work():
        before = len(service.arrivals)
        person.say(place, "to all of them")
        while len(service.arrivals) < before + 2001:
            time.sleep(0.1)
        time.sleep(1)
    return work


def run(stack, service):
    stack.psql("CREATE EXTENSION pg_stat_statements")
    a, b = Person(stack, "ann"), Person(stack, "ben")
    direct, group = a.start(b), a.group(b)
    measure(stack, "nobody has registered, each second", lambda: time.sleep(20), 20)
    Browser(service).register(b)
    measure(stack, "one device, nothing said, each second", lambda: time.sleep(20), 20)
    measure(stack, "a message to it", say(a, direct, 100), 100)
    stack.psql(f"INSERT INTO users (username, display_name) SELECT 'u' || n, 'u' || n FROM generate_series(1, {MANY}) n")
    stack.psql(f"INSERT INTO member (user_id, conversation_id) SELECT u.id, {group} FROM users u WHERE u.username ~ '^u[0-9]+$'")
    measure(stack, "a message to a group of 5,000, one device in it", say(a, group, 40), 40)
    stack.psql("INSERT INTO push_target (user_id, session_id, issued, channel, address, p256dh, auth, key_id) "
               f"SELECT u.id, t.session_id, true, 1, '{service.url}/many/' || u.id, t.p256dh, t.auth, t.key_id "
               "FROM users u, (SELECT * FROM push_target LIMIT 1) t WHERE u.username ~ '^u[0-9]+$' ORDER BY u.id LIMIT 2000")
    stack.psql("ANALYZE")
    measure(stack, "a message to a group of 5,000, each of 2,001 devices in it", burst(stack, service, a, group), 2001)
    for name in ("peal-jobs", "peal-egress"):
        process = pathlib.Path(f"/proc/{stack.pid(name)}")
        user, system = process.joinpath("stat").read_text().rpartition(")")[2].split()[11:13]
        memory = next(line.split(None, 1)[1] for line in process.joinpath("status").read_text().splitlines() if line.startswith("VmRSS"))
        print(f"{name}: {(int(user) + int(system)) / 100} s of a processor, {memory.strip()}")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="peal-push-", dir="/tmp"))
    folder.chmod(0o755)
    authority = Authority(folder)
    service = Service(authority)
    try:
        with Stack(settings={"egress_ca_file": authority.ca, "egress_private_hosts": service.host},
                   postgres={"shared_preload_libraries": "pg_stat_statements"}) as stack:
            run(stack, service)
    finally:
        service.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
