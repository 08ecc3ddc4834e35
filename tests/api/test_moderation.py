"""Reports, the moderators' queue and what they do, accounts as admins see them, and the log of all that."""

import asyncio
import json
import re
import time

import pytest

from peal import media, truth
from peal.loop import run
from peal.moderation import make
from peal.people import PASSWORD, Person
from peal.rest import Client
from peal.ws import Socket


@pytest.fixture(scope="module")
def moderator(stack):
    return make(stack, "moderator", "mod")


@pytest.fixture(scope="module")
def admin(stack):
    return make(stack, "admin", "adm")


def report(person, message=None, user=None, reason="spam", expect=201, **more):
    body = {"reason": reason, **({"message_id": message["id"]} if message else {"user_id": user.id}), **more}
    return person.rest.post("/reports", body, expect=expect)["id"]


def audit(stack, *acts):
    """(actor, act, target_kind, target_id) of the newest rows, oldest first."""
    rows = truth.rows(stack, "SELECT actor, act, target_kind, target_id FROM audit WHERE act = ANY (%s) ORDER BY id DESC LIMIT 20", list(acts))
    return rows[::-1]


def test_roles(stack, person, moderator, admin):
    assert person.rest.get("/me", expect=200)["site_role"] is None
    assert moderator.rest.get("/me", expect=200)["site_role"] == "moderator"
    assert admin.rest.get("/me", expect=200)["site_role"] == "admin"
    for path in ("/admin/users", "/admin/audit"):
        moderator.rest.get(path, expect=(403, "forbidden"))
        admin.rest.get(path, expect=200)
    moderator.rest.post(f"/admin/users/{person.id}/disable", expect=(403, "forbidden"))
    fallen = make(stack, "admin")
    fallen.rest.get("/admin/users", expect=200)
    stack.pealctl("user", "role", fallen.username.upper(), "none")
    fallen.rest.get("/admin/users", expect=(403, "forbidden"))


def test_a_report_keeps_what_was_said(stack, pair, moderator):
    a, b, c = pair
    said = a.say(c, "something bad")
    id_ = report(b, said, note="look")
    a.rest.patch(f"/messages/{said['id']}", {"content": "something nice"}, expect=200)
    a.rest.delete(f"/messages/{said['id']}?for=everyone", expect=200)
    kept = moderator.rest.get(f"/admin/reports/{id_}", expect=200).json
    assert kept["message"]["content"] == "something bad" and kept["message"]["id"] == said["id"]
    assert kept["message"]["sender"]["id"] == a.id and kept["user"]["id"] == a.id and kept["reporter"]["id"] == b.id
    assert kept["message"]["conversation"] == {"id": c, "type": "direct", "name": None}
    assert (kept["state"], kept["reason"], kept["note"], kept["message_gone"], kept["profile"]) == ("open", "spam", "look", True, None)


def test_its_files_are_kept_while_it_waits(stack, pair, moderator):
    a, b, c = pair
    up = a.rest.post("/messages/upload-image", raw=media.png(), headers={"Content-Type": "image/png"}, expect=201).json
    said = a.rest.post(f"/conversations/{c}/messages", {"client_id": "p", "message_type": "image", "attachment_ids": [up["id"]]}, expect=201).json
    id_ = report(b, said)
    a.rest.delete(f"/messages/{said['id']}?for=everyone", expect=200)
    kept = moderator.rest.get(f"/admin/reports/{id_}", expect=200).json
    (attachment,) = kept["attachments"]
    url = stack.url + attachment["renditions"][0]["url"]
    status = lambda: Client(stack.url)._exchange("GET", url.removeprefix(stack.url), None, {})[0]
    assert status() == 200
    done = moderator.rest.patch(f"/admin/reports/{id_}", {"action": "dismiss"}, expect=200).json
    assert (done["state"], done["attachments"]) == ("dismissed", [])
    end = time.monotonic() + 10
    while status() != 404 and time.monotonic() < end:
        time.sleep(0.1)
    assert status() == 404
    assert truth.rows(stack, "SELECT count(*) FROM attachment WHERE id = %s AND deleted_at IS NULL", up["id"]) == [(0,)]


