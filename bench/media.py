"""bench/media.py: what a photograph and a voice note cost, beside vipsthumbnail, sharp and the ffmpeg command; what serving them costs.

    make KIND=release build bench-build && /usr/bin/python3 bench/media.py          (QUICK=1: smaller files, fewer rounds; ROUNDS=n)

All ways are measured in turn, round by round, with the same files, so that whatever else the machine does meets all alike; ratios are
those of a round, of which the median counts. `upload` is the whole product, nginx to 201; `child` the decoding program alone, one
sandboxed process for each job as in use; `inside` the same code without process and sandbox (bench/decode). Prints a table and
writes build/bench-media.json. Needs the machine for itself, and npm for sharp.
"""

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / d) for d in ("dev", "tests")]

from PIL import Image, ImageFilter  # noqa: E402

import measure  # noqa: E402
import peers  # noqa: E402
from peal import media  # noqa: E402
from peal.people import Person  # noqa: E402
from stack import RATES, ROOT, Stack, free_port  # noqa: E402

QUICK = os.environ.get("QUICK", "0") not in ("", "0")
ROUNDS = int(os.environ.get("ROUNDS") or (3 if QUICK else 7))
SIZE = (2000, 1500) if QUICK else (4200, 3150)
VOICE_SECONDS = 15 if QUICK else 60
JOBS = 2 if QUICK else 4        # of one way in one round
LOAD_SECONDS = 1 if QUICK else 4
CONNECTIONS = 16
SHARP = pathlib.Path(__file__).resolve().parent / "peers" / "sharp"
SETTINGS = {**dict.fromkeys(RATES, 1000000), "rate_upload_per_minute": 1000000, "media_user_daily_mib": 100000, "media_user_mib": 100000}
SPEECH = "anoisesrc=c=pink:r=48000:a=0.5:seed=7,highpass=f=120,lowpass=f=3500,tremolo=f=4:d=0.9,tremolo=f=0.4:d=0.6"
STARTED = time.monotonic()


def say(text):
    print(f"{time.monotonic() - STARTED:6.1f} s  {text}", file=sys.stderr, flush=True)


# ---- what is measured with ----

