"""Tokens of other issuers: who they are here, and everything that is known to be tried with them."""

import atexit
import concurrent.futures
import json
import os
import re
import select
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from peal import issuers, tokens, truth
from peal.issuers import b64, compact, jwk, jwks, new_ec, new_rsa, pem, signature
from peal.people import Person
from peal.rest import Client

FOLDER = issuers.Folder()
atexit.register(FOLDER.remove)
STACK = {"settings": {"issuers_dir": str(FOLDER.dir)}}
ALLOWED_LOG = [r"reload_refused", r"configuration error="]

OTHER_RSA, OTHER_EC, EVIL_RSA, EVIL_EC = new_rsa(), new_ec(), new_rsa(), new_ec()
SECRET = FOLDER.hs256("secret")
RSA_PEM = FOLDER.by_pem("rsa", "RS256")
EC_PEM = FOLDER.by_pem("ec", "ES256")
RSA_SET = FOLDER.by_jwks("rsa-set", "RS256", others=[jwk(OTHER_RSA, "k2"), jwk(OTHER_EC, "k3"),
                                                      {"kty": "OKP", "crv": "Ed25519", "x": b64(b"x" * 32), "kid": "k4"}])
EC_SET = FOLDER.by_jwks("ec-set", "ES256", others=[jwk(OTHER_EC, "k2", use="sig", alg="ES256", key_ops=["verify"]),
                                                    jwk(OTHER_RSA, "k3"), jwk(new_ec(), "enc", use="enc")])
ALL = [SECRET, RSA_PEM, EC_PEM, RSA_SET, EC_SET]
NOISE = b"\xff" + os.urandom(40)
SECRETS = [FOLDER.hs256("line", b"s" * 40, end=b"\n"), FOLDER.hs256("crlf", "ü".encode() * 20, end=b"\r\n"), FOLDER.hs256("no-end", b"s" * 41),
           FOLDER.hs256("two-lines", b"s" * 40 + b"\n", end=b"\n"), FOLDER.hs256("cr", b"s" * 40 + b"\r"),
           FOLDER.hs256("noise-line", NOISE + b"\n"), FOLDER.hs256("noise-crlf", NOISE + b"\r\n"), FOLDER.hs256("noise-cr", NOISE + b"\r")]


def me(stack, token, **kw):
    return Client(stack.url, token).get("/me", **kw)


@pytest.fixture(params=ALL, ids=lambda i: i.label)
def issuer(request):
    return request.param


# -- who they are


def test_somebody_new_is_made_at_first_sight(stack, issuer):
    claims = {"sub": f"new-{time.time_ns()}", "name": " Zoë  Å. ", "preferred_username": "Zoë.A@corp.example"}
    first = me(stack, issuer.token(**claims), expect=200)
    assert (first["display_name"], first["username"].split("@")[1]) == ("Zoë  Å.", issuer.label)
    assert re.fullmatch(r"Zo\.A(\.\d+)?@" + issuer.label, first["username"])
    again = me(stack, issuer.token(**{**claims, "name": "Somebody Else", "preferred_username": "other"}), expect=200)
    assert again.json == first.json, "the claims fill the profile once; the person may have changed it"


def test_they_talk_with_people_of_ours(stack, issuer):
    ours = Person(stack)
    rest = Client(stack.url, issuer.token(name="Outside"))
    theirs = rest.get("/me", expect=200)
    conversation = rest.post(f"/conversations/{ours.id}", expect=201)["id"]
    sent = rest.post(f"/conversations/{conversation}/messages", {"client_id": "1", "message_type": "text", "content": "hello"}, expect=201)
    assert ours.history(conversation)["messages"][0]["id"] == sent["id"]
    assert ours.conversation(conversation)["name"] == theirs["display_name"]


def test_the_same_subject_of_two_issuers_is_two_people(stack):
    ids = {me(stack, one.token(sub="1"), expect=200)["id"] for one in ALL}
    assert len(ids) == len(ALL)


@pytest.mark.parametrize("one", SECRETS, ids=lambda i: i.label)
def test_the_line_break_after_a_text_is_not_of_the_secret(stack, one):
    me(stack, one.token(), expect=200)