def test_one_open_report_of_one_thing(stack, pair, moderator):
    a, b, c = pair
    said = a.say(c, "once")
    id_ = report(b, said)
    assert report(b, said, reason="hate", expect=200) == id_
    assert report(b, user=a) != id_ and report(b, user=a, expect=200) != id_
    moderator.rest.patch(f"/admin/reports/{id_}", {"state": "in_review"}, expect=200)
    assert report(b, said, expect=200) == id_
    moderator.rest.patch(f"/admin/reports/{id_}", {"action": "dismiss"}, expect=200)
    assert report(b, said) != id_


def test_what_cannot_be_reported(stack, pair):
    a, b, c = pair
    mine, theirs = b.say(c, "mine"), a.say(c, "theirs")
    group = a.group(b)
    b.rest.post("/reports", {"message_id": mine["id"], "reason": "spam"}, expect=(400, "invalid"))
    b.rest.post("/reports", {"user_id": b.id, "reason": "spam"}, expect=(400, "invalid"))
    b.rest.post("/reports", {"message_id": f"{group}.1", "reason": "spam"}, expect=(409, "wrong_kind"))
    a.rest.delete(f"/messages/{theirs['id']}?for=everyone", expect=200)
    b.rest.post("/reports", {"message_id": theirs["id"], "reason": "spam"}, expect=(409, "deleted"))
    hidden = a.say(c, "hidden")
    b.rest.delete(f"/messages/{hidden['id']}?for=me", expect=204)
    b.rest.post("/reports", {"message_id": hidden["id"], "reason": "spam"}, expect=(404, "not_found"))
    Person(stack).rest.post("/reports", {"message_id": hidden["id"], "reason": "spam"}, expect=(404, "not_found"))


@pytest.mark.parametrize("body, path, code", [
    ({"reason": "spam"}, "/message_id", "required"), ({"message_id": "1.1", "user_id": "1", "reason": "spam"}, "/message_id", "exclusive"),
    ({"message_id": "x", "reason": "spam"}, "/message_id", "format"), ({"user_id": "1", "reason": "boring"}, "/reason", "word"),
    ({"user_id": "1"}, "/reason", "required"), ({"user_id": "1", "reason": "other"}, "/note", "required"),
    ({"user_id": "1", "reason": "other", "note": " "}, "/note", "required"), ({"user_id": "1", "reason": "spam", "note": "x" * 1001}, "/note", "too_long")])
def test_malformed_reports(person, body, path, code):
    error = person.rest.post("/reports", body, valid=False, expect=(400, "invalid"))["errors"][0]
    assert (error["path"], error["code"]) == (path, code)


def test_encrypted_and_other_kinds(pair, moderator):
    a, b, c = pair
    sealed = a.rest.post(f"/conversations/{c}/messages", {"client_id": "e", "message_type": "encrypted", "encrypted": {
        "ciphertext": "AAAA", "nonce": "AAAA", "key_id": "AAAA", "ephemeral_key": "AAAA"}}, expect=201).json
    poll = a.rest.post(f"/conversations/{c}/messages", {"client_id": "q", "message_type": "poll", "poll": {
        "question": "Who?", "options": ["you", "me"]}}, expect=201).json
    kept = moderator.rest.get(f"/admin/reports/{report(b, sealed)}", expect=200)["message"]
    assert (kept["message_type"], kept["content"], kept["poll"]) == ("encrypted", None, None)
    kept = moderator.rest.get(f"/admin/reports/{report(b, poll)}", expect=200)["message"]
    assert kept["poll"] == {"question": "Who?", "options": ["you", "me"]}


def test_as_many_as_may_wait(stack, person):
    others = [truth.rows(stack, "INSERT INTO users (username, display_name) VALUES (%s, 'x') RETURNING id", f"wait-{person.id}-{n}")[0][0] for n in range(21)]
    for other in others[:20]:
        person.rest.post("/reports", {"user_id": str(other), "reason": "spam"}, expect=201)
    person.rest.post("/reports", {"user_id": str(others[20]), "reason": "spam"}, expect=(409, "too_many"))
    person.rest.post("/reports", {"user_id": str(others[3]), "reason": "spam"}, expect=200)


def test_the_key_of_a_report(pair):
    a, b, c = pair
    said = a.say(c, "x")
    key = {"Idempotency-Key": "report-1"}
    first = b.rest.post("/reports", {"message_id": said["id"], "reason": "spam"}, headers=key, expect=201)
    again = b.rest.post("/reports", {"reason": "spam", "message_id": said["id"]}, headers=key, expect=200)
    assert again.headers["idempotency-replayed"] == "true" and again["id"] == first["id"]
    b.rest.post("/reports", {"message_id": said["id"], "reason": "hate"}, headers=key, expect=(409, "idempotency_conflict"))


