"""Erasing an account: what is gone, what stays, who hears of it, and that it is done whatever dies meanwhile."""

import asyncio
import concurrent.futures
import contextlib
import hashlib
import time
import uuid

import pytest

from peal import audit, busy, files, media, truth
from peal.moderation import make
from peal.people import PASSWORD, Person
from peal.rest import Client
from peal.ws import Closed, Socket

STACK = {"settings": {"request_timeout_seconds": 4}}   # what was under way has ended soon
ALLOWED_LOG = [r"worker", r"away", r"later", r"back"]
WITHIN = 30


def erase(person, messages=None, expect=204):
    return person.rest.delete("/me" + (f"?messages={messages}" if messages else ""), expect=expect)


def wait_erased(stack, *people):
    """Until peal-jobs has nothing left to do for them."""
    ids = [int(p.id) for p in people]
    end = time.monotonic() + WITHIN
    while truth.rows(stack, "SELECT user_id FROM erasure WHERE user_id = ANY (%s)", ids):
        assert time.monotonic() < end, truth.rows(stack, "SELECT * FROM erasure")
        time.sleep(0.05)
    audit.check(stack)


def everywhere(stack):
    """(table, row as text) of the whole database, but of the log that only grows."""
    with truth.cursor(stack) as c:
        c.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'audit'")
        for table, in c.fetchall():
            c.execute(f'SELECT t::text FROM "{table}" t')
            for row, in c.fetchall():
                yield table, row


def holds(path, words):
    with contextlib.suppress(FileNotFoundError):    # it went meanwhile
        return any(w.encode() in path.read_bytes() for w in words)
    return False


def traces(stack, *words):
    rows = [(t, r[:300]) for t, r in everywhere(stack) for w in words if w.lower() in r.lower()]
    return rows + [str(p) for p in files.under(stack.dir / "media") if holds(p, words)]


def wait_no_trace(stack, *words):
    """Files go a moment later, by the keeper; so does the index."""
    end = time.monotonic() + WITHIN
    while found := traces(stack, *words):
        assert time.monotonic() < end, found
        time.sleep(0.2)


def of_user(stack, user):
    """Tables with rows that are somebody's, by the column user_id; the log goes with time."""
    id_ = int(getattr(user, "id", user))
    tables = [t for t, in truth.rows(stack, "SELECT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attname = 'user_id' "
                                            "AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname NOT IN ('user_event', 'revocation')")]
    return [t for t in tables if truth.rows(stack, f'SELECT 1 FROM "{t}" WHERE user_id = %s LIMIT 1', id_)]


def names_of(person, other):
    user = person.rest.get(f"/users/{other.id}", expect=200).json
    return user["username"], user["display_name"], user.get("deleted")


