"""What peal-jobs does by the clock: scheduled messages leave on time and once, expired ones go, and so does what is old."""

import concurrent.futures
import datetime
import json
import random
import time
import uuid

from stack import Service

from peal import media, truth
from peal.busy import wait_for
from peal.people import Person, pair

from test_jobs import Ear

STACK = {"settings": {"schedule_ahead_seconds": 1, "expiry_seconds": 1, "max_scheduled": 1000}}
GRACE = 3  # statement_timeout_ms and a second: what begins before a message expires has ended by then
ALLOWED_LOG = [r"away", r"worker"]


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def schedule(person, conversation, seconds=2, content="later", **more):
    body = {"client_id": str(uuid.uuid4()), "message_type": "text", "content": content,
            "send_at": stamp(now() + datetime.timedelta(seconds=seconds)), **more}
    return {**body, **person.rest.post(f"/conversations/{conversation}/messages", body, expect=201).json}


def listed(person):
    return person.rest.get("/scheduled", query={"limit": 100}, expect=200)["items"]


def said(stack, conversation):
    """client_id -> how often it was said."""
    found = {}
    for _, _, client_id, _ in truth.messages(stack, conversation):
        found[client_id] = found.get(client_id, 0) + 1
    return found


def seconds_between(earlier, later):
    return (datetime.datetime.fromisoformat(later.replace("Z", "+00:00")) -
            datetime.datetime.fromisoformat(earlier.replace("Z", "+00:00"))).total_seconds()


# ---- scheduled messages ----

def test_on_time_and_heard_at_once(stack):
    a, b, conversation = pair(stack)
    late, heard = [], []
    for _ in range(5):
        ear = Ear(stack, b)
        planned = schedule(a, conversation, 1.8 + random.random())
        place = tuple(map(int, stack.psql(f"SELECT last_seq + last_rev + 1, last_seq + 1 FROM conversation WHERE id = {conversation}").split("|")))
        assert ear.hear(f"d c{conversation} {place[0]} {place[1]}", 15) is not None
        arrived = now()
        message = b.history(conversation, limit=1)["messages"][0]
        assert message["client_id"] == planned["client_id"] and message["sender_id"] == a.id
        late.append(seconds_between(planned["send_at"], message["created_at"]))
        heard.append(seconds_between(message["created_at"], stamp(arrived)))
    print(f"late by {max(late):.3f} s at most, heard after {max(heard):.3f} s at most")
    assert min(late) >= 0 and sorted(late)[2] < 1 and max(late) < 5
    assert sorted(heard)[2] < 0.5 and max(heard) < 5


def test_marks_stay(stack):
    a, b, conversation = pair(stack)
    before = a.conversation(conversation)
    schedule(a, conversation)
    wait_for(lambda: not listed(a))
    after = a.conversation(conversation)
    assert after["last_seq"] == before["last_seq"] + 1
    assert after["my"]["read_seq"] == before["my"]["read_seq"] and after["unread_count"] == 0
    assert b.conversation(conversation)["unread_count"] == 2


def test_the_first_message_shows_the_conversation(stack):
    a, b = Person(stack, "ann"), Person(stack, "ben")
    conversation = a.start(b)
    schedule(a, conversation)
    assert b.listed(conversation) is None
    wait_for(lambda: b.listed(conversation), 5)
    assert b.listed(conversation)["unread_count"] == 1


def test_each_change_is_in_my_stream(stack):
    a, _, conversation = pair(stack)
    ear = Ear(stack, a)

    def changed():
        while True:
            message = ear.pubsub.get_message(timeout=5)
            assert message, "nothing came"
            header, frame = message["data"].split(b"\n", 1)
            if header.startswith(f"d u{a.id} ".encode()):
                frame = json.loads(frame)
                assert frame["type"] == "user_changed" and frame["kind"] == "scheduled"
                return frame["data"]
    kept = schedule(a, conversation, 3600)
    assert changed() == {"scheduled_id": kept["scheduled_id"], "scheduled": listed(a)[0]}
    a.rest.delete(f"/scheduled/{kept['scheduled_id']}", expect=204)
    assert changed() == {"scheduled_id": kept["scheduled_id"], "scheduled": None}
    sent = schedule(a, conversation)
    assert changed()["scheduled"]["client_id"] == sent["client_id"]
    assert changed() == {"scheduled_id": sent["scheduled_id"], "scheduled": None}


