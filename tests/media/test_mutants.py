"""Damaged files of every format, pictures, recordings and films: nobody dies, nothing is forbidden, every answer is one of those written down.

200 of them, 2,000 with TIER=2. A seed is printed; SEED= takes another.
"""

import collections
import os
import random
import re
import time

import pytest
from PIL import Image

from peal import media
from peal.media import PIXELS_ONLY, ask, chunks, programs, upload
from peal.people import Person

N = 2000 if os.environ.get("TIER", "1") >= "2" else 200
SEED = int(os.environ.get("SEED", "20261121"))
STACK = {"settings": {"rate_upload_per_minute": 1000000, "media_user_daily_mib": 100000, "media_user_mib": 100000}}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """(to, name, bytes) of one small good file per format."""
    folder = tmp_path_factory.mktemp("originals")
    photo = media.photo(160, 120)
    film = [Image.new("P", (40, 30), i) for i in range(6)]
    pictures = {
        "jpeg": media.encoded(photo, "JPEG"), "progressive": media.encoded(photo, "JPEG", progressive=True), "png": media.encoded(photo),
        "palette": media.encoded(photo.convert("P")), "gif": media.encoded(film[0], "GIF", save_all=True, append_images=film[1:]),
        "webp": media.encoded(photo, "WEBP"), "lossless": media.encoded(photo, "WEBP", lossless=True),
        "animated": media.encoded(film[0].convert("RGB"), "WEBP", save_all=True, append_images=[f.convert("RGB") for f in film[1:]]),
        "heic": media.heif(folder / "p.png", media.encoded(photo)), "avif": media.heif(folder / "p.png", media.encoded(photo), "avif"),
        "exif": media.oriented(photo, 6),
    }
    sounds = {kind: media.sound(folder, 0.7, kind) for kind in media.SOUNDS}
    films = {kind: media.film(folder, kind, 1, (160, 90)) for kind in ("h264 and aac", "fragmented", "matroska", "vp9")}
    return ([("image", *p) for p in pictures.items()] + [("audio", *s) for s in sounds.items()] + [("video", *f) for f in films.items()])


def mutate(data, chance):
    """As a bad disk, a broken transfer or somebody with a purpose would."""
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(len(data)) if chance.random() < 0.6 else chance.randrange(min(len(data), 600))
        way = chance.randrange(6)
        if way == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif way == 1:
            data[at:at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0"))
        elif way == 2:
            data[at:at + chance.randrange(1, 64)] = chance.randbytes(chance.randrange(1, 64))
        elif way == 3:
            del data[at:at + chance.randrange(1, 200)]
        elif way == 4:
            data[at:at] = data[chance.randrange(len(data)):][:chance.randrange(1, 300)]
        elif chance.random() < 0.3:
            del data[max(20, at):]
        if not data:
            break
    return bytes(data)


def test_mutants(stack, originals):
    chance = random.Random(SEED)
    print(f"SEED={SEED}")
    person = Person(stack, "mutator")
    person.rest.timeout = 90       # a busy machine is no fault
    began, outcomes, slowest = programs(stack), collections.Counter(), 0
    for i in range(N):
        to, name, data = originals[i % len(originals)]
        bad = mutate(data, chance)
        start = time.monotonic()
        reply = upload(person, bad, "application/octet-stream", None, to=to)
        slowest = max(slowest, time.monotonic() - start)
        code = "ready" if reply.status == 201 else reply.code
        assert code in media.OUTCOMES, (SEED, i, name, reply)
        outcomes[to, reply.status, code] += 1
        if reply.status == 201:
            for rendition in reply.json["renditions"]:
                body = ask(stack, rendition["url"]).body
                assert len(body) == rendition["size"]
                if rendition["mime"] == "image/webp":
                    assert set(chunks(body)) <= PIXELS_ONLY, (SEED, i, name)
    log = stack.log("peal-media")
    lost = collections.Counter(re.findall(r"decoder_child_lost pid=\d+ end=(\w+)", log))
    print(dict(outcomes), "lost:", dict(lost), f"slowest {slowest:.2f} s")
    assert programs(stack) == began, "one of the programs was replaced"
    assert "decoder_result_malformed" not in log
    assert not lost["forbidden"], "a library asked for more than the sandbox gives"
    assert slowest < 40
    for to, name, data in originals:
        upload(person, data, "application/octet-stream", 201, to=to)
