"""Signing in with a provider: npm's oidc-provider, and providers that lie."""

import atexit
import base64
import http.server
import json
import pathlib
import re
import subprocess
import threading
import time
import urllib.parse

import pytest

import stack as stacks
from peal import issuers, truth, way
from peal.issuers import b64, compact, jwk, new_ec, new_rsa, signature
from peal.people import Person
from peal.rest import Client

FOLDER = issuers.Folder()
atexit.register(FOLDER.remove)
PORT, GOOD_PORT, PUBLIC_PORT, LIAR_PORT, ELSEWHERE_PORT = (stacks.free_port() for _ in range(5))
URL = f"http://127.0.0.1:{PORT}"
SECRET = "the client's secret: with a colon, + and %"
STACK = {"port": PORT, "settings": {"issuers_dir": str(FOLDER.dir), "request_timeout_seconds": 5}}
ALLOWED_LOG = [r"reload_refused"]


def callback(label):
    return f"{URL}/api/v1/auth/oidc/{label}/callback"


def provider_file(label, port, secret=None, **keys):
    keys = {"issuer": f"http://127.0.0.1:{port}", "client_id": "peal", "algorithm": "RS256", **keys}
    if secret:
        keys["client_secret_file"] = FOLDER.write(f"{label}.client", (secret + "\n").encode())
    FOLDER.write(f"{label}.conf", "".join(f"{k} = {v}\n" for k, v in keys.items()).encode())


provider_file("corp", GOOD_PORT, SECRET, title="Corp & Co.")
provider_file("public", PUBLIC_PORT)
provider_file("liar", LIAR_PORT, "s" * 20)


class Browser(way.Browser):
    def __init__(self):
        super().__init__(URL)


@pytest.fixture(scope="module", autouse=True)
def providers(start_provider):
    start_provider(GOOD_PORT, callback("corp"), SECRET)
    start_provider(PUBLIC_PORT, callback("public"), "", "userinfo")


# -- the way


@pytest.mark.parametrize("label", ["corp", "public"])
def test_sign_in(stack, label):
    browser = Browser()
    assert browser.sign_in(label, "ann", "?return_to=/%23/c/12") == f"{URL}/#/c/12"
    me = browser.me()
    assert (me["username"], me["display_name"]) == (f"ann@{label}", "ann of the provider")
    assert not [n for _, _, n in browser.jar if n == "peal_oidc"], "the cookie of the way is over"
    again = Browser()
    assert again.sign_in(label, "ann") == f"{URL}/"
    assert again.me()["id"] == me["id"] and Browser().sign_in(label, "ben") == f"{URL}/"
    assert truth.rows(stack, "SELECT issuer, subject FROM identity WHERE user_id = %s", int(me["id"])) == [
        (f"http://127.0.0.1:{GOOD_PORT if label == 'corp' else PUBLIC_PORT}", "ann")]


def test_what_the_provider_is_asked(stack):
    browser = Browser()
    status, location, _ = browser.go(f"{URL}/api/v1/auth/oidc/corp")
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))
    assert status == 303 and query.pop("redirect_uri") == callback("corp")
    parts = {name: query.pop(name) for name in ("state", "nonce", "code_challenge")}
    assert query == {"response_type": "code", "client_id": "peal", "scope": "openid profile", "code_challenge_method": "S256"}
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", p) for p in parts.values()) and len(set(parts.values())) == 3
    cookie, = browser.jar.values()
    assert not any(p in cookie for p in parts.values())
    other = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(Browser().go(f"{URL}/api/v1/auth/oidc/corp")[1]).query))
    assert not {other[n] for n in parts} & set(parts.values())


def test_the_cookies(stack):
    reply = Client(URL).get("/auth/oidc/corp", expect=303)
    assert re.fullmatch(r"peal_oidc=[^;]+; Path=/api/v1/auth/oidc; Max-Age=600; HttpOnly; SameSite=Lax", reply.headers["set-cookie"])
    assert reply.headers["cache-control"] == "no-store"


