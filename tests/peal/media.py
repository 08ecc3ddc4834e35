"""Pictures for tests, made when they are needed; sending them, and asking for them."""

import base64
import hashlib
import http.client
import io
import json
import pathlib
import random
import re
import subprocess
import sys
import time
import urllib.parse

from PIL import Image

PIXELS_ONLY = {"VP8 ", "VP8L", "VP8X", "ALPH", "ANIM", "ANMF"}     # chunks of WebP that hold nothing but pixels
# what may come of any file that somebody uploads
OUTCOMES = ("ready", "empty", "unsupported_type", "too_large", "corrupt", "too_many_pixels", "too_many_frames", "too_long", "too_complex", "infected")
CORNERS = {"top left": (220, 20, 20), "top right": (20, 200, 20), "bottom left": (20, 20, 220), "bottom right": (230, 220, 20)}


def encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png(width=64, height=48, color=(200, 120, 40)):
    return encoded(Image.new("RGB", (width, height), color))


def photo(width, height, seed=1):
    """Something with the smoothness and the noise of a photograph."""
    noise = random.Random(seed)
    small = Image.frombytes("RGB", (40, 30), noise.randbytes(40 * 30 * 3))
    grain = Image.effect_noise((width // 4, height // 4), 24).convert("RGB").resize((width, height))
    return Image.blend(small.resize((width, height), Image.Resampling.BICUBIC), grain, 0.15)


def corners(image):
    """A picture whose corners say which way is up."""
    w, h = image.size
    patch = (w // 5, h // 5)
    for name, color in CORNERS.items():
        x = 0 if "left" in name else w - patch[0]
        y = 0 if "top" in name else h - patch[1]
        image.paste(Image.new("RGB", patch, color), (x, y))
    return image


def assert_upright(image):
    rgb = image.convert("RGB")
    w, h = rgb.size
    for name, color in CORNERS.items():
        x = w // 10 if "left" in name else w - w // 10 - 1
        y = h // 10 if "top" in name else h - h // 10 - 1
        got = rgb.getpixel((x, y))
        assert max(abs(a - b) for a, b in zip(got, color)) < 40, f"{name}: {got}, wanted {color}"


def turned(image, orientation):
    """Stored so that a reader who honours this EXIF orientation sees `image`."""
    undo = {1: (), 2: (Image.Transpose.FLIP_LEFT_RIGHT,), 3: (Image.Transpose.ROTATE_180,), 4: (Image.Transpose.FLIP_TOP_BOTTOM,),
            5: (Image.Transpose.TRANSPOSE,), 6: (Image.Transpose.ROTATE_90,), 7: (Image.Transpose.TRANSVERSE,),
            8: (Image.Transpose.ROTATE_270,)}[orientation]
    for step in undo:
        image = image.transpose(step)
    return image


def oriented(image, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(turned(image, orientation), "JPEG", quality=90, exif=exif)


def photo_with_gps(path):
    """12 megapixels, held upright (orientation 6), with everything that a telephone writes into a file. Returns the bytes."""
    path.write_bytes(oriented(corners(photo(3000, 4000)), 6))
    subprocess.run(["exiftool", "-q", "-overwrite_original", "-n", "-Orientation=6", "-GPSLatitude=48.8583", "-GPSLatitudeRef=N",
                    "-GPSLongitude=2.2945", "-GPSLongitudeRef=E", "-Model=Geheimkamera", "-XMP-dc:Title=Hinter dem Haus",
                    "-IPTC:City=Geheimkamera", "-Comment=Geheimkamera", "-GPSAltitude=33", path], check=True)
    data = path.read_bytes()
    assert Image.open(io.BytesIO(data)).size == (4000, 3000)
    assert b"Geheimkamera" in data and b"Hinter dem Haus" in data and len(data) > 1_000_000
    return data


def heif(path, source, kind="heic", *more):
    """A picture file as HEIC or AVIF, made by libheif's own tool. Returns the bytes."""
    target = path.with_suffix("." + kind)
    path.write_bytes(source)
    subprocess.run(["heif-enc", "-q", "80", *(["-A"] if kind == "avif" else []), *more, "-o", target, path], check=True, capture_output=True)
    return target.read_bytes()


def boxes(data, at=0, end=None):
    """(type, start, body, end) of the boxes of an ISO base media file."""
    while at < (len(data) if end is None else end):
        size = int.from_bytes(data[at:at + 4], "big")
        yield bytes(data[at + 4:at + 8]), at, at + 8, at + size
        at += size


def with_rotation(heif_file, quarter_turns):
    """A HEIF file whose picture is to be turned anticlockwise (ISO/IEC 23008-12 6.5.10); heif-enc cannot say that. Its Exif, which
    says that too, must not count twice."""
    data = bytearray(heif_file)
    _, meta, inside, meta_end = next(b for b in boxes(data) if b[0] == b"meta")
    parts = {b[0]: b for b in boxes(data, inside + 4, meta_end)}
    props = {b[0]: b for b in boxes(data, parts[b"iprp"][2], parts[b"iprp"][3])}
    index = len(list(boxes(data, props[b"ipco"][2], props[b"ipco"][3]))) + 1
    irot, grown = b"\0\0\0\x09irot" + bytes([quarter_turns]), 10
    iloc = parts[b"iloc"][2]
    assert data[iloc] < 2 and data[iloc + 4] == 0x44 and data[iloc + 5] & 0xf0 in (0, 0x40), "another iloc than heif-enc's"
    base, at = data[iloc + 5] >> 4, iloc + 8
    for _ in range(int.from_bytes(data[iloc + 6:iloc + 8], "big")):
        at += (6 if data[iloc] else 4) + base
        extents = int.from_bytes(data[at:at + 2], "big")
        at += 2
        for _ in range(extents):
            data[at:at + 4] = (int.from_bytes(data[at:at + 4], "big") + grown).to_bytes(4, "big")
            at += 8
    ipma = props[b"ipma"][2]
    assert data[ipma] == 0 and not data[ipma + 3] & 1, "another ipma than heif-enc's"
    count = ipma + 10
    data[count:count + 1] = bytes([data[count] + 1])
    end = count + 1 + data[count] - 1
    data[end:end] = bytes([0x80 | index])
    data[props[b"ipco"][3]:props[b"ipco"][3]] = irot
    for start, more in ((meta, grown), (parts[b"iprp"][1], grown), (props[b"ipco"][1], len(irot))):
        data[start:start + 4] = (int.from_bytes(data[start:start + 4], "big") + more).to_bytes(4, "big")
    start = props[b"ipma"][1] + len(irot)
    data[start:start + 4] = (int.from_bytes(data[start:start + 4], "big") + 1).to_bytes(4, "big")
    return bytes(data)


SOUNDS = {
    "webm as Chrome records it": ("webm", "-c:a", "libopus", "-f", "webm", "-live", "1"),
    "webm": ("webm", "-c:a", "libopus"),
    "webm with vorbis": ("webm", "-c:a", "libvorbis"),
    "mp4 as Safari records it": ("mp4", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof"),
    "m4a": ("m4a", "-c:a", "aac"),
    "alac": ("m4a", "-c:a", "alac"),
    "ogg": ("ogg", "-c:a", "libopus"),
    "mp3": ("mp3", "-c:a", "libmp3lame"),
    "mp3 without ID3": ("mp3", "-c:a", "libmp3lame", "-id3v2_version", "0", "-write_xing", "0"),
    "wav": ("wav", "-c:a", "pcm_s16le"),
    "wav of 8 kHz": ("wav", "-c:a", "pcm_mulaw", "-ar", "8000"),
    "stereo wav of 96 kHz": ("wav", "-c:a", "pcm_s24le", "-ar", "96000", "-ac", "2"),
}
SPEECH = "sine=f=220:r=48000,tremolo=f=3:d=0.9"  # syllables of a kind


def sound(folder, seconds, kind="webm", source=SPEECH, *more):
    """A recording, made by ffmpeg, with a name and a place in it."""
    extension, *options = SOUNDS[kind]
    target = folder / f"sound.{extension}"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-t", str(seconds), "-metadata", "title=Geheimkamera",
                    "-metadata", "location=+48.8583+002.2945/", *more, *options, target], check=True, stdin=subprocess.DEVNULL)
    return target.read_bytes()


FILMS = {
    "h264 and aac": ("mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"),
    "fragmented": ("mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"),
    "quicktime": ("mov", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"),
    "matroska": ("mkv", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"),
    "without sound": ("mp4", "-an", "-c:v", "libx264", "-pix_fmt", "yuv420p"),
    "vp9": ("webm", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libopus"),
    "hevc": ("mp4", "-c:v", "libx265", "-x265-params", "log-level=none", "-c:a", "aac"),
    "4:4:4": ("mp4", "-c:v", "libx264", "-pix_fmt", "yuv444p", "-c:a", "aac"),
}


def film(folder, kind, seconds=3, size=(320, 180), *more):
    """Its corners say which way is up; it has a title and a place."""
    (folder / "frame.png").write_bytes(encoded(corners(Image.new("RGB", size, "grey"))))
    extension, *options = FILMS[kind]
    target = folder / f"film.{extension}"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-loop", "1", "-r", "10", "-i", folder / "frame.png", "-f", "lavfi", "-i", "sine=f=300", "-t", str(seconds),
                    "-metadata", "title=Geheimkamera", "-metadata", "location=+48.8583+002.2945/", "-metadata:s:v", "handler_name=Geheimkamera",
                    *options, *more, target], check=True, stdin=subprocess.DEVNULL)
    return target.read_bytes()


def heard(folder, data):
    """What ffmpeg makes of a file: its container's duration, loudness, true peak, samples at 48 kHz, codec."""
    file = folder / "heard"
    file.write_bytes(data)
    probe = json.loads(subprocess.run(["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", file], check=True,
                                      capture_output=True).stdout)
    out = subprocess.run(["ffmpeg", "-v", "info", "-nostats", "-i", file, "-af", "ebur128=peak=true", "-f", "null", "-"], check=True,
                         capture_output=True, text=True, stdin=subprocess.DEVNULL).stderr
    summary = out[out.rindex("Summary:"):]
    pcm = subprocess.run(["ffmpeg", "-v", "error", "-i", file, "-ac", "1", "-ar", "48000", "-f", "s16le", "-"], check=True, capture_output=True,
                         stdin=subprocess.DEVNULL).stdout
    stream = probe["streams"][0]
    return {"duration": float(probe["format"].get("duration", "nan")), "format": probe["format"], "codec": stream["codec_name"],
            "channels": stream["channels"], "streams": len(probe["streams"]), "lufs": float(re.search(r"I:\s+(-?[\d.]+|-inf) LUFS", summary)[1]),
            "peak": float(re.search(r"Peak:\s+(-?[\d.]+|-inf) dBFS", summary)[1]), "samples": len(pcm) // 2, "pcm": pcm}


class Answer:
    """Any reply of the site, also where the REST contract does not reach: links and downloads."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        self.json = json.loads(body) if "json" in headers.get("content-type", "") else None

    @property
    def image(self):
        assert self.status == 200, (self.status, self.body[:300])
        image = Image.open(io.BytesIO(self.body))
        image.load()
        return image


def ask(stack, path, method="GET", body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=60)
    try:
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        return Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
    finally:
        connection.close()


def form(data, name="file", filename="a.png", boundary="tests-boundary"):
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: image/png\r\n\r\n'
    return head.encode() + data + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def upload(person, data, kind="image/jpeg", expect=201, to="image", **query):
    path = f"/messages/upload-{to}" + ("?" + urllib.parse.urlencode(query) if query else "")
    return person.rest.call("POST", path, raw=data, headers={"Content-Type": kind}, expect=expect)


def programs(stack):
    """What the decoding programs said when they started, once all have: the same as before when none has died."""
    end = time.monotonic() + 30
    while True:
        said = {line for line in stack.log("peal-media").splitlines() if re.search(r" peal-media-\w+\[\d+\] ready ", line)}
        if all(any(f" {name}[" in line for line in said) for name in ("peal-media-image", "peal-media-av")):
            return said
        assert time.monotonic() < end, "no decoders"
        time.sleep(0.05)


def settle(stack):
    """Until nginx has removed the bodies of requests that have ended: each is one name more of a file that was kept."""
    end = time.monotonic() + 20
    while any((stack.dir / "media" / "incoming").iterdir()):
        assert time.monotonic() < end, "nginx keeps a body"
        time.sleep(0.02)


def send(person, conversation, *ids, expect=201, **more):
    body = {"client_id": "-".join(ids)[:64], "message_type": "image", "attachment_ids": list(ids), **more}
    return person.rest.post(f"/conversations/{conversation}/messages", body, expect=expect)


def link(attachment, name="std"):
    return next(r["url"] for r in attachment["renditions"] if r["name"] == name)


def signed(stack, attachment, expires, file="std.webp"):
    """A link as a worker signs it, with any expiry, to any file."""
    secret = re.search(r'"(.*)"', (stack.dir / "keys" / "media-link.conf").read_text())[1]
    digest = hashlib.md5(f"{expires}/{attachment} {secret}".encode()).digest()
    return f"/m/{expires}/{base64.urlsafe_b64encode(digest).decode().rstrip('=')}/{attachment[:2]}/{attachment}/{file}"


def chunks(webp):
    """The names of the chunks of a WebP file."""
    assert webp[:4] == b"RIFF" and webp[8:12] == b"WEBP" and int.from_bytes(webp[4:8], "little") == len(webp) - 8
    names, at = [], 12
    while at < len(webp):
        names.append(webp[at:at + 4].decode())
        at += 8 + (int.from_bytes(webp[at + 4:at + 8], "little") + 1) // 2 * 2
    return names


if __name__ == "__main__":  # for the browser tests: the folder to put pictures into
    folder = pathlib.Path(sys.argv[1])
    whole = photo_with_gps(folder / "photo.jpg")
    (folder / "cut.jpg").write_bytes(whole[:len(whole) // 3])
    (folder / "small.png").write_bytes(encoded(corners(Image.new("RGB", (240, 160), "grey"))))
    (folder / "notes.txt").write_bytes(b"Dear diary")
