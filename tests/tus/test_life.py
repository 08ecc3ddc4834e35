"""What may happen to an upload in pieces: processes that die or are exchanged, quotas, limits, lines that do not move."""

import os
import time

import pytest

from peal import media, truth
from peal.busy import eventually
from peal.media import upload
from peal.people import Person
from peal.tus import Slow, begin, call, head, offset, patch

STACK = {"settings": {"rate_register_per_minute": 1000}}
ALLOWED_LOG = [r"process_lost .*signal=(9|15)", r"upstream prematurely closed connection", r"recv\(\) failed \(104", r"Connection reset by peer"]


def file_of(stack, person, path):
    return stack.dir / "media" / "tus" / person.id / path.rsplit("/", 1)[1]


def came(stack, person, path, n):
    eventually("what was sent has come", lambda: file_of(stack, person, path).stat().st_size == n)


def attachments(stack, person):
    return [row[0] for row in truth.rows(stack, "SELECT id FROM attachment WHERE owner_id = %s", int(person.id))]


def whole(person, path):
    """The attachment, asked for until there is one: what a client does whose answer was lost."""
    found = []

    def look():
        reply = call(person, "HEAD", path)
        assert reply.status in (200, 502, 503), reply
        found[:] = [reply.headers["peal-attachment"]] if "peal-attachment" in reply.headers else []
        return found
    eventually("it is an attachment", look, 30)
    return found[0]


@pytest.mark.parametrize("where, at_most", [("tus.before_finish", 1), ("tus.after_finish", 2)])
def test_it_dies_with_the_last_byte(stack, where, at_most):
    """The bytes are all there, and the next question makes an attachment of them; of one that was made already a second, and nobody uses the first."""
    person = Person(stack)
    path = begin(person, 1000)
    stack.fail(where)
    assert call(person, "PATCH", path, b"x" * 1000, Upload_Offset=0).status == 502
    one = whole(person, path)
    assert one in attachments(stack, person) and len(attachments(stack, person)) <= at_most
    assert one == head(person, path).headers["peal-attachment"]
    assert not list((stack.dir / "media" / "incoming").glob("tus-*"))


def test_all_of_peal_media_dies_while_it_comes(stack):
    person = Person(stack)
    path = begin(person, 100_000)
    line = Slow(stack, person, path, 0, 100_000)
    line.send(b"a" * 60_000)
    came(stack, person, path, 60_000)
    stack.kill("peal-media")
    line.cut()
    stack.start("peal-media")
    assert offset(person, path) == 60_000
    assert patch(person, path, 60_000, b"b" * 40_000).headers["peal-attachment"]


def test_new_configuration_while_it_comes(stack):
    """Whoever is sending is told to come back, and loses nothing."""
    person = Person(stack)
    path = begin(person, 100_000)
    line = Slow(stack, person, path, 0, 100_000)
    line.send(b"a" * 60_000)
    came(stack, person, path, 60_000)
    stack.reload("peal-media")
    reply = line.reply()
    assert (reply.status, reply.code, reply["retryable"]) == (503, "unavailable", True) and "retry-after" in reply.headers
    line.cut()
    assert offset(person, path) == 60_000
    assert patch(person, path, 60_000, b"b" * 40_000).headers["peal-attachment"]


def test_nobody_to_make_an_attachment(stack):
    """The REST workers are away: the bytes wait, and become one when they are back."""
    person = Person(stack)
    path = begin(person, 1000)
    stopped = [pid for pid in stack.pids("peal-media")[1:] if b"peal-media-" not in open(f"/proc/{pid}/cmdline", "rb").read()]
    assert len(stopped) > 8
    line = Slow(stack, person, path, 0, 1000)
    line.send(b"x" * 999)
    came(stack, person, path, 999)
    stack.stop("peal-fcgi")
    try:
        line.send(b"x")
        reply = line.reply()
        assert (reply.status, reply.code) == (503, "unavailable")
    finally:
        line.cut()
        stack.start("peal-fcgi")
    assert file_of(stack, person, path).stat().st_size == 1000
    assert whole(person, path) in attachments(stack, person)


