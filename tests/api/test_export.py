"""Everything of mine as one archive: what is in it and what is not, who gets it, and that it is made whatever dies meanwhile."""

import asyncio
import hashlib
import http.client
import io
import json
import re
import time
import uuid
import zipfile

import pytest

from peal import media, truth
from peal.people import PASSWORD, Person
from peal.rest import Client
from peal.ws import Socket

STACK = {"settings": {"export_pause_minutes": 0, "media_min_free_mib": 1}}
ALLOWED_LOG = [r"away", r"back", r"later", r"process_lost", r"keeper_not_answered", r"export"]
WITHIN = 40


def begin(person, expect=201, **more):
    return person.rest.post("/me/export", expect=expect, **more).json


def wait(person, id_, *states):
    end = time.monotonic() + WITHIN
    while (shown := person.rest.get(f"/me/export/{id_}", expect=200).json)["state"] not in states:
        assert time.monotonic() < end, shown
        time.sleep(0.1)
    return shown


def download(stack, url):
    connection = http.client.HTTPConnection("127.0.0.1", int(stack.url.rsplit(":", 1)[1]))
    connection.request("GET", url)
    reply = connection.getresponse()
    data = reply.read()
    connection.close()
    return reply.status, reply.headers, data


def archive(stack, person):
    """The names in it, and what is there."""
    shown = wait(person, begin(person)["id"], "ready", "failed")
    assert shown["state"] == "ready", shown
    status, headers, data = download(stack, shown["download_url"])
    assert (status, len(data), hashlib.sha256(data).hexdigest()) == (200, shown["size"], shown["sha256"])
    assert "peal-" in headers["content-disposition"] and ".zip" in headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        assert z.testzip() is None
        return {i.filename: z.read(i) for i in z.infolist()}


def lines(files, name):
    return [json.loads(line) for line in files[name].splitlines()]


def unsigned(messages):
    """Links to pictures become others once a day, perhaps between one look and the next."""
    return json.loads(re.sub(r"/m/\d+/[\w-]+/", "/m/", json.dumps(messages)))


def history(person, conversation):
    """All that REST shows, oldest first."""
    messages, before = [], None
    while True:
        page = person.history(conversation, **({"before": before} if before else {}), limit=100)
        messages = page["messages"] + messages
        if not page["has_before"]:
            return messages
        before = messages[0]["seq"]


@pytest.fixture
def life(stack):
    me, peer, third = Person(stack, "exporter"), Person(stack, "peer"), Person(stack, "third")
    direct, alone = me.start(peer), me.start(me)
    me.say(direct, "hello")
    joined = peer.group(third, name="joined")
    peer.say(joined, "SECRET before I came")
    peer.rest.post(f"/conversations/{joined}/participants", {"user_ids": [me.id]}, expect=200)
    left = peer.group(me, name="left")
    peer.say(left, "SECRET of a group that I left")
    me.rest.delete(f"/conversations/{left}/participants/{me.id}", expect=204)
    others = peer.start(third)
    peer.say(others, "SECRET of others")
    hidden = peer.say(direct, "SECRET that I deleted for me")
    me.rest.delete(f"/messages/{hidden['id']}?for=me", expect=204)
    short = peer.say(direct, "SECRET that expires", expires_in_seconds=3600)
    truth.rows(stack, "UPDATE message SET expires_at = now() - interval '1 second' WHERE conversation_id = %s AND seq = %s", int(direct), short["seq"])
    for n in range(230):
        truth.rows(stack, "SELECT message_send(%s, %s, %s, '', 1::smallint, %s, NULL, NULL)", int(me.id if n % 2 else peer.id), int(joined), f"n{n}", f"many {n} é👋")
    starred = peer.say(direct, "starred")
    me.rest.post(f"/messages/{starred['id']}/star", expect=200)
    me.rest.post(f"/messages/{starred['id']}/reactions", {"emoji": "👍"}, expect=200)
    me.rest.put(f"/conversations/{direct}/draft", {"content": "my draft"}, expect=204)
    me.rest.put(f"/users/{third.id}/block", expect=204)
    me.rest.post("/reports", {"user_id": third.id, "reason": "spam", "note": "my note"}, expect=201)
    file = me.rest.post("/messages/upload-file?filename=a%2F..%2Fnotes.txt", raw=b"the bytes of my file", headers={"Content-Type": "text/plain"}, expect=201)["id"]
    me.rest.post(f"/conversations/{direct}/messages", {"client_id": "f", "message_type": "file", "attachment_ids": [file]}, expect=201)
    picture = media.upload(me, media.png(), "image/png")["id"]
    me.rest.post(f"/conversations/{joined}/messages", {"client_id": "p", "message_type": "image", "attachment_ids": [picture]}, expect=201)
    theirs = media.upload(peer, media.png(), "image/png")["id"]
    peer.rest.post(f"/conversations/{direct}/messages", {"client_id": "p", "message_type": "image", "attachment_ids": [theirs]}, expect=201)
    me.rest.patch("/me", {"avatar_id": media.upload(me, media.png(), "image/png")["id"]}, expect=200)
    return me, peer, third, dict(direct=direct, alone=alone, joined=joined, left=left, others=others, starred=starred)


