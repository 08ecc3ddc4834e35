"""Pages on other origins: whom nginx and the workers let ask, by the protocol that browsers keep to (the Fetch standard)."""

import http.client
import json
import re

import pytest

from peal import contract, media
from peal.people import PASSWORD, Person

APP, STRANGER = "https://app.example", "https://app.example.evil.test"
STACK = {"settings": {"origins": f"http://localhost https://other.example {APP}"}}
EXPOSED = {"x-request-id", "etag", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after", "idempotency-replayed",
           "peal-ignored"}


def ask(stack, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=20)
    send = {k.replace("_", "-"): v for k, v in headers.items()}
    if isinstance(body, dict):
        body = json.dumps(body).encode()
        send.setdefault("Content-Type", "application/json")
    connection.request(method, path, body=body, headers=send)
    reply = connection.getresponse()
    fields = {}
    for name, value in reply.getheaders():
        fields[name.lower()] = f"{fields[name.lower()]}, {value}" if name.lower() in fields else value
    data = reply.read()
    connection.close()
    return reply.status, fields, data


def names(text):
    return {n.strip().lower() for n in text.split(",")}


def allowed(headers, origin=APP):
    assert headers["access-control-allow-origin"] == origin and headers["access-control-allow-credentials"] == "true"
    assert "origin" in names(headers["vary"])
    assert EXPOSED <= names(headers["access-control-expose-headers"])


def silent(headers):
    assert not [h for h in headers if h.startswith("access-control-")], headers
    assert "origin" in names(headers["vary"]), "a cache must not give a stranger what was meant for a listed page"


def preflight(stack, path, method="POST", origin=APP, wants="authorization, content-type, idempotency-key, if-none-match"):
    return ask(stack, "OPTIONS", path, Origin=origin, Access_Control_Request_Method=method, Access_Control_Request_Headers=wants)


UPLOADS = [f"/api/v1{op.path}" for op in contract.rest().operations if op.served_by_media and op.method == "POST"]


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/conversations/1/messages", "/api/v1/auth/login", "/api/v1/auth/refresh",
                                  "/api/v1/messages/search", "/api/messages", *UPLOADS])
def test_preflight(stack, path):
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        status, headers, body = preflight(stack, path, method)
        assert status == 204 and not body
        assert headers["access-control-allow-origin"] == APP and headers["access-control-allow-credentials"] == "true"
        assert method in headers["access-control-allow-methods"].split(", ")
        assert {"authorization", "content-type", "idempotency-key", "if-none-match"} <= names(headers["access-control-allow-headers"])
        assert headers["access-control-max-age"] == "7200" and "origin" in names(headers["vary"])
        assert "*" not in str(headers)
    for origin in (STRANGER, "null", "https://app.example:444", "http://app.example", "https://APP.example", f"{APP}/"):
        status, headers, _ = preflight(stack, path, origin=origin)
        assert status == 204
        silent(headers)


def test_every_header_that_the_contract_has_may_be_read_and_sent(stack):
    """Replies' headers of openapi.yaml are exposed, requests' are allowed; so a new one is not forgotten here."""
    replies, requests = set(), {"authorization", "content-type"}
    for op in contract.rest().operations:
        if op.served_by_nginx or op.path.startswith("/media/"):     # a file, which is followed, not fetched
            continue
        requests |= {p["name"].lower() for p in op.parameters if p["in"] == "header"}
        for reply in op.raw["responses"].values():
            replies |= {h.lower() for h in reply["headers"]}
    _, headers, _ = preflight(stack, "/api/v1/me")
    assert requests <= names(headers["access-control-allow-headers"])
    _, headers, _ = ask(stack, "GET", "/api/v1/me", Origin=APP)
    hidden = {"set-cookie", "www-authenticate", "allow", "cache-control", "content-type", "content-length", "location"}  # no script's business, or safelisted
    assert replies - hidden <= names(headers["access-control-expose-headers"])


def test_replies_of_all_kinds(stack):
    person = Person(stack)
    token = f"Bearer {person.token}"
    conversation = person.start(person)
    status, headers, _ = ask(stack, "GET", "/api/v1/me", Origin=APP, Authorization=token)
    allowed(headers)
    assert status == 200
    status, headers, body = ask(stack, "GET", "/api/v1/me", Origin=APP, Authorization=token, If_None_Match=headers["etag"])
    allowed(headers)
    assert status == 304 and not body
    for method, path, body, status in [("GET", "/api/v1/me", None, 401), ("GET", "/api/v1/nothing", None, 404), ("PUT", "/api/v1/me", {}, 405),
                                       ("POST", f"/api/v1/conversations/{conversation}/messages", {}, 400)]:
        auth = {} if status == 401 else {"Authorization": token}
        got, headers, _ = ask(stack, method, path, body, Origin=APP, **auth)
        assert got == status
        allowed(headers)
    for origin in (STRANGER, "null"):
        _, headers, _ = ask(stack, "GET", "/api/v1/me", Origin=origin, Authorization=token)
        silent(headers)
    _, headers, _ = ask(stack, "GET", "/api/v1/me", Authorization=token)
    silent(headers)


