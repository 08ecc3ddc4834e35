"""The parts of bench/media.py: its ways do the same job, and its ratios are those of the same round."""

import io
import json
import pathlib
import subprocess
import sys

import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import media as bench  # noqa: E402


@pytest.fixture(scope="module")
def programs(request):
    kind = request.config.getoption("kind")
    build = ROOT / "build" / kind
    subprocess.run(["make", "-s", f"KIND={kind}", *(str((build / name).relative_to(ROOT)) for name in (
        "bench/decode-image", "bench/decode-av", "peal-media-image", "peal-media-av"))], cwd=ROOT, check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as m:
        m.setenv("ASAN_OPTIONS", "detect_leaks=0")  # a decoder's child leaves its memory to its end, and here there is none
        yield bench.Programs(build)


def test_a_photograph(programs, tmp_path):
    photo = bench.photograph(tmp_path / "photo.jpg", (800, 600))
    assert Image.open(io.BytesIO(photo.read_bytes())).size == (800, 600)
    runs = [way(2) for way in (programs.child("image", photo), programs.child("image", photo, 2), programs.here("image", "inside", photo))]
    assert len({r["bytes"] for r in runs}) == 1 and runs[0]["bytes"] > 10_000, "the same pixels, whoever is asked"
    assert [len(r["wall_ms"]) for r in runs] == [2, 4, 2]
    other = programs.here("image", "other", photo)(1)
    assert other["wall_ms"][0] > 0 and all(r["cpu_ms"] > 1 and r["peak_kib"] > 5000 for r in (*runs, other))


def test_a_voice(programs, tmp_path):
    note = bench.voice(tmp_path / "note.webm", 2)
    assert programs.child("av", note)(1)["bytes"] > programs.here("av", "other", note)(1)["bytes"] == 0


def test_what_is_no_picture_is_not_measured(programs, tmp_path):
    (tmp_path / "no.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    for way in (programs.child("image", tmp_path / "no.jpg"), programs.here("image", "inside", tmp_path / "no.jpg")):
        with pytest.raises(subprocess.CalledProcessError):
            way(1)


def test_commands(tmp_path):
    (tmp_path / "out").write_bytes(b"12345")
    r = bench.commands(lambda: [["true"], ["true"]], [tmp_path / "out"])(3)
    assert len(r["wall_ms"]) == 3 and r["bytes"] == 5
    with pytest.raises(SystemExit):
        bench.commands(lambda: [["false"]], [])(1)


def result(times):
    """All ways took so long, but for those that are told."""
    def way(name):
        w = bench.Way(name, None)
        w.rounds = [{"wall_ms": ms, "cpu_ms": ms, "peak_kib": 100, "bytes": 1} for ms in times.get(name, [10, 10, 10])]
        return w
    photo = ("upload", "child", "inside", "a decoding for each size", "children, two at a time", "vipsthumbnail twice", "sharp")
    rates = {"signed link": 90, "plain file": 100, "by a worker's leave": 20}
    return {"photo": [way(n) for n in photo], "voice": [way(n) for n in ("upload", "child", "inside, AAC alone", "ffmpeg, AAC alone")],
            "serving": {"bytes": 1, **{k: [{"per_second": v}] * 3 for k, v in rates.items()}}}


def test_ratios_are_of_one_round():
    rows = {r["what"]: r for r in bench.ratios(result({"upload": [5, 50, 20], "vipsthumbnail twice": [10, 100, 20]}))}
    assert rows["photo, upload / vipsthumbnail twice, time"]["measured"] == 0.5 and rows["photo, upload / vipsthumbnail twice, time"]["met"]
    assert rows["photo, two children / one, jobs per second"]["measured"] == 2
    assert rows["GET, signed link / plain file, requests per second"]["met"] and not rows["GET, by a worker's leave / plain file, requests per second"]["met"]
    assert json.dumps(list(rows.values()))