def test_what_is_in_it(stack, life):
    me, peer, third, c = life
    files = archive(stack, me)
    assert b"SECRET" not in b"".join(files.values()), "only what I may see"
    shown = [c["direct"], c["alone"], c["joined"]]
    assert sorted(n for n in files if n.startswith("messages/")) == sorted(f"messages/{x}.ndjson" for x in shown if history(me, x))
    for conversation in shown:
        wanted = history(me, conversation)
        got = lines(files, f"messages/{conversation}.ndjson") if wanted else []
        assert unsigned(got) == unsigned(wanted), conversation
    assert any(m["starred"] and m["reactions"] == [{"emoji": "👍", "count": 1, "me": True}] for m in lines(files, f"messages/{c['direct']}.ndjson"))
    assert {x["id"] for x in lines(files, "conversations.ndjson")} == set(shown)
    assert next(x for x in lines(files, "conversations.ndjson") if x["id"] == c["direct"])["my"]["draft"]["content"] == "my draft"
    (account,), (block,), (report,) = (lines(files, f"{n}.ndjson") for n in ("account", "blocks", "reports"))
    assert (account["username"], block["user_id"], report["note"]) == (me.username, third.id, "my note")
    assert len(lines(files, "sessions.ndjson")) == 1 and len(lines(files, "uploads.ndjson")) == 1
    assert {n for n in files if "." in n and not n.startswith(("messages/", "files/"))} == {"README.txt"} | {
        f"{n}.ndjson" for n in ("account", "sessions", "tokens", "bots", "passkeys", "identities", "notifications", "blocks", "scheduled", "reports", "uploads", "conversations")}
    kept = {n: d for n, d in files.items() if n.startswith("files/")}
    assert len(kept) == 3 and not any(".." in n.split("/") or n.count("/") > 1 for n in kept)
    assert b"the bytes of my file" in kept.values() and sum(d[:4] == b"RIFF" for d in kept.values()) == 2
    assert PASSWORD.encode() not in b"".join(files.values())
    (hash_,), = truth.rows(stack, "SELECT password_hash FROM users WHERE id = %s", int(me.id))
    assert hash_.encode() not in b"".join(files.values())


def test_it_is_mine(stack, person):
    other = Person(stack)
    id_ = begin(person)["id"]
    shown = wait(person, id_, "ready")
    assert shown["finished_at"] and shown["expires_at"] and shown["failure"] is None and shown["messages"] == 0
    for path in (f"/me/export/{id_}", f"/attachments/{id_}"):
        other.rest.get(path, expect=(404, "not_found"))
    other.rest.get(f"/me/export/{'0' * 32}", expect=(404, "not_found"))
    person.rest.get("/me/export/1", valid=False, expect=(404, "not_found"))
    assert download(stack, f"/api/v1/media/{id_}/original")[0] == 401
    assert download(stack, shown["download_url"][:-1] + ("A" if shown["download_url"][-1] != "A" else "B"))[0] == 404
    conversation = person.start(person)
    person.rest.post(f"/conversations/{conversation}/messages", {"client_id": "x", "message_type": "file", "attachment_ids": [id_]}, expect=(400, "invalid"))
    token = person.rest.post("/tokens", {"name": "t", "scopes": ["messages:read"], "expires_in_days": 1}, expect=201)["token"]
    person.rest.as_(token).get(f"/me/export/{id_}", expect=(403, "insufficient_scope"))


