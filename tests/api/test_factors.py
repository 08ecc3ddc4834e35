"""Second factors: codes by the clock, codes on paper, and proving who one is before changing any of it."""

import base64
import concurrent.futures
import re
import time
import urllib.parse

import pytest

from peal import passkeys, truth
from peal.people import PASSWORD, Person
from peal.rest import Client
from peal.totp import code_now


class Phone:
    """An authenticator app. A step counts once, so each code asked for is of a later one than the server has seen."""

    def __init__(self, stack, person):
        self.stack, self.person = stack, person
        reply = person.rest.post("/auth/totp", expect=201)
        self.secret = reply["secret"]
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(reply["uri"]).query))
        assert query["secret"] == self.secret and f":{person.username}?" in reply["uri"]
        self.recovery = person.rest.post("/auth/totp/confirm", {"code": self.now()}, expect=200)["recovery_codes"]

    def now(self, off=0):
        return code_now(self.secret, off)

    def fresh(self):
        """What the next code would be, if the clock had been waited for."""
        truth.rows(self.stack, "UPDATE totp SET last_step = 0 WHERE user_id = %s", int(self.person.id))
        return self.now()


@pytest.fixture
def phone(stack, person):
    return Phone(stack, person)


def login(client, person, expect=(401, "second_factor_required"), **more):
    return client.post("/auth/login", {"username": person.username, "password": person.password, "token_delivery": "body", **more}, expect=expect)


def second(client, challenge, expect=200, **code):
    return client.post("/auth/login/factor", {"challenge": challenge, "token_delivery": "body", **code}, expect=expect)


def unprove(stack, person):
    truth.rows(stack, "UPDATE session SET proved_at = now() - interval '11 minutes' WHERE user_id = %s", int(person.id))


def test_nothing_is_asked_for_before_it_is_confirmed(anonymous, person):
    secret = person.rest.post("/auth/totp", expect=201)["secret"]
    assert login(anonymous, person, expect=200)["user"]["id"] == person.id
    again = person.rest.post("/auth/totp", expect=201)["secret"]
    assert again != secret
    code = code_now(secret)
    person.rest.post("/auth/totp/confirm", {"code": code}, expect=(403, "bad_code"))
    for bad in ("12345", "1234567", "abcdef", "12345६"):
        person.rest.post("/auth/totp/confirm", {"code": bad}, expect=(403, "bad_code"))
    login(anonymous, person, expect=200)
    assert person.rest.get("/auth/factors", expect=200)["totp"] == {"enabled": False, "enabled_at": None, "recovery_codes_left": 0}


def test_a_set_up_whose_answer_was_lost(person):
    head = {"Idempotency-Key": "set-up"}
    made, again = person.rest.post("/auth/totp", headers=head, expect=201), person.rest.post("/auth/totp", headers=head, expect=200)
    assert again.json == made.json and again.headers["idempotency-replayed"] == "true"


def test_a_set_up_that_was_left_alone_is_void(stack, person):
    secret = person.rest.post("/auth/totp", expect=201)["secret"]
    truth.rows(stack, "UPDATE totp SET created_at = created_at - interval '61 minutes' WHERE user_id = %s", int(person.id))
    person.rest.post("/auth/totp/confirm", {"code": code_now(secret)}, expect=(404, "not_found"))


def test_signing_in_takes_a_code(stack, anonymous, person, phone):
    refused = login(anonymous, person)
    assert "set-cookie" not in refused.headers and "access_token" not in refused.json and refused["expires_in"] == 300
    reply = second(anonymous, refused["challenge"], code=phone.fresh())
    assert reply["user"]["id"] == person.id and reply["refresh_token"]
    assert anonymous.as_(reply["access_token"]).get("/me", expect=200)["id"] == person.id
    factors = person.rest.get("/auth/factors", expect=200)
    assert factors["totp"]["enabled"] and factors["totp"]["recovery_codes_left"] == 10 and factors["password"]


def test_a_wrong_password_is_told_nothing_about_the_factor(anonymous, person, phone):
    reply = login(anonymous, person, expect=(401, "bad_credentials"), password="another password of tests")
    assert "challenge" not in reply.json


