"""What becomes of a picture: it arrives upright, in sRGB, without metadata, as small as it is meant to be."""

import base64
import io
import subprocess

import pytest
from PIL import Image, ImageCms

from peal import media
from peal.media import PIXELS_ONLY, ask, assert_upright, chunks, corners, form, link, oriented, send, upload
from peal.people import Person
from peal.ws import Socket

SECRETS = (b"Geheimkamera", b"Hinter dem Haus", b"48.8583", b"EXIF", b"Exif", b"XMP ", b"http://ns.adobe.com", b"ICCP")


@pytest.fixture(scope="module")
def photo_with_gps(tmp_path_factory):
    return media.photo_with_gps(tmp_path_factory.mktemp("photo") / "photo.jpg")


def groups(path, data):
    """What ExifTool finds in a file, beside its name and size."""
    path.write_bytes(data)
    said = subprocess.run(["exiftool", "-a", "-G1", "-s", path], check=True, capture_output=True, text=True).stdout
    return {line.split("]")[0][1:] for line in said.splitlines()} - {"ExifTool", "System", "File", "Composite"}


async def test_a_photo_reaches_the_other_side_upright_and_clean(stack, pair, photo_with_gps, tmp_path):
    a, b, conversation = pair
    attachment = upload(a, photo_with_gps, filename="Urlaub am Meer.jpg").json
    assert (attachment["name"], attachment["state"], attachment["animated"]) == ("Urlaub am Meer.jpg", "ready", False)
    assert attachment["width"] < attachment["height"] and attachment["width"] * attachment["height"] <= 1600 * 1200 * 1.01
    assert 20 <= len(base64.b64decode(attachment["thumbhash"], validate=True)) <= 25
    async with await Socket.open(stack, b.token) as socket:
        await socket.hello()
        message = send(a, conversation, attachment["id"], content="Look!").json
        seen = (await socket.until("new_message"))["data"]["message"]
    assert seen["attachments"] == message["attachments"] and seen["content"] == "Look!" and seen["message_type"] == "image"
    theirs = b.history(conversation)["messages"][-1]["attachments"][0]
    assert theirs == {k: v for k, v in attachment.items() if k != "created_at"}
    for rendition in theirs["renditions"]:
        reply = ask(stack, rendition["url"])
        assert reply.headers["content-type"] == "image/webp" and len(reply.body) == rendition["size"]
        assert reply.image.size == (rendition["width"], rendition["height"])
        assert_upright(reply.image)
        assert set(chunks(reply.body)) <= PIXELS_ONLY
        for secret in SECRETS:
            assert secret not in reply.body, secret
        assert not reply.image.getexif() and "icc_profile" not in reply.image.info
        assert groups(tmp_path / "r.webp", reply.body) == {"RIFF"}, "a picture's size, and nothing else"
    assert ask(stack, link(theirs)).image.size[1] == attachment["height"]
    assert max(ask(stack, link(theirs, "thumb")).image.size) == 320
    assert next(r["size"] for r in theirs["renditions"] if r["name"] == "std") <= 260_000


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations(stack, pair, orientation):
    attachment = upload(pair[0], oriented(corners(Image.new("RGB", (300, 200), "grey")), orientation)).json
    image = ask(stack, link(attachment)).image
    assert image.size == (300, 200)
    assert_upright(image)


def test_hd(stack, pair, photo_with_gps):
    attachment = upload(pair[0], photo_with_gps, quality="hd").json
    assert [r["name"] for r in attachment["renditions"]] == ["hd", "thumb"]
    assert attachment["width"] * attachment["height"] <= 4096 * 3072 and attachment["height"] == 4000
    reply = ask(stack, link(attachment, "hd"))
    assert_upright(reply.image)
    assert len(reply.body) <= 3_000_000 and set(chunks(reply.body)) <= PIXELS_ONLY


