"""Collections of difficult files (peal.corpora), all of them uploaded: nobody dies, nothing is forbidden, what comes out is clean.

With TIER=2 and where they have been fetched: tests/peal/corpora.py does that. FILES=n takes so many of each.
"""

import collections
import concurrent.futures
import dataclasses
import os
import re
import time

import pytest

from peal import media
from peal.corpora import CORPORA
from peal.media import ask, chunks, upload
from peal.people import Person

FILES = int(os.environ.get("FILES", "0"))
AT_A_TIME = 2
SLOWEST = 40            # seconds, on a machine that does other things as well
STACK = {"settings": {"rate_upload_per_minute": 1000000, "media_user_daily_mib": 1000000, "media_user_mib": 1000000}}

pytestmark = pytest.mark.skipif(os.environ.get("TIER", "1") < "2", reason="TIER=2 uploads whole corpora")


@dataclasses.dataclass
class Told:
    """What came of one corpus."""

    outcomes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    wrong: list = dataclasses.field(default_factory=list)
    slowest: float = 0
    photos: list = dataclasses.field(default_factory=list)      # bytes of std of what is a JPEG or HEIC with a megapixel at least

    def __str__(self):
        return ", ".join(f"{n} {what}" for what, n in sorted(self.outcomes.items())) + f"; slowest {self.slowest:.2f} s"


def doors(data):
    """Where such a file may go, by its first bytes."""
    if data[4:8] == b"ftyp" and data[8:12] not in (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis") or data[:4] == b"\x1a\x45\xdf\xa3":
        return ("video", "audio")
    if data[:4] == b"OggS" or data[:3] == b"ID3" or data[:4] == b"RIFF" and data[8:12] == b"WAVE" or data[:1] == b"\xff" and data[1:2] >= b"\xe0":
        return ("audio",)
    return ("image",)


def check(stack, to, attachment):
    """What is wrong with what has come of it, or None."""
    for rendition in attachment["renditions"]:
        reply = ask(stack, rendition["url"])
        if reply.status != 200 or len(reply.body) != rendition["size"]:
            return f"{rendition['name']}: {reply.status}, {len(reply.body)} bytes"
        if rendition["mime"] == "image/webp" and not set(chunks(reply.body)) <= media.PIXELS_ONLY:
            return f"{rendition['name']}: {chunks(reply.body)}"
    return None


def one(stack, person, corpus, file):
    data, found = file.read_bytes(), []
    for to in doors(data):
        began = time.monotonic()
        reply = upload(person, data, "application/octet-stream", None, to=to)
        took = time.monotonic() - began
        code = "ready" if reply.status == 201 else reply.code
        wrong = None
        if code not in media.OUTCOMES:
            wrong = f"{reply.status} {reply.code}"
        elif code == "ready":
            wrong = check(stack, to, reply.json)
        if corpus.good and to == doors(data)[0] and code != corpus.refused.get(file.name, "ready"):
            wrong = f"{code} {reply.json.get('detail', '')}"
        found.append((to, code, wrong, took, reply.json))
    return file, len(data), found


def is_photo(data_bytes, json):
    return data_bytes > 300_000 and json["width"] * json["height"] >= 1_000_000 and not json["animated"]


@pytest.mark.parametrize("corpus", CORPORA, ids=lambda c: c.name)
def test_corpus(stack, corpus):
    files = corpus.files
    if not files:
        pytest.skip(f"{corpus.name} is not there: /usr/bin/python3 tests/peal/corpora.py {corpus.name}")
    began, told = media.programs(stack), Told()
    person = Person(stack, f"corpus-{corpus.name}"[:30])
    person.rest.timeout = 2 * SLOWEST
    lines = len(stack.log("peal-media").splitlines())
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        for file, size, found in pool.map(lambda f: one(stack, person, corpus, f), files[:FILES or None]):
            for to, code, wrong, took, json in found:
                told.outcomes[code if code == "ready" else f"`{code}`"] += 1
                told.slowest = max(told.slowest, took)
                told.wrong += [f"{file.relative_to(corpus.folder)} to {to}: {wrong}"] if wrong else []
                if to == "image" and code == "ready" and file.suffix.lower() in (".jpg", ".jpeg", ".heic") and is_photo(size, json):
                    told.photos.append(next(r["size"] for r in json["renditions"] if r["name"] == "std"))
    log = "\n".join(stack.log("peal-media").splitlines()[lines:])
    lost = collections.Counter(re.findall(r"decoder_child_lost pid=\d+ end=(\w+)", log))
    within = sum(n <= 200_000 for n in told.photos)
    print(f"figures: {corpus.name}: {len(files)} files, {sum(f.stat().st_size for f in files) / 1e6:.1f} MB: {told}; children lost: {dict(lost)}; "
          f"of {len(told.photos)} photographs {within} within 200 KB, the largest {max(told.photos, default=0)} bytes")
    assert not told.wrong, told.wrong[:50]
    assert media.programs(stack) == began, "one of the programs was replaced"
    assert not lost["forbidden"], "a library asked for more than the sandbox gives"
    assert "decoder_result_malformed" not in log
    assert told.slowest < SLOWEST
    assert max(told.photos, default=0) <= 300_000
