"""`pealctl media verify`: what is missing on disk, cut off, or not what it was, and nothing else."""

import json

from peal import media
from peal.media import settle, upload
from peal.people import Person, pair


def verify(stack, *options):
    settle(stack)
    return stack.pealctl(*options, "media", "verify", check=False)


def folder(stack, attachment):
    return stack.dir / "media" / "ren" / attachment["id"][:2] / attachment["id"]


def test_verify(stack, tmp_path):
    person = Person(stack)
    picture = upload(person, media.png()).json
    note = upload(person, media.sound(tmp_path, 0.5), to="audio").json
    file = upload(person, b"some bytes", to="file").json
    other = upload(person, b"other bytes", to="file").json
    good = verify(stack, "--json")
    assert good.returncode == 0 and json.loads(good.stdout) == {"attachments": 4, "files": 6, "shared": 0, "bad": 0}
    assert verify(stack).stdout == "4 attachments, 6 files (0 share their bytes), 0 of them missing or damaged\n"

    (folder(stack, picture) / "thumb.webp").unlink()
    (folder(stack, note) / "opus.webm").write_bytes(b"short")
    (folder(stack, file) / "original").write_bytes(b"SOME bytes")
    bad = verify(stack)
    assert bad.returncode == 1
    assert sorted(bad.stdout.splitlines()) == sorted([
        f"{picture['id']}/thumb.webp: is not there", f"{note['id']}/opus.webm: has another length than when it was stored",
        f"{file['id']}/original: is not what was stored", "4 attachments, 6 files (0 share their bytes), 3 of them missing or damaged"])
    assert other["id"] not in bad.stdout and json.loads(verify(stack, "--json").stdout)["bad"] == 3


def test_what_is_deleted_is_not_missed(stack):

    a, _, conversation = pair(stack)
    before = json.loads(verify(stack, "--json").stdout)["attachments"]
    attachment = upload(a, b"short-lived", to="file").json
    message = media.send(a, conversation, attachment["id"], message_type="file").json
    assert json.loads(verify(stack, "--json").stdout)["attachments"] == before + 1
    a.rest.delete(f"/messages/{message['id']}", query={"for": "everyone"}, expect=200)
    assert json.loads(verify(stack, "--json").stdout)["attachments"] == before
