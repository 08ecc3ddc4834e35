"""Pictures of people: whose uploads they may be, their links, and that their files live as long as they are shown."""

import re
import time

import pytest

from peal import media, truth
from peal.busy import eventually
from peal.media import ask, upload
from peal.people import Person

STACK = {"settings": {"media_unattached_hours": 1}}


def avatar(person, id_, expect=200):
    return person.rest.patch("/me", {"avatar_id": id_}, expect=expect)


def picture(person):
    return upload(person, media.png(), "image/png").json["id"]


def removed(stack, id_):
    """The row says that nobody wants it, or is gone already."""
    found = truth.rows(stack, "SELECT deleted_at FROM attachment WHERE id = %s", id_)
    return not found or found[0][0] is not None


def test_an_avatar_has_a_link_that_everybody_can_use(stack, pair):
    a, b, conversation = pair
    id_ = picture(a)
    me = avatar(a, id_)
    assert me["avatar_id"] == id_ and re.fullmatch(rf"/m/\d+/[\w-]{{22}}/{id_[:2]}/{id_}/thumb\.webp", me["avatar_url"])
    seen = b.rest.get(f"/users/{a.id}", expect=200)
    assert (seen["avatar_id"], seen["avatar_url"]) == (id_, me["avatar_url"])
    assert b.conversation(conversation)["avatar_url"] == b.listed(conversation)["peer"]["avatar_url"] == me["avatar_url"]
    reply = ask(stack, me["avatar_url"])
    assert reply.status == 200 and reply.headers["content-type"] == "image/webp"
    b.rest.get(f"/attachments/{id_}", expect=(404, "not_found"))
    a.rest.get(f"/attachments/{id_}", expect=200)


def test_the_picture_before_goes_at_once(stack, person):
    first, second = picture(person), picture(person)
    url = avatar(person, first)["avatar_url"]
    avatar(person, first)
    assert ask(stack, url).status == 200
    assert avatar(person, second)["avatar_id"] == second
    assert removed(stack, first)
    eventually("its file gone", lambda: ask(stack, url).status == 404)
    cleared = avatar(person, None)
    assert (cleared["avatar_id"], cleared["avatar_url"]) == (None, None)
    assert removed(stack, second)
    avatar(person, second, expect=(409, "conflict"))


def test_only_my_own_unused_pictures(stack, pair):
    a, b, conversation = pair
    mine, theirs, used = picture(a), picture(b), picture(a)
    a.rest.post(f"/conversations/{conversation}/messages", {"client_id": "p", "message_type": "image", "attachment_ids": [used]}, expect=201)
    avatar(a, mine)
    for id_ in (theirs, used, "0" * 32):
        avatar(a, id_, expect=(409, "conflict"))
        assert a.rest.get("/me")["avatar_id"] == mine
    a.rest.post(f"/conversations/{conversation}/messages", {"client_id": "q", "message_type": "image", "attachment_ids": [mine]},
                expect=(400, "invalid"))
    truth.rows(stack, "UPDATE attachment SET kind = 5 WHERE id = %s", theirs)
    avatar(b, theirs, expect=(409, "conflict"))


def test_an_avatar_is_not_swept(stack, person):
    shown, waiting = picture(person), picture(person)
    avatar(person, shown)
    truth.rows(stack, "UPDATE attachment SET created_at = now() - interval '1 day' WHERE id = ANY (%s)", [shown, waiting])
    eventually("the unused one removed", lambda: removed(stack, waiting))
    time.sleep(0.3)
    assert not removed(stack, shown)
    assert ask(stack, person.rest.get("/me")["avatar_url"]).status == 200


@pytest.mark.parametrize("shown_twice", [False, True])
def test_space_is_given_back(stack, person, shown_twice):
    """A picture that a group shows as well stays when I take another."""
    first = picture(person)
    avatar(person, first)
    if shown_twice:
        person.rest.post("/conversations", {"type": "group", "name": "g", "participant_ids": [], "avatar_id": first}, expect=201)
    (before,), = truth.rows(stack, "SELECT bytes FROM media_usage WHERE user_id = %s", int(person.id))
    avatar(person, None)
    (after,), = truth.rows(stack, "SELECT bytes FROM media_usage WHERE user_id = %s", int(person.id))
    assert removed(stack, first) is not shown_twice and (after < before) is not shown_twice


@pytest.fixture
def person(stack):
    return Person(stack)
