"""Pictures for tests, made when they are needed."""

import io
import random

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
