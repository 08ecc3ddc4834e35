"""Accounts, access tokens, refresh tokens and the cookie."""

import concurrent.futures
import re
import time

import pytest

from peal import tokens, truth
from peal.people import PASSWORD, Person
from peal.rest import Client

SAME = {"Sec-Fetch-Site": "same-origin"}
COOKIE = re.compile(r"^peal_refresh=([^;]*); Path=/api/v1/auth; Max-Age=(\d+); HttpOnly; SameSite=Strict$")


def cookie_of(reply):
    match = COOKIE.match(reply.headers["set-cookie"])
    assert match, reply.headers["set-cookie"]
    return match.groups()


def with_cookie(token):
    return {**SAME, "Cookie": f"other=1; peal_refresh={token}"}


def test_register_and_login(stack, anonymous):
    person = Person(stack, "Reg")
    assert re.fullmatch(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", person.token)
    claims = tokens.claims_of(person.token)
    assert claims["sub"] == person.id and claims["exp"] - claims["iat"] == 600
    reply = anonymous.post("/auth/login", {"username": person.username.upper(), "password": PASSWORD, "token_delivery": "body"}, expect=200)
    assert reply["user"] == {"id": person.id, "username": person.username, "display_name": person.username, "avatar_id": None,
                             "avatar_url": None, "status_text": None, "bot": False}
    assert reply["refresh_token"] != person.refresh_token and "set-cookie" not in reply.headers
    assert anonymous.as_(reply["access_token"]).get("/me", expect=200)["id"] == person.id


def test_display_name_is_kept_and_trimmed(anonymous):
    reply = anonymous.post("/auth/register", {"username": f"dn-{time.time_ns() % 10**12}", "password": PASSWORD,
                                              "display_name": "  Zoë 👩‍🚀  ", "token_delivery": "body"}, expect=201)
    assert reply["user"]["display_name"] == "Zoë 👩‍🚀"


@pytest.mark.parametrize("change, path, code", [
    ({"username": None}, "/username", "type"), ({"username": ...}, "/username", "required"), ({"username": "ab"}, "/username", "format"),
    ({"username": "a" * 33}, "/username", "format"), ({"username": "-abc"}, "/username", "format"), ({"username": "a b c"}, "/username", "format"),
    ({"username": "naïve"}, "/username", "format"), ({"username": 7}, "/username", "type"), ({"password": ...}, "/password", "required"),
    ({"password": "p" * 14}, "/password", "too_short"), ({"password": "p" * 257}, "/password", "too_long"),
    ({"password": "é" * 129}, "/password", "too_long"), ({"display_name": ""}, "/display_name", "too_short"),
    ({"display_name": "\u200b\u00a0"}, "/display_name", "format"), ({"display_name": "a\nb"}, "/display_name", "format"),
    ({"display_name": "x" * 65}, "/display_name", "too_long"), ({"token_delivery": "pigeon"}, "/token_delivery", "word"),
])
def test_register_refuses(anonymous, change, path, code):
    body = {"username": "somebody", "password": PASSWORD, "token_delivery": "body", **change}
    body = {k: v for k, v in body.items() if v is not ...}
    reply = anonymous.post("/auth/register", body, valid=False, expect=(400, "invalid"))
    assert (reply["errors"][0]["path"], reply["errors"][0]["code"]) == (path, code)


def test_password_is_counted_in_characters(anonymous):
    body = {"username": f"cp-{time.time_ns() % 10**12}", "password": "üöäßéèêñçåøæþðłž"[:15], "token_delivery": "body"}
    anonymous.post("/auth/register", body, expect=201)


def test_user_names_are_unique_without_case(stack, anonymous, person):
    for name in (person.username, person.username.upper()):
        anonymous.post("/auth/register", {"username": name, "password": PASSWORD, "token_delivery": "body"}, expect=(409, "username_taken"))


def test_one_of_many_gets_the_name(stack):
    name = f"race-{time.time_ns() % 10**12}"
    body = {"username": name, "password": PASSWORD, "token_delivery": "body"}
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda _: Client(stack.url).post("/auth/register", body), range(6)))
    assert sorted(r.status for r in replies) == [201] + [409] * 5


