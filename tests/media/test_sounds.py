"""Voice notes and recordings: what browsers record comes back equally loud, with its true length, and can be sought in."""

import array
import base64
import struct
import subprocess

import pytest

from peal import media
from peal.loop import operate, run
from peal.media import ask, heard, link, send, sound, upload
from peal.people import Person
from peal.ws import Socket


@pytest.fixture(scope="module")
def someone(stack):
    return Person(stack, "speaker")


def record(person, data, expect=201, **query):
    return upload(person, data, "audio/webm", expect, to="audio", **query)


def cues_in_front(webm):
    return 0 <= webm.find(b"\x1c\x53\xbb\x6b") < webm.find(b"\x1f\x43\xb6\x75")


def moov_in_front(mp4):
    names = [b[0] for b in media.boxes(mp4)]
    return names.index(b"moov") < names.index(b"mdat")


@pytest.mark.parametrize("kind", media.SOUNDS)
def test_formats(stack, someone, tmp_path, kind):
    data = sound(tmp_path, 3.2, kind)
    attachment = record(someone, data, filename="note.any").json
    assert (attachment["kind"], attachment["mime"], attachment["state"], attachment["width"]) == ("audio", "audio/mp4", "ready", None)
    assert [(r["name"], r["mime"]) for r in attachment["renditions"]] == [("aac", "audio/mp4"), ("opus", "audio/webm; codecs=opus")]
    source = heard(tmp_path, data)
    assert abs(attachment["duration_ms"] - source["samples"] / 48) <= 1, "as many milliseconds as were decoded"
    assert abs(attachment["duration_ms"] - 3200) <= 60
    assert abs(attachment["loudness_lufs"] - source["lufs"]) <= (3.2 if "stereo" in kind else 0.5)
    for rendition in attachment["renditions"]:
        reply = ask(stack, rendition["url"])
        assert reply.status == 200 and len(reply.body) == rendition["size"]
        assert reply.headers["content-type"] == rendition["mime"].partition(";")[0]
        assert b"Geheimkamera" not in reply.body and b"48.8583" not in reply.body
        got = heard(tmp_path, reply.body)
        assert got["codec"] == rendition["name"] and got["channels"] == 1 and got["streams"] == 1
        assert abs(got["duration"] - attachment["duration_ms"] / 1000) <= 0.05
        assert abs(got["samples"] / 48 - attachment["duration_ms"]) <= 30
        assert abs(got["lufs"] + 18) <= 1 and got["peak"] <= -1
        assert moov_in_front(reply.body) if rendition["name"] == "aac" else cues_in_front(reply.body)
        part = ask(stack, rendition["url"], headers={"Range": "bytes=100-199"})
        assert (part.status, part.body) == (206, reply.body[100:200])
        assert part.headers["content-range"] == f"bytes 100-199/{rendition['size']}"


async def test_a_voice_note_reaches_the_other_side(stack, pair, tmp_path):
    a, b, conversation = pair
    attachment = record(a, sound(tmp_path, 1.5), filename="../voice\u202e.webm").json
    assert attachment["name"] == "voice.webm"
    async with await Socket.open(stack, b.token) as socket:
        await socket.hello()
        message = send(a, conversation, attachment["id"], message_type="audio").json
        seen = (await socket.until("new_message"))["data"]["message"]
    assert seen["attachments"] == message["attachments"] == [{k: v for k, v in attachment.items() if k != "created_at"}]
    theirs = b.history(conversation)["messages"][-1]["attachments"][0]
    assert theirs["waveform"] == attachment["waveform"] and theirs["bars"] == attachment["bars"]
    detail = b.rest.get(f"/attachments/{attachment['id']}", expect=200).json
    reply = ask(stack, detail["download_url"])
    assert reply.headers["content-type"] == "audio/mp4" and 'filename="voice.m4a"' in reply.headers["content-disposition"]
    assert reply.body == ask(stack, link(theirs, "aac")).body
    a.rest.delete(f"/messages/{message['id']}", query={"for": "everyone"}, expect=200)
    assert ask(stack, link(theirs, "opus")).status == 404


def test_waveform(someone, tmp_path):
    """Loud, silent, loud: as one sees it."""
    data = sound(tmp_path, 6, "wav", "sine=f=300:r=48000,volume='if(between(t,2,4),0,0.5)':eval=frame")
    attachment = record(someone, data).json
    wave = base64.b64decode(attachment["waveform"], validate=True)
    assert len(wave) == 60 and set(wave[:19]) == set(wave[41:]) == {255} and set(wave[21:39]) == {0}
    assert len(attachment["bars"]) == 64 and attachment["bars"][0] == attachment["bars"][-1] == 100 and attachment["bars"][32] == 0
    long = record(someone, sound(tmp_path, 70, "mp3")).json
    assert len(base64.b64decode(long["waveform"])) == 256 and len(long["bars"]) == 64


def test_silence_stays_silent(stack, someone, tmp_path):
    attachment = record(someone, sound(tmp_path, 2, "wav", "anullsrc=r=48000:cl=mono")).json
    assert attachment["loudness_lufs"] is None and set(base64.b64decode(attachment["waveform"])) == {0} and set(attachment["bars"]) == {0}
    samples = array.array("h", heard(tmp_path, ask(stack, link(attachment, "opus")).body)["pcm"])
    assert max(map(abs, samples)) <= 2


