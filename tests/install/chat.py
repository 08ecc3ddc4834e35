"""Two people talk on an installed Peal: run by boot.py in the container's network. Everything is checked against the contract.

    chat.py talk        sign in, send, read, listen, send a picture
    chat.py endure      send all the time until standard input says `end`; nothing may be refused, lost or come twice
    chat.py scan        upload a harmless file, and one with the text named next, which a scanner finds
    chat.py provider    sign in with the provider that boot.py has set up, whose CA is in the file named next; prints where that ends
"""

import asyncio
import collections
import json
import pathlib
import socket
import sys
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from peal import media  # noqa: E402
from peal.device import Device  # noqa: E402
from peal.people import Person  # noqa: E402
from peal.rest import Client  # noqa: E402
from peal.way import Browser  # noqa: E402
from peal.ws import Socket  # noqa: E402

HOST = "chat.example"
Site = collections.namedtuple("Site", "url port")
SITE = Site(f"http://{HOST}", 80)
PAUSE = 0.02

_resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *args, **options: _resolve("127.0.0.1" if host in (HOST, "sso.example") else host, *args, **options)


class Member(Person):
    """Somebody whom the sysadmin has added."""

    def __init__(self, username, password):
        self.stack, self.username, self.password = SITE, username, password
        self.rest = Client(SITE.url)
        reply = self.rest.post("/auth/login", {"username": username, "password": password, "token_delivery": "body"}, expect=200)
        self.id = reply["user"]["id"]
        self.rest.token, self.refresh_token = reply["access_token"], reply["refresh_token"]


def people():
    return Member("alice", "alice likes long passwords"), Member("bob", "bob likes long passwords")


def ask(path):
    return media.ask(SITE, path, headers={"Host": HOST})


async def talk():
    alice, bob = people()
    conversation = alice.start(bob)
    text = f"Hello Bob, it is {uuid.uuid4()}."
    async with await Socket.open(SITE, bob.token) as listening:
        await listening.hello()
        sent = alice.say(conversation, text)
        heard = (await listening.until("new_message"))["data"]["message"]
        assert heard["content"] == text and heard["id"] == sent["id"], heard
        answer = await listening.request(1, "POST", f"/api/v1/conversations/{conversation}/messages", {
            "client_id": str(uuid.uuid4()), "message_type": "text", "content": "Hello Alice."})
        assert answer["status"] == 201, answer
        picture = media.upload(alice, media.encoded(media.photo(1200, 900), "JPEG")).json
        media.send(alice, conversation, picture["id"])
        seen = (await listening.until("new_message", timeout=10))["data"]["message"]
        while not seen.get("attachments"):
            seen = (await listening.until("new_message", timeout=10))["data"]["message"]
    contents = [m.get("content") for m in bob.history(conversation)["messages"]]
    assert text in contents and "Hello Alice." in contents, contents
    url = media.link(seen["attachments"][0])
    shown = ask(url)
    assert shown.image.size == (1200, 900) and shown.headers["content-type"] == "image/webp"
    assert ask(url.replace("/std.", "/thumb.")).image.size == (320, 240)
    assert ask("/m/1" + url[3:]).status in (404, 410), "a link that was tampered with"
    page = ask("/")
    assert page.status == 200 and b"<script" in page.body and "default-src 'none'" in page.headers["content-security-policy"]
    assert ask("/api/v1/openapi.json").json["openapi"].startswith("3.")
    stranger = ask("/api/v1/conversations")
    assert stranger.status == 401 and stranger.headers["content-type"] == "application/problem+json"
    print(json.dumps({"talked": conversation}))


async def endure():
    alice, bob = people()
    conversation = alice.start(bob)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    sent, slowest = [], 0
    async with Device(bob) as device:
        print("begun", flush=True)
        while not ended.done():
            began = time.monotonic()
            sent.append((await asyncio.to_thread(alice.say, conversation, f"number {len(sent)}"))["seq"])
            slowest = max(slowest, time.monotonic() - began)
            await asyncio.sleep(PAUSE)
        await device.at(conversation, sent[-1], timeout=60)
        heard = [m["content"] for m in device.messages(conversation)][-len(sent):]
    assert sent == list(range(sent[0], sent[0] + len(sent))), "a hole"
    assert heard == [f"number {i}" for i in range(len(sent))], heard[-5:]
    print(json.dumps({"sent": len(sent), "slowest_ms": round(slowest * 1000)}))


async def scan():
    alice, _ = people()
    kept = media.upload(alice, b"a harmless file", "text/plain", to="file").json
    media.upload(alice, sys.argv[2].encode(), "text/plain", (422, "infected"), to="file")
    print(json.dumps({"kept": kept["state"]}))


async def provider():
    browser = Browser(SITE.url, trust=sys.argv[2])
    end = await asyncio.to_thread(browser.sign_in, "corp", "zoe")
    print(json.dumps({"end": end, "username": browser.me()["username"] if browser.refresh() else None}))


if __name__ == "__main__":
    asyncio.run(asyncio.wait_for({"talk": talk, "endure": endure, "scan": scan, "provider": provider}[sys.argv[1]](), 300))
