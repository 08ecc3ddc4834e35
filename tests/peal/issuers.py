"""Other issuers of tokens: their keys, their files, and tokens made byte by byte, since libraries refuse to make what attackers make."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time
import uuid

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "dev"))
import stack as stacks  # noqa: E402


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def jwk(key, kid=None, **more):
    """The public half as a JSON Web Key."""
    n = key.public_key().public_numbers()
    if isinstance(key, rsa.RSAPrivateKey):
        out = {"kty": "RSA", "n": number(n.n), "e": number(n.e)}
    else:
        size = (key.curve.key_size + 7) // 8
        out = {"kty": "EC", "crv": {256: "P-256", 384: "P-384"}[key.curve.key_size], "x": number(n.x, size), "y": number(n.y, size)}
    return {**out, **({"kid": kid} if kid else {}), **more}


def jwks(*keys):
    return json.dumps({"keys": list(keys)}).encode()


def new_rsa(bits=2048):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def new_ec(curve=None):
    return ec.generate_private_key(curve or ec.SECP256R1())


def signature(alg, key, text):
    if alg == "HS256":
        return hmac.new(key, text, hashlib.sha256).digest()
    if alg == "RS256":
        return key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def compact(header, claims, sign):
    """A JWS; header and claims are objects or the bytes themselves, sign makes the signature of the first two segments."""
    raw = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    text = f"{b64(raw[0])}.{b64(raw[1])}"
    return f"{text}.{b64(sign(text.encode()))}"


class Issuer:
    """One file of the folder, and the other side of it."""

    def __init__(self, folder, label, alg, key, **keys):
        self.folder, self.label, self.alg, self.key, self.kid = folder, label, alg, key, keys.pop("kid", None)
        self.url = f"https://{label}.example"
        self.keys = {"issuer": self.url, "audience": "peal-api", "algorithm": alg, **keys}

    def write(self, **keys):
        self.keys.update(keys)
        self.folder.write(f"{self.label}.conf", "".join(f"{k} = {v}\n" for k, v in self.keys.items() if v is not None).encode())

    def claims(self, **claims):
        now = int(time.time())
        own = {"iss": self.url, "aud": "peal-api", "sub": f"s-{uuid.uuid4()}", "iat": now, "exp": now + 600}
        return {k: v for k, v in {**own, **claims}.items() if v is not ...}

    def header(self, **header):
        own = {"alg": self.alg, "typ": "JWT", **({"kid": self.kid} if self.kid else {})}
        return {k: v for k, v in {**own, **header}.items() if v is not ...}

    def token(self, header=None, key=None, raw=None, **claims):
        """A good one but for what is given; ... leaves a member out."""
        return compact(self.header(**(header or {})), self.claims(**claims) if raw is None else raw,
                       lambda text: signature(self.alg, key or self.key, text))


class Folder:
    """issuers.d of a stack, and the keys that its files name. Readable for who runs the stack."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="peal-issuers-"))
        self.user = stacks.service_user()
        self.dir.chmod(0o755)
        (self.dir / "keys").mkdir()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        return self.dir / "keys" / name if not name.endswith(".conf") else self.dir / name

    def write(self, name, data, mode=0o600):
        """Replaced at one moment, as whoever rotates keys should do."""
        path = self.path(name)
        new = path.with_name(path.name + ".new")
        new.write_bytes(data)
        new.chmod(mode)
        if os.geteuid() == 0:
            os.chown(new, self.user.pw_uid, self.user.pw_gid)
        new.rename(path)
        return path

    def hs256(self, label, secret=None, end=b"", **keys):
        secret = secret or os.urandom(48)
        file = self.write(f"{label}.secret", secret + end)
        return self._add(Issuer(self, label, "HS256", secret, secret_file=file, **keys))

    def by_pem(self, label, alg, key=None, **keys):
        key = key or (new_rsa() if alg == "RS256" else new_ec())
        file = self.write(f"{label}.pem", pem(key))
        return self._add(Issuer(self, label, alg, key, public_key_file=file, **keys))

    def by_jwks(self, label, alg, key=None, kid="k1", others=(), **keys):
        key = key or (new_rsa() if alg == "RS256" else new_ec())
        file = self.write(f"{label}.json", jwks(jwk(key, kid), *others))
        return self._add(Issuer(self, label, alg, key, jwks_file=file, kid=kid, **keys))

    @staticmethod
    def _add(issuer):
        issuer.write()
        return issuer
