"""Access tokens that the server did not issue: signed with the stack's key, or broken on purpose."""

import base64
import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def signed(stack, claims, headers=None, key=None):
    """Signed like the server's own, with the stack's private key unless another is given."""
    if key is None:
        with open(stack.conf["token_private_key_file"], encoding="ascii") as f:
            key = f.read()
    return jwt.encode(claims, key, algorithm="ES256", headers={"typ": "at+jwt", **(headers or {})})


def altered(stack, token, headers=None, key=None, **claims):
    """The token's claims with some replaced (None: left out), signed again."""
    merged = {k: v for k, v in {**claims_of(token), **claims}.items() if v is not None}
    return signed(stack, merged, headers, key)


def expired(stack, token, ago=3600):
    now = int(time.time())
    return altered(stack, token, iat=now - ago - 600, exp=now - ago)


def expiring(stack, token, seconds):
    """Valid for so long yet, the leeway of 30 s included."""
    now = int(time.time())
    return altered(stack, token, iat=now - 600, exp=now - 30 + seconds)


def other_key():
    return ec.generate_private_key(ec.SECP256R1())


def broken(stack, token):
    """name -> token that must be refused as malformed or forged."""
    head, body, signature = token.split(".")
    none = b64(b'{"alg":"none","typ":"at+jwt"}')
    hs = b64(b'{"alg":"HS256","typ":"at+jwt"}')
    return {
        "garbage": "not-a-token",
        "empty_segments": "..",
        "two_segments": f"{head}.{body}",
        "no_signature": f"{head}.{body}.",
        "bad_base64": f"{head}.{body}.{signature[:-4]}!!!!",
        "alg_none": f"{none}.{body}.",
        "alg_none_signed": f"{none}.{body}.{signature}",
        "alg_hs256": f"{hs}.{body}.{signature}",
        "other_key": altered(stack, token, key=other_key()),
        "wrong_issuer": altered(stack, token, iss="somebody else"),
        "wrong_audience": altered(stack, token, aud="somebody else"),
        "no_audience": altered(stack, token, aud=None),
        "no_expiry": altered(stack, token, exp=None),
        "no_subject": altered(stack, token, sub=None),
        "no_session": altered(stack, token, sid=None),
        "subject_not_an_id": altered(stack, token, sub="0x7"),
        "wrong_type": altered(stack, token, headers={"typ": "JWT"}),
        "crit": altered(stack, token, headers={"crit": ["b64"]}),
        "jku": altered(stack, token, headers={"jku": "https://evil.example/keys"}),
        "too_long": altered(stack, token, note="x" * 4096),
    }
