"""Equal files of one person have their bytes in common on disk, and nothing else; nobody else's ever do."""

import concurrent.futures
import json
import os
import time

import pytest

from peal import media, truth, tus
from peal.busy import at_once
from peal.media import ask, form, send, settle, upload
from peal.people import Person

STACK = {"settings": {"media_user_mib": 8}}


@pytest.fixture
def person(stack):
    return Person(stack, "sender")


def put(person, data, expect=201, kind="application/octet-stream", to="file"):
    return upload(person, data, kind, expect, to=to).json


def original(stack, attachment):
    return stack.dir / "media" / "ren" / attachment["id"][:2] / attachment["id"] / "original"


def stored(stack, attachment):
    """Which file it is, and how many names that has."""
    settle(stack)
    st = original(stack, attachment).stat()
    return st.st_ino, st.st_nlink


def files(stack, *attachments):
    return {stored(stack, a)[0] for a in attachments}


def downloaded(stack, person, attachment):
    reply = ask(stack, person.rest.get(f"/attachments/{attachment['id']}")["download_url"])
    assert reply.status == 200
    return reply.body


def remove(stack, person, conversation, attachment):
    message = send(person, conversation, attachment["id"], message_type="file").json
    person.rest.delete(f"/messages/{message['id']}", query={"for": "everyone"}, expect=200)


def test_however_it_comes(stack, person):
    data = os.urandom(70_000)
    path = tus.begin(person, len(data), kind="file")
    tus.patch(person, path, 0, data)
    body, kind = form(data)
    put(person, data)
    put(person, body, 201, kind)
    several = [{"id": row[0]} for row in truth.rows(stack, "SELECT id FROM attachment WHERE owner_id = %s", int(person.id))]
    assert len(several) == 3
    assert len(files(stack, *several)) == 1
    end = time.monotonic() + 20
    while stored(stack, several[0])[1] != 3:    # what lay with the pieces goes when it is whole
        assert time.monotonic() < end, "three names, and no more"
        time.sleep(0.02)
    assert all(downloaded(stack, person, a) == data for a in several)
    assert truth.rows(stack, "SELECT bytes FROM media_usage WHERE user_id = %s", int(person.id)) == [(3 * len(data),)], "each counts"


def test_of_one_person_only(stack, person):
    """Nobody learns from anything that somebody has this file."""
    data, other = os.urandom(5000), Person(stack, "other")
    assert len(files(stack, put(person, data), put(other, data))) == 2
    assert len(files(stack, put(person, data), put(person, data[:-1]))) == 2


def test_each_goes_by_itself(stack, pair):
    a, b, conversation = pair
    data = os.urandom(50_000)
    first, second, third = (put(a, data) for _ in range(3))
    send(a, conversation, second["id"], message_type="file")
    remove(stack, a, conversation, first)
    at_once(stack, "its file is gone", lambda: not original(stack, first).exists())
    assert stored(stack, second)[1] == 2
    assert downloaded(stack, b, second) == data and downloaded(stack, a, third) == data
    remove(stack, a, conversation, third)
    assert stored(stack, second)[1] == 1 and downloaded(stack, b, second) == data
    assert len(files(stack, second, put(a, data))) == 1, "what is left is good for the next"


def test_when_all_have_gone_it_begins_anew(stack, pair):
    a, _, conversation = pair
    data = os.urandom(3000)
    remove(stack, a, conversation, put(a, data))
    assert stored(stack, put(a, data))[1] == 1


DAMAGES = {"other bytes": lambda f: f.write_bytes(f.read_bytes()[:-1] + b"?"), "cut off": lambda f: f.write_bytes(f.read_bytes()[:-1]),
           "lost": lambda f: f.unlink()}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_file_is_not_passed_on(stack, person, what):
    """The digest of the row was right once; the bytes decide."""
    data = os.urandom(40_000) + b"!"
    DAMAGES[what](original(stack, put(person, data)))
    new = put(person, data)
    assert stored(stack, new)[1] == 1 and downloaded(stack, person, new) == data
    assert len(files(stack, new, put(person, data))) == 1, "the newest counts"


def test_films_that_are_kept(stack, person, tmp_path):
    data = media.film(tmp_path, "vp9", 1)
    one, two = put(person, data, to="video"), put(person, data, to="video")
    assert len(files(stack, one, two)) == 1
    assert len(files(stack, one, put(person, data))) == 1, "whatever it was uploaded as"


def test_what_is_refused_takes_nothing_along(stack):
    person = Person(stack, "greedy")
    data = os.urandom(5 << 20)
    kept = put(person, data)
    put(person, data, (507, "no_space"))
    assert downloaded(stack, person, kept) == data and stored(stack, kept)[1] == 1


def test_verify_counts_them(stack, person):
    def verify():
        settle(stack)
        return json.loads(stack.pealctl("--json", "media", "verify", check=False).stdout)

    before, data = verify(), os.urandom(2000)
    several = [put(person, data) for _ in range(3)]
    now = verify()
    assert (now["shared"] - before["shared"], now["bad"]) == (3, before["bad"])
    original(stack, several[0]).write_bytes(b"?" * 2000)
    assert verify()["bad"] == before["bad"] + 3, "what damages one of them damages all"
    for a in several:
        original(stack, a).unlink()
        original(stack, a).write_bytes(data)


def test_while_others_of_them_go(stack, pair):
    """Whoever is left is whole, whatever came and went at the same moment."""
    a, b, conversation = pair
    data = os.urandom(20_000)

    def come(go):
        attachment = put(a, data)
        if go:
            remove(stack, a, conversation, attachment)
            return None
        send(a, conversation, attachment["id"], message_type="file")
        return attachment

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        left = [x for x in pool.map(come, [True, False] * 24) if x]
    assert len(left) == 24 and all(downloaded(stack, b, x) == data for x in left)
    assert len(files(stack, *left)) < len(left)
