"""Uploads that take long: where their bytes are meanwhile, what becomes of them, who hears of it, and what survives whom."""

import pathlib
import re
import threading
import time

import pytest

from peal.media import upload
from peal.people import Person

STACK = {"settings": {"media_wall_seconds": 2}}


@pytest.fixture(scope="module")
def someone(stack):
    return Person(stack, "patient")


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
    return found


def decoding(stack, name):
    """Processes that decode at this moment: children of the program of this name."""
    parents = {}
    for pid in stack.pids("peal-media"):
        try:
            if name.encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                parents[pid] = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return [pid for pid, parent in parents.items() if parent in parents]


def mapped(pid, part):
    """Bytes of its mappings whose name has this part in it."""
    total = 0
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        if part in line:
            begin, end = (int(x, 16) for x in re.match(r"([0-9a-f]+)-([0-9a-f]+)", line).groups())
            total += end - begin
    return total


def test_a_film_is_not_held_in_memory(stack, someone):
    """What becomes of it is written to a file of its own from the beginning, with room for all of it."""
    size = 12 << 20
    reply = threading.Thread(target=upload, args=(someone, b"PEALPROBE hang " + bytes(size), "video/mp4", (422, "too_complex")), kwargs={"to": "video"})
    reply.start()
    child = wait_for(lambda: [p for p in decoding(stack, "peal-media-av") if mapped(p, "/media/")])[0]
    assert mapped(child, "/memfd:") <= 9 << 20
    assert mapped(child, "/media/ren/") >= size
    reply.join()
    assert not any((stack.dir / "media" / "ren").glob("*")), "nothing of it is left"
