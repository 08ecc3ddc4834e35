"""bench/flood.py: a flood of sign-ins beside people who write, and others who renew their sessions.

    make KIND=release build bench-build && /usr/bin/python3 bench/flood.py          (QUICK=1: shorter)

200 sign-ins a second, open loop, from 2,000 addresses, for 3,000 accounts that exist and 3,000 that do not, all with a wrong password: three or
fewer a minute for each, so that no limit stops one and each that is served costs a hash. Rounds with the flood and without it by turns; in
each, messages are sent at a steady rate, and ten sessions are renewed all the time. Tells by how much the flood slows both, what became of
the sign-ins, and whether those who were known cost as many hashes as those who were not. Writes build/bench-flood.json.
Needs the machine for itself; says when it was not.
"""

import asyncio
import collections
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / d) for d in ("dev", "tests")]

from peal.people import Person  # noqa: E402
from peal.rest import Client  # noqa: E402
from stack import RATES, ROOT, Stack  # noqa: E402

QUICK = os.environ.get("QUICK", "0") not in ("", "0")
SECONDS, ROUNDS = (6, 2) if QUICK else (20, 4)   # rounds of each kind
LOGINS, ACCOUNTS, ADDRESSES = 200, 3000, 2000
SENDS, CONNECTIONS, PAIRS, SESSIONS = 300, 16, 20, 10
SETTINGS = {"argon2_memory_kib": 19456, "argon2_passes": 2, "access_token_seconds": 86400,
            **dict.fromkeys(RATES, 1000000), "rate_login_per_minute": 5}
LINE = re.compile(rb"route=/auth/login status=(\d+) user=\d+ us=(\d+) statements=\d+ hashes=(\d+)")


def name(n):
    """Of account n; the second half have no account."""
    return f"flood-{n}" if n < ACCOUNTS else f"nobody-{n}"


# ---- the flood: a process of its own ----

class Line:
    """One kept connection."""

    def __init__(self, port):
        self.port, self.reader, self.writer = port, None, None

    async def ask(self, raw):
        if self.writer is None or self.writer.is_closing():
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(raw)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        await self.reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
        if b"connection: close" in head:
            self.writer.close()
        return int(head.split(b" ", 2)[1])