@pytest.mark.parametrize("username, password", [("nobody-at-all", PASSWORD), (None, "another password of tests"), (None, "x" * 256)])
def test_wrong_credentials(anonymous, person, username, password):
    body = {"username": username or person.username, "password": password, "token_delivery": "body"}
    anonymous.post("/auth/login", body, expect=(401, "bad_credentials"))


# -- refresh


def test_refresh_rotates_and_repeats_in_grace(anonymous, person):
    first = person.refresh_token
    a = anonymous.post("/auth/refresh", {"refresh_token": first}, expect=200)
    b = anonymous.post("/auth/refresh", {"refresh_token": first}, expect=200)
    assert a["refresh_token"] == b["refresh_token"] != first, "a lost reply's retry gets the same successor"
    c = anonymous.post("/auth/refresh", {"refresh_token": a["refresh_token"]}, expect=200)
    assert c["refresh_token"] not in (first, a["refresh_token"])
    for reply in (a, b, c):
        assert anonymous.as_(reply["access_token"]).get("/me", expect=200)["id"] == person.id


def test_many_tabs_refresh_at_once(stack, person):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: Client(stack.url).post("/auth/refresh", {"refresh_token": person.refresh_token}, expect=200), range(8)))
    assert len({r["refresh_token"] for r in replies}) == 1


def test_reuse_two_generations_back_ends_the_session(anonymous, person):
    first = person.refresh_token
    second = anonymous.post("/auth/refresh", {"refresh_token": first}, expect=200)["refresh_token"]
    third = anonymous.post("/auth/refresh", {"refresh_token": second}, expect=200)["refresh_token"]
    anonymous.post("/auth/refresh", {"refresh_token": first}, expect=(401, "bad_refresh_token"))
    anonymous.post("/auth/refresh", {"refresh_token": third}, expect=(401, "bad_refresh_token"))


def test_reuse_after_the_grace_ends_the_session(stack, anonymous, person):
    first = person.refresh_token
    second = anonymous.post("/auth/refresh", {"refresh_token": first}, expect=200)["refresh_token"]
    truth.rows(stack, "UPDATE session SET rotated_at = rotated_at - interval '1 hour' WHERE user_id = %s", int(person.id))
    anonymous.post("/auth/refresh", {"refresh_token": first}, expect=(401, "bad_refresh_token"))
    anonymous.post("/auth/refresh", {"refresh_token": second}, expect=(401, "bad_refresh_token"))


def test_expired_session(stack, anonymous, person):
    truth.rows(stack, "UPDATE session SET expires_at = now() - interval '1 s' WHERE user_id = %s", int(person.id))
    anonymous.post("/auth/refresh", {"refresh_token": person.refresh_token}, expect=(401, "bad_refresh_token"))


