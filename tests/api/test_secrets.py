"""Nothing secret is in any log: canaries go through every door, then all logs are searched."""

import asyncio
import uuid

from peal import ws
from peal.people import Person


def test_no_secret_in_any_log(stack, anonymous):
    mark = uuid.uuid4().hex
    secrets = {"password": f"password {mark}", "wrong password": f"wrong word {mark}", "content": f"content {mark}", "search": f"search-{mark}",
               "status": f"status {mark}", "socket content": f"socket content {mark}"}
    person = Person(stack, "canary", password=secrets["password"])
    anonymous.post("/auth/login", {"username": person.username, "password": secrets["wrong password"], "token_delivery": "body"}, expect=401)
    anonymous.post("/auth/login", {"username": person.username, "password": secrets["password"] + "x" * 70000}, valid=False, expect=413)
    anonymous.post("/auth/login", raw=b'{"password":"' + secrets["password"].encode() + b'"', expect=400)
    secrets["access token"], secrets["refresh token"] = person.token, person.refresh_token
    secrets["next refresh token"] = anonymous.post("/auth/refresh", {"refresh_token": person.refresh_token}, expect=200)["refresh_token"]
    cookie = {"Sec-Fetch-Site": "same-origin", "Cookie": f"peal_refresh={secrets['next refresh token']}"}
    anonymous.post("/auth/refresh", {}, headers=cookie, expect=200)
    conversation = person.start(person)
    message = person.say(conversation, secrets["content"])
    person.rest.post(f"/conversations/{conversation}/messages", {"client_id": message["client_id"], "message_type": "text",
                                                                 "content": secrets["content"] + "!"}, expect=409)
    person.rest.get("/users", query={"q": secrets["search"]}, expect=200)
    person.rest.patch("/me", {"status_text": secrets["status"]}, expect=200)
    anonymous.get("/me", token=person.token + "x", expect=401)

    async def socket():
        for how in ("header", "subprotocol", "none"):
            async with await ws.Socket.open(stack, person.token, how=how, origin=stack.conf["origins"].split()[0]) as s:
                await s.hello(token=person.token if how == "none" else None)
                await s.send({"type": "auth", "token": person.token})
                await s.request(1, "POST", f"/api/v1/conversations/{conversation}/messages",
                                {"client_id": f"s-{how}", "message_type": "text", "content": secrets["socket content"]})
                await s.send({"type": "auth", "token": person.token[:-4] + "AAAA"})
                await s.wait_closed()
    asyncio.run(socket())
    logs = [p for p in (stack.dir / "log").iterdir() if p.is_file()]
    assert len(logs) >= 6
    found = [f"{what} in {p.name}" for p in logs for what, secret in secrets.items() if secret in p.read_text(errors="replace")]
    signature = person.token.rsplit(".", 1)[1]
    found += [f"a token's signature in {p.name}" for p in logs if signature in p.read_text(errors="replace")]
    assert not found, found
