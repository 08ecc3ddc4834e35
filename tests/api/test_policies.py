"""What an installation may ask of its people beyond the defaults: no password that was published, no session that lies about."""

import datetime
import hashlib
import pathlib
import tempfile

import pytest

from peal import moderation, truth
from peal.people import PASSWORD, Person
from peal.rest import Client
from test_factors import Phone

PUBLISHED = ["a sentence that somebody has lost already", "Fünf Wörter, die keiner mehr nimmt"]
LIST = pathlib.Path(tempfile.mkdtemp(prefix="peal-list-")) / "breached.txt"
IDLE = 60       # minutes
STACK = {"settings": {"breached_passwords_file": LIST, "session_idle_minutes": IDLE, "rate_login_per_minute": 1000,
                      "second_factor": "admins"}}


def write_list(words):
    """As it is downloaded: digests in order, how often each was seen, lines of Windows."""
    digests = sorted(hashlib.sha1(word.encode()).hexdigest().upper() for word in words)
    fresh = LIST.with_suffix(".new")
    fresh.write_text("".join(f"{digest}:{n + 1}\r\n" for n, digest in enumerate(digests)), newline="")
    LIST.parent.chmod(0o755)
    fresh.chmod(0o644)
    fresh.rename(LIST)


@pytest.fixture(scope="module", autouse=True)
def the_list(request):
    write_list([*PUBLISHED, *(f"password number {n}" for n in range(2000))])
    yield
    for path in LIST.parent.iterdir():
        path.unlink()
    LIST.parent.rmdir()


def refused(reply, path):
    assert (reply.status, reply["errors"][0]["code"], reply["errors"][0]["path"]) == (400, "breached", path), reply


# -- passwords


@pytest.mark.parametrize("password", PUBLISHED)
def test_a_published_password_is_refused(stack, person, password):
    anybody = Client(stack.url)
    refused(anybody.post("/auth/register", {"username": "published", "password": password, "token_delivery": "body"}), "/password")
    refused(person.rest.post("/auth/password", {"old_password": PASSWORD, "new_password": password}), "/new_password")
    person.rest.post("/auth/password", {"old_password": PASSWORD, "new_password": f"{password}, and more"}, expect=204)


def test_another_keyboard_types_the_same_password(stack):
    """Decomposed letters are the same letters."""
    apart = PUBLISHED[1].replace("ü", "u\u0308").replace("ö", "o\u0308")
    assert apart != PUBLISHED[1]
    refused(Client(stack.url).post("/auth/register", {"username": "apart", "password": apart, "token_delivery": "body"}), "/password")


def test_a_new_list_counts_at_once(stack, person):
    word = "so far nobody knows this sentence"
    person.rest.post("/auth/password", {"old_password": PASSWORD, "new_password": word}, expect=204)
    try:
        write_list([*PUBLISHED, word])
        refused(Client(stack.url).post("/auth/register", {"username": "late", "password": word, "token_delivery": "body"}), "/password")
    finally:
        write_list(PUBLISHED)
    # who has it keeps it: it is asked when a password is chosen, not when it is used
    Client(stack.url).post("/auth/login", {"username": person.username, "password": word, "token_delivery": "body"}, expect=200)


def test_without_its_list_nobody_chooses_a_password(stack):
    """What was asked for and cannot be done is not left out."""
    stack.allow("request_fault.*breached")
    aside = LIST.with_suffix(".aside")
    LIST.rename(aside)
    try:
        Client(stack.url).post("/auth/register", {"username": "listless", "password": PASSWORD, "token_delivery": "body"}, expect=(500, "internal"))
        out = stack.pealctl("config", "check", check=False)
        assert out.returncode == 1 and str(LIST) in out.stderr
    finally:
        aside.rename(LIST)
    Person(stack)


def test_pealctl_goes_by_the_same_rules(stack, tmp_path):
    assert stack.pealctl("config", "check").returncode == 0
    for password, status in ((PUBLISHED[0], 1), ("short", 1), ("password password", 1), (PASSWORD, 0)):
        file = pathlib.Path(LIST.parent / "word")
        file.write_text(password + "\n")
        file.chmod(0o644)
        out = stack.pealctl("user", "add", "from-the-shell", "--password-file", file, check=False)
        assert out.returncode == status, out.stderr
        assert ("published after break-ins" in out.stderr) == (password in PUBLISHED)
        file.unlink()


# -- sessions


