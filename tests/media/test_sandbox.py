"""What a decoding child can do when somebody's upload has taken it over: nothing. Tried from inside, by an upload that a test build
understands as an order (media/decoder/probe.c)."""

import os
import pathlib
import re
import time

import pytest

from peal import media
from peal.media import upload
from peal.people import Person

STACK = {"settings": {"media_cpu_seconds": 1, "media_wall_seconds": 3}}
ALLOWED_LOG = [r"error peal-media\[\d+\] decoder_result_malformed"]

PROGRAM = {"image": "image", "audio": "av"}
FORBIDDEN, CRASHED, TOO_LONG = "forbidden", "crashed", "too_long"
DONE, REFUSED = 99, 100  # with which a child exits whose attempt came back: it worked; plus errno
EPERM, ENOMEM, EACCES, ENOSYS, EBADF = 1, 12, 13, 38, 9

# attempt -> how the child ends, or the errno that it is answered with
ATTEMPTS = {
    "open /etc/passwd": EACCES,
    "open /proc/self/maps": EACCES,
    "create {folder}/created": EACCES,
    "old_open /etc/passwd": FORBIDDEN,
    "unlink {folder}/kept": EPERM,
    "rename {folder}/kept": FORBIDDEN,
    "socket": FORBIDDEN,
    "unix": FORBIDDEN,
    "connect": FORBIDDEN,
    "fork": FORBIDDEN,
    "clone": FORBIDDEN,
    "namespace": FORBIDDEN,
    "clone3": ENOSYS,
    "exec /bin/true": FORBIDDEN,
    "map_code": FORBIDDEN,
    "make_code": FORBIDDEN,
    "write_input": CRASHED,
    "write_beyond": CRASHED,
    "write_anywhere": EBADF,
    "kill": FORBIDDEN,
    "trace": FORBIDDEN,
    "read_others {pid}": FORBIDDEN,
    "limits": FORBIDDEN,
    "memory": ENOMEM,
    "hang": TOO_LONG,
    "spin": TOO_LONG,
    "crash": CRASHED,
    "lie": None,
}
TAKEN_BY_ASAN = ("write_input", "write_beyond", "memory")


@pytest.fixture(scope="module")
def someone(stack):
    return Person(stack, "prober")


def programs(stack):
    """name -> pid of the decoding programs themselves."""
    found = {}
    for pid in stack.pids("peal-media"):
        name = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
        parent = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        if name.startswith("peal-media-") and parent == stack.pid("peal-media"):
            found[name] = pid
    return found


def lines(stack, name):
    return [x for x in stack.log("peal-media").splitlines() if f" {name} " in x]


def wait_lines(stack, name, n):
    end = time.monotonic() + 5
    while len(lines(stack, name)) < n:
        assert time.monotonic() < end, f"no {name} in the log"
        time.sleep(0.02)
    return lines(stack, name)


@pytest.mark.parametrize("to, attempt", [("image", a) for a in ATTEMPTS] + [("audio", a) for a in ATTEMPTS if ATTEMPTS[a] != TOO_LONG])
def test_from_inside(stack, someone, tmp_path, to, attempt):
    wanted = ATTEMPTS[attempt]
    if stack.kind == "san" and attempt in TAKEN_BY_ASAN:
        pytest.skip("AddressSanitizer answers first: its own handler of faults, its own limits of memory")
    kept = tmp_path / "kept"
    kept.write_text("kept")
    os.chmod(tmp_path, 0o777)
    before, lost = programs(stack), len(lines(stack, "decoder_child_lost"))
    order = "PEALPROBE " + attempt.format(folder=tmp_path, pid=stack.pid("peal-media"))
    code = "too_complex" if wanted == TOO_LONG else "corrupt"
    upload(someone, order.encode(), "application/octet-stream", expect=(422, code), to=to)
    if wanted:
        line = wait_lines(stack, "decoder_child_lost", lost + 1)[-1]
        code = int(re.search(r" code=(\d+)", line)[1])
        end = CRASHED if isinstance(wanted, int) else wanted
        assert f" end={end} " in line and (code == REFUSED + wanted if isinstance(wanted, int) else code < DONE), line
        counted = [int(re.search(r" n=(\d+)", x)[1]) for x in lines(stack, "decoder_child_lost") if f" end={end} " in x and f"peal-media-{PROGRAM[to]}[" in x]
        assert counted == list(range(1, len(counted) + 1)), "the counter counts"
    assert [p.name for p in tmp_path.iterdir()] == ["kept"] and kept.read_text() == "kept"
    assert programs(stack) == before, "the program itself goes on"
    assert upload(someone, media.png(), "image/png")["state"] == "ready"


def test_nothing_of_this_where_it_is_meant_to_run():
    """A build for use knows no orders."""
    built = pathlib.Path(__file__).resolve().parents[2] / "build" / "release"
    for name in ("peal-media", "peal-media-image", "peal-media-av"):
        if (built / name).exists():
            assert b"PEALPROBE" not in (built / name).read_bytes()