def failed(person, scheduled_id):
    item, = [i for i in listed(person) if i["scheduled_id"] == scheduled_id]
    return item if item["failed_at"] else None


def test_kept_with_the_reason_when_blocked(stack):
    a, b, conversation = pair(stack)
    planned = schedule(a, conversation)
    b.rest.call("PUT", f"/users/{a.id}/block", expect=204)
    item = wait_for(lambda: failed(a, planned["scheduled_id"]))
    assert item["failure"] == "blocked" and item["content"] == "later" and item["failed_at"] >= item["send_at"]
    b.rest.delete(f"/users/{a.id}/block", expect=204)
    time.sleep(1.5)
    assert failed(a, planned["scheduled_id"]) and planned["client_id"] not in said(stack, conversation)   # it stays refused
    a.rest.delete(f"/scheduled/{planned['scheduled_id']}", expect=204)
    assert listed(a) == []


def test_kept_with_the_reason_when_no_longer_a_member(stack):
    owner, member, other = (Person(stack, n) for n in ("ann", "ben", "cat"))
    group = owner.group(member, other)
    planned = [schedule(member, group, 2.5), schedule(member, group, 3, mentions=[{"user_id": other.id, "offset": 0, "length": 1}])]
    staying = schedule(owner, group, 2.5, mentions=[{"user_id": other.id, "offset": 0, "length": 1}])
    owner.rest.delete(f"/conversations/{group}/participants/{other.id}", expect=204)
    owner.rest.delete(f"/conversations/{group}/participants/{member.id}", expect=204)
    for one in planned:
        assert wait_for(lambda one=one: failed(member, one["scheduled_id"]))["failure"] == "not_found"
    assert wait_for(lambda: failed(owner, staying["scheduled_id"]))["failure"] == "invalid"   # whom it mentions has left
    assert not {one["client_id"] for one in [*planned, staying]} & set(said(stack, group))


def test_slow_mode_moves_it(stack):
    owner, member = Person(stack, "ann"), Person(stack, "ben")
    group = owner.group(member)
    owner.rest.patch(f"/conversations/{group}", {"slow_mode_seconds": 5}, expect=200)
    first, second = schedule(member, group, 2), schedule(member, group, 2)
    wait_for(lambda: len({first["client_id"], second["client_id"]} & set(said(stack, group))) == 1)
    waiting = wait_for(lambda: [i for i in listed(member) if i["send_at"] not in (first["send_at"], second["send_at"])])[0]
    assert waiting["failed_at"] is None and waiting["send_at"] > max(first["send_at"], second["send_at"])
    wait_for(lambda: {first["client_id"], second["client_id"]} <= set(said(stack, group)), 15)
    a, b = stack.psql(f"SELECT extract(epoch FROM created_at) FROM message WHERE conversation_id = {group} AND sender_id = {member.id} AND kind = 1 ORDER BY seq").split()
    assert 5 <= float(b) - float(a) < 8
    assert listed(member) == []


def test_a_disabled_account_says_nothing(stack):
    a, _, conversation = pair(stack)
    schedule(a, conversation)
    stack.psql(f"UPDATE users SET disabled_at = now() WHERE id = {a.id}")
    wait_for(lambda: stack.psql(f"SELECT failure FROM scheduled_message WHERE user_id = {a.id}") == "forbidden")


def test_taken_back_at_the_last_moment(stack):
    """Whoever takes it back while it is being sent gets one or the other."""
    a, _, conversation = pair(stack)
    moment = now() + datetime.timedelta(seconds=6)
    planned = [schedule(a, conversation, send_at=stamp(moment), content=f"n {n}") for n in range(60)]
    taken = {}

    def take(one):
        taken[one["client_id"]] = a.rest.delete(f"/scheduled/{one['scheduled_id']}").status
    time.sleep(max(0, (moment - now()).total_seconds() - 0.01))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(take, reversed(planned)))
    wait_for(lambda: not listed(a), 10)
    found = said(stack, conversation)
    assert set(taken.values()) <= {204, 404}
    for one in planned:
        assert found.get(one["client_id"], 0) == (1 if taken[one["client_id"]] == 404 else 0)
    print(f"{list(taken.values()).count(204)} of {len(planned)} were taken back")


