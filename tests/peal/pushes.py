"""Push services for tests: a real HTTPS server with its own authority, which answers what a test says, and the browser's side of a
subscription, decrypted by Python's cryptography and not by our code. The same for FCM with its token server."""

import base64
import datetime
import http.server
import ipaddress
import json
import os
import ssl
import threading
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import NameOID


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Authority:
    """A CA, and certificates of it."""

    def __init__(self, folder, names=("localhost", "127.0.0.1")):
        now = datetime.datetime.utcnow()
        self.key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of tests")])

        def certificate(subject, public, extension, critical):
            return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
                    .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                    .not_valid_after(now + datetime.timedelta(days=30)).add_extension(extension, critical).sign(self.key, hashes.SHA256()))

        ca = certificate(issuer, self.key.public_key(), x509.BasicConstraints(True, None), True)
        alternatives = [x509.IPAddress(ipaddress.ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
        leaf = certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "push")]), key.public_key(), x509.SubjectAlternativeName(alternatives), False)
        self.ca, self.chain = folder / "ca.pem", folder / "push.pem"
        self.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        self.chain.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + pem(key))
        os.chmod(self.ca, 0o644)


class Arrival:
    """One request that came."""

    def __init__(self, path, headers, body):
        self.at, self.path, self.headers, self.body = time.monotonic(), path, {k.lower(): v for k, v in headers.items()}, body
        self.status = None


