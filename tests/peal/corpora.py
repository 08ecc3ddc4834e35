"""Collections of pictures, recordings and films that others have made to be difficult: fetched into a cache, never part of this repository.

    /usr/bin/python3 tests/peal/corpora.py [name ...]      fetches what is missing, and says what is there

They lie under PEAL_CORPORA (~/.cache/peal/corpora if not set), a folder for each. Each is a part of a public Git repository at one commit,
so every byte is what the figures were measured with, or it is not there. PEAL_CORPORA_GIT says where repositories are instead of on
GitHub, such as /mirror/{owner}/{name}.git; a copy there may lack some files. What cannot be reached is told and left out.
"""

import dataclasses
import fnmatch
import hashlib
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

GITHUB = "https://github.com/{owner}/{name}.git"
FETCH_SECONDS = 900


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Files of a repository at a commit. `good`: each must be taken, but for those named in `refused` with the code they get."""

    name: str
    repository: str
    commit: str
    paths: tuple            # patterns, matched against the whole path
    licence: str
    good: bool = False
    refused: dict = dataclasses.field(default_factory=dict, hash=False)

    @property
    def folder(self):
        return home() / f"{self.name}-{self.commit[:12]}"

    @property
    def files(self):
        """In their order; [] when it is not there."""
        return sorted(p for p in self.folder.rglob("*") if p.is_file())

    def matches(self, path):
        return any(fnmatch.fnmatchcase(path.lower(), pattern) for pattern in self.paths)


def home():
    return pathlib.Path(os.environ.get("PEAL_CORPORA") or pathlib.Path.home() / ".cache" / "peal" / "corpora")


def digest_of(files):
    """One digest of all contents, in the order of their names."""
    whole = hashlib.sha256()
    for path in files:
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def _git(folder, *argv, **options):
    return subprocess.run(["git", "-C", folder, *argv], check=True, stderr=subprocess.PIPE, timeout=FETCH_SECONDS,
                          env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1"}, **options)


def _repository(corpus, work):
    """A folder with the objects of the commit: a copy on this machine as it is, or one that is fetched."""
    owner, name = corpus.repository.split("/")
    url = os.environ.get("PEAL_CORPORA_GIT", GITHUB).format(owner=owner, name=name)
    if os.path.isdir(url):
        return url
    _git(work, "init", "-q", "--bare", "repository.git", stdin=subprocess.DEVNULL)
    _git(work / "repository.git", "fetch", "-q", "--depth=1", url, corpus.commit, stdin=subprocess.DEVNULL)
    return work / "repository.git"


def _wanted(corpus, repository):
    """(object, path) of the plain files that match."""
    listed = _git(repository, "ls-tree", "-r", "-z", corpus.commit, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout.decode()
    for entry in filter(None, listed.split("\0")):
        (mode, _, name), path = entry.split("\t", 1)[0].split(" "), entry.split("\t", 1)[1]
        if mode.startswith("100") and corpus.matches(path):
            yield name, path


def _objects(repository, names):
    """Contents by name; what is not there is left out."""
    out = io.BytesIO(_git(repository, "cat-file", "--batch", input="".join(f"{n}\n" for n in names).encode(), stdout=subprocess.PIPE).stdout)
    found = {}
    while line := out.readline():
        name, kind, *size = line.decode().split()
        if kind == "blob":
            found[name] = out.read(int(size[0]))
            out.read(1)
    return found


def fetch(corpus):
    """Into the cache; raises OSError or subprocess.SubprocessError when it cannot be had. Returns how many files are missing in it."""
    home().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home()) as work:
        work = pathlib.Path(work)
        repository = _repository(corpus, work)
        wanted = list(_wanted(corpus, repository))
        found = _objects(repository, {name for name, _ in wanted})
        for name, path in wanted:
            if name in found:
                target = work / "files" / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(found[name])
        if not found:
            raise OSError(f"none of its {len(wanted)} files is in that copy")
        shutil.rmtree(corpus.folder, ignore_errors=True)
        (work / "files").rename(corpus.folder)
        return sum(name not in found for name, _ in wanted)


PICTURES = ("*.jpg", "*.jpeg", "*.png", "*.gif", "*.webp", "*.heic", "*.heif", "*.avif", "*.avifs")
OTHERS = ("*.bmp", "*.tif", "*.tiff", "*.svg", "*.jxl")         # what we do not take
RECORDINGS = ("*.mp3", "*.ogg", "*.wav", "*.webm", "*.mkv", "*.mp4", "*.m4a", "*.3gp")

# Sequences without a still picture, and pictures whose size is told before they are turned: libheif 1.15.1, as Debian has it, reads neither.
AVIF_REFUSED = dict.fromkeys((*(f"star-{bits}bpc{alpha}.avifs" for bits in (8, 10, 12) for alpha in ("", "-with-alpha")),
                              *(f"kimono.{how}.avif" for how in ("crop", "rotate90", "rotate270", "mirror-vertical.rotate270", "mirror-vertical.rotate270.crop"))),
                             "corrupt")

CORPORA = (
    Corpus("exif-orientation", "recurser/exif-orientation-examples", "219294e144531b0c01247913cb58b6f5531b5081", ("*.jpg",), "MIT", good=True),
    Corpus("exif-samples", "ianare/exif-samples", "5332a9cf0220e9c6c93f88a187daa90808051e10", (*PICTURES, *OTHERS), "unknown"),
    Corpus("small", "mathiasbynens/small", "267b39f682598eebb0dafe7590b1504be79b5cad", ("*",), "unknown"),
    Corpus("pngsuite", "lunapaint/pngsuite", "8cd768dd0d0063195174d0d01cacbd5a7d1e5605", ("*.png",), "free"),
    Corpus("libwebp", "webmproject/libwebp-test-data", "05cd58b26e61385abd851aae60d26b6e3a769479", ("*.webp",), "BSD"),
    Corpus("avif", "link-u/avif-sample-images", "c666a368b73006246694919b5dbcc078317af6cc", ("*.avif", "*.avifs"), "CC BY-SA", good=True, refused=AVIF_REFUSED),
    Corpus("libheif", "strukturag/libheif", "9f31998e0f426eeec9ece938baabe6fbf858e042", PICTURES, "LGPL"),
    Corpus("libvips", "libvips/libvips", "29fd12021b279dee0d22223e11686f7d61dcd541", (*PICTURES, *OTHERS), "LGPL"),
    Corpus("sharp", "lovell/sharp", "ea5bef24c187b2c7ee3fe3cad3b45c8cb67a46fd", tuple(f"test/fixtures/{p}" for p in (*PICTURES, *OTHERS)), "Apache-2.0"),
    Corpus("libjpeg-turbo", "libjpeg-turbo/seed-corpora", "178c25b04972a5ebdc8216ba20ca201d013588e4", PICTURES, "unknown"),
    Corpus("fuzzing", "strongcourage/fuzzing-corpus", "d5aaf2c8654592f65e8792d12800317200446e7c", (*PICTURES, *RECORDINGS), "unknown"),
    Corpus("minimp3", "lieff/minimp3", "7b590fdcfa5a79c033e76eacc05d0c3e4c79f536", ("*.bit", "*.mp3"), "CC0"),
    Corpus("mp4parse", "mozilla/mp4parse-rust", "8a49a0769764152022bf14a8253bcde1971a75df", (*PICTURES, *RECORDINGS), "MPL-2.0"),
    Corpus("matroska", "ietf-wg-cellar/matroska-test-files", "e6965e5ca666322ed93e2748a10a4f132309e005", ("*.mkv",), "unknown"),
)


def _why(error):
    """The last thing that Git said, or the error itself."""
    said = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip().splitlines()
    return said[-1] if said else str(error)


def main(names):
    absent = 0
    for corpus in CORPORA:
        if names and corpus.name not in names:
            continue
        note = ""
        if not corpus.files:
            try:
                missing = fetch(corpus)
                note = f"; {missing} files are not in that copy" if missing else ""
            except (OSError, subprocess.SubprocessError) as e:
                note = f"; not fetched: {_why(e)}"
        files = corpus.files
        absent += not files
        print(f"{corpus.name:18}{len(files):6} files {sum(f.stat().st_size for f in files) / 1e6:7.1f} MB  sha256 {digest_of(files)[:16]}  "
              f"{corpus.licence}, {corpus.repository}{note}")
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
