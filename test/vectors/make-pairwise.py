"""Prints pairwise.json: pairwise addresses as docs/protocol.md has them, by python-ecdsa and the standard library."""

import hashlib
import hmac
import json

from ecdsa import SECP256k1, SigningKey, VerifyingKey
from ecdsa.ellipticcurve import Point

N = SECP256k1.order
G = SECP256k1.generator


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    key = hmac.new(salt, secret, hashlib.sha256).digest()
    out, block = b"", b""
    while len(out) < length:
        block = hmac.new(key, block + info + bytes([len(out) // 32 + 1]), hashlib.sha256).digest()
        out += block
    return out[:length]


def compressed(point) -> bytes:
    return VerifyingKey.from_public_point(point, SECP256k1).to_string("compressed")


def public_of(secret: int) -> bytes:
    return SigningKey.from_secret_exponent(secret, SECP256k1).verifying_key.to_string("compressed")


def point_of(public: bytes):
    point = VerifyingKey.from_string(public, SECP256k1).pubkey.point
    return Point(SECP256k1.curve, point.x(), point.y(), N)


def tweak_of(shared: bytes, source: bytes, destination: bytes) -> int:
    seed = hkdf(shared, b"sidewire pairwise 1", source + destination, 48)
    return int.from_bytes(seed, "big") % (N - 1) + 1


def side(own: int, peer: bytes):
    """What one side computes: its own secret and both addresses, from its secret and the other's address."""
    shared = (point_of(peer) * own).x().to_bytes(32, "big")
    public = public_of(own)
    secret = (own + tweak_of(shared, public, peer)) % N
    remote = point_of(peer) + G * tweak_of(shared, peer, public)
    return {"ownSecret": f"{secret:064x}", "own": public_of(secret).hex(), "remote": compressed(remote).hex()}


SECRETS = [1, 2, N - 1, N - 2] + [
    int.from_bytes(hashlib.sha256(f"pairwise {i}".encode()).digest(), "big") for i in range(8)
]
PAIRS = [(a, b) for a in SECRETS[:4] for b in SECRETS[:4] if a < b] + list(zip(SECRETS[4::2], SECRETS[5::2]))


def main() -> None:
    vectors = []
    for ann, ben in PAIRS:
        sides = {"ann": side(ann, public_of(ben)), "ben": side(ben, public_of(ann))}
        assert sides["ann"]["own"] == sides["ben"]["remote"] and sides["ann"]["remote"] == sides["ben"]["own"]
        vectors.append({"annSecret": f"{ann:064x}", "benSecret": f"{ben:064x}", **sides})
    about = "Pairwise addresses, made with python-ecdsa by make-pairwise.py."
    print(json.dumps({"about": about, "vectors": vectors}, indent=1))


if __name__ == "__main__":
    main()
