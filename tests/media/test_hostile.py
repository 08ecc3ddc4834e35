"""What has broken others: bombs, files that are two things, playlists that name files, deaths at the wrong moment. See tests/media/README.md."""

import io
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest
from PIL import Image, ImageCms, ImageOps

from peal import files, media, truth
from peal.busy import eventually
from peal.calls import watched
from peal.media import ask, link, oriented, upload
from peal.people import Person

ALLOWED_LOG = [r"error peal-media\[\d+\] process_lost pid=\d+ signal=(9|SIGKILL)", r"upstream prematurely closed FastCGI",
               r"error peal-fcgi\[\d+\] "]


@pytest.fixture(scope="module")
def someone(stack):
    return Person(stack, "sender")


def decoders(stack):
    """name -> pid of the decoding programs."""
    found = {}
    for pid in stack.pids("peal-media"):
        name = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
        parent = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        if name.startswith("peal-media-") and parent == stack.pid("peal-media"):
            found[name.removeprefix("peal-media-")] = pid
    return found


def children_seconds(pid):
    """Processor time of all children of a decoding program that have ended."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


# ---- bombs ----

def gif_of_frames(n):
    frame = b"!\xf9\x04\0\x02\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0"
    return b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff" + frame * n + b";"


def avif_of(folder, side):
    """A small AVIF whose properties say that it is this large."""
    data = media.heif(folder / "small.png", media.png(), "avif")
    assert data.count(b"ispe") >= 1
    return re.sub(rb"(ispe\0\0\0\0).{8}", lambda m: m[1] + side.to_bytes(4, "big") * 2, data, flags=re.S)


def webp_canvas(side):
    """An extended WebP whose canvas is as large as it can be said, and whose only frame is not."""
    plain = media.encoded(Image.new("RGBA", (8, 8), (1, 2, 3, 90)), "WEBP", lossless=True)
    chunk = plain[12:]
    vp8x = b"VP8X" + (10).to_bytes(4, "little") + b"\x10\0\0\0" + (side - 1).to_bytes(3, "little") * 2
    return b"RIFF" + (4 + len(vp8x) + len(chunk)).to_bytes(4, "little") + b"WEBP" + vp8x + chunk


BOMBS = {
    "avif of 289 megapixels": (lambda f: avif_of(f, 17000), ("corrupt", "too_many_pixels")),
    "avif of 81 megapixels": (lambda f: avif_of(f, 9000), ("too_many_pixels",)),
    "gif of 10,000 frames": (lambda f: gif_of_frames(10_000), ("too_many_frames",)),
    "gif of 151 frames": (lambda f: gif_of_frames(151), ("too_many_frames",)),
    "webp of 268 megapixels": (lambda f: webp_canvas(16383), ("corrupt", "too_many_pixels")),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(stack, someone, tmp_path, name):
    """Refused by their headers: within a second of processor time, and within the address space that a child is given (1 GiB)."""
    make, codes = BOMBS[name]
    data, pid = make(tmp_path), decoders(stack)["image"]
    assert len(data) < 300_000
    before = children_seconds(pid)
    reply = upload(someone, data, "application/octet-stream", expect=422)
    assert reply.code in codes
    assert children_seconds(pid) - before < 1
    assert decoders(stack)["image"] == pid
    assert upload(someone, gif_of_frames(150), "image/gif")["state"] == "ready"


# ---- two things at once ----

SCRIPT = b"<script>alert(document.domain)</script>"
ZIP = b"PK\x03\x04\x14\0\0\0\0\0" + SCRIPT + b"PK\x05\x06" + bytes(18)


def with_comment(jpeg):
    body = b"*/=1;alert(1);/*" + SCRIPT
    return jpeg[:2] + b"\xff\xfe" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


def gif_with_script(gif):
    """A GIF that is JavaScript as well: its comment block holds the program."""
    size = 13 + 3 * (2 << (gif[10] & 7)) if gif[10] & 0x80 else 13
    body = b"*/=1;alert(1);/*" + SCRIPT
    return gif[:size] + b"!\xfe" + bytes([len(body)]) + body + b"\0" + gif[size:]


def riff_with(webp, name, body):
    body += b"\0" * (len(body) % 2)
    whole = webp[12:] + name + len(body).to_bytes(4, "little") + body
    return b"RIFF" + (4 + len(whole)).to_bytes(4, "little") + b"WEBP" + whole


PHOTO = media.photo(80, 60)
POLYGLOTS = {
    "jpeg and zip": media.encoded(PHOTO, "JPEG") + ZIP,
    "jpeg and javascript": with_comment(media.encoded(PHOTO, "JPEG")),
    "png and html": media.encoded(PHOTO) + SCRIPT,
    "gif and javascript": gif_with_script(media.encoded(PHOTO.convert("P"), "GIF")),
    "gif and zip": media.encoded(PHOTO.convert("P"), "GIF") + ZIP,
    "webp and html": media.encoded(PHOTO, "WEBP") + SCRIPT,
    "webp with a chunk of its own": riff_with(media.encoded(PHOTO, "WEBP"), b"HTML", SCRIPT),
}


@pytest.mark.parametrize("name", POLYGLOTS)
def test_polyglots(stack, someone, name):
    assert b"alert" in POLYGLOTS[name]
    attachment = upload(someone, POLYGLOTS[name], "text/html").json
    for rendition in attachment["renditions"]:
        reply = ask(stack, rendition["url"])
        assert set(media.chunks(reply.body)) <= media.PIXELS_ONLY
        assert b"alert" not in reply.body and b"PK\x03\x04" not in reply.body
        assert reply.headers["content-type"] == "image/webp" and reply.headers["x-content-type-options"] == "nosniff"


# ---- colours and corners ----

@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_as_others_show_it(stack, someone, orientation):
    data = oriented(media.photo(300, 200), orientation)
    want = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    got = ask(stack, link(upload(someone, data).json)).image.convert("RGB")
    assert got.size == want.size == (300, 200)
    difference = [abs(a - b) for p, q in zip(want.getdata(), got.getdata()) for a, b in zip(p, q)]
    assert sum(difference) / len(difference) < 6
    turned = want.transpose(Image.Transpose.ROTATE_180)
    assert sum(abs(a - b) for p, q in zip(want.getdata(), turned.getdata()) for a, b in zip(p, q)) / len(difference) > 15, "or this test shows nothing"


def lab(image):
    """8-bit L*a*b* as lcms has it."""
    return ImageCms.applyTransform(image.convert("RGB"), ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"))


def difference(a, b):
    """CIE 1976, of two pixels of lab()."""
    signed = [v - 256 if v > 127 else v for v in (a[1], a[2], b[1], b[2])]
    return (((a[0] - b[0]) / 2.55) ** 2 + (signed[0] - signed[2]) ** 2 + (signed[1] - signed[3]) ** 2) ** 0.5


@pytest.mark.parametrize("kept", [True, False], ids=["with its profile", "without"])
def test_cmyk(stack, someone, tmp_path, kept):
    """Printers' colours come out as they are meant: by the picture's profile, or by the one that libvips takes for all that have none."""
    patches = ((200, 60, 60), (70, 160, 90), (60, 70, 150), (200, 190, 80), (128, 128, 128))
    image = Image.new("RGB", (100 * len(patches), 100))
    for i, color in enumerate(patches):
        image.paste(Image.new("RGB", (100, 100), color), (100 * i, 0))
    image.save(tmp_path / "rgb.png")
    subprocess.run(["vips", "icc_export", tmp_path / "rgb.png", f"{tmp_path}/cmyk.jpg[Q=97,no-subsample]",
                    "--output-profile", "cmyk"], check=True, capture_output=True)
    cmyk = Image.open(tmp_path / "cmyk.jpg")
    profile = cmyk.info["icc_profile"]
    assert cmyk.mode == "CMYK"
    relative = 1    # the profile says the same for both intents; lcms would scale blacks as well for the perceptual one
    want = lab(ImageCms.profileToProfile(cmyk, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), relative, "RGB"))
    data = (tmp_path / "cmyk.jpg").read_bytes()
    if not kept:
        subprocess.run(["exiftool", "-q", "-overwrite_original", "-icc_profile=", tmp_path / "cmyk.jpg"], check=True)
        data = (tmp_path / "cmyk.jpg").read_bytes()
        assert profile[:64] not in data
    got = lab(ask(stack, link(upload(someone, data).json)).image)
    for i in range(len(patches)):
        at = (100 * i + 50, 50)
        assert difference(got.getpixel(at), want.getpixel(at)) < 5, patches[i]


# ---- files that would be opened ----

PLAYLIST = b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\nfile:///etc/passwd\n#EXTINF:1,\nhttp://127.0.0.1:1/x\n#EXT-X-ENDLIST\n"
CONCAT = b"ffconcat version 1.0\nfile /etc/passwd\nfile http://127.0.0.1:1/x\n"
EBML = bytes.fromhex("1a45dfa3 9f 4286 81 01 42f7 81 01 42f2 81 04 42f3 81 08 4282 84 7765626d 4287 81 04 4285 81 02".replace(" ", ""))


def mov_with_reference(folder):
    """A QuickTime file whose samples are said to be in another file (dref, url without the flag that means: here)."""
    data = media.sound(folder, 0.3, "m4a")
    assert data.count(b"url \0\0\0\x01") == 1
    return data.replace(b"url \0\0\0\x01", b"url \0\0\0\0")


REFERENCES = {
    "a playlist": (lambda f: PLAYLIST, "audio", 415),
    "a playlist behind an ID3 tag": (lambda f: b"ID3\x03\0\0\0\0\0\0" + PLAYLIST, "audio", 422),
    "a playlist behind Ogg's first bytes": (lambda f: b"OggS" + PLAYLIST, "audio", 422),
    "a playlist in a film's clothes": (lambda f: b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + PLAYLIST, "video", 422),
    "ffconcat": (lambda f: CONCAT, "video", 415),
    "ffconcat behind Matroska's head": (lambda f: EBML + CONCAT, "video", 422),
    "samples in another file": (mov_with_reference, "audio", None),
    "imagemagick's own language": (lambda f: b"push graphic-context\nviewbox 0 0 9 9\nimage over 0,0 0,0 '/etc/passwd'\npop graphic-context\n", "image", 415),
    "an svg that includes": (lambda f: b"<?xml version='1.0'?><!DOCTYPE s [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg xmlns='http://www.w3.org/2000/svg'>&x;</svg>",
                             "image", 415),
}


def test_nothing_is_opened(stack, someone, tmp_path):
    """Whatever a file names, no decoder asks for it; not even in vain."""
    if stack.kind == "san":
        pytest.skip("sanitizers open files of their own")
    made = {name: (make(tmp_path), to, status) for name, (make, to, status) in REFERENCES.items()}
    with watched(decoders(stack).values(), tmp_path / "calls", "open,openat,openat2,creat,socket,connect,execve,unlink,rename"):
        for name, (data, to, status) in made.items():
            reply = upload(someone, data, "application/octet-stream", expect=None, to=to)
            assert reply.status in ((status,) if status else (201, 422)), (name, reply)
        upload(someone, media.encoded(PHOTO, "JPEG"))
        upload(someone, media.sound(tmp_path, 0.3), to="audio")
    calls = [line for line in (tmp_path / "calls").read_text().splitlines() if "(" in line]
    wrong = [c for c in calls if "passwd" in c or "127.0.0.1" in c or re.search(r"\b(socket|connect|execve|creat|rename|unlink)\(", c)]
    assert not wrong, wrong
    assert not [c for c in calls if "openat(" in c and "= -1 EACCES" not in c], "and whatever else a library asks for is refused"


def test_imagemagick_is_not_there(stack):
    """Debian's libvips would hand what it does not know to ImageMagick, PDF and SVG readers; none of them is loaded."""
    maps = pathlib.Path(f"/proc/{decoders(stack)['image']}/maps").read_text()
    assert "vips-heif" in maps and not re.search(r"vips-(magick|poppler|openslide|jxl)|libMagickCore|libpoppler", maps)


