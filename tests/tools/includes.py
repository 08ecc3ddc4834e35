#!/usr/bin/python3
"""Which folder may include which. Prints every #include that points the wrong way; the exit code says whether there was one."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# base <- wire <- store <- the processes with a database; push and media have none. Processes never include each other.
MAY = {
    "lib/base": set(),
    "lib/wire": {"lib/base"},
    "lib/s3": {"lib/base"},
    "lib/store": {"lib/base", "lib/wire"},
    "fcgi": {"lib/base", "lib/wire", "lib/store", "lib/s3"},
    "jobs": {"lib/base", "lib/wire", "lib/store"},
    "ctl": {"lib/base", "lib/wire", "lib/store", "lib/s3"},
    "push": {"lib/base", "lib/wire"},
    "media": {"lib/base", "lib/wire", "lib/s3"},
    "egress": {"lib/base"},
}
# Who alone sees a library: everything else goes through its module.
LIBRARIES = {
    "libpq-fe.h": {"lib/store/db.c"},
    "curl/curl.h": {"lib/s3/s3.c", "fcgi/fetch.c", "egress/main.c"},
    "hiredis/hiredis.h": {"lib/base/redis.h", "lib/base/redis.c", "push/redis_link.c", "push/redis_link.h"},
    "uv.h": {"push"},
    "fcgiapp.h": {"lib/base/io.h", "fcgi/req.c", "media/incoming.c"},
    "vips/vips.h": {"media/image/picture.c"},
    "seccomp.h": {"media/decoder/sandbox.c"},
    "ebur128.h": {"media/av/level.c"},
}


def folder_of(path):
    """The row of MAY that a source belongs to, None when it lies elsewhere."""
    return next((f for f in MAY if path == f or path.startswith(f + "/")), None)


def resolve(source, name):
    """The file in the checkout that an #include "name" of this source means, relative to the root. None: not ours."""
    for base in (source.parent, ROOT / "lib", ROOT):
        target = (base / name).resolve()
        if target.is_file() and target.is_relative_to(ROOT):
            return str(target.relative_to(ROOT))
    return None


def violations(root_files):
    for source in root_files:
        here = str(source.relative_to(ROOT))
        folder = folder_of(here)
        for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
            if not match:
                continue
            target = resolve(source, match.group(1))
            other = folder_of(target) if target else None
            if other and other != folder and other not in MAY[folder]:
                yield f"{here}:{number}: {folder} must not include {other} ({match.group(1)})"
            only = LIBRARIES.get(match.group(1))
            if not target and only and here not in only and folder not in only:
                yield f"{here}:{number}: {match.group(1)} is for {', '.join(sorted(only))} only"


def main():
    files = [p for folder in MAY for p in sorted((ROOT / folder).rglob("*.[ch]"))]
    found = list(violations(files))
    print("\n".join(found) if found else f"{len(files)} files: all includes point the right way")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