def sign_in(n):
    body = json.dumps({"username": name(n % (2 * ACCOUNTS)), "password": "not the password, but long enough", "token_delivery": "body"}).encode()
    address = f"10.{n % ADDRESSES // 250}.{n % 250}.7"
    return (f"POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: {address}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


async def flood(port, seconds, first):
    free, answers = [], collections.Counter()

    async def one(n):
        line = free.pop() if free else Line(port)
        try:
            answers[await line.ask(sign_in(n))] += 1
            free.append(line)
        except (OSError, asyncio.IncompleteReadError):
            answers["lost"] += 1

    begin, tasks = time.monotonic(), []
    for i in range(int(LOGINS * seconds)):
        due = begin + i / LOGINS
        if (pause := due - time.monotonic()) > 0:
            await asyncio.sleep(pause)
        # known and unknown by turns, far apart in the list of names
        tasks.append(asyncio.create_task(one((first + i) // 2 + ACCOUNTS * (i % 2))))
    await asyncio.gather(*tasks)
    print(json.dumps({str(k): v for k, v in answers.items()}))


# ---- beside it ----

def make_accounts(stack):
    """The accounts of the flood: each with a hash of full cost."""
    Person(stack, "model")
    stack.psql(f"INSERT INTO users (username, display_name, password_hash) SELECT 'flood-' || n, 'Flooded', "
               f"(SELECT password_hash FROM users WHERE username LIKE 'model%') FROM generate_series(0, {ACCOUNTS - 1}) n")


def believe_addresses(stack):
    (stack.dir / "nginx" / "snippets" / "peal-proxies.conf").write_text(
        "set_real_ip_from 127.0.0.1;\nreal_ip_header X-Forwarded-For;\nreal_ip_recursive on;\n")
    stack.reload_nginx()


def write_requests(stack, path):
    with open(path, "wb") as f:
        for _ in range(PAIRS):
            a, b = Person(stack, "a"), Person(stack, "b")
            place = a.start(b)
            body = json.dumps({"client_id": "k" * 24, "message_type": "text", "content": "what people say while others knock at the door"}).encode()
            raw = (f"POST /api/v1/conversations/{place}/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {a.token}\r\n"
                   f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body
            f.write(b"%d %d\n" % (len(raw), raw.index(b"k" * 24)) + raw)


class Renewals(threading.Thread):
    """Each session is renewed again and again, as apps do that come back."""

    def __init__(self, stack, people):
        super().__init__()
        self.client, self.tokens, self.times, self.failed, self.done = Client(stack.url), [p.refresh_token for p in people], [], [], threading.Event()

    def run(self):
        n = 0
        while not self.done.wait(0.05):
            begin = time.monotonic()
            reply = self.client.post("/auth/refresh", {"refresh_token": self.tokens[n % SESSIONS]}, valid=False)
            self.times.append((time.monotonic() - begin) * 1000)
            if reply.status == 200:
                self.tokens[n % SESSIONS] = reply["refresh_token"]
            else:
                self.failed.append(reply.status)
            n += 1


def percentiles(times):
    times = sorted(times)
    return {"p50_ms": round(times[len(times) // 2], 2), "p99_ms": round(times[min(len(times) - 1, len(times) * 99 // 100)], 2), "n": len(times)}


def round_of(stack, path, people, n, flooded):
    renewals = Renewals(stack, people)
    before = (stack.dir / "log" / "peal-fcgi.log").stat().st_size
    renewals.start()
    knocking = None
    if flooded:
        knocking = subprocess.Popen([sys.executable, __file__, "flood", str(stack.port), str(SECONDS + 2), str(n * SECONDS * LOGINS)], stdout=subprocess.PIPE)
        time.sleep(1)
    out = subprocess.run([stack.build_dir / "bench" / "load", "-p", str(stack.port), "-c", str(CONNECTIONS), "-t", str(SECONDS - 1), "-w", "1", "-s", "201",
                          "-r", str(SENDS), "-k", str(n + 1), "-f", path], capture_output=True, text=True, check=True)
    said = json.loads(out.stdout)
    if said["errors"]:
        raise SystemExit(f"sending: {said['first_error']}")
    logins = json.loads(knocking.communicate()[0]) if knocking else {}
    renewals.done.set()
    renewals.join()
    with open(stack.dir / "log" / "peal-fcgi.log", "rb") as f:
        f.seek(before)
        lines = LINE.findall(f.read())
    people[:] = [type("P", (), {"refresh_token": t})() for t in renewals.tokens]
    return {"flooded": flooded, "load": os.getloadavg()[0], "send": {k: said[k] for k in ("per_second", "p50_ms", "p95_ms", "p99_ms")},
            "refresh": {**percentiles(renewals.times), "failed": collections.Counter(renewals.failed)}, "logins": logins,
            "hashes": collections.Counter(f"{status.decode()}: {hashes.decode()}" for status, _, hashes in lines)}


def report(rounds, alone):
    def median(flooded, what, key):
        return statistics.median(r[what][key] for r in rounds if r["flooded"] == flooded)

    out = ["| | quiet | 200 sign-ins/s | ratio |", "|---|---|---|---|"]
    for label, what, key in (("send p50", "send", "p50_ms"), ("send p95", "send", "p95_ms"), ("send p99", "send", "p99_ms"),
                             ("renewal p50", "refresh", "p50_ms"), ("renewal p99", "refresh", "p99_ms")):
        quiet, loud = median(False, what, key), median(True, what, key)
        out.append(f"| {label} | {quiet:.1f} ms | {loud:.1f} ms | {loud / quiet:.2f} |")
    logins, hashes, failed = collections.Counter(), collections.Counter(), 0
    for r in rounds:
        logins.update(r["logins"])
        hashes.update(r["hashes"])
        failed += sum(r["refresh"]["failed"].values())
    out += ["", f"sign-ins: {dict(logins)}; renewals refused: {failed} of {sum(r['refresh']['n'] for r in rounds)}; hashes by status: {dict(hashes)}",
            f"{ROUNDS} rounds of {SECONDS} s of each kind by turns, {SENDS} messages/s, {os.cpu_count()} processors"
            + ("" if alone else "; machine not alone")]
    return "\n".join(out)


def main():
    alone = os.getloadavg()[0] < 0.5
    with Stack(kind="release", settings=SETTINGS) as stack:
        path, people = stack.dir / "sends", [Person(stack, "renews") for _ in range(SESSIONS)]
        make_accounts(stack)
        believe_addresses(stack)
        write_requests(stack, path)
        rounds = [round_of(stack, path, people, n, n % 4 in (1, 2)) for n in range(2 * ROUNDS)]
    text = report(rounds, alone)
    (ROOT / "build" / "bench-flood.json").write_text(json.dumps({"alone": alone, "rounds": rounds}, indent=1))
    print(text)


if __name__ == "__main__":
    if sys.argv[1:2] == ["flood"]:
        asyncio.run(flood(int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
    else:
        main()