# ---- deaths at the wrong moment ----

def stored(stack):
    return set(files.attachments(stack))


def test_a_file_outlives_its_request(stack, someone):
    """nginx removes a body's name when the request ends; the claimed bytes stay."""
    data = os.urandom(200_000)
    attachment = upload(someone, data, "application/octet-stream", to="file").json
    eventually("nginx has removed its name", lambda: not list((stack.dir / "media" / "incoming").iterdir()))
    assert ask(stack, someone.rest.get(f"/attachments/{attachment['id']}")["download_url"]).body == data


def test_died_between_storing_and_registering(stack, someone):
    """The files are on disk and no row is: they go with the next comparison, and nobody has seen them."""
    before, rows = stored(stack), truth.rows(stack, "SELECT count(*) FROM attachment")
    workers = [p for p in stack.pids("peal-media") if p != stack.pid("peal-media") and p not in decoders(stack).values()]
    with stack.db("postgres") as db, db.cursor() as c:
        c.execute("LOCK TABLE attachment IN ACCESS EXCLUSIVE MODE")     # registering waits
        sent = subprocess.Popen(["/usr/bin/python3", "-c", "import sys, urllib.request as u; u.urlopen(u.Request(sys.argv[1], sys.stdin.buffer.read(), "
                                 "{'Authorization': 'Bearer ' + sys.argv[2]}))", f"{stack.url}/api/v1/messages/upload-image", someone.token],
                                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        sent.stdin.write(media.png())
        sent.stdin.close()
        eventually("it is stored", lambda: stored(stack) > before)
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        assert sent.wait(20) != 0
        eventually("nobody waits for the table", lambda: truth.rows(
            stack, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ILIKE '%%attachment%%'") == [])
        db.rollback()
    assert truth.rows(stack, "SELECT count(*) FROM attachment") == rows
    (left,) = stored(stack) - before
    folder = stack.dir / "media" / "ren" / left[:2] / left
    yesterday = time.time() - 25 * 3600
    os.utime(folder, (yesterday, yesterday))
    stack.restart("peal-media")
    eventually("what nobody registered is swept", lambda: not folder.exists(), 30)
    assert upload(someone, media.png())["state"] == "ready"


def test_the_list_names_tests_that_are_there():
    here = pathlib.Path(__file__).parent
    names = re.findall(r"`(test_\w+)`", (here / "README.md").read_text())
    defined = "".join(p.read_text() for p in here.glob("test_*.py"))
    assert len(names) > 20 and [n for n in names if f"def {n}(" not in defined] == []