def test_browsers_get_the_cookie_at_the_second_step(anonymous, person, phone):
    site = {"Sec-Fetch-Site": "same-origin"}
    body = {"username": person.username, "password": PASSWORD}
    refused = anonymous.post("/auth/login", body, headers=site, expect=(401, "second_factor_required"))
    anonymous.post("/auth/login/factor", {"challenge": refused["challenge"], "code": phone.fresh()}, expect=(403, "cross_site"))
    reply = anonymous.post("/auth/login/factor", {"challenge": refused["challenge"], "code": phone.fresh()}, headers=site, expect=200)
    assert "refresh_token" not in reply.json and "peal_refresh=" in reply.headers["set-cookie"]


def test_a_code_counts_once(anonymous, person, phone):
    code = phone.fresh()
    second(anonymous, login(anonymous, person)["challenge"], code=code)
    second(anonymous, login(anonymous, person)["challenge"], code=code, expect=(403, "bad_code"))
    second(anonymous, login(anonymous, person)["challenge"], code=phone.now(-1), expect=(403, "bad_code"))  # nor an earlier one
    second(anonymous, login(anonymous, person)["challenge"], code=phone.now(+1))


def test_the_code_of_the_confirmation_counts_once(anonymous, stack, person):
    phone = Phone(stack, person)
    second(anonymous, login(anonymous, person)["challenge"], code=phone.now(-1), expect=(403, "bad_code"))


def test_one_step_of_drift_and_no_more(anonymous, person, phone):
    truth.rows(phone.stack, "UPDATE totp SET last_step = 0 WHERE user_id = %s", int(person.id))
    for off in (-2, 2):
        while time.time() % 30 > 25:   # not where a step ends between our clock and the server's
            time.sleep(0.2)
        second(anonymous, login(anonymous, person)["challenge"], code=phone.now(off), expect=(403, "bad_code"))
    for off in (-1, 1):
        second(anonymous, login(anonymous, person)["challenge"], code=phone.now(off))


def test_one_code_lets_one_in(stack, anonymous, person, phone):
    """Many at once, each with its own challenge: the code is used by one of them. And one challenge with many good codes: likewise."""
    challenges = [login(anonymous, person)["challenge"] for _ in range(6)]
    code = phone.fresh()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda c: second(Client(stack.url), c, code=code, expect=None), challenges))
    assert sorted((r.status, r.code) for r in replies) == [(200, None)] + [(403, "bad_code")] * 5
    challenge = login(anonymous, person)["challenge"]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda c: second(Client(stack.url), challenge, recovery_code=c, expect=None), phone.recovery[:6]))
    assert sorted((r.status, r.code) for r in replies) == [(200, None)] + [(403, "bad_challenge")] * 5
    assert person.rest.get("/auth/factors")["totp"]["recovery_codes_left"] == 9, "a challenge that was used takes no code with it"


def test_recovery_codes_count_once_each(anonymous, person, phone):
    assert len(set(phone.recovery)) == 10 and all(re.fullmatch(r"[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){5}", c) for c in phone.recovery)
    first, other = phone.recovery[:2]
    second(anonymous, login(anonymous, person)["challenge"], recovery_code=first)
    second(anonymous, login(anonymous, person)["challenge"], recovery_code=first, expect=(403, "bad_code"))
    second(anonymous, login(anonymous, person)["challenge"], recovery_code=other.upper().replace("-", " ").replace("0", "O").replace("1", "l"))
    for bad in ("x", "0000-0000-0000-0000-0000-0000", other[:-1]):
        second(anonymous, login(anonymous, person)["challenge"], recovery_code=bad, expect=(403, "bad_code"))
    assert person.rest.get("/auth/factors")["totp"]["recovery_codes_left"] == 8
    codes = person.rest.post("/auth/totp/recovery-codes", expect=200)["recovery_codes"]
    assert not set(codes) & set(phone.recovery)
    second(anonymous, login(anonymous, person)["challenge"], recovery_code=phone.recovery[2], expect=(403, "bad_code"))
    second(anonymous, login(anonymous, person)["challenge"], recovery_code=codes[2])


def test_recovery_codes_of_others(stack, anonymous, person, phone):
    other = Person(stack, "oth")
    theirs = Phone(stack, other)
    second(anonymous, login(anonymous, person)["challenge"], recovery_code=theirs.recovery[0], expect=(403, "bad_code"))
    second(anonymous, login(anonymous, person)["challenge"], code=theirs.fresh(), expect=(403, "bad_code"))
    # a row copied to another account is worth nothing there: secrets are bound to their person
    truth.rows(stack, "UPDATE recovery_code SET user_id = %s WHERE user_id = %s", int(person.id), int(other.id))
    second(anonymous, login(anonymous, person)["challenge"], recovery_code=theirs.recovery[0], expect=(403, "bad_code"))