@pytest.mark.parametrize("claims, username, display", [
    ({"preferred_username": "ann"}, "ann", "ann"), ({"name": "Only A Name"}, "OnlyAName", "Only A Name"), ({}, "user", "user"),
    ({"preferred_username": "..--Bob_1"}, "Bob_1", "Bob_1"), ({"preferred_username": "日本"}, "user", "user"),
    ({"preferred_username": "x" * 200, "name": "y" * 200}, "x" * 32, "y" * 64), ({"preferred_username": 7, "name": ["a"]}, "user", "user"),
    ({"preferred_username": "eve", "name": "a\nb"}, "eve", "eve"), ({"preferred_username": "eve", "name": "\u200b \u202e"}, "eve", "eve"),
    ({"preferred_username": "'; DROP TABLE users; --"}, "DROPTABLEusers--", "DROPTABLEusers--"),
])
def test_names(stack, claims, username, display):
    person = me(stack, SECRET.token(**claims), expect=200)
    assert re.fullmatch(re.escape(username) + r"(\.\d+)?@secret", person["username"]) and person["display_name"] == display


def test_names_never_collide_with_local_ones(stack):
    local = Person(stack, "taken")
    outside = [me(stack, one.token(preferred_username=local.username, name=local.username), expect=200) for one in (SECRET, SECRET, EC_PEM)]
    assert [p["username"] for p in outside] == [f"{local.username}@secret", f"{local.username}.2@secret", f"{local.username}@ec"]
    body = {"username": f"{local.username}.3@secret"[:32], "password": local.password, "token_delivery": "body"}
    local.rest.post("/auth/register", body, valid=False, expect=(400, "invalid"))


def test_first_requests_at_one_moment_make_one_person(stack):
    token = EC_SET.token()
    other = EC_SET.token(sub=tokens.claims_of(token)["sub"], jti="2")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = {r["id"] for r in pool.map(lambda t: me(stack, t, expect=200), [token, other] * 6)}
    assert len(ids) == 1


def test_password_and_name_do_not_sign_in(stack, anonymous):
    person = me(stack, SECRET.token(preferred_username="nopass"), expect=200)
    for name in (person["username"], "nopass"):
        anonymous.post("/auth/login", {"username": name, "password": "whatever it may be", "token_delivery": "body"}, expect=(401, "bad_credentials"))


def test_a_disabled_person_is_refused(stack):
    held = [(one, one.token()) for one in ALL]
    ids = [int(me(stack, token, expect=200)["id"]) for _, token in held]
    truth.rows(stack, "UPDATE users SET disabled_at = now() WHERE id = ANY (%s)", ids)
    time.sleep(1)
    for one, token in held:
        me(stack, token, expect=(401, "unauthenticated"))
        me(stack, one.token(sub=tokens.claims_of(token)["sub"]), expect=(401, "unauthenticated"))
    assert truth.rows(stack, "SELECT count(*) FROM identity WHERE user_id = ANY (%s)", ids) == [(len(ids),)]


def test_an_ended_session_is_refused_whatever_its_signature(stack):
    token = EC_PEM.token()
    person = me(stack, token, expect=200)
    truth.rows(stack, "UPDATE session SET ended_at = now() WHERE user_id = %s", int(person["id"]))
    time.sleep(1)
    me(stack, token, expect=(401, "unauthenticated"))
    text = token.rsplit(".", 1)[0]
    me(stack, f"{text}.{b64(signature('ES256', EC_PEM.key, text.encode()))}", expect=(401, "unauthenticated"))
    me(stack, EC_PEM.token(sub=tokens.claims_of(token)["sub"]), expect=200)


def test_a_known_token_asks_the_database_nothing(stack):
    token = SECRET.token()
    client = Client(stack.url, token)
    counts = set()
    for _ in range(60):
        reply = client.get("/users/presence/bulk", query={"ids": "1"}, expect=200)
        counts.add(int(re.search(r"\bstatements=(\d+)", stack.log_line(reply.headers["x-request-id"]))[1]))
    assert min(counts) < max(counts), counts


# -- keys and files change