def full_life(stack, canary):
    """Somebody who has done everything there is to do, with the canary in every text; and whom they did it with."""
    me, peer, third = Person(stack, f"c{canary}"), Person(stack, "peer"), Person(stack, "third")
    me.rest.patch("/me", {"display_name": f"Name {canary}", "status_text": f"status {canary}", "avatar_id": media.upload(me, media.png(), "image/png")["id"]},
                  expect=200)
    direct, alone = me.start(peer), me.start(me)
    group = me.group(peer, third, name="friends")
    left = peer.group(me, third, name="left")
    lonely = me.group(name=f"lonely {canary}")
    said = [me.say(c, f"said {canary}") for c in (direct, alone, group, left, lonely)]
    me.rest.patch(f"/messages/{said[0]['id']}", {"content": f"edited {canary}"}, expect=200)
    me.say(group, f"reply {canary}", reply_to=said[2]["id"])
    file = me.rest.post(f"/messages/upload-file?filename={canary}.txt", raw=f"bytes of {canary}".encode(), headers={"Content-Type": "text/plain"},
                        expect=201)["id"]
    me.rest.post(f"/conversations/{group}/messages", {"client_id": canary, "message_type": "file", "attachment_ids": [file]}, expect=201)
    me.rest.post(f"/conversations/{group}/messages", {"client_id": "poll" + canary, "message_type": "poll", "poll": {
        "question": f"who {canary}", "options": [f"one {canary}", "two"]}}, expect=201)
    theirs = peer.rest.post(f"/conversations/{group}/messages", {"client_id": "p", "message_type": "poll", "poll": {"question": "q", "options": ["a", "b"]}},
                            expect=201)
    me.rest.post(f"/messages/{theirs['id']}/vote", {"options": [1]}, expect=200)
    heard = peer.say(left, "from the peer")
    for message in (heard, theirs):
        me.rest.post(f"/messages/{message['id']}/reactions", {"emoji": "👍"}, expect=200)
        me.rest.post(f"/messages/{message['id']}/star", expect=200)
    hidden = peer.say(direct, "to be hidden")
    me.rest.delete(f"/messages/{hidden['id']}?for=me", expect=204)
    me.rest.put(f"/conversations/{direct}/draft", {"content": f"draft {canary}"}, expect=204)
    me.rest.put(f"/conversations/{direct}/settings", {"archived": True}, expect=200)
    waits = media.upload(me, media.png(), "image/png")["id"]
    me.rest.post(f"/conversations/{direct}/messages", {"client_id": "later", "message_type": "image", "content": f"later {canary}", "attachment_ids": [waits],
                                                       "send_at": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + 86400))}, expect=201)
    media.upload(me, media.png(), "image/png")
    me.rest.put(f"/users/{third.id}/block", expect=204)
    me.rest.post("/reports", {"user_id": third.id, "reason": "spam", "note": f"note {canary}"}, expect=201)
    peer.rest.post("/reports", {"message_id": said[2]["id"], "reason": "spam"}, expect=201)
    peer.rest.post("/reports", {"user_id": me.id, "reason": "spam"}, expect=201)
    bot = me.rest.post("/bots", {"username": f"b{canary}"[:32], "display_name": f"bot {canary}"}, expect=201)["id"]
    me.rest.post("/tokens", {"name": f"token {canary}", "scopes": ["messages:read"], "bot_id": bot, "expires_in_days": None}, expect=201)
    me.rest.post("/tokens", {"name": f"token {canary}", "scopes": ["messages:read"], "expires_in_days": 3}, expect=201)
    me.rest.post("/auth/login", {"username": me.username, "password": PASSWORD, "token_delivery": "body"},
                 headers={"User-Agent": f"agent {canary}"}, expect=200)
    me.rest.delete(f"/conversations/{left}/participants/{me.id}", expect=204)
    return me, peer, third, dict(direct=direct, alone=alone, group=group, left=left, lonely=lonely, bot=bot, heard=heard, theirs=theirs)


def close_reports(stack, about):
    moderator = make(stack, "moderator")
    for report in moderator.rest.get(f"/admin/reports?user_id={about.id}", expect=200)["items"]:
        moderator.rest.patch(f"/admin/reports/{report['id']}", {"action": "dismiss"}, expect=200)


def test_nothing_of_them_is_left(stack):
    canary = "canary" + uuid.uuid4().hex[:8]
    me, peer, third, life = full_life(stack, canary)
    assert len(traces(stack, canary)) > 20, "the search finds what is there"
    erase(me, "delete")
    wait_erased(stack, me)
    close_reports(stack, me)                   # open ones keep what was reported
    wait_no_trace(stack, canary, me.username)
    assert set(of_user(stack, me)) - {"mark_advance"} == {"member", "block"} and not of_user(stack, life["bot"])
    assert truth.rows(stack, "SELECT username, display_name, status_text, avatar_id, password_hash, last_seen_at, site_role, show_last_seen FROM users "
                             "WHERE id IN (%s, %s) ORDER BY id", int(me.id), int(life["bot"])) == [
        (f"deleted#{i}", "Deleted account", None, None, None, None, 0, False) for i in (me.id, life["bot"])]
    # what others said is all there, and their counts are right
    assert peer.history(life["left"])["messages"][-2]["content"] == "from the peer"
    assert peer.rest.get(f"/messages/{life['heard']['id']}", expect=200)["reactions"] == []
    assert [o["count"] for o in peer.rest.get(f"/messages/{life['theirs']['id']}", expect=200)["poll"]["options"]] == [0, 0]
    assert all(m["deleted_at"] for c in ("direct", "group", "left") for m in peer.history(life[c])["messages"]
               if m["sender_id"] == me.id and m["message_type"] != "system")


