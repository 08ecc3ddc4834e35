"""Every operation of the REST contract that changes something, and what is heard of it: by all devices of the one who did it, by all of a
member's, and by nobody who was a member once, is blocked or never was one. A new operation belongs in STEPS or in SILENT."""

import asyncio
import datetime

from peal import contract, moderation
from peal.kinds import draft
from peal.loop import run
from peal.people import Person
from peal.ws import Socket

ENDS = "sockets end: test_ended.py, test_programs.py"
OWN = "nothing of it is shown to anybody: one's own way to sign in"
SILENT = {
    **dict.fromkeys(("register", "login", "loginFactor", "loginPasskeyOptions", "loginPasskey", "refresh", "beginLink", "removeIdentity", "prove", "beginTotp",
                     "endTotp", "confirmTotp", "renewRecoveryCodes", "addPasskey", "newPasskeyOptions", "removePasskey", "renamePasskey", "createToken",
                     "createBot", "enableAccount"), OWN),
    **dict.fromkeys(("logout", "changePassword", "endOtherSessions", "endSession", "disableAccount", "revokeToken", "retireBot", "eraseMe"), ENDS),
    **dict.fromkeys(("uploadImage", "uploadAudio", "uploadVideo", "uploadFile", "beginUpload", "getUploadOptions", "endUpload", "getUpload",
                     "continueUpload", "exportMe"), "heard with the message, or as attachment_ready: tests/media"),
    **dict.fromkeys(("addPushSubscription", "removePushSubscription", "registerApp", "unregisterApp"), "where one's own devices are told"),
}
IGNORED = {"cursor", "retry", "message_delivered"}     # of acknowledging, or of not having done so yet
CREATED, NEW, UPDATED = "conversation_created", "new_message", "conversation_updated"


def label(frame):
    return f"my {frame['kind']}" if frame["type"] == "user_changed" else frame["type"]


class Ear:
    """One device. Everything that it hears is accounted for."""

    def __init__(self, socket, name):
        self.socket, self.name, self.heard, self.count = socket, name, [], 0

    async def take(self, timeout):
        frame = await self.socket.recv(timeout)
        if frame["type"] not in IGNORED:
            self.heard.append(label(frame))
        if frame["type"] in contract.socket().durable:
            self.count += 1
            await self.socket.send({"type": "ack", "count": self.count})

    async def expect(self, what, operation):
        while len(self.heard) < len(what):
            try:
                await self.take(10)
            except asyncio.TimeoutError:
                break
        assert sorted(self.heard) == sorted(what), f"{operation}: {self.name} heard {self.heard}, not {what}"
        self.heard = []

    async def silence(self, seconds):
        try:
            while True:
                await self.take(seconds)
                assert not self.heard, f"{self.name} heard {self.heard} in the end"
        except asyncio.TimeoutError:
            pass


def later():
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


class Scene:
    def __init__(self, stack):
        self.me, self.ben, self.gone, self.late, self.foe, self.stranger = (Person(stack, n) for n in ("me", "ben", "gone", "late", "foe", "stranger"))
        self.moderator = moderation.make(stack, "moderator")
        self.direct, self.other = self.me.start(self.ben), self.me.start(self.foe)
        self.me.say(self.direct, "first")
        self.me.say(self.other, "first")
        self.group = self.me.group(self.ben, self.gone)
        self.theirs = self.ben.say(self.group, "to be reported")["id"]
        self.call(self.me, "DELETE", f"/conversations/{self.group}/participants/{self.gone.id}")
        self.foe.rest.put(f"/users/{self.me.id}/block", expect=204)

    @staticmethod
    def call(who, method, path, body=None):
        reply = who.rest.call(method, path, body)
        assert reply.status < 300, f"{method} {path}: {reply}"
        return reply

    def say(self, **more):
        return self.call(self.me, "POST", f"/conversations/{self.group}/messages", draft(**more))

    def report(self):
        self.case = self.call(self.ben, "POST", "/reports", {"message_id": self.said, "reason": "spam"})["id"]

    def begin(self):
        self.said = self.say().json["id"]

    def begin_poll(self):
        self.poll = self.say(kind="poll").json["id"]

    def begin_scheduled(self):
        self.scheduled = self.say(send_at=later()).json["scheduled_id"]


