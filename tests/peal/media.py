"""Pictures for tests, made when they are needed; sending them, and asking for them."""

import http.client
import io
import json
import random
import urllib.parse

from PIL import Image


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


def upload(person, data, kind="image/jpeg", expect=201, **query):
    path = "/messages/upload-image" + ("?" + urllib.parse.urlencode(query) if query else "")
    return person.rest.call("POST", path, raw=data, headers={"Content-Type": kind}, expect=expect)


def send(person, conversation, *ids, expect=201, **more):
    body = {"client_id": "-".join(ids)[:64], "message_type": "image", "attachment_ids": list(ids), **more}
    return person.rest.post(f"/conversations/{conversation}/messages", body, expect=expect)


def link(attachment, name="std"):
    return next(r["url"] for r in attachment["renditions"] if r["name"] == name)


def chunks(webp):
    """The names of the chunks of a WebP file."""
    assert webp[:4] == b"RIFF" and webp[8:12] == b"WEBP" and int.from_bytes(webp[4:8], "little") == len(webp) - 8
    names, at = [], 12
    while at < len(webp):
        names.append(webp[at:at + 4].decode())
        at += 8 + (int.from_bytes(webp[at + 4:at + 8], "little") + 1) // 2 * 2
    return names
