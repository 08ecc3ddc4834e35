"""Codes by the clock (RFC 6238), as an authenticator app shows them."""

import base64
import hashlib
import hmac
import struct
import time


def code_at(secret, step):
    mac = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7FFFFFFF) % 10**6:06}"


def code_now(secret, off=0):
    return code_at(secret, int(time.time()) // 30 + off)
