"""A database that was restored (docs/backup.md), from a dump in another cluster and in its own, or to a point in time: what was committed
before is there, once; clients find to it from whatever they have seen since; what waited is indexed and notified, and nothing else is again."""

import asyncio
import shutil
import subprocess
import time

import pytest

from peal import audit, truth
from peal.device import Device, Poller
from peal.people import Person
from stack import PG_BIN

DAEMONS = ["peal-fcgi", "peal-jobs", "peal-media", "peal-push-0"]
ALLOWED_LOG = [r"away"]
LOST = ["lost one", "lost two", "lost three"]
NEW = ["new okapi", "new quokka", "new serval"]


def spend(stack, n):
    """Transaction numbers."""
    subprocess.run([PG_BIN / "psql", "-Xq", "-o", "/dev/null", "-d", stack.dsn()], input="SELECT pg_current_xact_id();\n" * n, text=True, check=True)


def found(person, word):
    page = person.rest.get("/messages/search", query={"q": word}, expect=200).json
    return [hit["message"]["content"] for hit in page["items"]]


def until_found(person, word, text, timeout=30):
    end = time.monotonic() + timeout
    while found(person, word) != [text]:
        assert time.monotonic() < end, (word, found(person, word))
        time.sleep(0.05)


def restore(stack, dump, new_cluster):
    for name in DAEMONS:
        stack.stop(name)
    if new_cluster:
        stack.new_cluster()
    else:
        stack.psql("DROP DATABASE peal", database="postgres")
        stack.psql("CREATE DATABASE peal OWNER peal_owner", database="postgres")
    subprocess.run([PG_BIN / "pg_restore", "--exit-on-error", "-d", stack.dsn(), dump], check=True)
    stack.restart("redis")


def migrate(stack, *options):
    return stack.pealctl("migrate", "--dir", stack.dir / "sql", *options).stdout.splitlines()


async def go_on(device, speaker, conversation, last):
    """What is said now gets the positions of what is lost, the last of which a device has seen; that begins anew."""
    for text in NEW[:-1]:
        speaker.say(conversation, text)
    await device.until(lambda d: d.stats["fresh"] == 2 and truth.has_arrived(d), 15, "begun anew")
    assert speaker.say(conversation, NEW[-1])["id"] == last["id"]
    await device.until(truth.has_arrived, 15, "where the database is")
    truth.check_device(device)
    assert device.messages(conversation)[-1]["content"] == NEW[-1]


async def dump_and_restore(stack, google, dump, new_cluster):
    ann, ben, cat, dan = (Person(stack, n) for n in ("ann", "ben", "cat", "dan"))
    token = f"device:{cat.id}_{time.monotonic_ns()}"
    cat.rest.post("/users/fcm/register", {"deviceToken": token, "platform": "android"}, expect=204)
    if new_cluster:
        spend(stack, 20000)     # more than a new cluster has given out
    group = ann.group(ben, cat)
    async with Device(ben) as device:
        ann.say(group, "old zebra")
        until_found(ann, "zebra", "old zebra")
        assert google.wait(token)[0]["data"]["text"] == "old zebra"
        poller = Poller(ben)
        poller.catch_up()

        stack.stop("peal-jobs")
        waiting = ann.say(group, "waiting giraffe")
        subprocess.run([PG_BIN / "pg_dump", "-Fc", "-d", stack.dsn(), "-f", dump], check=True)
        stack.start("peal-jobs")
        renewed = dan.rest.post("/auth/refresh", {"refresh_token": dan.refresh_token}, expect=200)["refresh_token"]
        for text in LOST:
            last = ann.say(group, text)
        until_found(ann, '"lost three"', "lost three")
        google.wait(token, 2)       # a conversation is told of now and then, not each time
        poller.catch_up()
        await device.at(group, int(last["id"].partition(".")[2]))

        restore(stack, dump, new_cluster)
        before = len(google.messages(token))
        stack.start("peal-fcgi")
        ben.rest.get("/ready", expect=503)
        assert "restored from a dump: run pealctl migrate" in stack.pealctl("search", "status", check=False).stderr
        assert stack.log_line("database-away")
        assert migrate(stack, "--status")[-1].split() == "pending the database was restored from a dump".split()
        pending, applied, state = migrate(stack)
        assert pending.startswith("pending") and state.startswith("the schema is at")
        assert (int(applied.split()[5]) > 0) == new_cluster, applied
        assert migrate(stack) == [state], "once"
        for name in DAEMONS[1:]:
            stack.start(name)

        await go_on(device, ann, group, last)
        assert [m["content"] for m in ben.history(group)["messages"]][1:] == ["old zebra", waiting["content"], *NEW]

        poller.catch_up()
        assert poller.stats["fresh"] == 2 and truth.has_arrived(poller)
        applied = len(poller.applied[group])
        ann.say(group, "told once")
        poller.catch_up()
        assert [e["data"]["message"]["content"] for e in poller.applied[group][applied:]] == ["told once"] and not poller.stats["dropped"]
        truth.check_device(poller)

    dan.rest.post("/auth/refresh", {"refresh_token": renewed}, expect=(401, "bad_refresh_token"))
    for word, text in (("zebra", "old zebra"), ("giraffe", "waiting giraffe"), ("okapi", NEW[0]), ("once", "told once")):
        until_found(ann, word, text)
    assert found(ann, '"lost three"') == []
    end = time.monotonic() + 15
    while "told once" not in (told := [m["data"]["text"] for m in google.messages(token)[before:]]):
        assert time.monotonic() < end, told
        time.sleep(0.05)
    assert set(told) <= {"waiting giraffe", *NEW, "told once"}, "what was told before the dump is not told again"
    audit.check(stack)


@pytest.mark.parametrize("new_cluster", [True, False], ids=["in another cluster", "where it was made"])
def test_a_dump(stack, google, tmp_path, new_cluster):
    asyncio.run(asyncio.wait_for(dump_and_restore(stack, google, tmp_path / "peal.dump", new_cluster), 120))


async def to_a_point_in_time(stack):
    ann, ben = Person(stack, "ann"), Person(stack, "ben")
    conversation = ann.start(ben)
    async with Device(ben) as device:
        ann.say(conversation, "old ibex")
        backup, data = stack.dir / "backup", stack.dir / "pg"
        subprocess.run(stack.as_user([PG_BIN / "pg_basebackup", "-D", backup, "-c", "fast", "-d", stack.dsn()]), cwd=stack.dir, check=True)
        for text in LOST:
            last = ann.say(conversation, text)
        await device.at(conversation, int(last["id"].partition(".")[2]))

        for name in [*DAEMONS, "postgres"]:
            stack.stop(name)
        shutil.rmtree(data)
        backup.rename(data)
        (data / "recovery.signal").touch()
        with open(data / "postgresql.auto.conf", "a", encoding="ascii") as settings:
            settings.write("restore_command = 'false'\nrecovery_target = 'immediate'\nrecovery_target_action = 'promote'\n")
        for name in ["postgres", *DAEMONS]:
            stack.start(name)
        assert migrate(stack)[0].startswith("the schema is at"), "its numbers are its own"

        await go_on(device, ann, conversation, last)
        assert [m["content"] for m in ben.history(conversation)["messages"]] == ["old ibex", *NEW]
    until_found(ben, "ibex", "old ibex")
    until_found(ben, "serval", NEW[-1])
    audit.check(stack)


def test_a_point_in_time(stack):
    """A physical backup, or a standby that was promoted before it had everything: another timeline."""
    asyncio.run(asyncio.wait_for(to_a_point_in_time(stack), 120))