def test_lines_that_do_not_move_are_in_nobodys_way(stack):
    """A hundred bodies that never end, by more people than there are processes: others upload meanwhile."""
    lines = []
    try:
        for person in [Person(stack) for _ in range(13)]:
            for _ in range(8):
                path = begin(person, 1000)
                lines.append((Slow(stack, person, path, 0, 1000), person, path))
                lines[-1][0].send(b"x" * 10)
        for _, person, path in lines:
            came(stack, person, path, 10)
        ninth = Slow(stack, person, begin(person, 1000), 0, 1000)
        assert ninth.reply().status == 429
        ninth.cut()
        other = Person(stack)
        assert patch(other, begin(other, 5), 0, b"12345").headers["peal-attachment"]
        assert upload(other, media.png())["state"] == "ready"
    finally:
        for line, _, _ in lines:
            line.cut()
    assert all(offset(person, path) == 10 for _, person, path in lines[-3:])


def test_quotas(new_stack):
    """What has been begun counts as if it were there."""
    with new_stack(settings={"media_user_mib": 4, "media_user_daily_mib": 3, "media_tus_per_user": 3, "rate_upload_per_minute": 10}) as stack:
        a, b, c, d = (Person(stack) for _ in range(4))
        begin(a, (4 << 20) + 1, expect=(507, "no_space"))
        reply = begin(a, (3 << 20) + 1, expect=(429, "rate_limited"))
        assert 1 <= int(reply.headers["retry-after"]) <= 86400
        first = begin(a, 2 << 20)
        begin(a, (1 << 20) + 1, expect=(429, "rate_limited"))
        call(a, "DELETE", first, expect=204)
        begin(a, 3 << 20)
        begun = [begin(b, 10) for _ in range(3)]
        begin(b, 10, expect=(409, "too_many"))
        patch(b, begun[0], 0, b"0123456789")
        begin(b, 10)
        patch(c, begin(c, 3 << 20), 0, os.urandom(3 << 20))
        begin(c, 1, expect=(429, "rate_limited"))
        paths = []
        while not (reply := call(d, "POST", Upload_Length=5)).code == "rate_limited":
            assert reply.status == 201 and len(paths) < 30
            paths.append(reply.headers["location"])
            for at in range(5):     # pieces are not creations
                last = patch(d, paths[-1], at, b"x")
            assert last.headers["peal-attachment"]
        assert len(paths) >= 10


def test_a_full_disk(new_stack):
    with new_stack(settings={"media_min_free_mib": 1 << 29}) as stack:
        begin(Person(stack), 5, expect=(507, "no_space"))


def test_who_is_gone_is_not_waited_for(stack):
    """A client that leaves in the middle of a large picture's decoding finds it done when it asks again."""
    person = Person(stack)
    data = media.encoded(media.photo(3000, 2000), "JPEG")
    path = begin(person, len(data), kind="image")
    line = Slow(stack, person, path, 0, len(data))
    line.send(data)
    line.cut()
    if offset(person, path) < len(data):    # the line was cut before nginx had passed all of it on
        patch(person, path, offset(person, path), data[offset(person, path):])
    one = person.rest.get(f"/attachments/{whole(person, path)}", expect=200).json
    assert (one["width"], one["height"]) != (None, None) and [one["id"]] == attachments(stack, person)


@pytest.mark.skipif(int(os.environ.get("TIER", "1")) < 2, reason="takes half a minute: TIER=2")
def test_a_line_without_an_end(stack):
    """nginx gives up after 30 s; what came is kept."""
    person = Person(stack)
    path = begin(person, 1000)
    line = Slow(stack, person, path, 0, 1000)
    line.send(b"x" * 10)
    line.socket.settimeout(60)
    began = time.monotonic()
    assert b" 408 " in line.socket.recv(4096) or time.monotonic() - began > 25
    assert offset(person, path) == 10
    line.cut()
