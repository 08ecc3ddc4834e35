"""Which passwords may be chosen, how they are kept, and what it costs to try one."""

import re
import subprocess
import time

import pytest

from peal import truth
from peal.people import PASSWORD, Person
from peal.rest import Client


def hashes(stack, reply):
    """How many password hashes the request has cost, whatever it answered."""
    return int(re.search(r"\bhashes=(\d+)", stack.log_line(reply.headers["x-request-id"]))[1])


def login(client, username, password=PASSWORD):
    return client.post("/auth/login", {"username": username, "password": password, "token_delivery": "body"})


def register(client, password, username=None, **more):
    body = {"username": username or f"pw-{time.time_ns() % 10**12}", "password": password, "token_delivery": "body", **more}
    return client.post("/auth/register", body)


@pytest.mark.parametrize("password", [
    "passwordpassword", "P@$$w0rdP@$$w0rd", "123456789012345", "qwertyuiopasdfgh", "aaaaaaaaaaaaaaaaaaaa", "iloveyouforever",
    "Summer2024Summer2024", "1qaz2wsx3edc4rfv", "pässwörtpässwört", "zyxwvutsrqponmlk",
])
def test_what_is_guessed_first_is_refused(stack, anonymous, person, password):
    reply = register(anonymous, password)
    assert (reply.status, reply["errors"][0]["code"], reply["errors"][0]["path"]) == (400, "guessable", "/password")
    assert hashes(stack, reply) == 0, "refused before it is hashed"
    reply = person.rest.post("/auth/password", {"old_password": PASSWORD, "new_password": password})
    assert (reply.status, reply["errors"][0]["code"], reply["errors"][0]["path"]) == (400, "guessable", "/new_password")


def test_one_s_own_name_is_guessed_first(anonymous):
    assert register(anonymous, "Maximiliane-Rosenthal-1", display_name="Maximiliane Rosenthal").status == 400
    assert register(anonymous, "Maximiliane-Rosenthal-1", display_name="Somebody else").status == 201


@pytest.mark.parametrize("password", ["ich wohne in einem blauen haus", "x7Gq!pLw2#vRt9z", "мой дядя самых честных правил", "私の猫は寝ていますから静かにして"])
def test_what_is_not_may_be_anything(anonymous, password):
    assert register(anonymous, password).status == 201


def test_another_keyboard_spells_the_same_password(stack, anonymous):
    """What looks the same is the same: é may come as one code point or as two."""
    one, two = "vingt étés très légers", "vingt e\u0301te\u0301s tre\u0300s le\u0301gers"
    for chosen, typed in ((one, two), (two, one)):
        reply = register(anonymous, chosen)
        assert reply.status == 201
        assert login(anonymous, reply["user"]["username"], typed).status == 200


def test_length_is_counted_as_it_is_seen(anonymous):
    assert register(anonymous, "e\u0301" * 7 + "x").status == 400, "eight characters, however many code points"


def test_nobody_costs_as_many_hashes_as_somebody(stack, person):
    """Counted, not timed: a wrong password, no such person, nobody who could be, no password at all, disabled."""
    anonymous, other, disabled = Client(stack.url), Person(stack), Person(stack)
    truth.rows(stack, "UPDATE users SET password_hash = NULL WHERE id = %s", int(other.id))
    truth.rows(stack, "UPDATE users SET disabled_at = now() WHERE id = %s", int(disabled.id))
    for name in (person.username, "nobody-at-all", "not a name", "ＦＵＬＬ", other.username, disabled.username):
        reply = login(anonymous, name, "wrong, but long enough")
        assert (reply.status, reply.code, hashes(stack, reply)) == (401, "bad_credentials", 1), name
        assert reply["detail"] == "The user name or the password is wrong."
    assert hashes(stack, login(anonymous, person.username)) == 1
    for name in (person.username, "nobody-at-all"):
        assert hashes(stack, login(anonymous, name, "x" * 256)) == 1
        reply = anonymous.post("/auth/login", {"username": name, "password": "x" * 257, "token_delivery": "body"}, valid=False)
        assert (reply.status, hashes(stack, reply)) == (401, 0), "longer than anybody's"


def test_who_has_no_password_costs_as_many_to_change_it(stack, person):
    body = {"old_password": "wrong, but long enough", "new_password": "four other words that nobody guesses"}
    assert hashes(stack, person.rest.post("/auth/password", body, expect=(401, "bad_credentials"))) == 1
    truth.rows(stack, "UPDATE users SET password_hash = NULL WHERE id = %s", int(person.id))
    assert hashes(stack, person.rest.post("/auth/password", body, expect=(401, "bad_credentials"))) == 1


def test_a_hash_of_another_cost_is_renewed(stack, anonymous):
    def kept():
        return truth.rows(stack, "SELECT password_hash FROM users WHERE username = %s", name)[0][0]

    name, cheap = f"cheap-{time.time_ns() % 10**12}", "$argon2id$v=19$m=64,t=1,p=1$"
    conf, secret = stack.dir / "cheap.conf", stack.dir / "cheap.password"
    conf.write_text("".join(f"{k} = {v}\n" for k, v in {**stack.conf, "argon2_memory_kib": 64}.items()))
    secret.write_text(PASSWORD)
    for file in (conf, secret):
        stack._own(file)
    subprocess.run(stack.as_user([stack.dir / "bin" / "pealctl", "-c", conf, "user", "add", name, "--password-file", secret]), check=True)
    assert kept().startswith(cheap)
    assert login(anonymous, name, "wrong, but long enough").status == 401
    assert kept().startswith(cheap), "only whoever knows the password renews it"
    reply = login(anonymous, name)
    assert reply.status == 200 and hashes(stack, reply) == 2
    renewed = kept()
    assert renewed.startswith("$argon2id$v=19$m=1024,t=1,p=1$")
    assert hashes(stack, login(anonymous, name)) == 1 and kept() == renewed


def test_attempts_are_counted_per_account(new_stack):
    """Five a minute by default, of names that somebody has and of names that nobody has; the old password's included."""
    with new_stack(settings={"rate_login_per_minute": 5}) as stack:
        person, anonymous = Person(stack), Client(stack.url)
        for name in (person.username, "nobody-at-all"):
            for i in range(7):
                reply = login(anonymous, name, "wrong, but long enough")
                assert (reply.status, reply.code) == ((401, "bad_credentials") if i < 5 else (429, "rate_limited")), (name, i)
        reply = login(anonymous, person.username)
        assert reply.status == 429 and hashes(stack, reply) == 0
        body = {"old_password": PASSWORD, "new_password": "four other words that nobody guesses"}
        person.rest.post("/auth/password", body, expect=(429, "rate_limited"))
        anonymous.post("/auth/refresh", {"refresh_token": person.refresh_token}, expect=200)  # who is signed in stays so


def test_registration_is_closed_unless_somebody_opens_it(new_stack):
    with new_stack(settings={"registration": "closed"}) as stack:
        reply = register(Client(stack.url), PASSWORD)
        assert (reply.status, reply.code, hashes(stack, reply)) == (403, "registration_closed", 0)