def test_either_a_code_or_a_recovery_code(anonymous, person, phone):
    challenge = login(anonymous, person)["challenge"]
    reply = second(anonymous, challenge, expect=(400, "invalid"))
    assert reply["errors"][0]["path"] == "/code"
    reply = second(anonymous, challenge, code="123456", recovery_code=phone.recovery[0], expect=(400, "invalid"))
    assert reply["errors"][0]["path"] == "/recovery_code"


@pytest.mark.parametrize("change", ["cut", "bit", "other", "empty", "refresh token"])
def test_challenges_that_are_none(anonymous, person, phone, change):
    good = login(anonymous, person)["challenge"]
    flipped = good[:10] + ("A" if good[10] != "A" else "B") + good[11:]
    bad = {"cut": good[:-4], "bit": flipped, "other": anonymous.post("/auth/login/passkey/options", expect=200)["challenge"],
           "empty": "AAAA", "refresh token": person.refresh_token}[change]
    second(anonymous, bad, code=phone.fresh(), expect=(403, "bad_challenge"))
    second(anonymous, good, code=phone.fresh())


def test_a_challenge_ends_with_the_password(anonymous, person, phone):
    challenge = login(anonymous, person)["challenge"]
    person.rest.post("/auth/password", {"old_password": PASSWORD, "new_password": "four other words that nobody guesses"}, expect=204)
    second(anonymous, challenge, code=phone.fresh(), expect=(403, "bad_challenge"))


def test_a_challenge_ends_with_the_account(stack, anonymous, person, phone):
    challenge = login(anonymous, person)["challenge"]
    truth.rows(stack, "UPDATE users SET disabled_at = now() WHERE id = %s", int(person.id))
    second(anonymous, challenge, code=phone.fresh(), expect=(403, "bad_challenge"))


def test_wrong_codes_make_the_next_ones_wait(stack, anonymous, person, phone):
    challenge = login(anonymous, person)["challenge"]
    wrong = next(c for c in ("000000", "111111", "222222", "333333", "444444") if c not in {phone.now(i) for i in (-1, 0, 1, 2)})
    for _ in range(5):
        second(anonymous, challenge, code=wrong, expect=(403, "bad_code"))
    waits = []
    for _ in range(3):
        reply = second(anonymous, challenge, code=phone.fresh(), expect=(429, "rate_limited"))
        waits.append(reply["retry_after_ms"] / 1000)
        truth.rows(stack, "UPDATE totp SET retry_at = now() WHERE user_id = %s", int(person.id))
        second(anonymous, challenge, code=wrong, expect=(403, "bad_code"))
    assert all(most - 15 < w <= most for w, most in zip(waits, (30, 60, 120))), waits
    second(anonymous, challenge, recovery_code=phone.recovery[0])   # nobody guesses these: they need not wait
    second(anonymous, login(anonymous, person)["challenge"], code=phone.fresh(), expect=(429, "rate_limited"))
    truth.rows(stack, "UPDATE totp SET retry_at = now() WHERE user_id = %s", int(person.id))
    second(anonymous, login(anonymous, person)["challenge"], code=phone.fresh())
    second(anonymous, login(anonymous, person)["challenge"], code=wrong, expect=(403, "bad_code"))
    second(anonymous, login(anonymous, person)["challenge"], code=phone.fresh())    # the count begins anew


def test_attempts_are_limited_by_account(new_stack):
    with new_stack(settings={"rate_login_per_minute": 3}) as stack:
        person = Person(stack)
        phone, client = Phone(stack, person), Client(stack.url)
        challenge = login(client, person)["challenge"]
        for _ in range(3):
            second(Client(stack.url), challenge, recovery_code="x", expect=(403, "bad_code"))
        second(Client(stack.url), challenge, recovery_code=phone.recovery[0], expect=(429, "rate_limited"))


def test_secrets_are_not_in_the_database(stack, person, phone):
    secret = base64.b32decode(phone.secret)
    (row,) = truth.rows(stack, "SELECT t::text, secret FROM totp t WHERE user_id = %s", int(person.id))
    assert secret.hex() not in row[0] and bytes(row[1]).find(secret) < 0 and len(bytes(row[1])) == 20 + 28
    text = str(truth.rows(stack, "SELECT r::text FROM recovery_code r WHERE user_id = %s", int(person.id)))
    assert not any(c in text or c.replace("-", "") in text for c in phone.recovery)
    log = "".join(f.read_text(errors="replace") for f in (stack.dir / "log").iterdir())
    assert phone.secret not in log and not any(c in log for c in phone.recovery)


