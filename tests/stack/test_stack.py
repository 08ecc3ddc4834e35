"""The fixture's own promises: a stack that was not clean fails its test, leaves nothing behind, and dies with whoever started it."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from peal import media
from peal.people import Person
from peal.rest import Client
from peal.totp import code_now
from stack import ROOT, Stack, StackError

DEEP = "a folder with a rather long name and blanks/" * 3


@pytest.fixture(scope="module")
def kind(request):
    return request.config.getoption("kind")


def broken(kind, harm, **options):
    """The complaint of a stack to which harm(stack) was done."""
    stack = Stack(kind=kind, **options)
    try:
        with pytest.raises(AssertionError) as caught, stack:
            harm(stack)
        until = time.monotonic() + 5
        while stack._processes():   # killed, but not gone at that moment
            assert time.monotonic() < until, stack._processes()
            time.sleep(0.05)
        return str(caught.value)
    finally:
        stack.remove()


def write(stack, name, line):
    with open(stack.services[name].log, "a", encoding="utf-8") as log:
        log.write(line + "\n")


FAULTS = [
    ("peal-fcgi", "2026-01-02T03:04:05.678Z error peal-fcgi[7] request error=EIO at=db.c:1"),
    ("peal-push-0", "<3>request error=EIO"),
    ("nginx", "2026/01/02 03:04:05 [alert] 1#1: worker process 2 exited on signal 11"),
    ("nginx", "2026/01/02 03:04:05 [crit] 1#1: *1 connect() to unix:/x failed"),
    ("nginx", "2026/01/02 03:04:05 [emerg] 1#1: bind() failed"),
    ("peal-jobs", "==77==ERROR: AddressSanitizer: heap-use-after-free on address 0x1"),
    ("peal-fcgi", "==77==ERROR: LeakSanitizer: detected memory leaks"),
    ("peal-fcgi", "lib/base/str.c:12:3: runtime error: signed integer overflow"),
    ("postgres", "2026-01-02 03:04:05.678 UTC [7] peal PANIC:  could not write"),
]


def test_faults_in_logs_fail(kind):
    def write_all(stack):
        assert not stack.faults()
        for name, line in FAULTS:
            if "Sanitizer" not in line:      # a report ends the search of that log
                write(stack, name, line)
                assert any(line in f for f in stack.faults()), line
        for name, line in FAULTS:
            if "Sanitizer" in line:
                write(stack, name, line)
                assert any(line in f for f in stack.faults()), line
    complaint = broken(kind, write_all)
    assert "[alert]" in complaint and "AddressSanitizer" in complaint


def test_what_a_test_provokes_can_be_allowed(kind):
    def provoke(stack):
        stack.allow("request error=EIO")
        write(stack, "peal-fcgi", "2026-01-02T03:04:05.678Z error peal-fcgi[7] request error=EIO")
        write(stack, "peal-fcgi", "2026-01-02T03:04:05.678Z error peal-fcgi[7] another")
    complaint = broken(kind, provoke)
    assert "another" in complaint and "EIO" not in complaint


def test_a_daemon_that_dies_fails(kind):
    def shoot(stack):
        os.kill(stack.pid("peal-jobs"), signal.SIGXCPU)    # which no sanitizer takes for itself
        stack.services["peal-jobs"].process.wait()
    assert "peal-jobs was killed by SIGXCPU by itself" in broken(kind, shoot)


def test_a_daemon_that_was_killed_on_purpose_does_not(kind):
    with Stack(kind=kind) as stack:
        stack.kill("peal-jobs")
        stack.start("peal-jobs")
        assert stack.running("peal-jobs")
    assert not stack.dir.exists()


def test_a_process_left_behind_fails_and_is_ended(kind):
    left = []

    def leave(stack):
        left.append(subprocess.Popen(["sleep", "300"], env={"PEAL_STACK": stack.id}, start_new_session=True))
    assert "left behind" in broken(kind, leave)
    assert left[0].wait(5) == -signal.SIGKILL


def test_a_folder_too_deep_for_sockets(kind):
    base = tempfile.mkdtemp(prefix="peal-deep-")
    os.chmod(base, 0o755)
    folder = pathlib.Path(base) / DEEP
    folder.mkdir(parents=True)
    try:
        with Stack(folder / "run", kind=kind) as stack:
            assert len(str(stack.dir)) > 107 and stack.pealctl("config", "check").returncode == 0
            short = stack.run_dir
            assert (stack.dir / "sock").resolve() == short and (short / "fast.sock").exists()
        assert not short.exists()
    finally:
        shutil.rmtree(base)


def test_data_survive_a_restart(kind):
    base = tempfile.mkdtemp(prefix="peal-kept-")
    os.chmod(base, 0o755)
    try:
        for expected in ("0", "1"):
            with Stack(pathlib.Path(base) / "run", kind=kind) as stack:
                stack.psql("CREATE TABLE IF NOT EXISTS kept (x integer)")
                assert stack.psql("SELECT count(*) FROM kept") == expected
                stack.psql("INSERT INTO kept VALUES (1)")
    finally:
        shutil.rmtree(base)


def test_it_dies_with_its_owner(kind):
    code = (f"import sys, time; sys.path.insert(0, {str(ROOT / 'dev')!r}); from stack import Stack; s = Stack(kind={kind!r}); s.up();"
            "print(s.dir, *[v.process.pid for v in s.services.values()], flush=True); time.sleep(300)")
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as owner:
        folder, *pids = owner.stdout.readline().split()
        assert len(pids) >= 6
        owner.kill()
    until = time.monotonic() + 20
    while left := [p for p in pids if pathlib.Path(f"/proc/{p}").exists()]:
        assert time.monotonic() < until, f"still there: {left}"
        time.sleep(0.05)
    shutil.rmtree(folder)


def test_a_service_that_cannot_start_says_why(kind):
    with pytest.raises(StackError, match="unknown key"):
        with Stack(kind=kind, settings={"no_such_key": 1}) as stack:
            pytest.fail("it started")
    stack = Stack(kind=kind, settings={"workers_fast": 100000})
    with pytest.raises(StackError, match="workers_fast"):
        stack.up()
    assert not stack._processes()
    stack.remove()


def test_two_push_processes_share_the_sockets(kind):
    with Stack(kind=kind, push_processes=2) as stack:
        assert (stack.dir / "nginx" / "peal.conf").read_text().count("/push-") == 2
        assert stack.running("peal-push-0") and stack.running("peal-push-1")


@pytest.mark.parametrize("line", ["login with 'a password of tests, long enough'", "Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiI3In0.c2ln"])
def test_a_secret_in_a_log_is_found(kind, line):
    made = Stack(kind=kind)
    made.__enter__()
    (made.dir / "log" / "postgres.log").open("a").write(f"LOG:  {line}\n")
    made.down()
    with pytest.raises(AssertionError, match="a secret"):
        made.check_clean()
    made.remove()


def test_whatever_was_sent_or_given_is_found_in_a_log(kind):
    """Each of these went through http.client, which is all that the search knows of them."""
    def harm(stack):
        person = Person(stack, password="a password of one person")
        Client(stack.url).post("/auth/login", {"username": person.username, "password": "a wrong password, once"}, valid=False)
        app = person.rest.post("/auth/totp", expect=201)
        proof = person.rest.post("/auth/totp/confirm", {"code": code_now(app["secret"])}, expect=200)
        challenge = Client(stack.url).post("/auth/login", {"username": person.username, "password": person.password, "token_delivery": "body"})
        token = person.rest.post("/tokens", {"name": "t", "scopes": ["profile:read"]}, expect=201)["token"]
        picture = media.upload(person, media.png(), "image/png").json
        link = person.rest.get(f"/attachments/{picture['id']}", expect=200)
        told = [person.password, "a wrong password, once", person.refresh_token, person.token.rsplit(".", 1)[1], app["secret"], proof["recovery_codes"][3],
                challenge["challenge"], token, link["download_url"], link["renditions"][0]["url"]]
        assert not stack.secrets()
        for n, secret in enumerate(told, 1):
            write(stack, "peal-jobs", f"secret={secret} is said")
            assert len(stack.secrets()) == n, secret
    assert broken(kind, harm).count(": a secret") == 10
