"""Messages of every kind over the socket: what is heard live is what a replay makes of it."""

from peal.kinds import DRAFTS, draft
from peal.loop import run
from peal.media import png, upload
from peal.ws import Socket

async def test_live_is_what_a_replay_says(stack, pair):
    a, b, conversation = pair
    async with await Socket.open(stack, b.token) as s:
        _, _, _, live = await s.hello("one")
        heard = []

        async def post(body, *, expect=201):
            m = await run(lambda: a.rest.post(f"/conversations/{conversation}/messages", body, expect=expect).json)
            frame = await s.until("new_message", conversation_id=conversation, seq=m["seq"])
            await s.send({"type": "ack", "count": len(heard) + 1})
            heard.append(frame)
            shared = frame["data"]["message"]
            for gone in ("starred", "status"):
                m.pop(gone, None)
            m["reply_to"] = m["reply_to"] and {k: v for k, v in m["reply_to"].items() if k != "excerpt"}
            if m["poll"]:
                m["poll"].pop("my_votes")
            assert shared == m, "the frame is the answer without what is one person's own"
            return m

        for kind in DRAFTS:
            await post(draft(kind, expires_in_seconds=3600 if kind == "call" else None))
        await post(draft(content="@ben", mentions=[{"user_id": b.id, "offset": 0, "length": 4}], reply_to=f"{conversation}.1"))
        picture = await run(lambda: upload(a, png(), "image/png").json)
        first = await post(draft("image", content="a caption", attachment_ids=[picture["id"]]))
        await post({"client_id": "again", "forward_of": first["id"]})
        await post({"client_id": "place", "forward_of": heard[1]["data"]["message"]["id"]})

    async with await Socket.open(stack, b.token) as s:
        _, _, events, _ = await s.hello("one", since=live["since"])
    replayed = [e for e in events if e["type"] == "new_message"][-len(heard):]
    for now, then in zip(replayed, heard):
        counts = ("read_count", "delivered_count")  # marks move meanwhile
        now["data"]["message"].update({k: then["data"]["message"][k] for k in counts})
        assert now == then
    assert len(replayed) == len(heard) == len(DRAFTS) + 4
