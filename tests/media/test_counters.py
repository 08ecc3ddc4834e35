"""What peal-media tells of itself: every number that is promised, right, and kept when processes are replaced."""

import contextlib
import os
import signal
import socket
import time

import pytest

from peal import media, metrics, tus
from peal.clamd import MARK, Clamd
from peal.media import upload
from peal.people import Person

SETTINGS = {"media_inline_mib": 1, "media_inline_audio_kib": 1, "media_cpu_seconds": 1, "media_wall_seconds": 10}
ALLOWED_LOG = [r"decoder_child_lost", r"process_lost", r"scanned .*outcome=infected"]
NAMES = {
    "jobs_total", "job_seconds_bucket", "job_seconds_sum", "job_seconds_count", "received_bytes_total", "stored_bytes_total",
    "queued_total", "given_back_total", "queue_wait_seconds_bucket", "queue_wait_seconds_count", "queue_depth",
    "children_total", "processes_lost_total", "scans_total", "scan_seconds_count", "tus_begun_total", "tus_whole_total", "tus_bytes_total",
    "tus_open", "tus_connections", "transcoded_total", "transcode_seconds_count", "transcode_depth",
}


@pytest.fixture(scope="module")
def stack(new_stack):
    with Clamd() as clamd:
        clamd.start()
        with new_stack(settings={**SETTINGS, "clamd_address": clamd.address}) as made:
            for pattern in ALLOWED_LOG:
                made.allow(pattern)
            yield made


@pytest.fixture
def person(stack):
    return Person(stack, "sender")


def read(stack):
    return {k.removeprefix("peal_media_"): v for k, v in metrics.scrape(stack, "media").items()}


def grown(stack, before):
    """By how much each number that is not what it was."""
    after, found = read(stack), {}
    for name, value in after.items():
        for label, v in value.items() if isinstance(value, dict) else [("", value)]:
            was = before.get(name, {})
            was = was.get(label, 0) if isinstance(was, dict) else was
            if v != was and "bucket" not in name and "sum" not in name:
                found[name + (f" {label}" if label else "")] = v - was
    return found


def wait_for(stack, before, name, value, seconds=30):
    until = time.monotonic() + seconds
    while (found := grown(stack, before)).get(name) != value:
        assert time.monotonic() < until, (name, found)
        time.sleep(0.05)
    return found


def test_every_number_is_there(stack):
    m = read(stack)
    assert set(m) >= NAMES, NAMES - set(m)
    for name in ("job_seconds", "queue_wait_seconds", "scan_seconds"):
        for kind in ("image,", "audio,", "video,", "file,") if name == "job_seconds" else ("",):
            buckets = [v for k, v in m[f"{name}_bucket"].items() if k.startswith(kind)]
            assert buckets == sorted(buckets) and len(buckets) == 16
            assert buckets[-1] == (m[f"{name}_count"][kind[:-1]] if kind else m[f"{name}_count"])


def test_a_picture(stack, person):
    data, before = media.encoded(media.photo(400, 300), "JPEG"), read(stack)
    attachment = upload(person, data).json
    found = grown(stack, before)
    assert found == {"jobs_total image,ok": 1, "job_seconds_count image": 1, "children_total exited": 1, "received_bytes_total image": len(data),
                     "stored_bytes_total image": sum(r["size"] for r in attachment["renditions"])}
    assert 0 < read(stack)["job_seconds_sum"]["image"] < 60


def test_refusals(stack, person):
    before = read(stack)
    upload(person, media.encoded(media.photo(400, 300), "JPEG")[:3000], expect=422)
    upload(person, b"no picture at all" * 9, "application/octet-stream", 415)
    found = grown(stack, before)
    assert found.pop("received_bytes_total image") == 3000
    assert found == {"jobs_total image,corrupt": 1, "job_seconds_count image": 1, "children_total exited": 1}, "what is no picture is looked at by nobody"


@pytest.mark.parametrize("what, end", [("crash", "crashed"), ("spin", "too_long"), ("fork", "forbidden")])
def test_children_that_are_lost(stack, person, what, end):
    before = read(stack)
    upload(person, f"PEALPROBE {what}".encode(), "application/octet-stream", 422)
    found = grown(stack, before)
    assert found[f"children_total {end}"] == 1 and "children_total exited" not in found
    assert found["jobs_total image," + ("too_complex" if end == "too_long" else "corrupt")] == 1


def test_scans(stack, person):
    before = read(stack)
    upload(person, b"harmless", "application/octet-stream", to="file")
    upload(person, b"x" + MARK, "application/octet-stream", 422, to="file")
    assert {k: v for k, v in grown(stack, before).items() if "bytes" not in k} == {
        "jobs_total file,ok": 1, "jobs_total file,infected": 1, "job_seconds_count file": 2, "scans_total ok": 1, "scans_total infected": 1, "scan_seconds_count": 2}


def test_the_queue(stack, person):
    before = read(stack)
    upload(person, os.urandom(2 << 20), "application/octet-stream", to="file")
    found = wait_for(stack, before, "jobs_total file,ok", 1)
    assert found["queued_total"] == found["queue_wait_seconds_count"] == 1
    wait_for(stack, before, "queue_depth", None)


def test_pieces(stack, person):
    before, data = read(stack), os.urandom(5000)
    path = tus.begin(person, len(data), kind="file")
    tus.patch(person, path, 0, data[:2000])
    assert grown(stack, before) == {"tus_begun_total": 1, "tus_bytes_total": 2000, "tus_open": 1}
    tus.patch(person, path, 2000, data[2000:])
    found = wait_for(stack, before, "tus_whole_total", 1)
    assert found["tus_bytes_total"] == 5000 and found["jobs_total file,ok"] == 1 and "tus_open" not in found


def sockets_of(pid):
    folder, found = f"/proc/{pid}/fd", set()
    for fd in os.listdir(folder):
        with contextlib.suppress(OSError):
            found.add(os.readlink(f"{folder}/{fd}").removeprefix("socket:[").removesuffix("]"))
    return found


def test_processes_that_are_replaced_take_nothing_along(stack, person):
    upload(person, media.encoded(media.photo(40, 30), "JPEG"))
    before = read(stack)
    inodes = {line.split()[6] for line in open("/proc/net/unix", encoding="utf-8") if line.endswith(f"{metrics.socket_of(stack, 'media')}\n")}
    tus_process = next(p for p in stack.pids("peal-media") if p != stack.pid("peal-media") and inodes & sockets_of(p))
    os.kill(tus_process, signal.SIGKILL)
    until = time.monotonic() + 20
    while True:
        try:
            found = grown(stack, before)
            break
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)
    assert found == {"processes_lost_total": 1}


def test_who_asks_otherwise_or_says_nothing(stack):
    path = metrics.socket_of(stack, "media")
    assert path.stat().st_mode & 0o777 == 0o660
    assert metrics.exchange(path, b"GET / HTTP/1.1\r\n\r\n")[0] == 404 and metrics.exchange(path, b"POST /metrics HTTP/1.1\r\n\r\n")[0] == 405
    silent = []
    for _ in range(10):
        silent.append(socket.socket(socket.AF_UNIX))
        silent[-1].connect(str(path))
    read(stack)
    assert metrics.refuses_too_much(path)
    for s in silent:
        s.settimeout(15)
        assert s.recv(1) == b"", "who says nothing is not waited for"
        s.close()
