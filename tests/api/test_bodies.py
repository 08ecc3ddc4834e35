"""What is malformed is a 4xx with the place, never a 5xx."""

import json
import random
import os

import pytest

from peal import contract

SEND = '{"client_id":"c","message_type":"text","content":%s}'


@pytest.fixture
def send(pair):
    a, _, conversation = pair

    def post(raw, **kw):
        return a.rest.post(f"/conversations/{conversation}/messages", raw=raw if isinstance(raw, bytes) else raw.encode(), **kw)
    yield post
    assert a.conversation(conversation)["last_seq"] == 1, "nothing of this was taken for a message"
    a.rest.close()


@pytest.mark.parametrize("raw", ["", " ", "{", "nonsense", '{"a":}', '{"a":1,}', "{'a':1}", '{"a":01}', '{"a":NaN}', '{"a":1}{}', '"\\ud800"', '{"a":"\t"}', "[1,2"])
def test_not_json(send, raw):
    reply = send(raw, expect=(400, "bad_json"))
    assert reply["errors"][0]["code"] == "syntax"


@pytest.mark.parametrize("raw", ["[]", "1", '"x"', "null", "true"])
def test_not_an_object(send, raw):
    reply = send(raw)
    assert (reply.status, reply["errors"][0]["path"], reply["errors"][0]["code"]) == (400, "", "type"), reply


@pytest.mark.parametrize("raw, code", [
    (SEND % '"\\u0000"', "syntax"), (SEND % '"a\\u0000b"', "syntax"), ('{"\\u0000":1}', "syntax"), (SEND % '"\\ud800"', "syntax"),
    (SEND % ("[" * 17 + "]" * 17), "depth"), ("[" * 50000, "depth"), ('{"a":' * 20 + "1" + "}" * 20, "depth"),
    ('{"content":"a","content":"b"}', "duplicate"), ('{"x":{"y":1,"y":2}}', "duplicate"),
])
def test_strict_json(send, raw, code):
    reply = send(raw, expect=(400, "bad_json"))
    assert reply["errors"][0]["code"] == code


@pytest.mark.parametrize("bytes_", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"a\x00b"], ids=lambda b: b.hex())
def test_not_utf8(send, bytes_):
    send((SEND % '"@"').encode().replace(b"@", bytes_), expect=(400, "bad_json"))


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/json-patch+json", "json", ""])
def test_content_types(send, kind):
    send(SEND % '"x"', headers={"Content-Type": kind}, expect=(415, "unsupported_media_type"))


def test_json_with_parameters(pair):
    a, _, conversation = pair
    for n, kind in enumerate(["application/json; charset=utf-8", "Application/JSON", "application/json ;charset=utf-8"]):
        body = json.dumps({"client_id": f"k{n}", "message_type": "text", "content": "x"}).encode()
        a.rest.post(f"/conversations/{conversation}/messages", raw=body, headers={"Content-Type": kind}, expect=201)


def test_too_large(pair):
    a, _, conversation = pair
    for size, path in ((64 * 1024 + 1, "/auth/login"), (256 * 1024 + 1, f"/conversations/{conversation}/messages"), (2 * 1024 * 1024, "/messages")):
        raw = b'{"content":"' + b"x" * (size - 14) + b'"}'
        assert len(raw) == size
        a.rest.post(path, raw=raw, expect=(413, "too_large"))
    raw = b'{"x":"' + b"x" * (64 * 1024 - 8) + b'"}'
    assert len(raw) == 64 * 1024
    a.rest.patch("/me", raw=raw, expect=200)


def path_of(op, other, conversation):
    """The path of an operation, about something that is there."""
    own = f"{conversation}.1" if op.path.startswith("/messages/{id}") else "0" * 32 if op.path.startswith("/uploads/") else conversation
    return op.path.replace("{id}", own).replace("{userId}", other.id)


