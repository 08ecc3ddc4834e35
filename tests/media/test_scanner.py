"""What ClamAV's daemon finds in files and films never becomes an attachment; what becomes of uploads when it has no word on them."""

import concurrent.futures
import io
import os
import pathlib
import signal
import time
import zipfile

import pytest

from peal import files, media, truth, tus
from peal.busy import wait_for
from peal.clamd import KNOWN, MARK, Clamd
from peal.media import ask, form, send, upload
from peal.people import Person
from stack import free_port

SETTINGS = {"media_file_mib": 8, "media_video_mib": 8, "clamd_mib": 8, "clamd_timeout_seconds": 5, "media_workers": 4, "media_inline_mib": 4, "media_inline_audio_kib": 16}
LARGE = 4 << 20      # behind: made while nobody waits
STREAM_MIB = 5       # more than this clamd does not take


@pytest.fixture(scope="module")
def clamd():
    with Clamd(STREAM_MIB) as made:
        made.start()
        yield made


@pytest.fixture(scope="module")
def stack(new_stack, clamd):
    with new_stack(settings={**SETTINGS, "clamd_address": clamd.address}) as made:
        yield made


@pytest.fixture
def person(stack):
    return Person(stack, "sender")


def put(person, data, expect=201, kind="application/octet-stream", to="file", **query):
    return upload(person, data, kind, expect, to=to, **query).json


def in_pieces(person, data, expect=204, kind="file"):
    path = tus.begin(person, len(data), kind=kind)
    half = len(data) // 2
    tus.patch(person, path, 0, data[:half])
    return tus.patch(person, path, half, data[half:], expect)


