"""Films: a picture of each, and what browsers play is made to play at once, without what its camera wrote into it."""

import json
import subprocess

import pytest
from PIL import Image

from peal import media, truth
from peal.media import FILMS, ask, assert_upright, boxes, film, link, send, upload
from peal.people import Person

DOWNLOADED = {"vp9", "hevc", "4:4:4"}


@pytest.fixture(scope="module")
def someone(stack):
    return Person(stack, "filmer")


def turned(folder, data, degrees):
    (folder / "in.mp4").write_bytes(data)
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", folder / "in.mp4", "-c", "copy", "-metadata:s:v", f"rotate={degrees}", folder / "turned.mp4"],
                   check=True, stdin=subprocess.DEVNULL)
    return (folder / "turned.mp4").read_bytes()


def probe(folder, data):
    (folder / "probed").write_bytes(data)
    return json.loads(subprocess.run(["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", folder / "probed"], check=True,
                                     capture_output=True).stdout)


def digests(folder, data):
    """One digest per packet of the pictures: nothing was encoded again."""
    (folder / "hashed").write_bytes(data)
    out = subprocess.run(["ffmpeg", "-v", "error", "-i", folder / "hashed", "-map", "0:v:0", "-c", "copy", "-bsf:v", "h264_mp4toannexb", "-f", "framemd5", "-"],
                         check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    return [line.split(",")[-1] for line in out.splitlines() if not line.startswith("#")]


def put(person, data, expect=201, **query):
    return upload(person, data, "video/mp4", expect, to="video", **query)


@pytest.mark.parametrize("kind", FILMS)
def test_formats(stack, someone, tmp_path, kind):
    data = film(tmp_path, kind)
    attachment = put(someone, data, filename=f"Urlaub.{FILMS[kind][0]}").json
    played = kind not in DOWNLOADED
    assert (attachment["kind"], attachment["width"], attachment["height"]) == ("video", 320, 180)
    assert abs(attachment["duration_ms"] - 3000) <= 250 and attachment["waveform"] is None
    assert [r["name"] for r in attachment["renditions"]] == (["video"] if played else []) + ["poster", "thumb"]
    for name in ("poster", "thumb"):
        poster = ask(stack, link(attachment, name))
        assert poster.headers["content-type"] == "image/webp" and poster.image.size == (320, 180)
        assert_upright(poster.image)
    url = someone.rest.get(f"/attachments/{attachment['id']}")["download_url"]
    if not played:
        reply = ask(stack, url)
        assert reply.body == data and reply.headers["content-type"] == "application/octet-stream"
        assert f'filename="Urlaub.{FILMS[kind][0]}"' in reply.headers["content-disposition"]
        return
    reply = ask(stack, link(attachment, "video"))
    assert reply.headers["content-type"] == "video/mp4" and len(reply.body) == attachment["size"]
    names = [b[0] for b in boxes(reply.body)]
    assert names.index(b"moov") < names.index(b"mdat"), "it plays before it is there"
    for secret in (b"Geheimkamera", b"48.8583", b"\xa9xyz", b"loci"):
        assert secret not in reply.body
    seen = probe(tmp_path, reply.body)
    assert {s["codec_name"] for s in seen["streams"]} <= {"h264", "aac"} and abs(float(seen["format"]["duration"]) - 3) <= 0.25
    assert digests(tmp_path, reply.body) == digests(tmp_path, data)
    part = ask(stack, link(attachment, "video"), headers={"Range": "bytes=-100"})
    assert (part.status, part.body) == (206, reply.body[-100:])
    download = ask(stack, url)
    assert download.body == reply.body and 'filename="Urlaub.mp4"' in download.headers["content-disposition"]
    assert not (stack.dir / "media" / "ren" / attachment["id"][:2] / attachment["id"] / "original").exists(), "where it was taken is nowhere"


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation(stack, someone, tmp_path, degrees):
    """As telephones do it: the film is stored lying down, and says so."""
    image = media.corners(Image.new("RGB", (180, 320) if degrees != 180 else (320, 180), "grey"))
    lying = image.rotate(-degrees, expand=True)  # players turn anticlockwise
    (tmp_path / "lying.png").write_bytes(media.encoded(lying))
    subprocess.run(["ffmpeg", "-v", "error", "-loop", "1", "-r", "10", "-i", tmp_path / "lying.png", "-t", "1", "-c:v", "libx264", "-pix_fmt", "yuv420p",
                    tmp_path / "lying.mp4"], check=True, stdin=subprocess.DEVNULL)
    attachment = put(someone, turned(tmp_path, (tmp_path / "lying.mp4").read_bytes(), degrees)).json
    assert (attachment["width"], attachment["height"]) == image.size
    poster = ask(stack, link(attachment, "poster")).image
    assert poster.size == image.size
    assert_upright(poster)
    stream = probe(tmp_path, ask(stack, link(attachment, "video")).body)["streams"][0]
    assert stream["side_data_list"][0]["rotation"] % 360 == degrees, "and players are still told"


def test_in_a_message(stack, pair, tmp_path):
    a, b, conversation = pair
    attachment = put(a, film(tmp_path, "h264 and aac", 1)).json
    message = send(a, conversation, attachment["id"], message_type="video").json
    theirs = b.history(conversation)["messages"][-1]["attachments"][0]
    assert theirs == message["attachments"][0] and theirs["thumbhash"] and theirs["color"]
    (stored,), = truth.rows(stack, "SELECT bytes FROM media_usage WHERE user_id = %s", int(a.id))
    assert stored == sum(r["size"] for r in attachment["renditions"])
    a.rest.delete(f"/messages/{message['id']}", query={"for": "everyone"}, expect=200)
    assert ask(stack, link(theirs, "video")).status == 404


REFUSED = {
    "a picture": (lambda f: media.png(), 415, "unsupported_type"),
    "sound in a film's clothes": (lambda f: media.sound(f, 1, "m4a"), 422, "corrupt"),
    "half of it": (lambda f: film(f, "h264 and aac")[:3000], 422, "corrupt"),
    "first bytes and noise": (lambda f: b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(range(256)) * 40, 422, "corrupt"),
    "an index that refers to a file": (lambda f: film(f, "h264 and aac", 1).replace(b"url \0\0\0\1", b"url \0\0\0\0"), None, None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(stack, someone, tmp_path, name):
    make, status, code = REFUSED[name]
    reply = put(someone, make(tmp_path), expect=(status, code) if status else None)
    if not status:
        assert reply.status in (201, 422)
    assert "forbidden" not in stack.log("peal-media")