def grey16(width, height):
    image = Image.new("I;16", (width, height))
    image.putdata([x * 65535 // width for _ in range(height) for x in range(width)])
    return image


STILLS = {
    "jpeg": lambda: media.encoded(media.photo(400, 300), "JPEG", quality=85),
    "progressive": lambda: media.encoded(media.photo(400, 300), "JPEG", progressive=True),
    "grey jpeg": lambda: media.encoded(media.photo(400, 300).convert("L"), "JPEG"),
    "cmyk jpeg": lambda: media.encoded(media.photo(400, 300).convert("CMYK"), "JPEG"),
    "png": lambda: media.encoded(media.photo(400, 300)),
    "palette png": lambda: media.encoded(media.photo(400, 300).convert("P")),
    "bitmap png": lambda: media.encoded(Image.linear_gradient("L").resize((400, 300)).convert("1")),
    "16-bit grey png": lambda: media.encoded(grey16(400, 300)),
    "gif": lambda: media.encoded(media.photo(400, 300).convert("P"), "GIF"),
    "webp": lambda: media.encoded(media.photo(400, 300), "WEBP"),
    "lossless webp": lambda: media.encoded(media.photo(400, 300), "WEBP", lossless=True),
}


@pytest.mark.parametrize("kind", STILLS)
def test_formats(stack, pair, kind):
    data = STILLS[kind]()
    attachment = upload(pair[0], data, "application/octet-stream").json
    reply = ask(stack, link(attachment))
    assert reply.image.size == (400, 300) and set(chunks(reply.body)) <= PIXELS_ONLY
    want, got = (i.convert("RGB").resize((8, 6), Image.Resampling.BOX) for i in (Image.open(io.BytesIO(data)), reply.image))
    if kind == "16-bit grey png":  # which Pillow cuts off instead of scaling it
        want = Image.linear_gradient("L").rotate(90).resize((400, 300)).convert("RGB").resize((8, 6), Image.Resampling.BOX)
    worst = max(abs(a - b) for p, q in zip(want.getdata(), got.getdata()) for a, b in zip(p, q))
    assert worst < (60 if "cmyk" in kind else 12), f"{kind}: colours differ by {worst}"


def test_colours_of_another_space(stack, pair):
    """A picture with a profile is shown in sRGB, and its profile does not travel."""
    lab = ImageCms.createProfile("sRGB")
    profile = ImageCms.ImageCmsProfile(lab).tobytes()
    data = media.encoded(media.photo(200, 100), "JPEG", icc_profile=profile)
    reply = ask(stack, link(upload(pair[0], data).json))
    assert set(chunks(reply.body)) <= PIXELS_ONLY and profile[:64] not in reply.body


@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_heif_is_upright_and_clean(stack, pair, tmp_path, kind):
    """As a telephone stores it: turned, with the place and the camera in it."""
    file = tmp_path / f"p.{kind}"
    file.write_bytes(media.with_rotation(media.heif(tmp_path / "p.jpg", oriented(corners(media.photo(900, 600)), 6), kind), 3))
    subprocess.run(["exiftool", "-q", "-overwrite_original", "-n", "-GPSLatitude=48.8583", "-GPSLatitudeRef=N", "-GPSLongitude=2.2945",
                    "-Model=Geheimkamera", "-XMP-dc:Title=Hinter dem Haus", file], check=True)
    data = file.read_bytes()
    assert b"Geheimkamera" in data and b"Hinter dem Haus" in data
    said = subprocess.run(["exiftool", "-n", "-ImageSize", "-s3", file], check=True, capture_output=True, text=True).stdout.split()
    assert said == ["600", "900"], "it is stored turned"
    attachment = upload(pair[0], data, "application/octet-stream", filename=file.name).json
    assert (attachment["width"], attachment["height"], attachment["animated"]) == (900, 600, False)
    for rendition in attachment["renditions"]:
        reply = ask(stack, rendition["url"])
        assert_upright(reply.image)
        assert set(chunks(reply.body)) <= PIXELS_ONLY
        for secret in SECRETS:
            assert secret not in reply.body, secret


@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_heif_with_transparency(stack, pair, tmp_path, kind):
    image = media.photo(300, 200).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize((300, 200)))
    data = media.heif(tmp_path / "p.png", media.encoded(image), kind)
    got = ask(stack, link(upload(pair[0], data).json)).image
    assert got.mode == "RGBA" and got.getpixel((150, 3))[3] < 20 < 230 < got.getpixel((150, 196))[3]


@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_heif_of_several_pictures_is_no_film(stack, pair, tmp_path, kind):
    """Bursts, and pictures with others beside them: the first one is shown, whatever the size of the others."""
    (tmp_path / "second.png").write_bytes(media.png(32, 64, (10, 200, 30)))
    (tmp_path / "first.png").write_bytes(media.png(160, 120))
    subprocess.run(["heif-enc", "-q", "80", *(["-A"] if kind == "avif" else []), "-o", tmp_path / f"p.{kind}", tmp_path / "first.png",
                    tmp_path / "second.png"], check=True, capture_output=True)
    listed = subprocess.run(["heif-info", tmp_path / f"p.{kind}"], check=True, capture_output=True, text=True).stdout
    assert "160x120" in listed and "32x64" in listed, "or this test shows nothing"
    attachment = upload(pair[0], (tmp_path / f"p.{kind}").read_bytes()).json
    assert (attachment["width"], attachment["height"], attachment["animated"]) == (160, 120, False)


@pytest.mark.parametrize("kind", ["heic", "avif", "jpeg"])
def test_wide_gamut(stack, pair, tmp_path, kind):
    """Display P3, as telephones have it, means other colours than the same numbers do in sRGB."""
    (tmp_path / "any.png").write_bytes(media.png())
    subprocess.run(["vips", "copy", tmp_path / "any.png", f"{tmp_path}/p3.jpg[profile=p3]"], check=True)
    p3 = Image.open(tmp_path / "p3.jpg").info["icc_profile"]
    image = Image.new("RGB", (300, 100))
    for i, color in enumerate(((200, 60, 60), (70, 190, 90), (190, 190, 70))):
        image.paste(Image.new("RGB", (100, 100), color), (i * 100, 0))
    data = media.encoded(image, "JPEG", quality=98, subsampling=0, icc_profile=p3)
    if kind != "jpeg":
        data = media.heif(tmp_path / "p.jpg", data, kind)
    reply = ask(stack, link(upload(pair[0], data).json))
    want = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(p3)), ImageCms.createProfile("sRGB"))
    for x in (50, 150, 250):
        got, wanted, before = reply.image.convert("RGB").getpixel((x, 50)), want.getpixel((x, 50)), image.getpixel((x, 50))
        assert max(abs(a - b) for a, b in zip(got, wanted)) <= 6, (got, wanted)
        assert max(abs(a - b) for a, b in zip(wanted, before)) > 10, "or this test shows nothing"