def test_cookies_go_where_the_list_says(stack):
    """With credentials: a listed page signs in, and renews by its cookie; another one is refused before anything is looked at."""
    login = {"username": Person(stack).username, "password": PASSWORD}
    status, headers, _ = ask(stack, "POST", "/api/v1/auth/login", login, Origin=APP, Sec_Fetch_Site="cross-site")
    allowed(headers)
    assert status == 200
    cookie = re.search(r"peal_refresh=[^;]+", headers["set-cookie"])[0]
    status, headers, _ = ask(stack, "POST", "/api/v1/auth/refresh", {}, Origin=APP, Sec_Fetch_Site="same-site", Cookie=cookie)
    allowed(headers)
    assert status == 200
    cookie = headers["set-cookie"].split(";")[0]
    status, headers, body = ask(stack, "POST", "/api/v1/auth/refresh", {}, Origin=STRANGER, Sec_Fetch_Site="same-site", Cookie=cookie)
    assert (status, json.loads(body)["code"]) == (403, "cross_site") and "set-cookie" not in headers
    silent(headers)


def test_uploads(stack):
    person = Person(stack)
    send = {"Content_Type": "image/png", "Authorization": f"Bearer {person.token}"}
    status, headers, body = ask(stack, "POST", "/api/v1/messages/upload-image", media.png(), Origin=APP, **send)
    assert status == 201, body
    allowed(headers)
    status, headers, _ = ask(stack, "POST", "/api/v1/messages/upload-image", b"x", Origin=APP, Content_Type="image/png")
    assert status == 401
    allowed(headers)
    status, headers, _ = ask(stack, "POST", "/api/v1/messages/upload-image", media.png(), Origin=STRANGER, **send)
    assert status == 201, "a browser asks before it sends such a request; nobody else is bound by CORS"
    silent(headers)


# -- what nginx says by itself


def problem(reply, status, code):
    got, headers, body = reply
    said = json.loads(body)
    assert (got, said["code"], headers["content-type"]) == (status, code, "application/problem+json"), said
    assert headers["x-request-id"] == said["request_id"] and {"x-request-id", "retry-after"} <= names(headers["access-control-expose-headers"])
    return headers


def test_refusals_of_nginx_may_be_read(stack):
    person = Person(stack)
    token = {"Authorization": f"Bearer {person.token}"}
    too_long = "x" * (300 << 10)
    for origin in (APP, STRANGER):
        for reply, status, code in [
            (lambda: ask(stack, "POST", "/api/v1/messages", {"content": too_long}, Origin=origin, **token), 413, "too_large"),
            (lambda: ask(stack, "GET", "/api/v1", Origin=origin), 404, "not_found"),
            (lambda: ask(stack, "POST", "/api/v1/messages/upload-image", b"x" * (27 << 20), Origin=origin, Content_Type="image/png", **token), 413, "too_large"),
        ]:
            got = reply()
            if origin == APP:
                assert problem(got, status, code)["access-control-allow-origin"] == APP
            else:
                assert got[0] == status
                silent(got[1])


def test_nobody_behind_nginx(stack):
    """The service is away: a page elsewhere reads that, and its browser lets it ask in the first place."""
    asked = ["/api/v1/me", "/api/v1/auth/login", "/api/v1/messages/search", "/api/v1/messages/upload-image", "/api/messages"]
    before = {path: preflight(stack, path)[1] for path in asked}
    stack.allow(r"(fast|upload)\.sock failed")
    stack.stop("peal-fcgi")
    try:
        for path in asked:
            status, headers, body = preflight(stack, path)
            assert status == 204 and not body and "origin" in names(headers["vary"])
            for name in ("access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods",
                         "access-control-allow-headers"):
                assert headers[name] == before[path][name], "nginx says what a worker says"
            assert "access-control-max-age" not in headers, "what nginx says in their place is not kept"
            status, headers, _ = preflight(stack, path, origin=STRANGER)
            assert status == 204
            silent(headers)
        headers = problem(ask(stack, "GET", "/api/v1/me", Origin=APP), 502, "bad_gateway")
        assert headers["access-control-allow-origin"] == APP and headers["access-control-allow-credentials"] == "true" and headers["retry-after"] == "1"
        upload = ask(stack, "POST", "/api/v1/messages/upload-image", b"x", Origin=APP, Content_Type="image/png")
        assert problem(upload, 503, "unavailable")["access-control-allow-origin"] == APP
        for path in ("/api/v1/me", "/api/v1/messages/upload-image"):
            silent(ask(stack, "POST", path, b"x", Origin=STRANGER, Content_Type="image/png")[1])
    finally:
        stack.start("peal-fcgi")


def test_the_list_for_nginx_is_that_of_the_configuration(stack):
    lines = [line for line in stack.pealctl("config", "origins").stdout.splitlines() if not line.startswith("#")]
    listed = [stack.conf["public_url"], *stack.conf["origins"].split()]
    assert lines == [f'"{origin}" "{origin}";' for origin in dict.fromkeys(listed)]