def test_capabilities_tell(stack):
    assert sorted(Client(URL).get("/capabilities", expect=200)["providers"], key=lambda p: p["id"]) == [
        {"id": "corp", "title": "Corp & Co."}, {"id": "liar", "title": "liar"}, {"id": "public", "title": "public"}]


def test_an_id_token_is_no_access_token(stack, liar):
    liar.sign_in()
    Client(URL, liar.last["id_token"]).get("/me", expect=(401, "unauthenticated"))


def test_nobody_is_found_by_name(stack):
    local = Person(stack, "carla")
    browser = Browser()
    browser.sign_in("corp", local.username)
    assert browser.me()["id"] != local.id and browser.me()["username"] == f"{local.username}@corp"


def test_a_disabled_person_stays_out(stack):
    browser = Browser()
    browser.sign_in("corp", "dora")
    truth.rows(stack, "UPDATE users SET disabled_at = now() WHERE username = 'dora@corp'")
    again = Browser()
    assert again.sign_in("corp", "dora") == f"{URL}/?sign_in=disabled" and again.refresh() is None


def test_in_a_browser(stack):
    ran = subprocess.run(["node", pathlib.Path(__file__).parent / "browser.mjs", URL, "Corp & Co.", "public"], capture_output=True, text=True, timeout=90, check=False)
    assert ran.stdout.strip() == "ok", ran.stdout + ran.stderr
    assert truth.rows(stack, "SELECT display_name FROM users WHERE username = 'frieda@corp'") == [("frieda of the provider",)]


# -- what others try


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/a b", "/a\nb", "", "/" + "x" * 256])
def test_return_to_stays_here(stack, path):
    Client(URL).get("/auth/oidc/corp", query={"return_to": path}, valid=False, expect=(400, "invalid"))


def test_a_link_signs_nobody_in(stack):
    """Login CSRF: the way back of one browser, opened in another."""
    attacker, victim = Browser(), Browser()
    url, page = attacker.follow(f"{URL}/api/v1/auth/oidc/corp", f"{URL}/?")
    victim.follow(f"{URL}/api/v1/auth/oidc/corp", f"http://127.0.0.1:{GOOD_PORT}")
    while page is not None and (form := re.search(r'<form[^>]*action="([^"]+)"', page)):
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
        _, location, _ = attacker.go(urllib.parse.urljoin(url, form[1]), {**hidden, "login": "mallory", "password": "x"})
        url, page = attacker.follow(location, callback("corp"))
    for browser in (Browser(), victim):
        status, location, _ = browser.go(url)
        assert (status, location) == (303, f"{URL}/?sign_in=stale") and browser.refresh() is None
    assert attacker.go(url)[1] == f"{URL}/"
    assert attacker.go(url)[1] == f"{URL}/?sign_in=stale", "once"


@pytest.mark.parametrize("change", [
    lambda c: c[:-1] + ("A" if c[-1] != "A" else "B"), lambda c: c.replace(".", ".9", 1), lambda c: c[1:], lambda c: "", lambda c: c.rsplit(".", 1)[0],
    lambda c: "." * 3, lambda c: "x" * 2000,
], ids=["mac", "expiry", "seed", "empty", "no mac", "dots", "long"])
def test_a_cookie_of_somebody_s_making(stack, change):
    browser = Browser()
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(browser.go(f"{URL}/api/v1/auth/oidc/corp")[1]).query)
    key, = browser.jar
    browser.jar[key] = change(browser.jar[key])
    assert browser.go(f"{callback('corp')}?code=x&state={query['state'][0]}")[1] == f"{URL}/?sign_in=stale"


def test_the_cookie_of_another_provider(stack):
    browser = Browser()
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(browser.go(f"{URL}/api/v1/auth/oidc/corp")[1]).query)
    assert browser.go(f"{callback('public')}?code=x&state={query['state'][0]}")[1] == f"{URL}/?sign_in=stale"


def test_a_malformed_way_back(stack):
    for query in ("code=a&code=b", "state=%zz", "code=" + "x" * 3000):
        Client(URL).get("/auth/oidc/corp/callback", exact_query=query, valid=False, expect=(400, "invalid"))