def test_the_queue(stack, moderator):
    a, b = Person(stack), Person(stack)
    c = a.start(b)
    ids = [report(b, a.say(c, f"n{n}"), reason=("spam", "hate")[n % 2]) for n in range(5)]
    mine = lambda **q: [r["id"] for r in moderator.rest.get("/admin/reports", query={"user_id": a.id, **q}, expect=200)["items"]]
    assert mine() == ids[::-1]
    assert mine(reason="hate") == [ids[3], ids[1]]
    moderator.rest.patch(f"/admin/reports/{ids[1]}", {"action": "dismiss"}, expect=200)
    assert mine(state="open") == [ids[4], ids[3], ids[2], ids[0]] and mine(state="dismissed") == [ids[1]]
    page = moderator.rest.get("/admin/reports", query={"user_id": a.id, "limit": 2}, expect=200).json
    rest = moderator.rest.get("/admin/reports", query={"user_id": a.id, "limit": 3, "cursor": page["next_cursor"]}, expect=200).json
    assert [r["id"] for r in page["items"] + rest["items"]] == ids[::-1] and rest["next_cursor"] is None
    moderator.rest.get("/admin/reports", query={"cursor": "!"}, expect=(400, "invalid"))
    moderator.rest.get("/admin/reports?user_id=x", valid=False, expect=(400, "invalid"))
    moderator.rest.get("/admin/reports?state=lost", valid=False, expect=(400, "invalid"))


def test_deleting(stack, moderator):
    """Of everybody, and heard as any other deletion; the moderator is in none of it."""
    a, b = Person(stack), Person(stack)
    c = a.start(b)
    said = a.say(c, "out with it")
    id_ = report(b, said)

    async def heard():
        async with await Socket.open(stack, b.token) as s:
            await s.hello()
            await run(lambda: moderator.rest.patch(f"/admin/reports/{id_}", {"action": "delete_message", "note": "out"}, expect=200))
            return await s.until("message_deleted", conversation_id=c)
    event = asyncio.run(heard())
    assert event["data"]["message"]["id"] == said["id"] and event["data"]["message"]["content"] is None
    assert b.history(c)["messages"][-1]["deleted_at"] is not None
    done = moderator.rest.get(f"/admin/reports/{id_}", expect=200).json
    assert (done["state"], done["action"], done["moderator_note"], done["handled_by"]["id"]) == ("resolved", "delete_message", "out", moderator.id)
    assert done["message_gone"] and done["message"]["content"] == "out with it"
    assert audit(stack, "message.delete", "report.handle")[-2:] == [
        (moderator.username, "message.delete", "message", said["id"]), (moderator.username, "report.handle", "report", id_)]
    moderator.rest.patch(f"/admin/reports/{id_}", {"action": "delete_message"}, expect=(409, "conflict"))
    moderator.rest.patch(f"/admin/reports/{id_}", {"state": "open"}, expect=200)
    moderator.rest.patch(f"/admin/reports/{id_}", {"action": "delete_message"}, expect=200)
    assert [r[1] for r in audit(stack, "message.delete", "report.handle")[-2:]] == ["report.handle"] * 2, "gone already: nothing was deleted"


def test_disabling(stack, moderator):
    a, b = Person(stack), Person(stack)
    c = a.start(b)
    id_ = report(b, a.say(c, "bad"))
    moderator.rest.patch(f"/admin/reports/{id_}", {"action": "disable_user"}, expect=200)
    end = time.monotonic() + 1
    while a.rest.get("/me", valid=True).status == 200:
        assert time.monotonic() < end, "disabled, and still served after a second"
        time.sleep(0.02)
    a.rest.get("/me", expect=(401, "unauthenticated"))
    assert moderator.rest.get(f"/admin/reports/{id_}", expect=200)["user_disabled"] is True
    assert audit(stack, "user.disable")[-1] == (moderator.username, "user.disable", "user", a.id)


