"""Thousands of jobs of all kinds, one after the other and two at a time: no program grows by them. 10,000 of them with TIER=2, 65 without."""

import concurrent.futures
import itertools
import os
import pathlib
import re
import time

import pytest

from peal import media
from peal.media import upload
from peal.people import Person

JOBS = 10_000 if os.environ.get("TIER", "1") >= "2" else 65
WARM = JOBS // 20           # after so many of them all caches are as full as they get
AT_A_TIME = 2
GROWTH = 1.05
SLACK_KIB = 512             # what a page table or the log's buffer may come to
STACK = {"settings": {"rate_upload_per_minute": 1000000, "media_user_daily_mib": 1000000, "media_user_mib": 1000000, "access_token_seconds": 7200}}      # which takes more than ten minutes


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """(to, bytes, what comes of it): good ones, damaged ones, and what is none at all."""
    folder = tmp_path_factory.mktemp("jobs")
    photo = media.photo(320, 240)
    frames = [photo.convert("P").rotate(i) for i in range(4)]
    jpeg, webm = media.encoded(photo, "JPEG"), media.sound(folder, 0.4, "webm as Chrome records it")
    return [("image", jpeg, 201), ("image", media.encoded(photo), 201), ("image", media.encoded(photo, "WEBP"), 201),
            ("image", media.encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), 201),
            ("image", media.heif(folder / "p.png", media.encoded(photo)), 201), ("image", media.heif(folder / "p.png", media.encoded(photo), "avif"), 201),
            ("image", jpeg[:len(jpeg) // 2], 422), ("image", b"no picture", 415),
            ("audio", webm, 201), ("audio", media.sound(folder, 0.4, "m4a"), 201), ("audio", b"OggS and no more", 422),
            ("video", media.film(folder, "h264 and aac", 0.5, (96, 54)), 201), ("file", os.urandom(5000), 201)]


def own_kib(pid):
    """What a process has written: not the programs' files, which count as its own or as shared depending on who else runs."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Anonymous:\s+(\d+) kB", text, re.M)[1])


def programs(stack):
    """pid -> name and memory of peal-media's processes: the master, those that take uploads, the keeper, the decoding programs; not children."""
    master, found = stack.pid("peal-media"), {}
    for pid in stack.pids("peal-media"):
        parent = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        if pid == master or parent == master:
            found[pid] = own_kib(pid)
    return found


def test_memory_stays_as_it_is(stack, jobs):
    if stack.kind == "san":
        pytest.skip("AddressSanitizer keeps what was given back for a while")
    person = Person(stack, "worker")
    person.rest.timeout = 90       # a busy machine is no fault
    began = media.programs(stack)

    def one(job):
        to, data, status = job
        while (reply := upload(person, data, "application/octet-stream", None, to=to)).status == 503:
            time.sleep(int(reply.headers["retry-after"]))       # a busy machine is told so
        return None if reply.status == status else f"{to}: {reply.status} {reply.code}, not {status}"

    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        endless = itertools.cycle(jobs)
        wrong = list(filter(None, pool.map(one, itertools.islice(endless, WARM))))
        before = programs(stack)
        wrong += filter(None, pool.map(one, itertools.islice(endless, JOBS - WARM)))
    after = programs(stack)
    print(f"figures: {JOBS} jobs; KiB of its own after {WARM} {sorted(before.values())}, at the end {sorted(after.values())}")
    assert not wrong, (len(wrong), wrong[:20])
    assert media.programs(stack) == began and before.keys() == after.keys(), "nobody was replaced"
    for pid, kib in after.items():
        assert kib <= before[pid] * GROWTH + SLACK_KIB, f"{pid}: {before[pid]} KiB have become {kib}"
    descriptors = {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in after} if os.geteuid() == 0 else {}
    assert all(n < 40 for n in descriptors.values()), descriptors
