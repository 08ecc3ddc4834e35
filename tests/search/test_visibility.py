"""Random sequences of what six people do, beside the model: each of them finds exactly what the model says they see, newest first, once
the index has come along; and before it has, nothing that they do not see.

SEED= repeats a run, STEPS= makes it longer or shorter."""

import os
import random
import re
import time

import pytest

from api.test_model import DEEDS, Run
from peal.beside import has
from peal.find import found, indexed, pages

STEPS = int(os.environ.get("STEPS") or (240 if int(os.environ.get("TIER") or 1) < 2 else 4000))
SETTLE_EVERY, GLANCE_EVERY = 40, 8
SEARCHED = {"text", "image", "audio", "video", "file", "location", "poll"}
STACK = {"settings": {"search_slice_rows": 100, "expiry_seconds": 1}}


def words_of(message):
    texts = [message.content or ""]
    if message.poll:
        texts += [message.poll["question"], *message.poll["options"]]
    if message.kind == "location" and message.extra:
        texts.append(message.extra["name"])
    return [word for text in texts for word in re.findall(r"[a-z0-9]+", text.lower())]


def holds(message, words, without=()):
    """All words, the last one as a prefix when it is longer than one letter, and none of the others."""
    have = words_of(message)
    *whole, last = words
    return (all(w in have for w in whole) and any(h == last or (len(last) > 1 and h.startswith(last)) for h in have)
            and not any(w in have for w in without))


class Searches(Run):
    def seen(self, me, keep):
        """Ids of what the model says this search finds."""
        now = time.time()
        return {f"{place}.{m.seq}" for place in self.mine(me) for m in self.model.visible(me, place, now)
                if m.deleted_at is None and m.kind in SEARCHED and keep(place, m)}

    def questions(self, me):
        """(q, arguments, which messages it means)"""
        word = self.rng.choice([["text"], ["edit"], ["which"], ["here"], ["te"], ["e"], ["text", str(self.rng.randint(1, self.serial + 1))]])
        place, other = self.any_place(me), self.rng.choice(self.ids)
        text = " ".join(word)
        yield text, {}, lambda p, m: holds(m, word)
        yield f"{text} from:{self.people[other].username}", {}, lambda p, m: holds(m, word) and m.sender == other
        yield "text -1 -2", {}, lambda p, m: "text" in words_of(m) and not {"1", "2"} & set(words_of(m))
        yield "is:starred", {}, lambda p, m: (p, m.seq) in self.model.people[me].stars
        yield "is:pinned e", {}, lambda p, m: m.pinned and holds(m, ["e"])
        yield "mentions:me", {}, lambda p, m: any(x["user_id"] == me for x in m.mentions)
        yield "from:me", {}, lambda p, m: m.sender == me
        if place in self.mine(me):
            yield text, {"conversation_id": place}, lambda p, m: p == place and holds(m, word)
            yield f"in:{place} {text}", {"sort": "relevance"}, lambda p, m: p == place and holds(m, word)
        else:
            self.people[me].rest.get("/messages/search", query={"q": text, "conversation_id": place}, expect=(404, "not_found"))

    def settle(self):
        self.wait_for_expiry()
        indexed(self.stack)
        for me in self.ids:
            for q, more, keep in self.questions(me):
                limit = self.rng.choice([1, 3, 7, 100]) if q in ("text", "edit") else 100
                items = pages(self.people[me], q, limit=limit, **more)
                got = [item["message"]["id"] for item in items]
                self.same(f"{me} searches {q!r} {more}", sorted(got), sorted(self.seen(me, keep)))
                order = [(i["message"]["created_at"], int(i["message"]["conversation_id"]), i["message"]["seq"]) for i in items]
                if "sort" not in more:
                    assert [o[0] for o in order] == sorted((o[0] for o in order), reverse=True), order

    def glance_at_index(self):
        me = self.rng.choice(self.ids)
        got = found(self.people[me], "e")
        beyond = set(got) - self.seen(me, lambda p, m: True)
        if beyond:
            self.fail(f"{me} finds {beyond}, which they do not see")


@pytest.mark.parametrize("turn", [0, 1])
def test_everybody_finds_what_they_see(stack, turn):
    seed = int(os.environ.get("SEED") or random.randrange(2**32)) + turn
    print(f"SEED={seed} (the next one with SEED={seed + 1})" if not turn else f"SEED={seed - turn}")
    run = Searches(stack, seed)
    there = [(name, weight) for name, weight, method, path in DEEDS if has(method, path) and name != "schedule"]
    names, weights = [n for n, _ in there], [w for _, w in there]
    for n in range(3):
        run.do("start", run.ids[n], "POST", f"/conversations/{run.ids[n + 1]}", peer=run.ids[n + 1], id=None)
    for run.step in range(1, STEPS + 1):
        getattr(run, run.rng.choices(names, weights)[0])(run.rng.choice(run.ids))
        if run.step % SETTLE_EVERY == 0:
            run.settle()
        elif run.step % GLANCE_EVERY == 0:
            run.wait_for_expiry()
            run.glance_at_index()
    run.settle()