def test_what_they_said_is_kept(stack):
    canary = "canary" + uuid.uuid4().hex[:8]
    me, peer, third, life = full_life(stack, canary)
    erase(me)
    wait_erased(stack, me)
    close_reports(stack, me)
    assert names_of(peer, me) == (f"deleted#{me.id}", "Deleted account", True)
    kept = [m["content"] for c in ("direct", "group", "left") for m in peer.history(life[c])["messages"] if m["sender_id"] == me.id and m["content"]]
    assert kept == [f"edited {canary}", f"said {canary}", f"reply {canary}", f"said {canary}"]
    reactions = peer.rest.get(f"/messages/{life['heard']['id']}/reactions", expect=200)["items"]
    assert [(r["user"]["id"], r["user"]["display_name"]) for r in reactions] == [(me.id, "Deleted account")]
    assert [o["count"] for o in peer.rest.get(f"/messages/{life['theirs']['id']}", expect=200)["poll"]["options"]] == [0, 1]
    deadline = time.monotonic() + WITHIN
    while {t for t, _ in [f for f in traces(stack, canary) if isinstance(f, tuple)]} - {"message", "message_key", "message_revision", "message_search_1", "attachment"}:
        assert time.monotonic() < deadline, traces(stack, canary)
        time.sleep(0.2)
    assert not traces(stack, me.username) and not traces(stack, f"lonely {canary}") and not traces(stack, f"later {canary}")
    shown = [m for m in peer.history(life["group"])["messages"] if m["message_type"] == "file"][0]["attachments"][0]
    assert peer.rest.get(f"/attachments/{shown['id']}", expect=200)["state"] == "ready"


def test_it_ends_at_once(stack, pair):
    """Sockets, REST, sign-in and the directory, on the answer; and the peer hears."""
    a, b, c = pair
    bot = a.rest.post("/bots", {"username": f"bot-{uuid.uuid4().hex[:8]}", "display_name": "Bot"}, expect=201)["id"]
    token = a.rest.post("/tokens", {"name": "t", "scopes": ["messages:read", "profile:read"], "bot_id": bot, "expires_in_days": None}, expect=201)["token"]

    async def main():
        async with await Socket.open(stack, a.token) as mine, await Socket.open(stack, token) as bots, await Socket.open(stack, b.token) as theirs:
            for s in (mine, bots, theirs):
                await s.hello()
            began = time.monotonic()
            await asyncio.to_thread(erase, a)
            for s in (mine, bots):
                with pytest.raises(Closed) as closed:
                    while True:
                        await s.recv(15)
                assert closed.value.code == 4409
            took = time.monotonic() - began
            assert await asyncio.to_thread(busy.within, stack, took, 2)
            while (frame := await theirs.recv(WITHIN))["type"] != "conversation_updated":
                pass
            assert frame["data"]["changed"] == ["peer"]
    asyncio.run(main())
    for client in (a.rest, a.rest.as_(token)):
        end = time.monotonic() + 10
        while client.get("/me").status == 200:
            assert time.monotonic() < end
            time.sleep(0.05)
        client.get("/me", expect=(401, "unauthenticated"))
    stranger = Client(stack.url)
    stranger.post("/auth/login", {"username": a.username, "password": PASSWORD, "token_delivery": "body"}, expect=(401, "bad_credentials"))
    stranger.post("/auth/refresh", {"refresh_token": a.refresh_token}, expect=(401, "bad_refresh_token"))
    assert b.rest.get(f"/users?q={a.username}", expect=200)["items"] == []
    wait_erased(stack, a)
    b.rest.post(f"/conversations/{c}/messages", {"client_id": "x", "message_type": "text", "content": "there?"}, expect=(403, "blocked"))
    peer = b.conversation(c)["peer"]
    assert (peer["display_name"], peer["deleted"]) == ("Deleted account", True)
    assert b.history(c)["messages"][0]["content"] == "first"


