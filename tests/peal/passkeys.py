"""A software authenticator: passkeys as a browser's answers have them, right, or wrong in one place."""

import base64
import hashlib
import json
import os
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PRESENT, VERIFIED, ELIGIBLE, BACKED, ATTESTED, EXTENDED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
ES256, EDDSA, RS256 = -7, -8, -257


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def head(major, n):
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 24:
            return bytes([major << 5 | n])
        if n < 1 << (8 * size):
            return bytes([major << 5 | info]) + n.to_bytes(size, "big")
    raise ValueError(n)


def cbor(value):
    """The canonical form of CTAP2, but for the order of keys, which is the dictionary's."""
    if value is True or value is False or value is None:
        return {True: b"\xf5", False: b"\xf4", None: b"\xf6"}[value]
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, (list, tuple)):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())


def new_key(algorithm):
    if algorithm == ES256:
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate() if algorithm == EDDSA else rsa.generate_private_key(65537, 2048)


def cose(key):
    """The public half as a COSE key, in a dictionary."""
    public = key.public_key()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = public.public_numbers()
        return {1: 2, 3: ES256, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {1: 1, 3: EDDSA, -1: 6, -2: public.public_bytes(Encoding.Raw, PublicFormat.Raw)}
    numbers = public.public_numbers()
    return {1: 3, 3: RS256, -1: numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big"), -2: numbers.e.to_bytes(3, "big")}


def sign(key, text):
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(text, ec.ECDSA(hashes.SHA256()))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(text)
    return key.sign(text, padding.PKCS1v15(), hashes.SHA256())


class Passkey:
    """One credential. What is said of the ceremony can be changed by keyword, so that exactly one thing is wrong."""

    def __init__(self, algorithm=ES256, rp_id="localhost", origin="http://localhost", counts=True, eligible=True):
        self.key, self.algorithm, self.id = new_key(algorithm), algorithm, os.urandom(32)
        self.rp_id, self.origin, self.handle = rp_id, origin, None
        self.count = 1 if counts else 0
        self.flags = PRESENT | VERIFIED | (ELIGIBLE | BACKED if eligible else 0)

    def client_data(self, kind, challenge, origin=None, **more):
        return json.dumps({"type": kind, "challenge": challenge, "origin": origin or self.origin, "crossOrigin": False, **more},
                          separators=(",", ":")).encode()

    def authenticator_data(self, flags=None, rp_id=None, count=None, attested=b"", extensions=b""):
        flags = self.flags if flags is None else flags
        flags |= (ATTESTED if attested else 0) | (EXTENDED if extensions else 0)
        count = self.count if count is None else count
        return hashlib.sha256((rp_id or self.rp_id).encode()).digest() + struct.pack(">BI", flags, count) + attested + extensions

    def attested(self, public_key=None, credential_id=None, aaguid=bytes(16)):
        credential_id = self.id if credential_id is None else credential_id
        return aaguid + struct.pack(">H", len(credential_id)) + credential_id + (cbor(cose(self.key)) if public_key is None else public_key)

    def create(self, challenge, *, packed=False, client=None, attestation=None, data=None, **more):
        """The RegistrationResponseJSON for these options' challenge."""
        client = client or self.client_data("webauthn.create", challenge, **{k: more.pop(k) for k in ("origin",) if k in more})
        data = data or self.authenticator_data(attested=self.attested(), **more)
        statement = {"alg": self.algorithm, "sig": sign(self.key, data + hashlib.sha256(client).digest())} if packed else {}
        attestation = attestation if attestation is not None else cbor({"fmt": "packed" if packed else "none", "attStmt": statement, "authData": data})
        return {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "authenticatorAttachment": "platform",
                "clientExtensionResults": {},
                "response": {"clientDataJSON": b64(client), "attestationObject": b64(attestation), "transports": ["internal", "hybrid"]}}

    def get(self, challenge, *, client=None, data=None, signature=None, handle=..., **more):
        """The AuthenticationResponseJSON."""
        self.count += 1 if self.count else 0
        client = client or self.client_data("webauthn.get", challenge, **{k: more.pop(k) for k in ("origin",) if k in more})
        data = data or self.authenticator_data(**more)
        signature = signature or sign(self.key, data + hashlib.sha256(client).digest())
        handle = self.handle if handle is ... else handle
        return {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "authenticatorAttachment": "platform",
                "clientExtensionResults": {},
                "response": {"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature),
                             **({"userHandle": handle} if handle else {})}}


def origin_of(stack):
    """The page of this stack that passkeys are for: the one on localhost."""
    return next(o for o in stack.conf["origins"].split() if "//localhost" in o)


def add(person, name="A key", algorithm=ES256, **how):
    """A passkey of somebody's, made as a browser would: the reply, with the Passkey as its member `passkey`."""
    options = person.rest.post("/auth/passkeys/options", expect=200).json
    key = Passkey(algorithm, options["rp"]["id"], origin_of(person.stack), **how)
    key.handle = options["user"]["id"]
    reply = person.rest.post("/auth/passkeys", {"name": name, "credential": key.create(options["challenge"])}, expect=201)
    return {**reply.json, "passkey": key}
