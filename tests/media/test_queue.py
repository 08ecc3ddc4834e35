"""Uploads that take long: where their bytes are meanwhile, what becomes of them, who hears of it, and what survives whom."""

import os
import pathlib
import re
import threading
import time

import pytest

from peal import media, truth
from peal.busy import wait_for
from peal.loop import operate, run
from peal.media import ask, link, send, upload
from peal.people import Person
from peal.ws import Socket

# Recordings of more than 16 KiB take long here.
STACK = {"settings": {"media_wall_seconds": 5, "media_inline_audio_kib": 16, "media_inline_mib": 64, "media_queue_most": 8}}
OWN = 2  # a quarter
ALLOWED_LOG = [r"process_lost", r"connect\(\) to unix:\S+/sock/(media|upload|keeper)\.sock failed", r"prematurely closed"]
DAMAGED = b"RIFF\xff\xff\x00\x00WAVEfmt " + bytes(range(256)) * 100


@pytest.fixture(scope="module")
def someone(stack):
    return Person(stack, "patient")


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


# ---- what takes long is made later ----

@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return media.sound(tmp_path_factory.mktemp("recording"), 2, "wav")


def queued(stack):
    return [p.name for p in (stack.dir / "media" / "queue").iterdir()]


def stored(stack, attachment):
    return stack.dir / "media" / "ren" / attachment[:2] / attachment


def record(person, data, expect=201):
    return upload(person, data, "audio/wav", expect, to="audio", filename="note.wav").json


def over(person, attachment):
    """What became of it, once something has."""
    def there():
        now = person.rest.get(f"/attachments/{attachment['id']}").json
        return now if now["state"] != "processing" else None
    return wait_for(there)


class Held:
    """Whoever takes the next job waits until it is let go; there is one who takes jobs."""

    def __init__(self, stack):
        self.stack = stack
        stack.fail("media.taken", "wait")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        wait_for(lambda: not (self.stack.run_dir / "fail" / "media.taken").exists())
        self.stack.fail("media.taken.go", "go")


def usage(stack, person):
    return truth.rows(stack, "SELECT coalesce(sum(bytes), 0)::bigint FROM media_usage WHERE user_id = %s", int(person.id))[0][0]


def test_long_is_answered_first(stack, pair, recording):
    a, *_ = pair
    with Held(stack):
        first = record(a, recording)
        missing = ask(stack, a.rest.get(f"/attachments/{first['id']}")["download_url"])
    assert missing.status == 404, "there is nothing to be had yet"
    assert (first["state"], first["kind"], first["name"], first["mime"]) == ("processing", "audio", "note.wav", "audio/mp4")
    assert first["size"] == len(recording) and first["renditions"] == [] and first["failure"] is None
    now = over(a, first)
    assert now["state"] == "ready" and [r["name"] for r in now["renditions"]] == ["aac", "opus"]
    assert abs(now["duration_ms"] - 2000) <= 60 and len(now["bars"]) == 64 and now["size"] == now["renditions"][0]["size"]
    for r in now["renditions"]:
        assert len(ask(stack, r["url"]).body) == r["size"]
    assert usage(stack, a) == sum(r["size"] for r in now["renditions"])
    wait_for(lambda: not queued(stack))


def test_short_is_answered_when_it_is_ready(stack, someone, tmp_path):
    assert record(someone, media.sound(tmp_path, 1, "webm"))["state"] == "ready" and not queued(stack)


async def test_a_message_refers_to_it_meanwhile(stack, pair, recording):
    """Everybody who sees the message hears what became of it, and so does whoever looks later; a forward as well."""
    a, b, conversation = pair
    away = Person(stack, "later")
    other = a.group(away)
    async with await Socket.open(stack, a.token) as mine, await Socket.open(stack, b.token) as theirs:
        for socket in (mine, theirs):
            await socket.hello()
        with await operate(Held, stack):
            attachment = await run(record, a, recording)
            sent = (await run(lambda: send(a, conversation, attachment["id"], message_type="audio"))).json
            forwarded = (await run(lambda: a.rest.post(f"/conversations/{other}/messages", {"client_id": "again", "forward_of": sent["id"]}, expect=201))).json
        assert [x["attachments"][0]["state"] for x in (sent, forwarded)] == ["processing"] * 2
        theirs_ready = await theirs.until("attachment_ready", 20)
        mine_ready = [await mine.until("attachment_ready", 20) for _ in range(2)]
        assert theirs_ready["conversation_id"] == conversation and theirs_ready["data"]["message_id"] == sent["id"]
        assert {f["data"]["message_id"] for f in mine_ready} == {sent["id"], forwarded["id"]}
    ready = theirs_ready["data"]["attachment"]
    assert ready["state"] == "ready" and ready["id"] == attachment["id"]
    for person, where in ((a, conversation), (b, conversation), (away, other)):
        assert (await run(person.history, where))["messages"][-1]["attachments"] == [ready]
    assert (await run(lambda: ask(stack, link(ready, "opus")))).status == 200


async def test_its_owner_alone_hears_of_what_nobody_has(stack, pair, recording):
    a, b, conversation = pair
    async with await Socket.open(stack, a.token) as mine, await Socket.open(stack, b.token) as theirs:
        for socket in (mine, theirs):
            await socket.hello()
        attachment = await run(record, a, recording)
        frame = await mine.until("attachment_ready", 20)
        assert (frame["conversation_id"], frame["data"]["message_id"], frame["data"]["attachment"]["id"]) == (None, None, attachment["id"])
        await run(a.say, conversation, "done")
        await theirs.until("new_message")
        assert "attachment_ready" not in {f["type"] for f in theirs.frames}