def test_nobody_gets_the_name(stack, person):
    erase(person)
    for name in (person.username, person.username.upper()):
        Client(stack.url).post("/auth/register", {"username": name, "password": PASSWORD, "token_delivery": "body"}, expect=(409, "username_taken"))
    other = Person(stack)
    other.rest.post("/bots", {"username": person.username, "display_name": "x"}, expect=(409, "username_taken"))
    assert truth.rows(stack, "SELECT count(*) FROM erased_name WHERE digest = %s", hashlib.sha256(person.username.lower().encode()).digest()) == [(1,)]


def test_it_needs_a_proof(stack, person):
    truth.rows(stack, "UPDATE session SET proved_at = now() - interval '11 minutes' WHERE user_id = %s", int(person.id))
    erase(person, expect=(403, "proof_required"))
    token = person.rest.post("/tokens", {"name": "t", "scopes": ["profile:write"], "expires_in_days": 1}, expect=201)["token"]
    person.rest.as_(token).delete("/me", expect=(403, "insufficient_scope"))
    person.rest.delete("/me?messages=some", valid=False, expect=(400, "invalid"))
    person.rest.post("/auth/proof", {"password": PASSWORD}, expect=204)
    erase(person)


def test_groups_keep_an_owner(stack):
    owner, admin, member = Person(stack), Person(stack), Person(stack)
    group = owner.group(member, admin)
    owner.rest.patch(f"/conversations/{group}/participants/{admin.id}", {"role": "admin"}, expect=200)
    erase(owner)
    wait_erased(stack, owner)
    shown = member.conversation(group)
    assert {p["user"]["id"]: p["role"] for p in shown["participants"]} == {admin.id: "owner", member.id: "member"}
    assert member.history(group)["messages"][-1]["system"]["kind"] == "member_left"
    erase(member)
    erase(admin)
    wait_erased(stack, admin, member)
    assert truth.rows(stack, "SELECT participant_count, name, last_seq - first_seq FROM conversation WHERE id = %s", int(group)) == [(0, None, 0)]


def test_both_are_gone(stack, pair):
    a, b, c = pair
    erase(a)
    erase(b)
    wait_erased(stack, a, b)
    assert truth.rows(stack, "SELECT count(*) FROM message WHERE conversation_id = %s AND content IS NOT NULL", int(c)) == [(0,)]


def test_a_call_ends(stack, pair):
    a, b, c = pair
    async def ring():
        async with await Socket.open(stack, b.token) as theirs:
            await theirs.hello()
            await asyncio.to_thread(a.rest.post, f"/conversations/{c}/signals", {"call_id": "k", "kind": "offer", "media": "audio", "payload": {"sdp": "v=0"}},
                                    expect=204)
    asyncio.run(ring())
    erase(b)
    wait_erased(stack, b)
    assert a.history(c)["messages"][-1]["call"]["outcome"] == "declined"
    assert truth.rows(stack, "SELECT ended_at IS NOT NULL FROM call WHERE conversation_id = %s", int(c)) == [(True,)]


def test_the_last_administrator_stays(stack):
    admins = [make(stack, "admin") for _ in range(2)]
    truth.rows(stack, "UPDATE users SET site_role = 0 WHERE site_role = 2 AND NOT id = ANY (%s)", [int(a.id) for a in admins])
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda p: p.rest.delete("/me"), admins))
    assert sorted((r.status, r.code if r.status != 204 else None) for r in replies) == [(204, None), (409, "last_admin")]
    stays = next(a for a, r in zip(admins, replies) if r.status == 409)
    gone = next(a for a, r in zip(admins, replies) if r.status == 204)
    assert [u["user"]["id"] for u in stays.rest.get("/admin/users?staff=true", expect=200)["items"] if u["site_role"] == "admin"] == [stays.id]
    stays.rest.post(f"/admin/users/{gone.id}/enable", expect=(404, "not_found"))
    stays.rest.post(f"/admin/users/{gone.id}/disable", expect=200)
    for verb in (("enable",), ("role",)):
        assert stack.pealctl("user", *verb, f"deleted#{gone.id}", *(["admin"] if verb == ("role",) else []), check=False).returncode == 1
    wait_erased(stack, gone)