def steps(s):
    """(operation, what is done, what my devices hear, what a member's hear)."""
    g, me, ben = f"/conversations/{s.group}", s.me, s.ben

    def do(operation, method, path, body=None, who=me):
        return operation, lambda: s.call(who, method, path() if callable(path) else path, body)

    def said(rest=""):
        return lambda: f"/messages/{s.said}{rest}"

    return [
        (*do("createGroup", "POST", "/conversations", {"type": "group", "name": "Another", "participant_ids": [ben.id]}), [CREATED, NEW], [CREATED, NEW]),
        (*do("startConversation", "POST", f"/conversations/{s.late.id}"), [CREATED], []),
        ("sendMessage", s.begin, [NEW], [NEW]),
        (*do("sendMessageTo", "POST", "/messages", draft(conversation_id=s.group)), [NEW], [NEW]),
        (*do("editMessage", "PATCH", said(), {"content": "edited"}), ["message_edited"], ["message_edited"]),
        (*do("editMessageByPut", "PUT", said(), {"content": "again"}), ["message_edited"], ["message_edited"]),
        (*do("addReaction", "POST", said("/reactions"), {"emoji": "👍"}, ben), ["reaction_added"], ["reaction_added"]),
        (*do("removeReaction", "DELETE", said("/reactions?emoji=%F0%9F%91%8D"), None, ben), ["reaction_removed"], ["reaction_removed"]),
        (*do("pin", "PUT", said("/pin")), ["message_pinned"], ["message_pinned"]),
        (*do("unpin", "DELETE", said("/pin")), ["message_unpinned"], ["message_unpinned"]),
        (*do("star", "POST", said("/star")), ["my star"], []),
        (*do("unstar", "DELETE", said("/star")), ["my star"], []),
        ("sendMessage", s.begin_poll, [NEW], [NEW]),
        (*do("vote", "POST", lambda: f"/messages/{s.poll}/vote", {"options": [0]}), ["poll_voted"], ["poll_voted"]),
        (*do("markMessageRead", "POST", said("/read"), None, ben), ["message_read"], ["my read"]),
        (*do("markRead", "PATCH", lambda: f"{g}/read", {"seq": 5}, ben), ["message_read"], ["my read"]),
        (*do("markUnread", "POST", f"{g}/unread", {"seq": 2}), ["my read"], []),
        (*do("setConversationSettings", "PUT", f"{g}/settings", {"archived": True}), ["my settings"], []),
        (*do("putDraft", "PUT", f"{g}/draft", {"content": "dear"}), ["my draft"], []),
        (*do("deleteDraft", "DELETE", f"{g}/draft"), ["my draft"], []),
        ("sendMessage", s.begin_scheduled, ["my scheduled"], []),
        (*do("removeScheduled", "DELETE", lambda: f"/scheduled/{s.scheduled}"), ["my scheduled"], []),
        (*do("setTyping", "POST", f"{g}/typing", {"is_typing": True}), [], ["typing"]),
        (*do("startTyping", "POST", f"{g}/typing/start"), [], ["typing"]),
        (*do("stopTyping", "POST", f"{g}/typing/stop"), [], ["typing"]),
        (*do("sendSignal", "POST", f"{g}/signals", {"call_id": "c", "kind": "offer", "payload": {}}), [], ["signal"]),
        (*do("updateConversation", "PATCH", g, {"name": "A name"}), [UPDATED, NEW], [UPDATED, NEW]),
        (*do("addParticipants", "POST", f"{g}/participants", {"user_ids": [s.late.id]}), ["member_added", NEW], ["member_added", NEW]),
        (*do("setRole", "PATCH", f"{g}/participants/{s.late.id}", {"role": "admin"}), [UPDATED, NEW], [UPDATED, NEW]),
        (*do("removeParticipant", "DELETE", f"{g}/participants/{s.late.id}"), ["member_removed", NEW], ["member_removed", NEW]),
        (*do("updateMe", "PATCH", "/me", {"status_text": "here"}), ["my profile"], []),
        ("report", s.report, [], []),
        ("handleReport", lambda: s.call(s.moderator, "PATCH", f"/admin/reports/{s.case}", {"action": "delete_message", "note": "out"}),
         ["message_deleted"], ["message_deleted"]),
        ("sendMessage", s.begin, [NEW], [NEW]),
        (*do("deleteMessage", "DELETE", said("?for=everyone")), ["message_deleted"], ["message_deleted"]),
        (*do("deleteMessage", "DELETE", lambda: f"/messages/{s.theirs}?for=me"), ["my hidden"], []),
        (*do("blockUser", "PUT", f"/users/{s.foe.id}/block"), ["my block"], []),
        (*do("unblockUser", "DELETE", f"/users/{s.foe.id}/block"), ["my block"], []),
    ]


async def ear(stack, person, name):
    s = await Socket.open(stack, person.token)
    await s.hello(name)
    return Ear(s, name)


async def test_every_change_is_heard_by_those_who_may(stack):
    scene = await run(Scene, stack)
    mine, theirs = [await ear(stack, scene.me, f"me {i}") for i in range(2)], [await ear(stack, scene.ben, f"ben {i}") for i in range(2)]
    nobody = [await ear(stack, p, n) for p, n in ((scene.gone, "who was removed"), (scene.foe, "who has blocked me"), (scene.stranger, "a stranger"))]
    done = set()
    for operation, act, me_hear, ben_hears in steps(scene):
        await run(act)
        for one in mine:
            await one.expect(me_hear, operation)
        for one in theirs:
            await one.expect(ben_hears, operation)
        done.add(operation)
    for one in (*mine, *theirs, *nobody):
        await one.silence(0.3)
        await one.socket.close()
    changing = {op.id for op in contract.rest().operations if op.method != "GET"}
    assert done | set(SILENT) == changing and not done & set(SILENT), (changing - done - set(SILENT), (done | set(SILENT)) - changing)
