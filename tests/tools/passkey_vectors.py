#!/usr/bin/python3
"""Writes tests/unit/passkey_vectors.h, and seeds for the fuzzers, with keys and signatures of Python's cryptography.

Run by hand when the vectors should cover more; keys are new each time, so all of the file changes.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from peal import passkeys as p  # noqa: E402

CHALLENGE = p.b64(b"a challenge of the unit tests")
ORIGIN = "https://chat.example"
HEAD = """/* Made by tests/tools/passkey_vectors.py: passkeys of Python's cryptography, one of each algorithm. */
#ifndef PEAL_TESTS_PASSKEY_VECTORS_H
#define PEAL_TESTS_PASSKEY_VECTORS_H

struct vector {
	const char *name;
	const char *id, *client, *attestation;           /* of the registration, all in hexadecimal */
	const char *packed;                              /* the attestation object that the key itself has signed */
	const char *get_client, *get_data, *signature;   /* of an assertion, its counter 2 */
};

static const struct vector vectors[] = {
"""


def chunks(data):
    text = data.hex()
    return "\n".join(f'\t  "{text[i:i + 110]}"' for i in range(0, len(text), 110))


def seed(target, name, data):
    folder = ROOT / "tests" / "fuzz" / "seed" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def main():
    out = HEAD
    for name, algorithm in (("es256", p.ES256), ("eddsa", p.EDDSA), ("rs256", p.RS256)):
        key = p.Passkey(algorithm, "chat.example", ORIGIN)
        made, packed, used = key.create(CHALLENGE), key.create(CHALLENGE, packed=True), key.get(CHALLENGE)
        parts = [key.id, *(p.unb64(made["response"][k]) for k in ("clientDataJSON", "attestationObject")),
                 p.unb64(packed["response"]["attestationObject"]),
                 *(p.unb64(used["response"][k]) for k in ("clientDataJSON", "authenticatorData", "signature"))]
        out += f'\t{{ "{name}",\n' + ",\n".join(map(chunks, parts)) + " },\n"
        seed("cbor", name, parts[2])
        seed("cbor", f"{name}-packed", parts[3])
        seed("passkey_data", name, key.authenticator_data(attested=key.attested()))
        seed("passkey_data", f"{name}-extended", key.authenticator_data(attested=key.attested(), extensions=p.cbor({"credProtect": 2})))
        seed("passkey_data", f"{name}-get", parts[5])
        seed("passkey_client", f"{name}-create", parts[1])
        seed("passkey_client", f"{name}-get", parts[4])
    (ROOT / "tests" / "unit" / "passkey_vectors.h").write_text(out + "};\n\n#endif\n")
    for name, value in {"deep": [[[[[[[1]]]]]]], "words": {"a": [True, False, None], "b": -1, "c": "ä"}, "big": [2**64 - 1, -2**64, 24, 256, 65536]}.items():
        seed("cbor", name, p.cbor(value))
    for name, data in {"tag": b"\xc0\x00", "float": b"\xf9\x00\x00", "endless": b"\x9f\xff", "twice": b"\xa2\x01\x01\x01\x02", "long": b"\x18\x01",
                       "short": b"\x58\xff", "deeper": b"\x81" * 12, "many": b"\x9b" + b"\xff" * 8}.items():
        seed("cbor", name, data)
    seed("passkey_client", "frame", b'{"type":"webauthn.get","challenge":"YQ","origin":"https://chat.example","crossOrigin":true,"topOrigin":"https://evil"}')
    seed("totp", "codes", b"0f3k-7q2m-9wxz-abcd-efgh-jkmn\n123456")


if __name__ == "__main__":
    main()