def test_the_person_says_no(stack):
    browser = Browser()
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(browser.go(f"{URL}/api/v1/auth/oidc/corp")[1]).query)
    assert browser.go(f"{callback('corp')}?error=access_denied&state={query['state'][0]}")[1] == f"{URL}/?sign_in=denied"


# -- providers that lie


class Liar:
    """A provider of one key, which answers as it is told: `change` alters what it says, path by path."""

    def __init__(self):
        self.key, self.url = new_rsa(), f"http://127.0.0.1:{LIAR_PORT}"
        self.asked, self.last = [], {}
        self.reset()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self, None)

            def do_POST(self):
                outer.answer(self, self.rfile.read(int(self.headers["Content-Length"])).decode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", LIAR_PORT), Handler)
        self.elsewhere = http.server.ThreadingHTTPServer(("127.0.0.1", ELSEWHERE_PORT), Handler)
        for server in (self.server, self.elsewhere):
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def reset(self):
        self.metadata = {"issuer": self.url, "authorization_endpoint": f"{self.url}/auth", "token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/jwks"}
        self.keys = [jwk(self.key, "k1", use="sig", alg="RS256")]
        self.claims, self.header, self.sign, self.raw = {}, {"alg": "RS256", "kid": "k1"}, None, {}

    def id_token(self):
        now = int(time.time())
        own = {"iss": self.url, "aud": "peal", "sub": "s1", "iat": now, "exp": now + 300, "nonce": self.nonce, "name": "Liar"}
        claims = {k: v for k, v in {**own, **self.claims}.items() if v is not ...}
        return compact(self.header, claims, self.sign or (lambda t: signature("RS256", self.key, t)))

    def answer(self, handler, form):
        path = urllib.parse.urlsplit(handler.path).path
        self.asked.append((path, form, handler.headers.get("Authorization"), handler.server.server_port))
        status, headers, body = 200, {}, None
        if path in self.raw:
            status, headers, body = self.raw[path]() if callable(self.raw[path]) else self.raw[path]
        elif path == "/.well-known/openid-configuration":
            body = json.dumps(self.metadata)
        elif path == "/jwks":
            body = json.dumps({"keys": self.keys})
        elif path == "/token":
            self.last = {"access_token": "opaque", "token_type": "Bearer", "id_token": self.id_token()}
            body = json.dumps(self.last)
        handler.send_response(status if body is not None else 404)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            handler.send_header(name, value)
        data = (body or "").encode()
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        try:
            handler.wfile.write(data)
        except OSError:
            pass

    def sign_in(self, code="the-code", **query):
        """Where the browser ends that comes with this code."""
        self.browser = Browser()
        status, location, _ = self.browser.go(f"{URL}/api/v1/auth/oidc/liar")
        if location.startswith(URL):
            return location
        sent = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))
        self.nonce = sent["nonce"]
        query = urllib.parse.urlencode({"code": code, "state": sent["state"], **query})
        return self.browser.go(f"{callback('liar')}?{query}")[1]


@pytest.fixture(scope="module")
def the_liar(stack):
    one = Liar()
    yield one
    for server in (one.server, one.elsewhere):
        server.shutdown()
        server.server_close()


@pytest.fixture
def liar(the_liar):
    the_liar.reset()
    return the_liar


def test_an_honest_liar(stack, liar):
    assert liar.sign_in(iss=liar.url) == f"{URL}/"
    assert liar.browser.me()["username"] == "Liar@liar"
    path, form, authorization, _ = next(a for a in reversed(liar.asked) if a[0] == "/token")
    form = dict(urllib.parse.parse_qsl(form))
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", form.pop("code_verifier"))
    assert form == {"grant_type": "authorization_code", "code": "the-code", "redirect_uri": callback("liar")}
    assert base64.b64decode(authorization.split()[1]) == b"peal:" + b"s" * 20