def test_another_process_takes_over(stack):
    a, _, conversation = pair(stack)
    second = stack.services["peal-jobs-2"] = Service(stack, "peal-jobs-2", [stack.dir / "bin" / "peal-jobs", "-c", stack.conf_path])
    second.start()
    try:
        planned = [schedule(a, conversation, 2.5 + n / 10) for n in range(20)]
        time.sleep(2.5)
        stack.kill("peal-jobs")
        wait_for(lambda: not listed(a), 10)
        assert all(said(stack, conversation)[one["client_id"]] == 1 for one in planned)
    finally:
        stack.start("peal-jobs")
        stack.stop("peal-jobs-2")
        del stack.services["peal-jobs-2"]


# ---- expiry ----

def visible(person, conversation, message):
    """Where a person still finds a message."""
    seq, rest = message["seq"], person.rest
    found = [name for name, path in (("get", ""), ("revisions", "/revisions"), ("reactions", "/reactions"), ("receipts", "/receipts"))
             if rest.get(f"/messages/{message['id']}{path}").status != 404]
    if any(m["seq"] == seq for m in person.history(conversation, limit=100)["messages"]):
        found.append("page")
    if (person.listed(conversation)["last_message"] or {}).get("seq") == seq:
        found.append("list")
    if person.listed(conversation)["unread_count"] or rest.get("/conversations/unread-count", expect=200)["total"]:
        found.append("unread")
    if any(m["id"] == message["id"] for m in rest.get("/messages/starred", expect=200)["items"]):
        found.append("starred")
    if any(m["id"] == message["id"] for m in rest.get(f"/conversations/{conversation}/pins", expect=200)["items"]):
        found.append("pinned")
    return found


EVERYWHERE = ["get", "revisions", "reactions", "receipts", "page", "list", "unread", "starred", "pinned"]


def row(stack, conversation, seq):
    columns = "content, mentions, attachments, reactions, forward_of, extra, pinned_at"
    found = truth.rows(stack, f"SELECT deleted_at IS NOT NULL, {columns} FROM message WHERE conversation_id = %s AND seq = %s", int(conversation), seq)
    return found[0] if found else None


def test_hidden_by_the_clock_and_emptied_soon(stack):
    a, b, conversation = pair(stack)
    picture = media.upload(a, media.png(), "image/png")
    folder = stack.dir / "media" / "ren" / picture["id"][:2] / picture["id"]
    message = media.send(a, conversation, picture["id"], content="soon gone", expires_in_seconds=6,
                         mentions=[{"user_id": b.id, "offset": 0, "length": 1}]).json
    b.rest.patch(f"/conversations/{conversation}/read", {"seq": message["seq"] - 1}, expect=200)
    a.rest.patch(f"/messages/{message['id']}", {"content": "soon gone, edited"}, expect=200)
    b.rest.post(f"/messages/{message['id']}/star", expect=200)
    b.rest.post(f"/messages/{message['id']}/reactions", {"emoji": "👍"}, expect=200)
    b.rest.call("PUT", f"/messages/{message['id']}/pin", expect=200)
    assert visible(b, conversation, message) == EVERYWHERE
    assert list(folder.glob("*.webp"))
    ends = datetime.datetime.fromisoformat(message["expires_at"].replace("Z", "+00:00"))
    time.sleep(max(0, (ends - now()).total_seconds() - 1.5))
    assert any(m["id"] == message["id"] for m in b.history(conversation)["messages"])
    time.sleep(max(0, (ends - now()).total_seconds() + 0.02))
    assert visible(b, conversation, message) == [] and visible(a, conversation, message) == []
    b.rest.get(f"/attachments/{picture['id']}", expect=(404, "not_found"))
    assert row(stack, conversation, message["seq"])[1] == "soon gone, edited"  # hidden by the clock alone
    wait_for(lambda: row(stack, conversation, message["seq"]) == (True,) + (None,) * 7, GRACE + 4)
    assert seconds_between(message["expires_at"], stamp(now())) < 60
    mine = f"WHERE conversation_id = {conversation} AND seq = {message['seq']}"
    assert stack.psql(f"SELECT count(*) FROM message_mine {mine}") == stack.psql(f"SELECT count(*) FROM message_revision {mine}") == "0"
    wait_for(lambda: not folder.exists(), 15)
    assert a.conversation(conversation)["last_seq"] == message["seq"]