def test_transparency(stack, pair):
    image = media.photo(300, 200).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize((300, 200)))
    attachment = upload(pair[0], media.encoded(image)).json
    got = ask(stack, link(attachment)).image
    assert got.mode == "RGBA" and got.getpixel((150, 3))[3] < 20 < 230 < got.getpixel((150, 196))[3]


@pytest.mark.parametrize("size", [(1, 1), (258, 100), (319, 2000), (5000, 40)])
def test_never_larger(stack, pair, size):
    attachment = upload(pair[0], media.png(*size)).json
    assert attachment["width"] <= size[0] and attachment["height"] <= size[1]
    if max(size) <= 2000:
        assert (attachment["width"], attachment["height"]) == size
    for rendition in attachment["renditions"]:
        assert ask(stack, rendition["url"]).image.size == (rendition["width"], rendition["height"])
    assert attachment["color"] in ("#c87828", "#c77728", "#c87728", "#c77828", "#c87829")


def film(kind, frames, size=(200, 120), **options):
    images = [Image.new("RGB", size, (i * 255 // frames, 40, 255 - i * 255 // frames)) for i in range(frames)]
    return media.encoded(images[0], kind, save_all=True, append_images=images[1:], duration=80, **options)


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_animations_stay_animated(stack, pair, kind):
    attachment = upload(pair[0], film(kind, 12, loop=0)).json
    assert attachment["animated"] is True and (attachment["width"], attachment["height"]) == (200, 120)
    image = ask(stack, link(attachment)).image
    assert image.n_frames == 12 and image.info.get("loop") == 0
    image.seek(11)
    assert image.convert("RGB").getpixel((100, 60))[0] > 200
    thumb = ask(stack, link(attachment, "thumb")).image
    assert getattr(thumb, "n_frames", 1) == 1


def test_large_animation_is_made_smaller(stack, pair):
    attachment = upload(pair[0], film("GIF", 5, size=(1200, 600))).json
    assert attachment["animated"] and (attachment["width"], attachment["height"]) == (480, 240)


def test_form(stack, pair):
    body, kind = form(media.png(), filename="../etc/M%22ee\u202egpj.png")
    attachment = upload(pair[0], body, kind).json
    assert attachment["name"] == 'M"eegpj.png'
    assert ask(stack, link(attachment)).image.size == (64, 48)
    plain, kind = form(media.png(), name="other")
    both = plain[:plain.rindex(b"--tests")] + body
    assert ask(stack, link(upload(pair[0], both, kind).json)).image.size == (64, 48)


def test_name_in_any_normal_form(pair):
    assert upload(pair[0], media.png(), filename="Cafe\u0301.png")["name"] == "Caf\u00e9.png"
    assert upload(pair[0], media.png())["name"] is None


def test_bytes_behind_the_picture_are_gone(stack, pair):
    tail = b"PK\x03\x04 <script>alert(1)</script>"
    for data in (media.png() + tail, media.encoded(media.photo(80, 60), "JPEG") + tail):
        reply = ask(stack, link(upload(pair[0], data).json))
        assert b"script" not in reply.body and b"PK\x03\x04" not in reply.body


def test_same_picture_twice_is_two_attachments(pair):
    first, second = upload(pair[0], media.png()).json, upload(pair[0], media.png()).json
    assert first["id"] != second["id"]


def test_strangers_share_nothing(stack):
    a, b = Person(stack, "x"), Person(stack, "y")
    assert link(upload(a, media.png()).json) != link(upload(b, media.png()).json)