def when(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def session(person):
    return person.rest.get("/auth/sessions", expect=200)["items"][-1]


def age(stack, person, interval):
    """As if the person's session had begun, and been used, this much earlier."""
    with stack.db() as db, db.cursor() as c:
        c.execute("UPDATE session SET created_at = created_at - %s::interval, last_used_at = last_used_at - %s::interval, "
                  "expires_at = expires_at - %s::interval WHERE user_id = %s", (interval, interval, interval, person.id))


def renew(stack, token, expect=200):
    return Client(stack.url).post("/auth/refresh", {"refresh_token": token}, expect=expect)


def test_a_session_that_nobody_renews_is_over(stack, person):
    s = session(person)
    assert when(s["expires_at"]) - when(s["created_at"]) <= datetime.timedelta(minutes=IDLE, seconds=5)
    age(stack, person, f"{IDLE} minutes 1 second")
    renew(stack, person.refresh_token, (401, "bad_refresh_token"))


def test_renewing_keeps_it(stack, person):
    """Each time by as much, and never beyond its end."""
    age(stack, person, f"{IDLE - 1} minutes")
    before = when(session(person)["expires_at"])
    token = renew(stack, person.refresh_token)["refresh_token"]
    after = when(session(person)["expires_at"])
    assert datetime.timedelta(minutes=IDLE - 2) < after - before < datetime.timedelta(minutes=IDLE)
    days = int(stack.conf.get("refresh_token_days", 30))
    with stack.db() as db, db.cursor() as c:        # it has been renewed for nearly as long as it may live
        c.execute("UPDATE session SET created_at = now() - %s * interval '1 day' + interval '10 minutes' WHERE user_id = %s", (days, person.id))
    renew(stack, token)
    s = session(person)
    assert when(s["expires_at"]) - when(s["created_at"]) == datetime.timedelta(days=days)


def test_the_cookie_lives_as_long(stack):
    reply = Client(stack.url).post("/auth/register", {"username": "idle-cookie", "password": PASSWORD}, headers={"Sec-Fetch-Site": "same-origin"}, expect=201)
    assert f"Max-Age={IDLE * 60};" in reply.headers["set-cookie"]
    cookie = reply.headers["set-cookie"].split(";")[0]
    reply = Client(stack.url).post("/auth/refresh", {}, headers={"Sec-Fetch-Site": "same-origin", "Cookie": cookie}, expect=200)
    left = int(reply.headers["set-cookie"].split("Max-Age=")[1].split(";")[0])
    assert IDLE * 60 - 30 <= left <= IDLE * 60


# -- second factors


@pytest.mark.parametrize("role, path", [("moderator", "/admin/reports"), ("admin", "/admin/reports"), ("admin", "/admin/users"), ("admin", "/admin/audit")])
def test_a_role_takes_a_second_factor(stack, role, path):
    """What a password alone opens is nobody's way to a role; and what is nobody's role is not told about factors."""
    someone = moderation.make(stack, role)
    reply = someone.rest.get(path, expect=(403, "forbidden"))
    assert "second factor" in reply["detail"]
    someone.rest.get("/me", expect=200)
    phone = Phone(stack, someone)
    someone.rest.get(path, expect=200)
    reply = Person(stack).rest.get(path, expect=(403, "forbidden"))
    assert "second factor" not in reply["detail"]
    # whoever signs in now is asked for a code, so every way in takes two
    Client(stack.url).post("/auth/login", {"username": someone.username, "password": PASSWORD, "token_delivery": "body"}, expect=(401, "second_factor_required"))
    assert phone.recovery
    someone.rest.delete("/auth/totp", expect=204)
    someone.rest.get(path, expect=(403, "forbidden"))


def test_a_program_has_no_more_than_its_owner(stack):
    admin = moderation.make(stack, "admin")
    token = admin.rest.post("/tokens", {"name": "audit", "scopes": ["admin:read"]}, expect=201)["token"]
    program = Client(stack.url, token)
    program.get("/admin/users", expect=(403, "forbidden"))
    Phone(stack, admin)
    program.get("/admin/users", expect=200)


def test_who_has_no_password_signs_in_somewhere_else(stack):
    """Their provider knows how they sign in; begun and not confirmed is no second factor."""
    admin = moderation.make(stack, "admin")
    admin.rest.post("/auth/totp", expect=201)
    admin.rest.get("/admin/users", expect=(403, "forbidden"))
    truth.rows(stack, "UPDATE users SET password_hash = NULL WHERE id = %s", int(admin.id))
    admin.rest.get("/admin/users", expect=200)