EVIL = new_rsa()
LIES = {
    "another nonce": {"claims": {"nonce": "x" * 43}}, "no nonce": {"claims": {"nonce": ...}}, "another aud": {"claims": {"aud": "else"}},
    "for several without azp": {"claims": {"aud": ["peal", "else"]}}, "another azp": {"claims": {"aud": ["peal", "else"], "azp": "else"}},
    "another iss": {"claims": {"iss": "https://evil.example"}}, "iss of a neighbour": {"claims": {"iss": f"http://127.0.0.1:{GOOD_PORT}"}},
    "expired": {"claims": {"exp": int(time.time()) - 60, "iat": int(time.time()) - 600}}, "no exp": {"claims": {"exp": ...}},
    "no iat": {"claims": {"iat": ...}}, "no sub": {"claims": {"sub": ...}}, "empty sub": {"claims": {"sub": ""}},
    "another key": {"sign": lambda t: signature("RS256", EVIL, t)}, "none": {"header": {"alg": "none"}, "sign": lambda t: b""},
    "HS256 by the client's secret": {"header": {"alg": "HS256"}, "sign": lambda t: signature("HS256", b"s" * 20, t)},
    "another algorithm": {"header": {"alg": "ES256", "kid": "k1"}, "sign": lambda t: signature("ES256", new_ec(), t)},
    "a key nobody has": {"header": {"alg": "RS256", "kid": "k9"}},
    "no id_token": {"raw": {"/token": (200, {}, '{"access_token": "a"}')}}, "id_token is a number": {"raw": {"/token": (200, {}, '{"id_token": 7}')}},
    "id_token is huge": {"claims": {"note": "x" * 20000}},
    "a list": {"raw": {"/token": (200, {}, "[]")}}, "refused": {"raw": {"/token": (400, {}, '{"error": "invalid_grant"}')}},
    "not JSON": {"raw": {"/token": (200, {}, "<html>")}},
}


@pytest.mark.parametrize("lie", LIES)
def test_lies(stack, liar, lie):
    people = truth.rows(stack, "SELECT count(*) FROM users")
    vars(liar).update(LIES[lie])
    assert liar.sign_in() == f"{URL}/?sign_in=failed" and liar.browser.refresh() is None
    assert truth.rows(stack, "SELECT count(*) FROM users") == people


def test_iss_of_another_in_the_answer(stack, liar):
    assert liar.sign_in(iss=f"http://127.0.0.1:{GOOD_PORT}") == f"{URL}/?sign_in=stale"


@pytest.mark.parametrize("what, answer", [
    ("trouble", (500, {}, "{}")), ("too many", (429, {}, "{}")), ("large", (200, {}, '{"a": "' + "x" * 300000 + '"}')),
    ("slow", lambda: (time.sleep(6), (200, {}, "{}"))[1]),
])
def test_a_provider_in_trouble(stack, liar, what, answer):
    liar.raw = {"/token": answer}
    began = time.monotonic()
    assert liar.sign_in() == f"{URL}/?sign_in=unavailable" and liar.browser.refresh() is None
    assert time.monotonic() - began < 4.5, "less than what kills a worker"


def test_redirects_are_not_followed(stack, liar):
    before = len(liar.asked)
    liar.raw = {"/token": (307, {"Location": f"http://127.0.0.1:{ELSEWHERE_PORT}/token"}, "{}")}
    assert liar.sign_in() == f"{URL}/?sign_in=failed"
    assert ELSEWHERE_PORT not in [a[3] for a in liar.asked[before:]]


def test_its_keys_rotate(stack, liar):
    assert liar.sign_in() == f"{URL}/"
    fresh = new_rsa()
    liar.keys.append(jwk(fresh, "k2"))
    liar.header, liar.sign = {"alg": "RS256", "kid": "k2"}, lambda t: signature("RS256", fresh, t)
    stack.renew("peal-fcgi")  # what a worker has fetched is its own, and is looked at again after 30 s: begin anew
    assert liar.sign_in() == f"{URL}/"