class Service:
    """HTTPS on 127.0.0.1. `say[path]`: a list of what to answer next there, a status, or a function of the arrival and the handler; 201
    when there is nothing left."""

    def __init__(self, authority, answer=None):
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                arrival = Arrival(self.path, self.headers, body)
                with service.lock:
                    service.arrivals.append(arrival)
                    left = service.say.get(self.path) or []
                    what = left.pop(0) if left else None
                if what is None and answer:
                    what = answer
                if callable(what):
                    what(arrival, self)
                else:
                    self.reply(201 if what is None else what)

            def reply(self, status, headers=None, body=b""):
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.lock, self.arrivals, self.say = threading.Lock(), [], {}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.chain)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None      # peal-egress gives up in the middle, on purpose
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"https://{self.host}"

    def at(self, path):
        with self.lock:
            return [a for a in self.arrivals if a.path == path]

    def wait(self, path, n=1, timeout=30):
        """The first n arrivals there."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            found = self.at(path)
            if len(found) >= n:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{len(self.at(path))} of {n} requests came to {path}")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Browser:
    """A subscription: its keys, its endpoint at a service, and what it makes of what comes there."""

    def __init__(self, service, name=None):
        self.service = service
        self.key, self.auth = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
        self.path = f"/push/{name or os.urandom(8).hex()}"
        self.public = self.key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)

    @property
    def subscription(self):
        return {"endpoint": self.service.url + self.path, "expirationTime": None, "keys": {"p256dh": b64(self.public), "auth": b64(self.auth)}}

    def register(self, person, expect=201):
        self.id = person.rest.post("/push/subscriptions", self.subscription, expect=expect)["id"]
        return self

    def read(self, arrival):
        return json.loads(self.decrypt(arrival.body))

    def decrypt(self, body):
        """RFC 8291 and RFC 8188, by somebody else's code."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        assert length == 65 and size >= len(body) - 21 - length
        sender, sealed = body[21:21 + length], body[21 + length:]
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        secret = self.key.exchange(ec.ECDH(), theirs)
        ikm = HKDF(hashes.SHA256(), 32, self.auth, b"WebPush: info\0" + self.public + sender).derive(secret)
        key = HKDF(hashes.SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(ikm)
        nonce = HKDF(hashes.SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(ikm)
        plain = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\0")
        assert plain[-1:] == b"\x02"
        return plain[:-1]

    def arrivals(self):
        return self.service.at(self.path)

    def wait(self, n=1, timeout=30):
        """What the first n notifications say."""
        return [self.read(a) for a in self.service.wait(self.path, n, timeout)]

    def said(self):
        return [self.read(a) for a in self.arrivals()]


def check_vapid(arrival, service, public_key, subject="mailto:admin@localhost"):
    """RFC 8292, as a push service does: the token, by the key beside it, which is the one that browsers were told."""
    scheme, _, rest = arrival.headers["authorization"].partition(" ")
    parts = dict(p.strip().split("=", 1) for p in rest.split(","))
    assert scheme == "vapid" and parts["k"] == public_key
    head, claims, signature = parts["t"].split(".")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(parts["k"]))
    raw = unb64(signature)
    der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key.verify(der, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    assert json.loads(unb64(head)) == {"typ": "JWT", "alg": "ES256"}
    said = json.loads(unb64(claims))
    assert said["aud"] == service.url and said["sub"] == subject and time.time() < said["exp"] <= time.time() + 24 * 3600
    return parts["t"]


class Google:
    """A service account, its token server and FCM. Tokens are given only for a good assertion, and messages taken only with one of them."""

    def __init__(self, authority, folder, tokens_live=3600):
        self.key = rsa.generate_private_key(65537, 2048)
        self.tokens_live, self.given, self.complaints = tokens_live, [], []
        self.service = Service(authority, answer=self.answer)
        self.refuse = {}                # device token: list of (status, body)
        self.file = folder / "service-account.json"
        self.account = {"type": "service_account", "project_id": "peal-tests", "private_key_id": "k1", "private_key": pem(self.key).decode(),
                        "client_email": "peal@peal-tests.example", "token_uri": f"{self.service.url}/token", "universe_domain": "googleapis.com"}
        self.file.write_text(json.dumps(self.account))

    def answer(self, arrival, handler):
        try:
            status, body = self.token(arrival) if arrival.path == "/token" else self.send(arrival)
        except Exception as e:      # whatever is wrong with it is the test's business
            self.complaints.append(repr(e))
            status, body = 400, {"error": "invalid_grant"}
        arrival.status = status
        handler.reply(status, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def token(self, arrival):
        assert arrival.headers["content-type"] == "application/x-www-form-urlencoded"
        form = dict(urllib.parse.parse_qsl(arrival.body.decode(), strict_parsing=True))
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        head, claims, signature = form["assertion"].split(".")
        self.key.public_key().verify(unb64(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        assert json.loads(unb64(head)) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
        said = json.loads(unb64(claims))
        assert said["iss"] == self.account["client_email"] and said["aud"] == self.account["token_uri"]
        assert said["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
        assert said["iat"] <= time.time() + 5 and said["exp"] - said["iat"] == 3600
        self.given.append(f"ya29.{os.urandom(12).hex()}")
        return 200, {"access_token": self.given[-1], "expires_in": self.tokens_live, "token_type": "Bearer"}

    def send(self, arrival):
        assert arrival.path == "/v1/projects/peal-tests/messages:send"
        scheme, _, token = arrival.headers["authorization"].partition(" ")
        if scheme != "Bearer" or token not in self.given:
            return 401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}}
        message = json.loads(arrival.body)["message"]
        assert all(isinstance(v, str) for v in message["data"].values())
        left = self.refuse.get(message["token"])
        return left.pop(0) if left else (200, {"name": f"projects/peal-tests/messages/{len(self.given)}"})

    def messages(self, token):
        """What FCM took for this app."""
        with self.service.lock:
            taken = [a for a in self.service.arrivals if a.path.endswith("messages:send") and a.status == 200]
        return [m for m in (json.loads(a.body)["message"] for a in taken) if m["token"] == token]

    def wait(self, token, n=1, timeout=30):
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if len(self.messages(token)) >= n:
                return self.messages(token)
            time.sleep(0.02)
        raise AssertionError(f"{len(self.messages(token))} of {n} messages came for {token}; {self.complaints}")

    def close(self):
        self.service.close()


def refusal(status, code):
    """How FCM says no."""
    return status, {"error": {"code": status, "status": "NOT_FOUND", "details": [
        {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}]}}
