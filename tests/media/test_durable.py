"""Whoever is told 201 has something that a power cut leaves: the bytes, and the names of all folders that lead to them, are on disk before that."""

import os
import pathlib
import re

import pytest

from peal import media
from peal.calls import watched
from peal.media import form, upload
from peal.people import Person

STACK = {"settings": {"media_inline_audio_kib": 16}}


@pytest.fixture(scope="module")
def someone(stack):
    return Person(stack, "careful")


def workers(stack):
    """The processes of peal-media itself: not its master, not the decoders."""
    pids = [p for p in stack.pids("peal-media") if p != stack.pid("peal-media")]
    return [p for p in pids if b"peal-media-" not in pathlib.Path(f"/proc/{p}/cmdline").read_bytes()]


def deeds(stack, out, attachment):
    """What the process that took it has synced, and when it said that there is one, in this order."""
    lines = [re.match(r"(\d+)\s+(.*)", line).groups() for line in out.read_text(errors="replace").splitlines()]
    mine = [i for i, (_, call) in enumerate(lines) if "/upload/attachment" in call and attachment["id"] in call]
    assert len(mine) == 1, "it is said once"
    who, found = lines[mine[0]][0], []
    for pid, call in lines[:mine[0]]:
        if pid != who:
            continue
        if "/upload/attachment" in call:
            found.clear()       # of an upload before this one
        synced = re.match(r"(fsync|fdatasync)\(\d+<([^>]*)>", call)
        if synced:
            found.append((synced[1], synced[2].replace(str(stack.dir / "media"), "").replace(attachment["id"], "ID").replace(
                f"/ren/{attachment['id'][:2]}", "/ren/aa")))
    return [(name, re.sub(r"/incoming/\d+", "/incoming/N", path)) for name, path in found]


FOLDERS = [("fsync", "/ren/aa/ID"), ("fsync", "/ren/aa"), ("fsync", "/ren")]
TWIN = os.urandom(50_000)
UPLOADS = {
    "a picture": (lambda f: media.png(), "image", [("fdatasync", "/ren/aa/ID/std.webp"), ("fdatasync", "/ren/aa/ID/thumb.webp"), *FOLDERS]),
    "a recording": (lambda f: media.sound(f, 0.2, "ogg"), "audio", [("fdatasync", "/ren/aa/ID/aac.m4a"), ("fdatasync", "/ren/aa/ID/opus.webm"), *FOLDERS]),
    "a file": (lambda f: os.urandom(50_000), "file", [("fdatasync", "/incoming/N"), *FOLDERS]),
    "the second of two": (lambda f: TWIN, "file", FOLDERS),   # whose bytes are there already
    "a form": (lambda f: form(os.urandom(1000)), "file", [("fdatasync", "/ren/aa/ID/original"), *FOLDERS]),
    "one that is queued": (lambda f: media.sound(f, 2, "wav"), "audio",
                           [("fdatasync", "/queue/ID.OWNER.0.new"), ("fdatasync", "/incoming/N"), ("fsync", "/queue")]),
}


@pytest.mark.parametrize("what", UPLOADS)
def test_synced_before_it_is_said(stack, someone, tmp_path, what):
    make, to, want = UPLOADS[what]
    data, kind = made if isinstance(made := make(tmp_path), tuple) else (made, "application/octet-stream")
    if data is TWIN:
        upload(someone, data, kind, to=to)
    with watched(workers(stack), tmp_path / "calls", "fsync,fdatasync,sendto", "-y", "-s", "1000"):
        attachment = upload(someone, data, kind, to=to).json
    assert deeds(stack, tmp_path / "calls", attachment) == [(name, path.replace("OWNER", someone.id)) for name, path in want]