@pytest.mark.parametrize("member, value", [
    ("issuer", "https://evil.example"), ("issuer", None), ("token_endpoint", "file:///etc/passwd"), ("token_endpoint", "ftp://127.0.0.1/token"),
    ("jwks_uri", f"http://127.0.0.1:{ELSEWHERE_PORT}/jwks"), ("token_endpoint", f"http://127.0.0.1:{ELSEWHERE_PORT}/token"),
    ("token_endpoint", "gopher://x/"), ("authorization_endpoint", "javascript:alert(1)"), ("authorization_endpoint", None),
    ("token_endpoint", "http://user@127.0.0.1/"), ("jwks_uri", "https://a\\b/"),
])
def test_metadata_that_lead_elsewhere(stack, liar, member, value):
    stack.renew("peal-fcgi")
    before = len(liar.asked)
    liar.metadata[member] = value
    assert liar.sign_in() == f"{URL}/?sign_in=unavailable"
    assert all(a[3] == LIAR_PORT for a in liar.asked[before:])


def test_a_name_that_leads_into_a_private_network(stack, liar):
    """Not the provider's own host: what it names must be a public address, whatever it resolves to."""
    stack.renew("peal-fcgi")
    liar.metadata["token_endpoint"] = f"https://localhost:{ELSEWHERE_PORT}/token"
    assert liar.sign_in() == f"{URL}/?sign_in=unavailable"
    assert all(a[3] == LIAR_PORT for a in liar.asked)
    assert "leads into a private network" in (stack.dir / "log" / "peal-fcgi.log").read_text()


def test_nothing_of_it_is_in_a_log(stack, liar):
    stack.renew("peal-fcgi")
    assert liar.sign_in(code="canary-code") == f"{URL}/"
    for log in (stack.dir / "log").iterdir():
        text = log.read_text(errors="replace")
        assert "canary-code" not in text and SECRET not in text and liar.last["id_token"] not in text, log


# -- somebody who is signed in is linked


class Signed(Browser):
    """A browser in which somebody is signed in by their password."""

    def __init__(self, person):
        super().__init__()
        self.person = person

    def begin(self, label, body=None):
        """Asks for the way, as the account sheet does; the cookie is this browser's."""
        reply = self.person.rest.post(f"/auth/oidc/{label}/link", body or {}, expect=200)
        self.take(URL, [reply.headers["set-cookie"]])
        return reply["url"]

    def link(self, label, name, body=None):
        return self.through(label, name, self.begin(label, body))

    def links(self):
        return [(i["provider"], i["title"]) for i in self.person.rest.get("/auth/identities", expect=200)["items"]]


def old_proof(person):
    truth.rows(person.stack, "UPDATE session SET proved_at = now() - interval '1 hour' WHERE user_id = %s", int(person.id))


def test_link_and_unlink(stack):
    """By the provider one comes to the account that was linked; after the link is gone, to a new one."""
    browser = Signed(Person(stack))
    me = browser.person.id
    assert browser.link("corp", "lena", {"return_to": "/?linked=done"}) == f"{URL}/?linked=done"
    assert " linked id=" in stack.log_line(f" user={me} issuer=corp")
    assert browser.links() == [("corp", "Corp & Co.")] and not browser.jar.get((f"127.0.0.1:{PORT}", "/api/v1/auth", "peal_refresh")), "no new session"
    elsewhere = Browser()
    elsewhere.sign_in("corp", "lena")
    assert elsewhere.me()["id"] == me
    assert browser.link("corp", "lena") == f"{URL}/" and len(browser.links()) == 1, "linked already: nothing to do"
    item, = browser.person.rest.get("/auth/identities", expect=200)["items"]
    browser.person.rest.delete(f"/auth/identities/{item['id']}", expect=204)
    again = Browser()
    again.sign_in("corp", "lena")
    assert again.me()["id"] != me and again.me()["username"] == "lena@corp"
    assert Client(URL, elsewhere.refresh()).get("/me", expect=200)["id"] == me, "their sessions go on"