def test_keys_and_pauses(stack, new_stack, person):
    head = {"Idempotency-Key": f"k-{uuid.uuid4()}"}
    first = begin(person, headers=head)
    again = person.rest.post("/me/export", headers=head, expect=200)
    assert again["id"] == first["id"] and again.headers["idempotency-replayed"] == "true"
    person.rest.post("/me/export", raw=b"{\"a\": 1}", headers=head, expect=(409, "idempotency_conflict"))
    person.rest.post("/me/export", headers={"Idempotency-Key": "k" * 65}, valid=False, expect=(400, "invalid"))
    with new_stack() as patient:
        one = Person(patient)
        wait(one, begin(one)["id"], "ready")
        refused = one.rest.post("/me/export", expect=(429, "rate_limited"))
        assert 3000 < int(refused.headers["retry-after"]) <= 3600


def test_it_is_heard_and_goes(stack, person):
    async def main():
        async with await Socket.open(stack, person.token) as socket:
            await socket.hello()
            id_ = (await asyncio.to_thread(begin, person))["id"]
            while (frame := await socket.recv(WITHIN))["type"] != "attachment_ready":
                pass
            assert (frame["data"]["attachment"]["id"], frame["data"].get("message_id")) == (id_, None)
            return id_
    id_ = asyncio.run(main())
    shown = wait(person, id_, "ready")
    truth.rows(stack, "UPDATE export SET expires_at = now() WHERE id = %s", id_)
    stack.restart("peal-jobs")        # it looks once a minute, and when it begins
    shown = wait(person, id_, "expired")
    assert shown["download_url"] is None and shown["size"] is None
    end = time.monotonic() + WITHIN
    while (stack.dir / "media" / "ren" / id_[:2] / id_).exists():
        assert time.monotonic() < end
        time.sleep(0.2)
    person.rest.get(f"/attachments/{id_}", expect=(404, "not_found"))
    assert not any((stack.dir / "media" / "export").iterdir()), "nothing is left behind"


@pytest.mark.parametrize("failpoint, who", [("jobs.export_given", "peal-jobs"), ("jobs.export_finished", "peal-jobs"), ("media.export_began", None),
                                            ("media.export_kept", None)])
def test_killed_in_the_middle(stack, life, failpoint, who):
    me, peer, third, c = life
    stack.fail(failpoint)
    id_ = begin(me)["id"]
    if who:
        stack.wait_death(who)
        assert who in stack.revive()
    shown = wait(me, id_, "ready", "failed")
    assert shown["state"] == "ready" and not stack.armed(failpoint), shown
    _, _, data = download(stack, shown["download_url"])
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        assert z.testzip() is None
        names = z.namelist()
        assert len(names) == len(set(names)) and unsigned([json.loads(x) for x in z.read(f"messages/{c['joined']}.ndjson").splitlines()]) == unsigned(history(me, c["joined"]))


def test_a_missing_file_and_lost_pages(stack, life):
    me, peer, third, c = life
    (gone,), = truth.rows(stack, "SELECT id FROM attachment WHERE owner_id = %s AND kind = 5 AND name LIKE %s", int(me.id), "%notes.txt")
    (stack.dir / "media" / "ren" / gone[:2] / gone / "original").unlink()
    stack.fail("jobs.export_given")
    id_ = begin(me)["id"]
    stack.wait_death("peal-jobs")
    for part in (stack.dir / "media" / "export" / id_).iterdir():
        part.unlink()                 # as if another host went on
    assert "peal-jobs" in stack.revive()
    shown = wait(me, id_, "ready", "failed")
    assert shown["state"] == "ready", shown
    with zipfile.ZipFile(io.BytesIO(download(stack, shown["download_url"])[2])) as z:
        assert z.testzip() is None and "README.txt" in z.namelist()
        assert sum(n.startswith("files/") for n in z.namelist()) == 2


def test_erased_with_it(stack, life):
    me = life[0]
    id_ = wait(me, begin(me)["id"], "ready")["id"]
    running = begin(me)["id"]
    me.rest.delete("/me", expect=204)
    end = time.monotonic() + WITHIN
    while truth.rows(stack, "SELECT FROM export WHERE user_id = %s", int(me.id)) or (stack.dir / "media" / "ren" / id_[:2] / id_).exists() \
            or (stack.dir / "media" / "ren" / running[:2] / running).exists():
        assert time.monotonic() < end, truth.rows(stack, "SELECT * FROM export WHERE user_id = %s", int(me.id))
        time.sleep(0.2)