def test_what_is_empty_is_cut_off_at_the_front(stack):
    a, b = Person(stack, "ann"), Person(stack, "ben")
    conversation = a.start(b)
    for n in range(5):
        a.say(conversation, f"n {n}", **({} if n == 3 else {"expires_in_seconds": 1}))
    wait_for(lambda: int(stack.psql(f"SELECT first_seq FROM conversation WHERE id = {conversation}")) == 4, GRACE + 5)
    page = b.history(conversation)
    assert [m["seq"] for m in page["messages"]] == [4] and not page["has_before"]
    assert a.say(conversation, "on")["seq"] == 6
    assert [m["seq"] for m in b.history(conversation)["messages"]] == [4, 6]


# ---- retention, and what is old ----

def test_retention(stack):
    owner, member = Person(stack, "ann"), Person(stack, "ben")
    group = owner.group(member)
    first = owner.conversation(group)["last_seq"] + 1
    picture = media.upload(owner, media.png(), "image/png")["id"]
    media.send(owner, group, picture)
    for n in range(250):
        owner.say(group, f"n {n}")
    owner.rest.patch(f"/conversations/{group}", {"retention_days": 7}, expect=200)
    last = owner.conversation(group)["last_seq"]
    stack.psql(f"UPDATE message SET created_at = now() - interval '8 days' WHERE conversation_id = {group} AND seq <= {last - 10};"
               f"UPDATE message SET created_at = now() - interval '40 days' WHERE conversation_id = {group} AND seq < {first + 100};"
               f"UPDATE message_key SET created_at = now() - interval '40 days' WHERE conversation_id = {group} AND seq < {first + 100}")
    stack.restart("peal-jobs")
    wait_for(lambda: int(stack.psql(f"SELECT first_seq FROM conversation WHERE id = {group}")) == last - 9, 10)
    page = member.history(group, limit=100)
    assert [m["seq"] for m in page["messages"]] == list(range(last - 9, last + 1)) and not page["has_before"]
    member.rest.get(f"/messages/{group}.{last - 10}", expect=(404, "not_found"))
    assert stack.psql(f"SELECT count(*) FROM message WHERE conversation_id = {group} AND seq < {last - 9} AND content IS NOT NULL") == "0"
    wait_for(lambda: int(stack.psql(f"SELECT min(seq) FROM message WHERE conversation_id = {group}")) == first + 100, 10)
    assert stack.psql(f"SELECT min(seq) FROM message_key WHERE conversation_id = {group}") == str(first + 100)
    owner.rest.get(f"/attachments/{picture}", expect=(404, "not_found"))
    assert owner.say(group, "on")["seq"] == last + 1


def test_keys_and_advances_go(stack):
    a, b, conversation = pair(stack)
    stack.psql(f"INSERT INTO mark_advance SELECT {conversation}, {a.id}, floor(extract(epoch FROM now()) / 10) - 8640 * n - 1, "
               f"now() - n * interval '1 day', 1, 1 FROM generate_series(1, 60) n;"
               f"INSERT INTO request_key (user_id, route, key, request_hash, created_at) "
               f"SELECT {a.id}, 'x', n::text, '', now() - n * interval '1 hour' FROM generate_series(1, 48) n")
    planned = schedule(a, conversation, 3600)
    a.rest.delete(f"/scheduled/{planned['scheduled_id']}", expect=204)
    stack.psql(f"UPDATE message_key SET created_at = now() - interval '31 days' WHERE conversation_id = {conversation}")
    stack.restart("peal-jobs")
    wait_for(lambda: stack.psql(f"SELECT count(*) FROM message_key WHERE conversation_id = {conversation} AND seq IS NULL") == "0", 10)
    assert stack.psql(f"SELECT count(*), max(now() - at) < interval '31 days' FROM mark_advance WHERE user_id = {a.id}") == "29|t"
    assert stack.psql(f"SELECT count(*) FROM request_key WHERE user_id = {a.id}") == "23"
    assert stack.psql(f"SELECT count(*) FROM message_key WHERE conversation_id = {conversation}") == "1"   # its message is still there