def reloads(stack):
    """How many there were. The master tells systemd of each, and would wait for somebody to listen."""
    notices = stack.services["peal-fcgi"].notify
    while select.select([notices], [], [], 0)[0]:
        notices.recv(4096)
    return len(re.findall(r" (?:reloaded|reload_refused) ", (stack.dir / "log" / "peal-fcgi.log").read_text()))


def reloaded(stack, n):
    """The n-th reload is over; a changed file is seen within a second."""
    until = time.monotonic() + 15
    while reloads(stack) < n:
        assert time.monotonic() < until, "nobody looked at the files"
        time.sleep(0.05)


def becomes(stack, token, status):
    """For an instant after a reload the old workers still finish what they took; what was written during one is read by the next."""
    until = time.monotonic() + 15
    while (reply := me(stack, token)).status != status:
        assert time.monotonic() < until, reply
        time.sleep(0.02)
    return reply


def test_keys_rotate_without_anybody_noticing(stack):
    """The new key joins the set before it signs, the old one leaves it after its last token; requests go on all the while."""
    old, new, sub = RSA_SET.key, new_rsa(), "rotating"
    before = me(stack, RSA_SET.token(sub=sub), expect=200)["id"]
    me(stack, RSA_SET.token(sub=sub, key=new, header={"kid": "new"}), expect=(401, "unauthenticated"))
    steps = [([jwk(old, "k1"), jwk(new, "new"), jwk(OTHER_RSA, "k2")], True, True), ([jwk(new, "new"), jwk(OTHER_RSA, "k2")], False, True),
             ([jwk(old, "k1"), jwk(OTHER_RSA, "k2")], True, False)]
    for keys, old_good, new_good in steps:
        n = reloads(stack)
        FOLDER.write("rsa-set.json", jwks(*keys))
        stop = time.monotonic() + 15
        while reloads(stack) == n:
            assert time.monotonic() < stop
            me(stack, SECRET.token(sub=sub), expect=200)
        for kid, key, good in (("k1", old, old_good), ("new", new, new_good)):
            reply = becomes(stack, RSA_SET.token(sub=sub, key=key, header={"kid": kid}), 200 if good else 401)
            assert not good or reply["id"] == before


def test_issuers_come_and_go(stack):
    n = reloads(stack)
    late = FOLDER.by_pem("late", "ES256")
    reloaded(stack, n + 1)
    becomes(stack, late.token(), 200)
    n = reloads(stack)
    FOLDER.path("late.conf").unlink()
    reloaded(stack, n + 1)
    becomes(stack, late.token(), 401)


def test_a_bad_file_leaves_what_is_there(stack):
    for name, data in (("rsa-set.json", b"{"), ("ec.pem", b"no key"), ("secret.secret", b"short")):
        good, n = FOLDER.path(name).read_bytes(), reloads(stack)
        FOLDER.write(name, data)
        reloaded(stack, n + 1)
        for one in ALL:
            me(stack, one.token(), expect=200)
        FOLDER.write(name, good)
        reloaded(stack, n + 2)


def test_sighup_reads_them_too(stack):
    late = FOLDER.hs256("hup")
    try:
        stack.reload("peal-fcgi")
        becomes(stack, late.token(), 200)
    finally:
        FOLDER.path("hup.conf").unlink()


SHORT_RSA, P384 = new_rsa(1024), new_ec(ec.SECP384R1())