@pytest.mark.parametrize("token", ["x", "A" * 75, "A" * 74 + "=", "ü", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"])
def test_forged_refresh_tokens(anonymous, token):
    anonymous.post("/auth/refresh", {"refresh_token": token}, expect=(401, "bad_refresh_token"))


def test_a_changed_refresh_token_is_refused(anonymous, person):
    token = person.refresh_token
    for i in (0, 20, 30, len(token) - 2):
        other = "A" if token[i] != "A" else "B"
        anonymous.post("/auth/refresh", {"refresh_token": token[:i] + other + token[i + 1:]}, expect=(401, "bad_refresh_token"))
    anonymous.post("/auth/refresh", {"refresh_token": token}, expect=200)


def test_only_hashes_are_stored(stack, person):
    rows = truth.rows(stack, "SELECT s::text, u::text FROM session s JOIN users u ON u.id = s.user_id WHERE u.id = %s", int(person.id))
    assert rows and person.refresh_token not in str(rows) and PASSWORD not in str(rows) and "argon2id" in str(rows)


# -- cookies


def register_with_cookie(anonymous, headers=SAME):
    body = {"username": f"ck-{time.time_ns() % 10**12}", "password": PASSWORD}
    return anonymous.post("/auth/register", body, headers=headers)


def test_the_cookie_s_way(anonymous):
    reply = register_with_cookie(anonymous)
    token, age = cookie_of(reply)
    assert reply.status == 201 and "refresh_token" not in reply.json and int(age) > 86400
    reply = anonymous.post("/auth/refresh", headers=with_cookie(token), raw=b"", expect=200)
    rotated, left = cookie_of(reply)
    assert rotated != token and int(left) <= int(age) and "refresh_token" not in reply.json
    again = anonymous.post("/auth/refresh", {}, headers=with_cookie(token), expect=200)
    assert cookie_of(again)[0] == rotated, "the grace's answer sets the cookie, too"
    reply = anonymous.post("/auth/logout", {}, headers=with_cookie(rotated), expect=204)
    assert cookie_of(reply) == ("", "0")
    anonymous.post("/auth/refresh", {}, headers=with_cookie(rotated), expect=(401, "bad_refresh_token"))


def test_login_sets_the_cookie(anonymous, person):
    reply = anonymous.post("/auth/login", {"username": person.username, "password": PASSWORD}, headers=SAME, expect=200)
    assert len(cookie_of(reply)[0]) > 60 and "refresh_token" not in reply.json


@pytest.mark.parametrize("headers", [
    {}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"}, {"Origin": "https://evil.example"},
    {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
], ids=str)
def test_cookie_routes_refuse_other_sites(anonymous, person, headers):
    cookie, _ = cookie_of(register_with_cookie(anonymous))
    login = {"username": person.username, "password": PASSWORD}
    for path, body in (("/auth/refresh", {}), ("/auth/logout", {}), ("/auth/login", login),
                       ("/auth/register", {"username": "cross-site-person", "password": PASSWORD})):
        reply = anonymous.post(path, body, headers={**headers, "Cookie": f"peal_refresh={cookie}"}, expect=(403, "cross_site"))
        assert "set-cookie" not in reply.headers
    anonymous.post("/auth/refresh", {}, headers=with_cookie(cookie), expect=200)


def test_a_listed_origin_may_use_cookies(stack, anonymous):
    origin = stack.conf["origins"].split()[0]
    cookie, _ = cookie_of(register_with_cookie(anonymous, {"Origin": origin}))
    anonymous.post("/auth/refresh", {}, headers={"Origin": origin, "Cookie": f"peal_refresh={cookie}"}, expect=200)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""])
def test_cookie_routes_want_json(anonymous, kind):
    """A form of another page can send these content types without asking; JSON it cannot."""
    cookie, _ = cookie_of(register_with_cookie(anonymous))
    for path in ("/auth/refresh", "/auth/logout"):
        anonymous.post(path, raw=b"{}", headers={**with_cookie(cookie), "Content-Type": kind}, expect=(415, "unsupported_media_type"))


def test_refresh_without_any_token(anonymous):
    anonymous.post("/auth/refresh", {}, headers=SAME, expect=(401, "bad_refresh_token"))
    reply = anonymous.post("/auth/logout", {}, headers=SAME, expect=204)
    assert cookie_of(reply) == ("", "0")


def test_logout_by_body(anonymous, person):
    reply = anonymous.post("/auth/logout", {"refresh_token": person.refresh_token}, expect=204)
    assert "set-cookie" not in reply.headers
    anonymous.post("/auth/logout", {"refresh_token": person.refresh_token}, expect=204)
    anonymous.post("/auth/refresh", {"refresh_token": person.refresh_token}, expect=(401, "bad_refresh_token"))


# -- access tokens: the whole table is tests/unit's; these go through nginx


def test_broken_access_tokens(stack, person):
    for name, token in tokens.broken(stack, person.token).items():
        reply = person.rest.get("/me", token=token)
        assert (reply.status, reply.code) == (401, "unauthenticated"), (name, reply)


def test_expired_access_tokens(stack, person):
    reply = person.rest.get("/me", token=tokens.expired(stack, person.token), expect=(401, "token_expired"))
    assert reply.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    person.rest.get("/me", token=tokens.expired(stack, person.token, ago=60), expect=(401, "token_expired"))
    person.rest.get("/me", token=tokens.expired(stack, person.token, ago=5), expect=200)  # the leeway


def test_tokens_of_the_future(stack, person):
    now = int(time.time())
    person.rest.get("/me", token=tokens.altered(stack, person.token, nbf=now + 300), expect=(401, "unauthenticated"))


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "bearer  ", "Token x", "Bearer a b"])
def test_other_schemes(anonymous, header):
    reply = anonymous.get("/me", headers={"Authorization": header}, expect=(401, "unauthenticated"))
    assert reply.headers["www-authenticate"] == "Bearer"