def test_one_account_of_a_provider_and_one_person(stack):
    ours, theirs = Signed(Person(stack)), Signed(Person(stack))
    ours.link("corp", "olga")
    assert theirs.link("corp", "olga") == f"{URL}/?linked=taken" and theirs.links() == []
    ours.jar.clear()    # the provider asks again who it is
    assert ours.link("corp", "olga2") == f"{URL}/?linked=another" and len(ours.links()) == 1
    assert ours.link("public", "olga") == f"{URL}/" and [p for p, _ in ours.links()] == ["corp", "public"]
    Browser().sign_in("corp", "quinn")
    assert theirs.link("corp", "quinn") == f"{URL}/?linked=taken", "whoever came that way before is somebody: nobody is merged"


def test_linking_wants_a_proof(stack):
    person = Person(stack)
    old_proof(person)
    person.rest.post("/auth/oidc/corp/link", {}, expect=(403, "proof_required"))
    Client(URL).post("/auth/oidc/corp/link", {}, expect=(401, "unauthenticated"))
    for bad in ("//evil.example", "https://evil.example", ""):
        person.rest.post("/auth/oidc/corp/link", {"return_to": bad}, valid=False, expect=(400, "invalid"))
    person.rest.post("/auth/oidc/nobody/link", {}, expect=(404, "not_found"))


def test_a_session_that_ends_on_the_way_links_nobody(stack):
    browser = Signed(Person(stack))
    url = browser.begin("corp")
    truth.rows(stack, "UPDATE session SET ended_at = now() WHERE user_id = %s", int(browser.person.id))
    assert browser.through("corp", "paul", url) == f"{URL}/?linked=ended"
    assert truth.rows(stack, "SELECT count(*) FROM identity WHERE subject = 'paul'") == [(0,)]


def test_a_link_of_somebody_else_s_links_nobody(stack):
    """The way back of the attacker's account, opened where the victim is signed in, and the victim's, opened by the attacker."""
    attacker, victim = Signed(Person(stack)), Signed(Person(stack))
    start, theirs = attacker.begin("corp"), victim.begin("corp")
    url, page = attacker.follow(start, f"{URL}/?")
    while page is not None and (form := re.search(r'<form[^>]*action="([^"]+)"', page)):
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
        _, location, _ = attacker.go(urllib.parse.urljoin(url, form[1]), {**hidden, "login": "mallory2", "password": "x"})
        url, page = attacker.follow(location, callback("corp"))
    assert victim.go(url)[1] == f"{URL}/?sign_in=stale" and victim.links() == []
    assert Browser().through("corp", "victor", theirs) == f"{URL}/?sign_in=stale" and victim.links() == []


def test_a_provider_s_person_keeps_a_way_in(stack):
    """Whoever came by a provider alone is linked to another one before they leave the first."""
    browser = Browser()
    browser.sign_in("corp", "rosa")
    rest = Client(URL, browser.refresh())
    first, = rest.get("/auth/identities", expect=200)["items"]
    rest.delete(f"/auth/identities/{first['id']}", expect=(409, "last_way_in"))
    reply = rest.post("/auth/oidc/public/link", {}, expect=200)
    browser.take(URL, [reply.headers["set-cookie"]])
    assert browser.through("public", "rosa", reply["url"]) == f"{URL}/"
    rest.delete(f"/auth/identities/{first['id']}", expect=204)
    other = Browser()
    other.sign_in("public", "rosa")
    assert other.me()["username"] == "rosa@corp"


def test_linking_to_a_provider_in_trouble(stack, liar):
    browser = Signed(Person(stack))
    url = browser.begin("liar")
    sent = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    liar.nonce = sent["nonce"]
    liar.raw = {"/token": (500, {}, "{}")}
    back = f"{callback('liar')}?code=c&state={sent['state']}"
    assert browser.go(back)[1] == f"{URL}/?linked=unavailable" and browser.links() == []
    liar.reset()
    url = browser.begin("liar")
    state = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))["state"]
    assert browser.go(f"{callback('liar')}?error=access_denied&state={state}")[1] == f"{URL}/?linked=denied"
    stack.renew("peal-fcgi")  # what it says of itself is kept: begin anew
    liar.raw = {"/.well-known/openid-configuration": (500, {}, "{}")}
    browser.person.rest.post("/auth/oidc/liar/link", {}, expect=(503, "unavailable"))