def zipped(data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("harmless/name.txt", data)
    return out.getvalue()


def places(stack):
    """Who waits for the scanner: the locks on peal-media's file of places."""
    inode = (stack.dir / "media" / "scanning").stat().st_ino
    return [line for line in pathlib.Path("/proc/locks").read_text().splitlines() if f":{inode} " in line]


def over(person, attachment):
    def there():
        now = person.rest.get(f"/attachments/{attachment['id']}").json
        return now if now["state"] != "processing" else None
    return wait_for(there)


def download(stack, person, attachment):
    return ask(stack, person.rest.get(f"/attachments/{attachment['id']}")["download_url"])


def kept(stack, person):
    """What there is of somebody's uploads: rows, bytes that are counted, files (of everybody) whose rows are theirs or nobody's."""
    rows = truth.rows(stack, "SELECT id, owner_id FROM attachment")
    others = {r[0] for r in rows if r[1] != int(person.id)}
    folders = files.attachments(stack)
    usage = truth.rows(stack, "SELECT coalesce(sum(bytes), 0)::bigint FROM media_usage WHERE user_id = %s", int(person.id))[0][0]
    return len(rows) - len(others), usage, [f for f in folders if f not in others]


HARMFUL = {"a file": b"before " + MARK + b" after", "all of it": KNOWN, "packed": zipped(b"inside: " + MARK), "at the end": os.urandom(3 << 20) + MARK}


@pytest.mark.parametrize("name", HARMFUL)
def test_found(stack, person, name):
    """However it comes, by whatever name: nothing of it is left, not even for its sender."""
    data = HARMFUL[name]
    put(person, data, (422, "infected"), filename="letter.txt")
    body, kind = form(data)
    put(person, body, (422, "infected"), kind)
    reply = in_pieces(person, data, (422, "infected"))
    assert reply.json["detail"].startswith("The scanner")
    put(person, data, (422, "infected"), filename="letter.txt")
    wait_for(lambda: kept(stack, person) == (0, 0, []))


def test_said_in_the_log(stack, person):
    put(person, HARMFUL["a file"], (422, "infected"))
    line = stack.log_line(f" user={person.id} bytes=")
    assert " warning " in line and " scanned id=" in line and "outcome=infected" in line and "found=Peal.Test.Mark" in line


CLEAN = {"noise": os.urandom(100_000), "one byte": b"x", "almost": MARK[:-1], "known and more": KNOWN + b"!", "packed": zipped(b"nothing")}


@pytest.mark.parametrize("name", CLEAN)
def test_nothing_is_found(stack, person, name):
    attachment = put(person, CLEAN[name])
    assert attachment["state"] == "ready" and download(stack, person, attachment).body == CLEAN[name]
    body, kind = form(CLEAN[name])
    assert download(stack, person, put(person, body, 201, kind)).body == CLEAN[name], "what surrounds it in a form is not asked about"
    assert in_pieces(person, CLEAN[name]).headers["upload-offset"] == str(len(CLEAN[name]))


def test_films(stack, person, tmp_path):
    """Those that are made to play as well as those that are kept."""
    for kind in ("h264 and aac", "vp9"):
        data = media.film(tmp_path, kind, 1)
        assert put(person, data, to="video")["state"] == "ready"
        marked = media.film(tmp_path, kind, 1, (320, 180), "-metadata", f"title={MARK.decode()}")
        assert MARK in marked
        put(person, marked, (422, "infected"), to="video")
    assert kept(stack, person)[0] == 2


def test_what_is_made_anew_is_not_asked_about(stack, person, clamd, tmp_path):
    """Pictures and recordings: of their bytes nobody gets any."""
    asked = clamd.log.read_text(errors="replace").count("stream")
    picture = put(person, media.png() + MARK, kind="image/png", to="image")
    note = put(person, media.sound(tmp_path, 0.3, "ogg") + MARK, kind="audio/ogg", to="audio")
    for rendition in (*picture["renditions"], *note["renditions"]):
        assert MARK not in ask(stack, rendition["url"]).body
    assert clamd.log.read_text(errors="replace").count("stream") == asked


def test_large_ones_are_looked_at_behind(stack, pair):
    a, b, conversation = pair
    clean, harmful = os.urandom(LARGE + 1), os.urandom(LARGE) + MARK
    good, bad = put(a, clean), put(a, harmful)
    assert (good["state"], bad["state"]) == ("processing", "processing")
    for attachment in (good, bad):
        send(a, conversation, attachment["id"], message_type="file")
    assert (over(b, bad)["state"], over(b, bad)["failure"]) == ("failed", "infected")
    assert ask(stack, over(b, bad)["download_url"]).status == 404
    assert over(b, good)["state"] == "ready" and download(stack, b, good).body == clean
    wait_for(lambda: kept(stack, a)[1:] == (len(clean), [good["id"]]))


def test_more_than_it_takes(stack, person):
    """clamd_mib says more than clamd's own StreamMaxLength: it will never look at this one, so it is refused for good."""
    attachment = put(person, os.urandom((STREAM_MIB << 20) + 200_000))
    now = over(person, attachment)
    assert (now["state"], now["failure"]) == ("failed", "too_large")
    assert stack.log_line("outcome=too_large")


def test_away_and_back(stack, person, clamd, tmp_path):
    """Without it there are no files; what can wait waits, and is in nobody's way."""
    clamd.stop()
    try:
        refused = upload(person, b"a file", "text/plain", (503, "unavailable"), to="file")
        assert int(refused.headers["retry-after"]) >= 1
        assert upload(person, media.png(), "image/png", 201, to="image").json["state"] == "ready"
        waiting = [put(person, os.urandom(LARGE + 1)) for _ in range(2)]
        wait_for(lambda: stack.log("peal-media").count(f"scanned id={waiting[0]['id']}") > 1)
        note = put(person, media.sound(tmp_path, 3, "wav"), kind="audio/wav", to="audio")
        assert note["state"] == "processing" and over(person, note)["state"] == "ready"
        assert [person.rest.get(f"/attachments/{x['id']}")["state"] for x in waiting] == ["processing"] * 2
    finally:
        clamd.start()
    assert [over(person, x)["state"] for x in waiting] == ["ready"] * 2
    put(person, b"a file")


def test_slow(stack, person, clamd):
    clamd.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        put(person, b"a file", (503, "unavailable"))
        assert time.monotonic() - began >= SETTINGS["clamd_timeout_seconds"] - 0.1
    finally:
        clamd.signal(signal.SIGCONT)
    wait_for(lambda: upload(person, b"a file", "text/plain", None, to="file").status == 201)
    assert kept(stack, person)[0] == 1


def test_a_scanner_that_hangs_is_in_nobodys_way(stack, person, clamd):
    """Two of four processes wait for it at most; the others go on with what needs it not."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        clamd.signal(signal.SIGSTOP)
        try:
            held = [pool.submit(upload, person, b"a file", "text/plain", None, to="file") for _ in range(2)]
            wait_for(lambda: len(places(stack)) == 2)
            refused = upload(person, b"a file", "text/plain", (503, "busy"), to="file")
            assert int(refused.headers["retry-after"]) >= 1
            put(person, media.png(), kind="image/png", to="image")
        finally:
            clamd.signal(signal.SIGCONT)
        assert {reply.result().status for reply in held} <= {201, 503}
    wait_for(lambda: not places(stack))
    put(person, b"a file")


def test_who_does_without(new_stack):
    """clamd_failure = accept: its word counts where there is one; at a port here."""
    with Clamd(STREAM_MIB, free_port()) as clamd, \
            new_stack(settings={**SETTINGS, "clamd_address": clamd.address, "clamd_failure": "accept", "clamd_mib": 3}) as stack:
        person = Person(stack)
        put(person, HARMFUL["a file"])
        assert "outcome=unavailable" in stack.log_line("scanned")
        clamd.start()
        put(person, HARMFUL["a file"], (422, "infected"))
        in_pieces(person, HARMFUL["packed"], (422, "infected"))
        put(person, os.urandom(1000))
        put(person, os.urandom(3 << 20) + MARK)
        assert stack.log_line("outcome=too_large"), "it was not asked about that much"
        clamd.signal(signal.SIGSTOP)
        put(person, HARMFUL["a file"])
        clamd.signal(signal.SIGCONT)