@pytest.mark.parametrize("level", ["-25dB", "0dB", "20dB"])
def test_quiet_and_loud(stack, someone, tmp_path, level):
    """Brought to -18 LUFS where 12 dB are enough for it, and never clipped."""
    source = f"sine=f=440:r=48000,tremolo=f=2:d=0.7,volume={level}"
    data = sound(tmp_path, 4, "wav", source)
    before = heard(tmp_path, data)["lufs"]
    attachment = record(someone, data).json
    got = heard(tmp_path, ask(stack, link(attachment, "aac")).body)
    assert abs(got["lufs"] - max(before - 12, min(before + 12, -18))) <= 1.2
    assert got["peak"] <= -1


def test_peaks_are_bent_not_clipped(stack, someone, tmp_path):
    """Clicks 30 dB above a quiet voice: the voice comes up, the clicks do not."""
    source = "sine=f=300:r=48000,volume='if(lt(mod(t,1),0.002),4,0.1)':eval=frame"
    attachment = record(someone, sound(tmp_path, 5, "wav", source)).json
    assert heard(tmp_path, ask(stack, link(attachment, "aac")).body)["peak"] <= -1


def test_a_cut_recording_has_the_length_that_is_left(someone, tmp_path):
    """Its header still tells the old one."""
    data = sound(tmp_path, 20, "webm")
    cut = data[:len(data) * 6 // 10]
    decoded = heard(tmp_path, cut)
    assert decoded["duration"] > 19 and decoded["samples"] < 14 * 48000, "or this test shows nothing"
    assert abs(record(someone, cut)["duration_ms"] - decoded["samples"] / 48) <= 1


def test_a_header_that_lies(someone, tmp_path):
    """A WebM whose Duration (Matroska 0x4489) says a year."""
    data = sound(tmp_path, 2, "webm")
    at = data.index(b"\x44\x89\x88")
    lying = data[:at + 3] + struct.pack(">d", 365 * 86400 * 1000.0) + data[at + 11:]
    assert abs(record(someone, lying)["duration_ms"] - 2000) <= 60


def test_the_picture_on_a_record_is_dropped(stack, someone, tmp_path):
    """Covers and films are not sound."""
    (tmp_path / "cover.png").write_bytes(media.png())
    (tmp_path / "plain.mp3").write_bytes(sound(tmp_path, 2, "mp3"))
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "plain.mp3", "-i", tmp_path / "cover.png", "-map", "0", "-map", "1", "-c", "copy",
                    "-id3v2_version", "3", tmp_path / "covered.mp3"], check=True, stdin=subprocess.DEVNULL)
    attachment = record(someone, (tmp_path / "covered.mp3").read_bytes()).json
    assert heard(tmp_path, ask(stack, link(attachment, "aac")).body)["streams"] == 1


PLAYLIST = b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
REFUSED = {
    "nothing": (b"", 400, "empty"),
    "text": (b"Dear diary", 415, "unsupported_type"),
    "a picture": (media.png(), 415, "unsupported_type"),
    "a playlist": (PLAYLIST, 415, "unsupported_type"),
    "ffconcat": (b"ffconcat version 1.0\nfile /etc/passwd\n", 415, "unsupported_type"),
    "a playlist that begins like mp3": (b"ID3\x03\0\0\0\0\0\0" + PLAYLIST, 422, "corrupt"),
    "a playlist that begins like ogg": (b"OggS" + PLAYLIST, 422, "corrupt"),
    "webm, its first bytes and noise": (b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 20, 422, "corrupt"),
    "mp4 without anything": (b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42", 422, "corrupt"),
    "wav without samples": (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\xbb\0\0\0\x77\1\0\2\0\x10\0data\0\0\0\0", 422, "corrupt"),
    "wav of 60,000 channels": (b"RIFF\x24\1\0\0WAVEfmt \x10\0\0\0\1\0\x60\xea\x80\xbb\0\0\0\x77\1\0\2\0\x10\0data\0\1\0\0" + bytes(256), 422, "corrupt"),
    "a film of pictures only": (None, 422, "corrupt"),
    "too large": (b"OggS" + bytes(16 << 20), 413, "too_large"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(stack, someone, tmp_path, name):
    data, status, code = REFUSED[name]
    if data is None:
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=d=1:s=64x64", "-c:v", "libvpx", tmp_path / "film.webm"], check=True,
                       stdin=subprocess.DEVNULL)
        data = (tmp_path / "film.webm").read_bytes()
    record(someone, data, expect=(status, code))
    upload(someone, b"OggS" if name == "a picture" else sound(tmp_path, 0.5), "image/jpeg", expect=(415, "unsupported_type"))


async def test_longer_than_allowed(new_stack, tmp_path):
    """By what was decoded, however small it is and whatever it says."""
    stack = await operate(lambda: new_stack(settings={"media_audio_minutes": 1}).up())
    try:
        person = await run(Person, stack)
        assert abs((await run(lambda: record(person, sound(tmp_path, 59, "mp3"))))["duration_ms"] - 59000) <= 60
        await run(lambda: record(person, sound(tmp_path, 61, "mp3"), expect=(422, "too_long")))
    finally:
        await operate(stack.down)
        stack.remove()


def test_other_kinds_of_messages(stack, pair, tmp_path):
    a, _, conversation = pair
    attachment = record(a, sound(tmp_path, 0.5)).json
    for kind in ("image", "video"):
        reply = send(a, conversation, attachment["id"], message_type=kind, client_id=kind, expect=(400, "invalid"))
        assert reply["errors"][0]["code"] == "type"
    assert send(a, conversation, attachment["id"], message_type="audio")["message_type"] == "audio"
