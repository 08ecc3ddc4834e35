"""What lies in a folder in which others add and remove meanwhile."""

import contextlib
import os
import pathlib


def under(folder):
    """All files below it, as far as they stay; what goes while one looks is left out."""
    return [pathlib.Path(where, name) for where, _, names in os.walk(folder) for name in names]


def attachments(stack):
    """The names of all of which peal-media has files."""
    found, renditions = [], stack.dir / "media" / "ren"
    for first in os.listdir(renditions):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found += os.listdir(renditions / first)
    return found