def private(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


CHECKS = [
    ("ok", {}, None, None), ("Upper", {}, None, "the name may have"), ("x" * 17, {}, None, "the name may have"), ("a_b", {}, None, "the name may have"),
    ("bad", {"issuer": "peal"}, None, "that is ourselves"), ("bad", {"issuer": "same"}, None, "another file has the same issuer"),
    ("bad", {"issuer": None}, None, "issuer must be set"), ("bad", {"audience": None}, None, "audience must be set"),
    ("bad", {"algorithm": "none"}, None, "algorithm must be one of"), ("bad", {"algorithm": "HS256"}, None, "HS256 takes a secret_file"),
    ("bad", {"colour": "red"}, None, "unknown key"), ("bad", {"public_key_file": None}, None, "an issuer has"),
    ("bad", {"public_key_file": "relative.pem"}, None, "must be an absolute path"), ("bad", {"public_key_file": "/nonexistent"}, None, "No such file"),
    ("bad", {"jwks_file": "/etc/hostname"}, None, "only one of"), ("bad", {"algorithm": "RS256"}, None, "is not an RSA key"),
    ("bad", {"max_token_seconds": "0"}, None, "must be between"), ("bad", {"client_id": "peal-api"}, None, "must differ from client_id"),
    ("bad", {"client_id": "x", "issuer": "http://sso.example"}, None, "must be an https"),
    ("bad", {"client_id": "x", "issuer": "http://localhost.evil.example"}, None, "must be an https"),
    ("bad", {"client_id": "x", "issuer": "https://sso.example/?a"}, None, "must be an https"),
    ("bad", {"client_id": "x", "scopes": "profile"}, None, "must hold openid"),
    ("bad", {}, b"-----BEGIN NOTHING-----", "is not a PEM public key"), ("bad", {}, private(EVIL_EC), "is not a PEM public key"),
    ("bad", {}, pem(P384), "is not an EC key on P-256"), ("bad", {}, pem(EVIL_RSA), "is not an EC key on P-256"),
    ("bad", {"algorithm": "RS256"}, pem(SHORT_RSA), "is not an RSA key of 2048"),
    ("bad", {"jwks": 1}, b"[]", "is not a JSON object"), ("bad", {"jwks": 1}, b'{"keys": {}}', "no array"),
    ("bad", {"jwks": 1}, b'{"keys": []}', "has no key for this algorithm"), ("bad", {"jwks": 1}, jwks(jwk(EVIL_RSA, "a")), "has no key for this algorithm"),
    ("bad", {"jwks": 1}, jwks(jwk(P384, "a")), "has no key for this algorithm"), ("bad", {"jwks": 1}, jwks("x"), "not an object"),
    ("bad", {"jwks": 1}, jwks(jwk(EVIL_EC, "a"), jwk(new_ec(), "a")), "two keys with the same kid"),
    ("bad", {"jwks": 1}, jwks(jwk(EVIL_EC, "a", d="AA")), "private or secret"), ("bad", {"jwks": 1}, jwks({"kty": "oct", "k": "AAAA"}), "private or secret"),
    ("bad", {"jwks": 1}, jwks(jwk(EVIL_EC, "a", x=b64(bytes(32)))), "not on its curve"), ("bad", {"jwks": 1}, jwks(jwk(EVIL_EC, "a", y="AA")), "malformed"),
    ("bad", {"jwks": 1}, jwks(jwk(EVIL_EC, kid=7)), "kid that is not a string"), ("bad", {"jwks": 1}, jwks(*[jwk(EVIL_EC)] * 65), "more than 64 keys"),
    ("bad", {"jwks": 1, "algorithm": "RS256"}, jwks(jwk(EVIL_RSA, "a", e="Ag")), "malformed, too short"),
    ("bad", {"jwks": 1, "algorithm": "RS256"}, jwks(jwk(EVIL_RSA, "a", e="AQ")), "malformed, too short"),
    ("bad", {"jwks": 1, "algorithm": "RS256"}, jwks(jwk(SHORT_RSA, "a")), "malformed, too short"),
    ("bad", {"jwks": 1}, b'{"keys": [' + b" " * 300000 + b"]}", "too large"),
    ("bad", {"secret": 1}, b"s" * 31, "fewer than 32"), ("bad", {"secret": 1}, b"s" * 31 + b"\n", "fewer than 32"),
    ("bad", {"secret": 1}, pem(EVIL_RSA), "holds a PEM key"), ("bad", {"secret": 2}, b"s" * 48, "may be read by others"),
    ("ok", {"jwks": 1}, jwks(jwk(EVIL_EC, "a"), jwk(EVIL_RSA, "a"), jwk(new_ec(), "b", use="enc")), None), ("ok", {"secret": 1}, b"s" * 32, None),
]


@pytest.mark.parametrize("label, keys, file, why", CHECKS, ids=[f"{n}-{why}" for n, (_, _, _, why) in enumerate(CHECKS)])
def test_config_check_names_what_is_wrong(stack, label, keys, file, why):
    with issuers.Folder() as folder:
        folder.by_pem("a-neighbour", "ES256", key=EVIL_EC, issuer="same")
        bad = issuers.Issuer(folder, label, "ES256", EVIL_EC, public_key_file=folder.write("key.pem", pem(EVIL_EC) if file is None else file))
        keys = dict(keys)
        if keys.pop("jwks", 0):
            keys.update(public_key_file=None, jwks_file=folder.write("key.json", file))
        if secret := keys.pop("secret", 0):
            keys.update(public_key_file=None, algorithm="HS256", secret_file=folder.write("key.secret", file, 0o600 if secret == 1 else 0o644))
        bad.write(**keys)
        conf = folder.write("keys.txt", stack.conf_path.read_bytes().replace(str(FOLDER.dir).encode(), str(folder.dir).encode()))
        out = subprocess.run([stack.build_dir / "pealctl", "-c", conf, "config", "check"], capture_output=True, text=True, check=False)
        if why is None:
            assert out.returncode == 0 and "2 issuers are good" in out.stdout, out
        else:
            assert out.returncode == 1 and why in out.stderr and f"{label}.conf" in out.stderr and "neighbour" not in out.stderr, out.stderr


# -- good in other ways


def test_an_audience_may_be_one_of_several(stack, issuer):
    me(stack, issuer.token(aud=["else", "peal-api"]), expect=200)


@pytest.mark.parametrize("typ", [..., "JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_types_that_are_access_tokens(stack, issuer, typ):
    me(stack, issuer.token(header={"typ": typ}), expect=200)


def test_a_key_of_a_set_is_chosen_by_kid(stack):
    me(stack, RSA_SET.token(header={"kid": "k2"}, key=OTHER_RSA), expect=200)
    me(stack, EC_SET.token(header={"kid": "k2"}, key=OTHER_EC), expect=200)


@pytest.mark.parametrize("times", [{"exp": -20}, {"iat": 25}, {"nbf": 25, "iat": 25}, {"iat": ..., "exp": 3600}, {"exp": 100.75, "iat": -0.5}], ids=str)
def test_times_have_a_leeway(stack, issuer, times):
    now = int(time.time())
    me(stack, issuer.token(**{k: v if v is ... else now + v for k, v in times.items()}), expect=200)


def test_offered_keys_are_not_looked_at(stack, issuer):
    offered = {"jku": "https://evil.example/jwks", "x5u": "https://evil.example/x5u", "jwk": jwk(new_rsa()), "x5c": ["MIIB"]}
    me(stack, issuer.token(header=offered), expect=200)


# -- what is tried


def flipped(text, at):
    raw = bytearray(json.loads(f'"{text}"').encode())
    raw[at] = ord("A") if raw[at] != ord("A") else ord("B")
    return raw.decode()


def forged(one, alg, key, header=None, **claims):
    """Signed in another way than the issuer does."""
    return compact(one.header(alg=alg, **(header or {})), one.claims(**claims), lambda text: signature(alg, key, text))


def der(key, text):
    return key.sign(text, ec.ECDSA(hashes.SHA256()))


EVIL = {"RS256": EVIL_RSA, "ES256": EVIL_EC, "HS256": b"e" * 32}
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def duplicate(one, name, value):
    """The claims with one member twice, the second time with another value: parsers disagree which one counts."""
    text = json.dumps(one.claims(sub="me"))
    return one.token(raw=(text[:-1] + f', "{name}": {json.dumps(value)}}}').encode())


ATTACKS = {
    # the algorithm
    "none": lambda i: compact(i.header(alg="none"), i.claims(), lambda _: b"") + "",
    "none with a signature": lambda i: compact(i.header(alg="none"), i.claims(), lambda t: signature(i.alg, i.key, t)),
    "None": lambda i: compact(i.header(alg="None"), i.claims(), lambda t: signature(i.alg, i.key, t)),
    "lower case": lambda i: compact(i.header(alg=i.alg.lower()), i.claims(), lambda t: signature(i.alg, i.key, t)),
    "no alg": lambda i: i.token(header={"alg": ...}),
    "alg is a list": lambda i: i.token(header={"alg": [i.alg]}),
    "alg null": lambda i: i.token(header={"alg": None}),
    "another alg's name": lambda i: i.token(header={"alg": "ES256" if i.alg != "ES256" else "RS256"}),
    "PS256": lambda i: i.token(header={"alg": "PS256"}),
    "HS256 by the RSA public key": lambda i: forged(i, "HS256", pem(RSA_PEM.key)),
    "HS256 by the RSA public key, no last line break": lambda i: forged(i, "HS256", pem(RSA_PEM.key).rstrip(b"\n")),
    "HS256 by the EC public key": lambda i: forged(i, "HS256", pem(EC_PEM.key)),
    "HS256 by the JWKS": lambda i: forged(i, "HS256", FOLDER.path("rsa-set.json").read_bytes()),
    "HS256 by the modulus": lambda i: forged(i, "HS256", RSA_PEM.key.public_key().public_numbers().n.to_bytes(256, "big")),
    "HS256 by an empty secret": lambda i: forged(i, "HS256", b""),
    "HS256 by a zero byte": lambda i: forged(i, "HS256", b"\0" * 32),
    "HS384 of it": lambda i: compact(i.header(alg="HS384"), i.claims(), lambda t: signature(i.alg, i.key, t)),
    "RS256 by another key": lambda i: forged(i, "RS256", EVIL_RSA),
    "ES256 by another key": lambda i: forged(i, "ES256", EVIL_EC),
    "its own alg by another key": lambda i: i.token(key=EVIL[i.alg]),
    # the key
    "kid of nobody": lambda i: i.token(header={"kid": "nobody"}, key=EVIL[i.alg]),
    "kid is a path": lambda i: forged(i, "HS256", b"", header={"kid": "../../../../dev/null"}),
    "kid is SQL": lambda i: i.token(header={"kid": "x' UNION SELECT 'secret"}, key=EVIL[i.alg]),
    "kid is a list": lambda i: i.token(header={"kid": ["k1"]}, key=EVIL[i.alg]),
    "kid of a key of another kind": lambda i: i.token(header={"kid": "k3"}, key=EVIL[i.alg]),
    "jwk of its own": lambda i: i.token(header={"jwk": jwk(EVIL_RSA if i.alg == "RS256" else EVIL_EC, i.kid)}, key=EVIL[i.alg]),
    "jku": lambda i: i.token(header={"jku": "http://127.0.0.1/keys"}, key=EVIL[i.alg]),
    "x5u": lambda i: i.token(header={"x5u": "file:///etc/passwd"}, key=EVIL[i.alg]),
    "x5c": lambda i: i.token(header={"x5c": [b64(pem(EVIL_RSA))]}, key=EVIL[i.alg]),
    "crit": lambda i: i.token(header={"crit": ["exp"]}),
    "crit b64": lambda i: i.token(header={"crit": ["b64"], "b64": False}),
    # the signature
    "no signature": lambda i: i.token().rsplit(".", 1)[0] + ".",
    "no third segment": lambda i: i.token().rsplit(".", 1)[0],
    "a fourth segment": lambda i: i.token() + ".eA",
    "signature of another": lambda i: i.token().rsplit(".", 1)[0] + "." + i.token().rsplit(".", 1)[1],
    "cut by a character": lambda i: i.token()[:-1],
    "cut by four": lambda i: i.token()[:-4],
    "half of it": lambda i: (lambda t: t[:len(t) - len(t.rsplit(".", 1)[1]) // 2])(i.token()),
    "one byte": lambda i: i.token().rsplit(".", 1)[0] + ".AA",
    "longer": lambda i: i.token() + "AAAA",
    "doubled": lambda i: (lambda t: t + t.rsplit(".", 1)[1])(i.token()),
    "zero": lambda i: compact(i.header(), i.claims(), lambda _: bytes({"RS256": 256, "ES256": 64, "HS256": 32}[i.alg])),
    "padding": lambda i: i.token() + "=",
    "blank": lambda i: i.token().replace(".", ". ", 1),
    "the other alphabet": lambda i: i.token().rsplit(".", 1)[0] + "." + "+/+/" * 16,
    "first bit": lambda i: (lambda t: t.rsplit(".", 1)[0] + "." + flipped(t.rsplit(".", 1)[1], 0))(i.token()),
    "claims changed": lambda i: (lambda h, c, s: f"{h}.{b64(json.dumps(i.claims(sub='root')).encode())}.{s}")(*i.token().split(".")),
    "header changed": lambda i: (lambda h, c, s: f"{b64(json.dumps(i.header(typ='at+jwt')).encode())}.{c}.{s}")(*i.token().split(".")),
    "two dots": lambda i: "..",
    "empty header": lambda i: "." + i.token().split(".", 1)[1],
    # what it says
    "another aud": lambda i: i.token(aud="somebody-else"),
    "no aud": lambda i: i.token(aud=...),
    "aud of the wrong case": lambda i: i.token(aud="Peal-API"),
    "aud is an object": lambda i: i.token(aud={"peal-api": 1}),
    "aud holds a number": lambda i: i.token(aud=["peal-api", 7]),
    "no aud in the list": lambda i: i.token(aud=[]),
    "33 audiences": lambda i: i.token(aud=["peal-api"] * 33),
    "our own aud": lambda i: i.token(aud="peal"),
    "another iss": lambda i: i.token(iss="https://evil.example"),
    "iss of a neighbour": lambda i: i.token(iss=next(o for o in ALL if o is not i).url),
    "iss with a slash": lambda i: i.token(iss=i.url + "/"),
    "iss is ours": lambda i: i.token(iss="peal"),
    "no iss": lambda i: i.token(iss=...),
    "iss is a list": lambda i: i.token(iss=[i.url]),
    "no sub": lambda i: i.token(sub=...),
    "empty sub": lambda i: i.token(sub=""),
    "sub is a number": lambda i: i.token(sub=1),
    "long sub": lambda i: i.token(sub="x" * 256),
    "sub with a line break": lambda i: i.token(sub="a\nb"),
    "no exp": lambda i: i.token(exp=...),
    "exp is a string": lambda i: i.token(exp=str(int(time.time()) + 600)),
    "exp is null": lambda i: i.token(exp=None),
    "exp beyond all bounds": lambda i: i.token(exp=1e300),
    "exp negative": lambda i: i.token(exp=-1),
    "lives too long": lambda i: i.token(exp=int(time.time()) + 90000),
    "lives too long without iat": lambda i: i.token(iat=..., exp=int(time.time()) + 90000),
    "iat to come": lambda i: i.token(iat=int(time.time()) + 60),
    "iat is a string": lambda i: i.token(iat="now"),
    "nbf to come": lambda i: i.token(nbf=int(time.time()) + 60),
    "nbf is true": lambda i: i.token(nbf=True),
    "duplicate sub": lambda i: duplicate(i, "sub", "root"),
    "duplicate exp": lambda i: duplicate(i, "exp", int(time.time()) + 600),
    "duplicate aud": lambda i: duplicate(i, "aud", "peal-api"),
    "duplicate alg": lambda i: compact(json.dumps(i.header()).encode()[:-1] + b', "alg": "none"}', i.claims(), lambda t: signature(i.alg, i.key, t)),
    "claims are a list": lambda i: i.token(raw=b'["iss"]'),
    "claims are cut": lambda i: i.token(raw=json.dumps(i.claims()).encode()[:-1]),
    "claims are followed by more": lambda i: i.token(raw=json.dumps(i.claims()).encode() + b"{}"),
    "claims are not UTF-8": lambda i: i.token(raw=json.dumps(i.claims()).encode()[:-1] + b', "x": "\xff"}'),
    "claims have NUL": lambda i: i.token(raw=json.dumps(i.claims(sub="a\0b")).encode()),
    "claims are deep": lambda i: i.token(raw=json.dumps(i.claims()).encode()[:-1] + b', "x": ' + b"[" * 400 + b"]" * 400 + b"}"),
    "header is no object": lambda i: compact(b'"HS256"', i.claims(), lambda t: signature(i.alg, i.key, t)),
    "too large": lambda i: i.token(note="x" * 3200),
    # the kind
    "a logout token": lambda i: i.token(header={"typ": "logout+jwt"}),
    "an ID token by typ": lambda i: i.token(header={"typ": "id+jwt"}),
    "typ is null": lambda i: i.token(header={"typ": None}),
    "typ is a list": lambda i: i.token(header={"typ": ["JWT"]}),
    "encrypted": lambda i: i.token() + ".AAAA.AAAA",
}

ES256_ATTACKS = {
    "DER": lambda i: compact(i.header(), i.claims(), lambda t: der(i.key, t)),
    "r zero": lambda i: compact(i.header(), i.claims(), lambda t: bytes(32) + signature("ES256", i.key, t)[32:]),
    "s zero": lambda i: compact(i.header(), i.claims(), lambda t: signature("ES256", i.key, t)[:32] + bytes(32)),
    "r and s of the order": lambda i: compact(i.header(), i.claims(), lambda _: ORDER.to_bytes(32, "big") * 2),
    "r one, s one": lambda i: compact(i.header(), i.claims(), lambda _: (1).to_bytes(32, "big") * 2),
    "r and s exchanged": lambda i: compact(i.header(), i.claims(), lambda t: (lambda s: s[32:] + s[:32])(signature("ES256", i.key, t))),
    "all ones": lambda i: compact(i.header(), i.claims(), lambda _: b"\xff" * 64),
    "63 bytes": lambda i: compact(i.header(), i.claims(), lambda t: signature("ES256", i.key, t)[:63]),
    "65 bytes": lambda i: compact(i.header(), i.claims(), lambda t: b"\0" + signature("ES256", i.key, t)),
    "P-384": lambda i: compact(i.header(alg="ES384"), i.claims(), lambda t: b"\1" * 96),
}

RS256_ATTACKS = {
    "the signature plus the modulus": lambda i: compact(i.header(), i.claims(), lambda t: (int.from_bytes(signature("RS256", i.key, t), "big")
                                                        + i.key.public_key().public_numbers().n).to_bytes(257, "big")),
    "one": lambda i: compact(i.header(), i.claims(), lambda _: (1).to_bytes(256, "big")),
    "by PSS": lambda i: compact(i.header(), i.claims(), lambda t: pss(i.key, t)),
    "by SHA-1": lambda i: compact(i.header(), i.claims(), lambda t: sha1(i.key, t)),
}


def pss(key, text):
    return key.sign(text, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def sha1(key, text):
    return key.sign(text, padding.PKCS1v15(), hashes.SHA1())


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks(stack, attack):
    people = truth.rows(stack, "SELECT count(*) FROM users")
    for one in ALL:
        me(stack, ATTACKS[attack](one), expect=(401, "unauthenticated"))
    assert truth.rows(stack, "SELECT count(*) FROM users") == people, "somebody was made"


@pytest.mark.parametrize("attack", ES256_ATTACKS)
def test_attacks_on_es256(stack, attack):
    for one in (EC_PEM, EC_SET):
        me(stack, ES256_ATTACKS[attack](one), expect=(401, "unauthenticated"))


@pytest.mark.parametrize("attack", RS256_ATTACKS)
def test_attacks_on_rs256(stack, attack):
    for one in (RSA_PEM, RSA_SET):
        me(stack, RS256_ATTACKS[attack](one), expect=(401, "unauthenticated"))


def test_a_set_of_several_wants_a_kid(stack):
    for one in (RSA_SET, EC_SET):
        me(stack, one.token(header={"kid": ...}), expect=(401, "unauthenticated"))
    me(stack, EC_SET.token(header={"kid": "enc"}), expect=(401, "unauthenticated"))


def test_expired_is_said_of_what_is_right_otherwise(stack):
    now = int(time.time())
    for one in ALL:
        me(stack, one.token(iat=now - 700, exp=now - 40), expect=(401, "token_expired"))
        me(stack, one.token(iat=now - 700, exp=now - 40, aud="x"), expect=(401, "unauthenticated"))
    known = [one.token(exp=int(time.time()) - 24) for one in ALL]
    for token in known:
        me(stack, token, expect=200)
    time.sleep(7)
    for token in known:
        me(stack, token, expect=(401, "token_expired"))


def test_none_of_it_is_in_the_log(stack):
    token = SECRET.token(name="Canary Name", sub="canary-subject")
    me(stack, token, expect=200)
    me(stack, token + "x", expect=401)
    text = (stack.dir / "log" / "peal-fcgi.log").read_text()
    for secret in (token, token.split(".")[2], "canary-subject", "Canary Name", SECRET.key.hex()):
        assert secret not in text
