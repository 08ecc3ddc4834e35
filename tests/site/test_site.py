"""What nginx does by itself: its refusals, the headers of the web client, what it hides, and what it writes down."""

import http.client
import json
import pathlib
import re
import socket
import urllib.parse

import pytest

from peal import media
from peal.people import PASSWORD, Person

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALLOWED_LOG = [r"connect\(\) to unix:\S+\.sock failed"]
TABLE = {code: (int(status), retryable == "1", text) for status, code, retryable, text in re.findall(
    r'X\(\w+, (\d+), "(\w+)", ([01]), "((?:[^"\\]|\\.)*)"\)', (ROOT / "lib/base/err.h").read_text())}


def raw(stack, request):
    """Bytes out; (status, headers, body) in."""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as s:
        s.sendall(request)
        reply = http.client.HTTPResponse(s, method=request.split(b" ", 1)[0].decode("latin-1") if request[:4] == b"HEAD" else "GET")
        reply.begin()
        return reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read()


def get(stack, path, method="GET", body=b"", **headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return raw(stack, ("\r\n".join(lines) + "\r\n\r\n").encode() + body)


def is_problem(answer, status, code):
    got, headers, body = answer
    assert got == status, answer
    problem = json.loads(body)
    want_status, retryable, text = TABLE[code]
    assert headers["content-type"] == "application/problem+json"
    assert want_status == status
    assert {k: problem[k] for k in ("type", "status", "detail", "code", "retryable")} == {
        "type": f"/docs/errors#{code}", "status": status, "detail": text, "code": code, "retryable": retryable}
    assert problem["title"] == http.client.responses[status] or status in (413, 414), problem["title"]
    assert re.fullmatch("[0-9a-f]{32}", problem["request_id"]) and headers["x-request-id"] == problem["request_id"]
    assert ("retry-after" in headers) == retryable == ("retry_after_ms" in problem)
    return problem


REFUSALS = {
    "bad_version": (b"GET / HTTP/1.x\r\nHost: localhost\r\n\r\n", 400, "bad_request"),
    "no_host": (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
    "bad_length": (b"POST /api/v1/me HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400, "bad_request"),
    "length_and_chunked": (b"POST /api/v1/me HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                           400, "bad_request"),
    "bad_method": (b"G=T / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "bad_request"),
    "null_in_path": (b"GET /a%00b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "bad_request"),
    "up_and_away": (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "bad_request"),
    "trace": (b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "method_not_allowed"),
    "post_to_a_file": (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405, "method_not_allowed"),
    "body": (b"POST /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 262145\r\n\r\n", 413, "too_large"),
    "uri": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, "uri_too_long"),
    "one_header": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431, "headers_too_large"),
    "many_headers": (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: aaaaaaaa\r\n" * 5000 + b"\r\n", 431, "headers_too_large"),
    "coding": (b"POST /api/v1/me HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "not_implemented"),
    "version": (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 501, "not_implemented"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_are_problems(stack, name):
    request, status, code = REFUSALS[name]
    is_problem(raw(stack, request), status, code)


@pytest.mark.parametrize("path", ["/metrics", "/feed/open", "/feed/../feed/poll", "/api/messages/", "/api/v2/me", "/assets/none.js",
                                  "/_peal/problem", "/api/v1", "/api/v1/auth"])
def test_what_is_not_there(stack, path):
    is_problem(get(stack, path), 404, "not_found")


@pytest.mark.parametrize("path", ["/api/v1/feed/open", "/api/v1/auth/../../feed/open", "/api/v1/%66eed/open"])
def test_the_feed_is_out_of_reach(stack, path):
    for method in ("GET", "POST"):
        status, _, body = get(stack, path, method, b"{}" if method == "POST" else b"", Content_Type="application/json")
        assert status in (404, 405, 401) and b"since" not in body, (status, body)


def test_the_path_of_older_clients(stack):
    """One path outside /api/v1 has a worker behind it, with the same refusals; what lies around it has none."""
    is_problem(get(stack, "/api/messages?recipient_id=1"), 401, "unauthenticated")
    status, headers, body = get(stack, "/api/messages", "POST", b"{}", Content_Type="application/json")
    assert (status, headers["allow"], json.loads(body)["code"]) == (405, "GET", "method_not_allowed")
    person = Person(stack)
    status, headers, body = get(stack, f"/api/messages?recipient_id={person.id}", Authorization=f"Bearer {person.token}")
    assert status == 200 and json.loads(body) == {"messages": [], "count": 0, "next_cursor": None}
    assert headers["content-type"] == "application/json" and headers["x-content-type-options"] == "nosniff"
    for path in ("/api/messages/", "/api/messages/1", "/api/v1/api/messages", "/api/conversations", "/messages/sync/"):
        status, headers, _ = get(stack, path, Authorization=f"Bearer {person.token}")
        assert status == 404 or "text/html" in headers["content-type"], path
    is_problem(get(stack, "/api/v1/api/messages?recipient_id=1", Authorization=f"Bearer {person.token}"), 404, "not_found")


def test_nothing_behind_is_502_or_503(stack):
    for name in ("peal-fcgi", "peal-push-0"):
        stack.stop(name)
    try:
        for path in ("/api/v1/me", "/api/messages", "/api/v1/auth/login", "/api/v1/messages/search", "/ws"):
            problem = is_problem(get(stack, path, Upgrade="websocket"), 502, "bad_gateway")
            assert problem["retry_after_ms"] == 1000
    finally:
        stack.start("peal-fcgi")
        stack.start("peal-push-0")
    status, _, _ = get(stack, "/api/v1/health")
    assert status == 200


def test_the_page_and_its_headers(stack):
    for path in ("/", "/index.html", "/conversations/12", "/a/deep/link?x=1"):
        status, headers, body = get(stack, path)
        assert status == 200 and b"<html" in body.lower(), path
        policy = dict(p.strip().split(" ", 1) for p in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-cache"
        assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
        assert headers["server"] == "nginx"


def test_assets_are_kept_for_ever_and_the_page_names_only_ours(stack):
    page = get(stack, "/")[2].decode()
    names = re.findall(r'(?:src|href)="([^"]+)"', page)
    assets = [n for n in names if n.startswith("/assets/")]
    assert assets and not [n for n in names if "//" in n]
    for name in assets:
        status, headers, _ = get(stack, name, Accept_Encoding="gzip")
        assert status == 200 and headers["cache-control"] == "public, max-age=31536000, immutable"
        assert headers.get("content-encoding") == "gzip" and headers["vary"] == "Accept-Encoding"
        assert "content-security-policy" in headers


def test_inline_scripts_are_not_needed(stack):
    page = get(stack, "/")[2].decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>\s*\S", page) and " style=" not in page and " onclick=" not in page


def test_replies_are_compressed_but_not_those_with_tokens(stack):
    person = Person(stack)
    token = {"Authorization": f"Bearer {person.token}"}
    people = [Person(stack) for _ in range(6)]
    for other in people:
        person.say(person.start(other), "hello")
    _, headers, _ = get(stack, "/api/v1/conversations", Accept_Encoding="gzip", **token)
    assert headers["content-encoding"] == "gzip"
    body = json.dumps({"username": person.username, "password": PASSWORD, "token_delivery": "body"}).encode()
    _, headers, reply = get(stack, "/api/v1/auth/login", "POST", body, Content_Type="application/json", Accept_Encoding="gzip")
    assert "content-encoding" not in headers and json.loads(reply)["refresh_token"]


def test_the_contract_is_served(stack):
    status, headers, body = get(stack, "/api/v1/openapi.json")
    assert status == 200 and headers["content-type"] == "application/json" and json.loads(body)["openapi"].startswith("3.1")


def test_the_access_log_tells_no_secrets(stack):
    person = Person(stack)
    secret = "a-word-that-nobody-may-read"
    get(stack, f"/api/v1/users?q={secret}", Authorization=f"Bearer {person.token}", Referer=f"http://localhost/{secret}")
    get(stack, f"/ws?token={secret}", Upgrade="websocket", Sec_WebSocket_Protocol=f"peal.v1, bearer.{person.token}")
    get(stack, "/%22%5c%0a\"quote")
    lines = (stack.dir / "log" / "access.log").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert any(e["uri"] == "/api/v1/users" for e in entries) and any(e["uri"] == "/ws" for e in entries)
    assert all({"request_id", "status", "seconds", "upstream_status"} <= e.keys() for e in entries)
    everything = "\n".join(lines) + "".join(stack.log(name) for name in stack.services)
    assert secret not in everything and person.token not in everything and PASSWORD not in everything


def test_the_error_log_tells_no_secrets(stack):
    """nginx writes the whole line of a request that it could not pass on; not where that holds what is nobody's business."""
    person, secret = Person(stack), "a-word-that-nobody-may-read"
    picture = media.upload(person, media.png(), "image/png")["id"]
    links = person.rest.get(f"/attachments/{picture}", expect=200)
    rendition = urllib.parse.urlsplit(links["renditions"][0]["url"]).path
    shown = ["/api/v1/me?seen=1", "/api/v1/conversations?seen=2"]
    hidden = [rendition, links["download_url"], f"/api/v1/messages/search?q={secret}",
              f"/api/v1/auth/oidc/corp/callback?code={secret}&state={secret}"]
    for path in hidden[:2]:
        assert get(stack, path, Authorization=f"Bearer {person.token}")[0] == 200
    folder = stack.dir / "media" / "ren" / picture[:2] / picture
    folder.rename(folder.with_suffix(".away"))       # so that a worker is asked, who is away
    stack.stop("peal-fcgi")
    try:
        for path in shown + hidden:
            is_problem(get(stack, path), 502, "bad_gateway")
    finally:
        stack.start("peal-fcgi")
    errors = stack.log("nginx")
    assert all(path in errors for path in shown), "elsewhere it is of use"
    assert secret not in errors and rendition.split("/")[3] not in errors and links["download_url"].partition("=")[2] not in errors


def test_odd_header_names_never_arrive(stack):
    """`Peal_User` with an underscore would become a parameter like our own in a careless CGI set-up."""
    for name in ("Peal_User", "PEAL-USER", "HTTP_AUTHORIZATION", "Proxy"):
        request = f"GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{name}: 1\r\n\r\n"
        status, _, body = raw(stack, request.encode())
        assert status == 401 and json.loads(body)["code"] == "unauthenticated"


def test_a_slow_client_holds_no_worker(new_stack):
    """Bodies are read whole before a worker sees them: a client for each worker that never finishes changes nothing for others."""
    with new_stack(settings={"workers_fast": 2}) as stack:
        person = Person(stack)
        slow = []
        for _ in range(8):
            s = socket.create_connection(("127.0.0.1", stack.port), timeout=10)
            s.sendall(f"POST /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {person.token}\r\n"
                      "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{".encode())
            slow.append(s)
        try:
            assert get(stack, "/api/v1/me", Authorization=f"Bearer {person.token}")[0] == 200
        finally:
            for s in slow:
                s.close()


def test_urls_are_only_split_by_their_path(stack):
    """A question mark or an encoded slash does not lead a request to another pool than its path says."""
    for path in ("/api/v1/auth/login?x=/api/v1/me", "/api/v1/me?/auth/login", "/api/v1%2fme", "/api//v1/me"):
        status, headers, body = get(stack, path)
        assert status in (401, 404, 405), (path, status)
        assert headers["content-type"] == "application/problem+json" and json.loads(body)["request_id"] == headers["x-request-id"]
        assert urllib.parse.urlsplit(path).path


def test_the_reference_and_its_policy(stack):
    """/docs is built with the web client; scripts come from its files only, and nothing from elsewhere."""
    for path, kind in (("/docs", "text/html"), ("/docs/errors", "text/html"), ("/docs/redoc.js", "application/javascript"),
                       ("/docs/docs.js", "application/javascript"), ("/docs/docs.css", "text/css")):
        status, headers, body = get(stack, path)
        assert status == 200 and headers["content-type"].split(";")[0] == kind and body, path
        policy = dict(p.strip().partition(" ")[::2] for p in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'" and policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"
    _, _, page = get(stack, "/docs")
    assert not re.search(rb"<script(?![^>]*src=)|\son\w+=|https?://", page), "nothing inline, and no other host"
    is_problem(get(stack, "/docs/none"), 404, "not_found")