# -- changing it


def test_changes_take_a_proof(stack, anonymous, person, phone):
    unprove(stack, person)
    assert person.rest.get("/auth/factors", expect=200)["proved_until"] is None
    for method, path in (("POST", "/auth/totp"), ("DELETE", "/auth/totp"), ("POST", "/auth/totp/recovery-codes"), ("POST", "/auth/passkeys/options"),
                         ("DELETE", "/auth/passkeys/1")):
        person.rest.call(method, path, expect=(403, "proof_required"))
    person.rest.post("/auth/totp/confirm", {"code": "123456"}, expect=(403, "proof_required"))
    person.rest.post("/auth/proof", {"password": "not the password"}, expect=(401, "bad_credentials"))
    person.rest.post("/auth/proof", {"password": PASSWORD}, expect=(401, "second_factor_required"))
    person.rest.post("/auth/proof", {"password": PASSWORD, "code": "12345x"}, expect=(403, "bad_code"))
    person.rest.delete("/auth/totp", expect=(403, "proof_required"))
    person.rest.post("/auth/proof", {"password": PASSWORD, "code": phone.fresh()}, expect=204)
    assert person.rest.get("/auth/factors", expect=200)["proved_until"] is not None
    person.rest.delete("/auth/totp", expect=204)
    person.rest.delete("/auth/totp", expect=204)
    login(anonymous, person, expect=200)
    assert person.rest.get("/auth/factors")["totp"]["recovery_codes_left"] == 0


def test_a_proof_is_of_one_session(stack, anonymous, person):
    other = anonymous.as_(login(anonymous, person, expect=200)["access_token"])
    unprove(stack, person)
    other.post("/auth/proof", {"password": PASSWORD}, expect=204)
    person.rest.post("/auth/totp", expect=(403, "proof_required"))
    other.post("/auth/totp", expect=201)


def test_a_proof_names_one_thing(person):
    for body in ({}, {"code": "123456"}):
        assert person.rest.post("/auth/proof", body, expect=(400, "invalid"))["errors"][0]["path"] == "/password"


def test_a_factor_in_use_is_not_replaced(person, phone):
    person.rest.post("/auth/totp", expect=(409, "conflict"))
    person.rest.post("/auth/totp/confirm", {"code": phone.now()}, expect=(404, "not_found"))


def test_accounts_without_a_password_have_no_codes(stack, person):
    truth.rows(stack, "UPDATE users SET password_hash = NULL WHERE id = %s", int(person.id))
    person.rest.post("/auth/totp", expect=(409, "conflict"))
    person.rest.post("/auth/proof", {"password": PASSWORD}, expect=(401, "bad_credentials"))
    key = passkeys.add(person)
    unprove(stack, person)
    challenge = person.rest.post("/auth/login/passkey/options", expect=200)["challenge"]
    person.rest.post("/auth/proof", {"credential": key["passkey"].get(challenge)}, expect=204)
    person.rest.post("/auth/passkeys/options", expect=200)


def test_an_administrator_takes_them_off(stack, anonymous, person, phone):
    key = passkeys.add(person)
    assert "2" in stack.pealctl("user", "factors-reset", person.username).stdout
    login(anonymous, person, expect=200)
    assert person.rest.get("/auth/passkeys")["items"] == []
    challenge = anonymous.post("/auth/login/passkey/options")["challenge"]
    anonymous.post("/auth/login/passkey", {"credential": key["passkey"].get(challenge), "token_delivery": "body"}, expect=(403, "bad_passkey"))


def test_used_challenges_are_forgotten_when_they_have_expired(stack, anonymous, person, phone):
    second(anonymous, login(anonymous, person)["challenge"], code=phone.fresh())
    assert truth.rows(stack, "SELECT count(*) FROM challenge_used")[0][0] > 0
    truth.rows(stack, "UPDATE challenge_used SET expires_at = now() - interval '1 s'")
    stack.restart("peal-jobs")
    deadline = time.time() + 20
    while truth.rows(stack, "SELECT count(*) FROM challenge_used")[0][0] and time.time() < deadline:
        time.sleep(0.1)
    assert truth.rows(stack, "SELECT count(*) FROM challenge_used")[0][0] == 0