def photograph(path, size):
    """Detail on all scales, the finer the weaker, as in pictures of the world; a little of the noise of a sensor."""
    width, height = size
    image = media.photo(width, height)
    for scale, share in ((64, 0.35), (16, 0.25), (4, 0.12), (1, 0.05)):
        layer = Image.effect_noise((max(2, width // scale), max(2, height // scale)), 90).convert("RGB").resize(size, Image.Resampling.BICUBIC)
        image = Image.blend(image, layer, share)
    image.filter(ImageFilter.GaussianBlur(0.8)).save(path, "JPEG", quality=90)
    return path


def voice(path, seconds):
    """As Chromium records it: Opus in WebM that does not say how long it is."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", SPEECH, "-t", str(seconds), "-c:a", "libopus", "-b:a", "64k", "-f", "webm",
                    "-live", "1", path], check=True, stdin=subprocess.DEVNULL)
    return path


def install_sharp():
    env = {**os.environ, "npm_config_update_notifier": "false"}
    stamp = peers.prepare._stamp([SHARP / "package.json", SHARP / "package-lock.json"])
    peers.prepare._unless_stamped(SHARP / "node_modules" / ".peal-stamp", stamp, lambda: peers.prepare.run(
        ["npm", "ci", "--no-progress"], "npm ci in bench/peers/sharp", cwd=SHARP, env=env))


# ---- the ways ----

class Way:
    """`run(n)` does the job n times and returns {wall_ms: [], cpu_ms, peak_kib, bytes}."""

    def __init__(self, name, run):
        self.name, self.run, self.rounds = name, run, []

    def measure(self, n):
        r = self.run(n)
        self.rounds.append({**r, "wall_ms": statistics.median(r["wall_ms"]), "all_ms": r.get("all_ms")})

    def of(self, key):
        return [r[key] for r in self.rounds]


def printed(argv):
    """What a program that measures itself says."""
    return json.loads(subprocess.run(list(map(str, argv)), check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout)


def commands(make, outputs):
    """The ways of commands that are started for each job."""
    def run(n):
        wall, cpu = [], 0.0
        for _ in range(n):
            began = time.monotonic()
            for argv in make():
                child = subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
                _, status, used = os.wait4(child.pid, 0)
                child.returncode = os.waitstatus_to_exitcode(status)
                if child.returncode:
                    raise SystemExit(f"{argv[0]} ended with {child.returncode}")
                cpu += used.ru_utime + used.ru_stime
            wall.append((time.monotonic() - began) * 1000)
        return {"wall_ms": wall, "cpu_ms": cpu * 1000 / n, "peak_kib": 0, "bytes": sum(p.stat().st_size for p in outputs)}
    return run


class Programs:
    """The decoding programs, and what is built to measure them."""

    def __init__(self, build):
        self.build = build

    def child(self, craft, file, parallel=1):
        return lambda n: printed([self.build / "bench" / f"decode-{craft}", "child", n * parallel, parallel, file, self.build / f"peal-media-{craft}"])

    def here(self, craft, how, file):
        return lambda n: printed([self.build / "bench" / f"decode-{craft}", how, n, 1, file])


def uploads(stack, person, file, to):
    """Through nginx to 201; the processor time is that of nginx, peal-media and its decoders, and of peal-fcgi."""
    roots = {name: stack.pid(name) for name in ("nginx", "peal-media", "peal-fcgi")}
    body = file.read_bytes()

    def run(n):
        wall, before = [], sum(measure.cpu_seconds(roots).values())
        for _ in range(n):
            began = time.monotonic()
            reply = media.upload(person, body, "application/octet-stream", 201, to=to)
            wall.append((time.monotonic() - began) * 1000)
        time.sleep(measure.REAP)
        cpu = sum(measure.cpu_seconds(roots).values()) - before
        return {"wall_ms": wall, "cpu_ms": cpu * 1000 / n, "peak_kib": 0, "bytes": sum(r["size"] for r in reply["renditions"])}
    return run


def ways(stack, person, folder):
    programs, photo, note = Programs(stack.build_dir), photograph(folder / "photo.jpg", SIZE), voice(folder / "note.webm", VOICE_SECONDS)
    say(f"photo: {photo.stat().st_size} bytes, {SIZE[0]} x {SIZE[1]}; voice: {note.stat().st_size} bytes, {VOICE_SECONDS} s")
    std, thumb, m4a = folder / "std.webp", folder / "thumb.webp", folder / "note.m4a"
    thumbnail = ["vipsthumbnail", photo, "--vips-concurrency=1"]
    return {
        "photo": [
            Way("upload", uploads(stack, person, photo, "image")),
            Way("child", programs.child("image", photo)),
            Way("inside", programs.here("image", "inside", photo)),
            Way("a decoding for each size", programs.here("image", "other", photo)),
            Way("children, two at a time", programs.child("image", photo, 2)),
            Way("vipsthumbnail twice", commands(lambda: [[*thumbnail, "--size=1600x1600>", "-o", f"{std}[Q=80]"],
                                                         [*thumbnail, "--size=320x320>", "-o", f"{thumb}[Q=72]"]], [std, thumb])),
            Way("sharp", lambda n: printed(["node", SHARP / "resize.js", n, photo])),
        ],
        "voice": [
            Way("upload", uploads(stack, person, note, "audio")),
            Way("child", programs.child("av", note)),
            Way("inside, AAC alone", programs.here("av", "other", note)),
            Way("ffmpeg, AAC alone", commands(lambda: [["ffmpeg", "-v", "error", "-y", "-threads", "1", "-i", note, "-ac", "1", "-ar", "48000", "-c:a", "aac",
                                                        "-b:a", "64k", "-movflags", "+faststart", m4a]], [m4a])),
        ],
    }


# ---- serving ----

PLAIN = """server {{
	listen 127.0.0.1:{port};
	access_log {log} peal;
	location / {{
		root {root};
		types {{ image/webp webp; }}
	}}
}}"""


def serving(stack, person, photo):
    """Requests per second of one rendition: by its signed link, from a bare server of the same nginx, and by a worker's leave."""
    attachment = media.upload(person, photo.read_bytes(), "image/jpeg", 201)
    url = media.link(attachment.json)
    port, front = free_port(), peers.Front(stack)
    front.blocks.append(PLAIN.format(port=port, root=stack.dir / "media" / "ren", log=stack.dir / "log" / "access.log"))
    front.apply()
    aa, name = attachment["id"][:2], url.rsplit("/", 1)[1]
    requests = {
        "signed link": (stack.port, url, ""),
        "plain file": (port, f"/{aa}/{attachment['id']}/{name}", ""),
        "by a worker's leave": (stack.port, f"/api/v1/media/{attachment['id']}/original", f"Authorization: Bearer {person.token}\r\n"),
    }
    result = {way: [] for way in requests}
    for number in range(ROUNDS):
        for way, (where, path, more) in requests.items():
            file = stack.dir / f"{way.replace(' ', '-').replace(chr(39), '')}.requests"
            text = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n".encode()
            file.write_bytes(f"{len(text)} -1\n".encode() + text)
            run = measure.load(stack, where, file, 200, CONNECTIONS, LOAD_SECONDS, 0.2, number, {"nginx": stack.pid("nginx")})
            if run.errors:
                raise SystemExit(f"{way}: {run.error}")
            result[way].append({"per_second": run.per_second, "cpu_us": sum(run.cpu_us.values())})
    return {"bytes": next(r["size"] for r in attachment["renditions"] if r["name"] in url), **result}


# ---- what it comes to ----

def ratios(result):
    """(what, the median of the rounds' ratios, target, whether it must be at most or at least that)."""
    photo, note = ({w.name: w for w in result[k]} for k in ("photo", "voice"))

    def by(a, b, key="wall_ms"):
        return statistics.median(x / y for x, y in zip(a.of(key), b.of(key)))

    def per_second(way):
        return [r["per_second"] for r in result["serving"][way]]

    two = statistics.median(2 * one / both for one, both in zip(photo["child"].of("wall_ms"), photo["children, two at a time"].of("wall_ms")))
    plain = per_second("plain file")
    rows = [
        ("photo, upload / vipsthumbnail twice, time", by(photo["upload"], photo["vipsthumbnail twice"]), 0.90, "<="),
        ("photo, child / vipsthumbnail twice, time", by(photo["child"], photo["vipsthumbnail twice"]), 0.90, "<="),
        ("photo, child / sharp, processor time", by(photo["child"], photo["sharp"], "cpu_ms"), 1.15, "<="),
        ("photo, child / sharp, memory at its highest", by(photo["child"], photo["sharp"], "peak_kib"), 0.5, "<="),
        ("photo, two children / one, jobs per second", two, 1.8, ">="),
        ("photo, child / inside, time", by(photo["child"], photo["inside"]), 1.10, "<="),
        ("photo, inside / a decoding for each size, time", by(photo["inside"], photo["a decoding for each size"]), 0.85, "<="),
        ("voice, child / ffmpeg AAC alone, time", by(note["child"], note["ffmpeg, AAC alone"]), 1.2, "<="),
        ("voice, inside AAC alone / ffmpeg AAC alone, time", by(note["inside, AAC alone"], note["ffmpeg, AAC alone"]), 0.75, "<="),
        ("GET, signed link / plain file, requests per second", statistics.median(a / b for a, b in zip(per_second("signed link"), plain)), 0.9, ">="),
        ("GET, by a worker's leave / plain file, requests per second",
         statistics.median(a / b for a, b in zip(per_second("by a worker's leave"), plain)), 0.3, ">="),
    ]
    return [{"what": what, "measured": round(value, 3), "target": target, "sign": sign,
             "met": value <= target if sign == "<=" else value >= target} for what, value, target, sign in rows]


def table(result):
    lines = [f"{result['date']}: {result['about']}; {ROUNDS} rounds of {JOBS} jobs, medians"]
    for kind in ("photo", "voice"):
        lines.append(f"\n{kind:28}{'ms':>9}{'CPU ms':>9}{'peak MiB':>10}{'bytes':>10}")
        for way in result[kind]:
            wall, cpu, peak, size = (statistics.median(way.of(k)) for k in ("wall_ms", "cpu_ms", "peak_kib", "bytes"))
            lines.append(f"  {way.name:26}{wall:9.1f}{cpu:9.1f}" + (f"{peak / 1024:10.1f}" if peak else f"{'':10}") + (f"{size:10.0f}" if size else ""))
    lines.append(f"\nGET of {result['serving']['bytes']} bytes, {CONNECTIONS} connections")
    for way, rounds in result["serving"].items():
        if way != "bytes":
            lines.append(f"  {way:26}{statistics.median(r['per_second'] for r in rounds):9.0f}/s")
    lines += ["", "targets"] + [f"  {'met   ' if r['met'] else 'MISSED'} {r['what']}: {r['measured']} ({r['sign']} {r['target']})" for r in result["ratios"]]
    if result["load_before"] > 0.5:
        lines.append(f"the machine was busy before (load average {result['load_before']:.1f}): trust no time")
    return "\n".join(lines)


def versions(result):
    said = [r.get("versions") for way in result["photo"] for r in way.rounds]
    first = subprocess.run(["vipsthumbnail", "--vips-version"], capture_output=True, text=True, check=True).stdout.split()[1]
    ffmpeg = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout.split()[2]
    return f"vipsthumbnail {first}, ffmpeg {ffmpeg}, {next(filter(None, said))}"


def run():
    busy = os.getloadavg()[0]
    with contextlib.ExitStack() as exits:
        stack = exits.enter_context(Stack(kind="release", settings=SETTINGS))
        folder = pathlib.Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="peal-bench-media-")))
        person = Person(stack, "bench")
        result = ways(stack, person, folder)
        for number in range(ROUNDS):
            for kind in ("photo", "voice"):
                for way in result[kind] if number % 2 == 0 else reversed(result[kind]):
                    way.measure(JOBS)
                    say(f"round {number + 1}  {kind}  {way.name:26}{way.rounds[-1]['wall_ms']:9.1f} ms{way.rounds[-1]['cpu_ms']:9.1f} ms CPU")
        result["serving"] = serving(stack, person, folder / "photo.jpg")
    result["ratios"] = ratios(result)
    result.update(date=time.strftime("%Y-%m-%d %H:%M", time.gmtime()), about=versions(result), load_before=busy, quick=QUICK)
    return result


def main():
    install_sharp()
    result = run()
    (ROOT / "build").mkdir(exist_ok=True)
    plain = {**result, **{kind: {w.name: w.rounds for w in result[kind]} for kind in ("photo", "voice")}}
    (ROOT / "build" / "bench-media.json").write_text(json.dumps(plain, indent=1))
    print(table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