def test_what_cannot_be_made_has_failed(stack, pair):
    a, b, conversation = pair
    with Held(stack):
        attachment = record(a, DAMAGED)
        send(a, conversation, attachment["id"], message_type="audio")
    now = over(a, attachment)
    assert (now["state"], now["failure"], now["renditions"]) == ("failed", "corrupt", [])
    theirs = b.history(conversation)["messages"][-1]["attachments"][0]
    assert (theirs["state"], theirs["failure"]) == ("failed", "corrupt")
    assert ask(stack, now["download_url"]).status == 404
    assert usage(stack, a) == 0 and not stored(stack, attachment["id"]).exists()
    wait_for(lambda: not queued(stack))
    again = record(a, DAMAGED)
    over(a, again)
    refused = send(a, conversation, again["id"], message_type="audio", expect=(400, "invalid")).json
    assert refused["errors"][0]["path"] == "/attachment_ids", "what has failed is not sent any more"


def test_deleted_meanwhile(stack, pair, recording):
    a, _, conversation = pair
    with Held(stack):
        attachment = record(a, recording)
        message = send(a, conversation, attachment["id"], message_type="audio").json
        a.rest.delete(f"/messages/{message['id']}", query={"for": "everyone"}, expect=200)
    wait_for(lambda: not queued(stack))
    a.rest.get(f"/attachments/{attachment['id']}", expect=(404, "not_found"))
    wait_for(lambda: not stored(stack, attachment["id"]).exists() and not truth.rows(stack, "SELECT FROM attachment WHERE id = %s", attachment["id"]))
    assert usage(stack, a) == 0


def test_the_queue_has_an_end(stack, recording):
    """One person has a quarter of it at most; who is refused has left nothing."""
    greedy, other = Person(stack, "greedy"), Person(stack, "other")
    with Held(stack):
        attachments = [record(greedy, recording) for _ in range(OWN)]
        reply = upload(greedy, recording, "audio/wav", (503, "busy"), to="audio")
        attachments.append(record(other, recording))
    assert int(reply.headers["retry-after"]) >= 1
    assert {x["state"] for x in attachments} == {"processing"}
    wait_for(lambda: not queued(stack), 30)
    for person, attachment in zip((greedy, greedy, other), attachments):
        assert over(person, attachment)["state"] == "ready"
    assert usage(stack, greedy) == sum(r["size"] for x in attachments[:2] for r in over(greedy, x)["renditions"])


# Where the process that has it in hand dies -> what the uploader is told, and whether there is an attachment in the end.
DEATHS = {"media.queued": (502, None), "media.registered": (502, "ready"), "media.taken": (201, "ready"), "media.made": (201, "ready"),
          "media.told": (201, "ready")}


@pytest.mark.parametrize("place", DEATHS)
def test_whoever_dies_of_it(stack, recording, place):
    status, state = DEATHS[place]
    person = Person(stack, "mortal")
    before = set(queued(stack))
    stack.fail(place)
    upload(person, recording, "audio/wav", expect=status if status == 201 else (status, "bad_gateway"), to="audio")
    wait_for(lambda: not (stack.run_dir / "fail" / place).exists())
    left = {n for n in queued(stack) if n.endswith(".new")} - before
    for name in left:  # it is taken when it is older than any question
        os.utime(stack.dir / "media" / "queue" / name, (time.time() - 120, time.time() - 120))
    wait_for(lambda: not queued(stack), 30)
    rows = truth.rows(stack, "SELECT id, state FROM attachment WHERE owner_id = %s", int(person.id))
    assert len(rows) == (1 if state else 0)
    if state:
        now = person.rest.get(f"/attachments/{rows[0][0]}").json
        assert now["state"] == state and usage(stack, person) == sum(r["size"] for r in now["renditions"])
        assert all(len(ask(stack, r["url"]).body) == r["size"] for r in now["renditions"])


def test_who_ends_processes_fails(stack, recording):
    """The third one that it kills is the last."""
    person = Person(stack, "killer")
    stack.fail("media.taken")
    attachment = record(person, recording)
    for _ in range(2):
        wait_for(lambda: not (stack.run_dir / "fail" / "media.taken").exists())
        stack.fail("media.taken")
    wait_for(lambda: not (stack.run_dir / "fail" / "media.taken").exists())
    now = over(person, attachment)
    assert (now["state"], now["failure"]) == ("failed", "too_complex")
    wait_for(lambda: not queued(stack))


def test_a_restart_loses_nothing(stack, recording):
    person = Person(stack, "restarted")
    with Held(stack):
        attachments = [record(person, recording) for _ in range(OWN)]
    stack.restart("peal-media")
    assert [over(person, x)["state"] for x in attachments] == ["ready"] * OWN
    wait_for(lambda: not queued(stack))


def test_lost_with_its_disk(stack, recording):
    """After a day it is as if nobody would come for it any more."""
    person = Person(stack, "lost")
    with Held(stack):
        attachment = record(person, recording)
        wait_for(lambda: not (stack.run_dir / "fail" / "media.taken").exists())
        truth.rows(stack, "UPDATE attachment SET created_at = now() - interval '25 hours', used = true WHERE id = %s", attachment["id"])
        now = over(person, attachment)
    assert (now["state"], now["failure"], usage(stack, person)) == ("failed", "too_complex", 0)
    wait_for(lambda: not queued(stack))
    assert not stored(stack, attachment["id"]).exists(), "who comes for it after all has come too late"