def test_old_calls_go(stack):
    """More than one batch of those that ended a day ago, and none that goes on or ended since."""
    a, _, conversation = pair(stack)
    stack.psql(f"INSERT INTO call (conversation_id, call_id, caller_id, video, parties, started_at, ended_at) "
               f"SELECT {conversation}, 'old-' || n, {a.id}, false, ARRAY[{a.id}], now() - interval '3 days', now() - interval '25 hours' FROM generate_series(1, 2300) n;"
               f"INSERT INTO call (conversation_id, call_id, caller_id, video, parties, ended_at) "
               f"VALUES ({conversation}, 'young', {a.id}, false, ARRAY[{a.id}], now() - interval '23 hours'), ({conversation}, 'on', {a.id}, false, ARRAY[{a.id}], NULL)")
    stack.restart("peal-jobs")
    wait_for(lambda: stack.psql(f"SELECT string_agg(call_id, ' ' ORDER BY call_id) FROM call WHERE conversation_id = {conversation}") == "on young", 10)


def test_closed_reports_go(stack):
    """More than one batch of those that nobody touched for a year; none that waits, was closed since, or is opened again at that moment."""
    a, b, _ = pair(stack)
    days = {"old": ("resolved", 366), "older": ("dismissed", 800), "young": ("resolved", 364), "open": ("open", 800), "taken": ("in_review", 800),
            "busy": ("dismissed", 800)}

    def add(note, times=1):
        state, ago = days[note]
        stack.psql(f"INSERT INTO report (reporter_id, target_id, conversation_id, seq, reason, note, copy, state, created_at, handled_at) "
                   f"SELECT {b.id}, {a.id}, ascii('{note}') + n, n, 'spam', '{note}', '{{}}', '{state}', now() - interval '900 days', "
                   f"now() - interval '{ago} days' FROM generate_series(1, {times}) n")

    def gone():
        return stack.psql(f"SELECT string_agg(note, ' ' ORDER BY note) FROM report WHERE reporter_id = {b.id}") == "busy open taken young"
    for note in days:
        add(note, 2300 if note == "old" else 1)
    with stack.db("postgres") as db, db.cursor() as c:
        c.execute("SELECT 1 FROM report WHERE reporter_id = %s AND note = 'busy' FOR UPDATE", [b.id])
        stack.restart("peal-jobs")
        wait_for(gone, 10)
        c.execute("UPDATE report SET state = 'in_review' WHERE reporter_id = %s AND note = 'busy'", [b.id])
        db.commit()
    add("older")
    stack.restart("peal-jobs")
    wait_for(gone, 10)


def test_tokens_of_others_go_when_they_have_expired(stack):
    """An ended one stays until then, or it would be good again; ours go 30 days after their end."""
    a, _, _ = pair(stack)
    rows = [("old", "https://i.example", "-2 days", None), ("young", "https://i.example", "-2 hours", None), ("ended", "https://i.example", "2 days", "-40 days"),
            ("ours", None, "-2 days", None), ("ours-ended", None, "2 days", "-40 days")]
    for agent, issuer, expires, ended in rows:
        stack.psql(f"INSERT INTO session (id, user_id, current_hash, user_agent, issuer, expires_at, ended_at) SELECT gen_random_uuid(), {a.id}, '', '{agent}', "
                   f"{issuer and repr(issuer) or 'NULL'}, now() + interval '{expires}', now() + {ended and repr(ended) or 'NULL'}::interval")
    left = lambda: stack.psql(f"SELECT string_agg(user_agent, ' ' ORDER BY user_agent) FROM session WHERE user_id = {a.id} AND length(user_agent) < 12")
    stack.restart("peal-jobs")
    wait_for(lambda: left() == "ended ours young", 10)