def test_moderators_do_not_disable_their_like(stack, moderator, admin, person):
    other = make(stack, "moderator")
    for target in (other, admin):
        id_ = report(person, user=target)
        moderator.rest.patch(f"/admin/reports/{id_}", {"action": "disable_user"}, expect=(403, "forbidden"))
        assert moderator.rest.get(f"/admin/reports/{id_}", expect=200)["state"] == "open", "nothing of it happened"
    id_ = report(person, user=moderator)
    moderator.rest.patch(f"/admin/reports/{id_}", {"action": "disable_user"}, expect=(403, "forbidden"))
    admin.rest.patch(f"/admin/reports/{report(person, user=other, expect=200)}", {"action": "disable_user"}, expect=200)


def test_slow_mode(stack, moderator):
    a, b = Person(stack), Person(stack)
    group = a.group(b)
    id_ = report(a, b.say(group, "too much"))
    body = {"action": "slow_mode", "slow_mode_seconds": 30}
    moderator.rest.patch(f"/admin/reports/{id_}", body, expect=200)
    b.rest.post(f"/conversations/{group}/messages", {"client_id": "2", "message_type": "text", "content": "x"}, expect=201)
    b.rest.post(f"/conversations/{group}/messages", {"client_id": "3", "message_type": "text", "content": "x"}, expect=(429, "slow_mode"))
    assert a.conversation(group)["slow_mode_seconds"] == 30
    system = [m for m in a.history(group)["messages"] if m["message_type"] == "system"][-1]
    assert system["system"]["kind"] == "settings_changed" and system["sender_id"] == moderator.id
    assert audit(stack, "conversation.slow_mode")[-1] == (moderator.username, "conversation.slow_mode", "conversation", group)
    c = b.start(a)
    id_ = report(a, b.say(c, "y"))
    moderator.rest.patch(f"/admin/reports/{id_}", body, expect=(409, "wrong_kind"))
    moderator.rest.patch(f"/admin/reports/{report(a, user=b)}", body, expect=(409, "wrong_kind"))


@pytest.mark.parametrize("body, path", [({}, ""), ({"action": "slow_mode"}, "/slow_mode_seconds"), ({"slow_mode_seconds": 5, "state": "open"}, "/slow_mode_seconds"),
                                        ({"action": "dismiss", "state": "open"}, "/state"), ({"action": "shout"}, "/action"),
                                        ({"note": "x" * 1001}, "/note")])
def test_malformed_work(moderator, body, path):
    reply = moderator.rest.patch("/admin/reports/1", body, valid=False, expect=(400, "invalid"))
    assert reply["errors"][0]["path"] == path
    moderator.rest.patch("/admin/reports/987654321", {"note": "x"}, expect=(404, "not_found"))


def test_notes_come_and_go(pair, moderator):
    a, b, c = pair
    id_ = report(b, a.say(c, "x"))
    patch = lambda body: moderator.rest.patch(f"/admin/reports/{id_}", body, expect=200).json
    assert patch({"note": "asking"})["moderator_note"] == "asking"
    assert patch({"state": "in_review"})["moderator_note"] == "asking"
    assert patch({"note": None})["moderator_note"] is None


# --- accounts ---


def test_accounts(stack, admin):
    name = f"zz{admin.id}"
    people = [Person(stack, name) for _ in range(3)]
    bot = people[0].rest.post("/bots", {"username": f"{name}-bot"}, expect=201)["id"]
    listed = lambda **q: [a["user"]["id"] for a in admin.rest.get("/admin/users", query={"q": name.upper(), **q}, expect=200)["items"]]
    assert listed() == [p.id for p in people] + [bot]
    assert listed(bot="true") == [bot] and listed(bot="false") == [p.id for p in people] and listed(staff="true") == []
    admin.rest.get("/admin/users", query={"cursor": "no"}, expect=(400, "invalid"))
    admin.rest.post("/admin/users/999999999/enable", expect=(404, "not_found"))
    done = admin.rest.post(f"/admin/users/{people[1].id}/disable", expect=200).json
    assert done["disabled_at"] is not None and done["user"]["id"] == people[1].id
    assert listed(disabled="true") == [people[1].id] and people[1].id not in listed(disabled="false")
    page = admin.rest.get("/admin/users", query={"q": name, "limit": 3}, expect=200).json
    rest = admin.rest.get("/admin/users", query={"q": name, "limit": 3, "cursor": page["next_cursor"]}, expect=200).json
    assert [a["user"]["id"] for a in page["items"] + rest["items"]] == [p.id for p in people] + [bot]
    assert rest["items"][-1]["owner_id"] == people[0].id
    assert [a["site_role"] for a in admin.rest.get("/admin/users", query={"q": admin.username}, expect=200)["items"]] == ["admin"]