@pytest.mark.parametrize("op", [o for o in contract.rest().operations if o.body], ids=lambda o: o.id)
def test_every_body_is_checked(stack, pair, op):
    """The same abuse on every route with a body."""
    a, b, conversation = pair
    path = path_of(op, b, conversation)
    query = {}
    if path.startswith("/admin/"):
        stack.psql(f"UPDATE users SET site_role = 2 WHERE id = {int(a.id)}")
    for raw, code in ((b"{", "bad_json"), (b'{"a":1,"a":2}', "bad_json"), (b"[" * 100, "bad_json"), (b"\xff", "bad_json"), (b"[]", None)):
        reply = a.rest.call(op.method, path, raw=raw, query=query)
        assert reply.status == 400 and code in (None, reply.code), (raw, reply)
    a.rest.call(op.method, path, raw=b"{}", headers={"Content-Type": "text/plain"}, expect=(415, "unsupported_media_type"))
    a.rest.call(op.method, path, raw=b"{" + b" " * 270000 + b"}", expect=(413, "too_large"))


@pytest.mark.parametrize("op", [o for o in contract.rest().operations if not o.served_by_nginx], ids=lambda o: o.id)
def test_other_methods(pair, op):
    a, b, conversation = pair
    path = path_of(op, b, conversation)
    has = {o.method for o in contract.rest().operations if o.path == op.path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - has:
        reply = a.rest.call(method, path, valid=False, expect=(405, "method_not_allowed"))
        assert set(reply.headers["allow"].replace(" ", "").split(",")) - {"HEAD"} == has - {"HEAD"}


@pytest.mark.parametrize("path", ["/", "/nothing", "/conversations/", "/conversations//messages", "/Conversations", "/conversations/1/nothing",
                                  "/conversations/1/messages/", "/feed/open", "/auth", "/conversations/1/messages/1/2/3/4/5/6/7/8/9"])
def test_no_such_path(person, path):
    for method in ("GET", "POST"):
        reply = person.rest.call(method, path, valid=False)
        assert reply.status in (404, 405) and reply.json["code"] in ("not_found", "method_not_allowed"), reply
    assert person.rest.call("GET", path, valid=False).status == 404


@pytest.mark.parametrize("target", ["/api/v1/../v1/me", "/api/v1/%6de", "/api/v1//me", "/api/v1/me/", "/api/v1/users/%2e%2e/me", "/feed/open", "/api/v1/./me", "/metrics"])
def test_odd_spellings_reach_nothing(person, target):
    """A path means what it says: no second spelling leads anywhere."""
    status, headers, raw = person.rest._exchange("GET", target, None, {"Authorization": f"Bearer {person.token}"})
    body = json.loads(raw)
    person.rest.contract.check_response(None, status, headers, body)
    assert status == 404, (status, raw)


def test_oversized_heads(person):
    """nginx refuses these itself, in the same form."""
    status, headers, raw = person.rest._exchange("GET", "/api/v1/me?" + "x" * 40000, None, {})
    assert status == 414 and json.loads(raw)["code"] == "uri_too_long" and headers["content-type"].startswith("application/problem+json")
    person.rest.close()
    status, headers, raw = person.rest._exchange("GET", "/api/v1/me", None, {"X-Large": "x" * 40000})
    assert status == 431 and json.loads(raw)["code"] == "headers_too_large"
    person.rest.close()


def test_random_mutations_never_fault(pair):
    """Valid bodies with random bytes changed: whatever comes out, it is no 5xx."""
    a, _, conversation = pair
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    print(f"SEED={seed}")
    rng = random.Random(seed)
    good = json.dumps({"client_id": "k", "message_type": "text", "content": "héllo", "reply_to": f"{conversation}.1",
                       "mentions": [{"user_id": a.id, "offset": 0, "length": 1}]}, ensure_ascii=False).encode()
    for _ in range(300):
        raw = bytearray(good)
        for _ in range(rng.choice([1, 1, 2, 8])):
            at = rng.randrange(len(raw))
            what = rng.random()
            if what < 0.5:
                raw[at] = rng.randrange(256)
            elif what < 0.75:
                del raw[at]
            else:
                raw[at:at] = rng.choice([b'"', b"{", b"[", b"\\u0000", b"\xff", b",", b"1e999", b"null"])
        reply = a.rest.post(f"/conversations/{conversation}/messages", raw=bytes(raw))
        assert reply.status < 500, (seed, bytes(raw), reply)