def test_by_the_command_line(stack, pair):
    a, b, c = pair
    assert stack.pealctl("user", "erase", a.username, check=False).returncode == 2
    assert stack.pealctl("user", "erase", "nobody-here", "--messages", "keep", check=False).returncode == 1
    stack.pealctl("user", "erase", a.username.upper(), "--messages", "delete")
    end = time.monotonic() + 10
    while a.rest.get("/me").status == 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    wait_erased(stack, a)
    assert b.history(c)["messages"][0]["deleted_at"] and names_of(b, a)[2]
    assert stack.pealctl("user", "erase", a.username, "--messages", "keep", check=False).returncode == 1
    assert truth.rows(stack, "SELECT target FROM audit WHERE act = 'user.erase' ORDER BY id DESC LIMIT 1") == [(a.username,)]


def test_twice_and_while_sending(stack):
    """Two at once, with others and themselves talking: one end, and nothing that was said by them afterwards."""
    me, peer = Person(stack), Person(stack)
    direct, group = me.start(peer), me.group(peer)
    me.say(direct, "first")
    again = Person.__new__(Person)
    again.rest, again.id = me.rest.as_(me.token), me.id
    stop = time.monotonic() + 2

    def talk(person, conversation):
        client, n = person.rest.as_(person.token), 0
        while time.monotonic() < stop:
            reply = client.post(f"/conversations/{conversation}/messages", {"client_id": uuid.uuid4().hex, "message_type": "text", "content": "on and on"})
            assert reply.status in (201, 401, 403, 404, 429), reply
            n += reply.status == 201
        return n

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        talks = [pool.submit(talk, *x) for x in ((me, direct), (me, group), (peer, direct), (peer, group))]
        time.sleep(0.5)
        ends = [pool.submit(erase, p, "delete", None) for p in (me, again)]
        statuses = sorted(e.result().status for e in ends)
        said = sum(t.result() for t in talks)
    assert statuses in ([204, 204], [204, 401]) and said > 4
    wait_erased(stack, me)
    assert truth.rows(stack, "SELECT count(*) FROM message WHERE sender_id = %s AND (content IS NOT NULL OR client_id IS NOT NULL)", int(me.id)) == [(0,)]
    assert truth.rows(stack, "SELECT count(*) FROM message_key WHERE sender_id = %s", int(me.id)) == [(0,)]
    for c in (direct, group):
        truth.check_dense(stack, c)


@pytest.mark.parametrize("failpoint", ["jobs.before_erase", "jobs.after_erase"])
def test_killed_in_the_middle(stack, failpoint):
    canary = "canary" + uuid.uuid4().hex[:8]
    me, peer, third, life = full_life(stack, canary)
    erase(me, "delete")
    for _ in range(4):
        stack.fail(failpoint)
        stack.wait_death("peal-jobs")
        assert "peal-jobs" in stack.revive()
    wait_erased(stack, me)
    close_reports(stack, me)
    wait_no_trace(stack, canary)


def test_many_messages(stack):
    """More than a transaction takes, in a group that they have left as well."""
    me, peer = Person(stack), Person(stack)
    group = me.group(peer)
    first = me.say(group, "one")
    truth.rows(stack, """
        WITH said AS (INSERT INTO message (conversation_id, seq, sender_id, kind, client_id, content)
            SELECT %s, c.last_seq + n, %s, 1, 'n' || n, 'many ' || n FROM conversation c, generate_series(1, 350) n WHERE c.id = %s RETURNING *),
        keys AS (INSERT INTO message_key (conversation_id, sender_id, client_id, seq, request_hash) SELECT conversation_id, sender_id, client_id, seq, '' FROM said),
        log AS (INSERT INTO event (conversation_id, position, seq, rev, kind, actor_id, target_seq)
            SELECT s.conversation_id, s.seq + c.last_rev, s.seq, c.last_rev, 1, s.sender_id, s.seq FROM said s JOIN conversation c ON c.id = s.conversation_id)
        UPDATE conversation SET last_seq = last_seq + 350 WHERE id = %s""", int(group), int(me.id), int(group), int(group))
    me.rest.delete(f"/conversations/{group}/participants/{me.id}", expect=204)
    erase(me, "delete")
    wait_erased(stack, me)
    assert truth.rows(stack, "SELECT count(*) FROM message WHERE conversation_id = %s AND deleted_at IS NOT NULL", int(group)) == [(351,)]
    assert peer.rest.get(f"/messages/{first['id']}", expect=200)["deleted_at"]