def test_disable_and_enable(stack, admin, anonymous, person):
    token = person.rest.post("/tokens", {"name": "x", "scopes": ["profile:read"]}, expect=201)["token"]
    before = len(truth.rows(stack, "SELECT id FROM audit WHERE target_id = %s", person.id))
    for _ in range(2):
        admin.rest.post(f"/admin/users/{person.id}/disable", expect=200)
    anonymous.get("/me", token=token, expect=(401, "unauthenticated"))
    anonymous.post("/auth/login", {"username": person.username, "password": PASSWORD, "token_delivery": "body"}, expect=(401, "bad_credentials"))
    for _ in range(2):
        assert admin.rest.post(f"/admin/users/{person.id}/enable", expect=200)["disabled_at"] is None
    anonymous.post("/auth/login", {"username": person.username, "password": PASSWORD, "token_delivery": "body"}, expect=200)
    anonymous.get("/me", token=token, expect=200)
    assert len(truth.rows(stack, "SELECT id FROM audit WHERE target_id = %s", person.id)) == before + 2, "what is so already is no act"
    admin.rest.post(f"/admin/users/{admin.id}/disable", expect=(403, "forbidden"))
    admin.rest.post("/admin/users/987654321/disable", expect=(404, "not_found"))


# --- the log ---


def test_the_log_says_who_what_and_from_where(stack, admin, person):
    reply = admin.rest.post(f"/admin/users/{person.id}/disable", expect=200)
    row = admin.rest.get("/admin/audit", query={"act": "user.disable", "target_kind": "user", "target_id": person.id}, expect=200)["items"][0]
    assert (row["actor_id"], row["actor"], row["target"]) == (admin.id, admin.username, person.username)
    assert row["request_id"] == reply.headers["x-request-id"] and row["address"] == "127.0.0.1" and row["access_token_id"] is None
    token = admin.rest.post("/tokens", {"name": "x", "scopes": ["admin:write"]}, expect=201).json
    admin.rest.post(f"/admin/users/{person.id}/enable", token=token["token"], expect=200)
    newest = admin.rest.get("/admin/audit", query={"actor_id": admin.id, "limit": 1}, expect=200)
    assert newest["items"][0]["act"] == "user.enable" and newest["items"][0]["access_token_id"] == token["id"]
    older = admin.rest.get("/admin/audit", query={"actor_id": admin.id, "limit": 1, "cursor": newest["next_cursor"]}, expect=200)["items"][0]
    assert older["id"] == row["id"]
    admin.rest.get("/admin/audit?actor_id=x", valid=False, expect=(400, "invalid"))


def test_the_command_line_is_in_the_log(stack, admin):
    other = make(stack, "moderator")
    row = admin.rest.get("/admin/audit", query={"act": "user.role", "target_id": other.id}, expect=200)["items"][0]
    assert row["actor_id"] is None and row["target"] == other.username and row["address"] is None
    assert row["detail"] == {"arguments": [other.username, "moderator"]}
    line = [l for l in stack.pealctl("audit", "--act", "user.role", "--lines", "1000").stdout.splitlines() if other.username in l]
    assert len(line) == 1 and re.match(r"\d{4}-.*Z  \S.*  pealctl  user\.role  ", line[0])
    last = json.loads(stack.pealctl("--json", "audit", "--lines", "1").stdout)
    assert last["act"] and last["at"] and "detail" in last


def test_what_failed_at_the_command_line_is_there_too(stack, admin):
    assert stack.pealctl("user", "role", "nobody-at-all", "admin", check=False).returncode == 1
    row = admin.rest.get("/admin/audit", query={"act": "user.role"}, expect=200)["items"][0]
    assert (row["target"], row["target_id"]) == ("nobody-at-all", None)


def test_a_bot_gets_no_role(stack, person):
    bot = person.rest.post("/bots", {"username": f"norole-{person.id}"}, expect=201)
    stack.pealctl("user", "role", bot["username"], "admin", check=False)
    assert truth.rows(stack, "SELECT site_role FROM users WHERE id = %s", int(bot["id"])) == [(0,)]
