"""Keys that engines are signed by and verified with: ECDSA, Ed25519 or RSA, in PEM.

The one place that knows the library of cryptography. Loading that takes as long as loading a small engine:
who may do without imports this where a key is at hand.
"""

from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from burnish_engine.errors import InvalidKey

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
_PUBLIC = (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey, rsa.RSAPublicKey)
_PRIVATE = (ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, rsa.RSAPrivateKey)


def read_public_key(path: Path) -> PublicKey:
    """A public key in PEM (SPKI). Raises: InvalidKey."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise _invalid(path, str(error), "a public key in PEM, such as cosign.pub") from error
    if not isinstance(key, _PUBLIC):
        raise _invalid(path, type(key).__name__, "a key of ECDSA, Ed25519 or RSA")
    return key


def read_private_key(path: Path, password: str | None = None) -> PrivateKey:
    """A private key in PEM (PKCS 8). Raises: InvalidKey."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password.encode() if password else None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _invalid(path, str(error), "a private key in PEM (PKCS 8), with its password") from error
    if not isinstance(key, _PRIVATE):
        raise _invalid(path, type(key).__name__, "a key of ECDSA, Ed25519 or RSA")
    return key


def signed_by(key: PrivateKey, payload: bytes) -> bytes:
    """A signature; ECDSA and RSA sign the SHA-256."""
    match key:
        case ec.EllipticCurvePrivateKey():
            return key.sign(payload, ec.ECDSA(hashes.SHA256()))
        case ed25519.Ed25519PrivateKey():
            return key.sign(payload)
        case rsa.RSAPrivateKey():
            return key.sign(payload, padding.PKCS1v15(), hashes.SHA256())


def is_by(key: PublicKey, signature: bytes, payload: bytes) -> bool:
    """Whether this key's owner signed the payload."""
    try:
        match key:
            case ec.EllipticCurvePublicKey():
                key.verify(signature, payload, ec.ECDSA(hashes.SHA256()))
            case ed25519.Ed25519PublicKey():
                key.verify(signature, payload)
            case rsa.RSAPublicKey():
                key.verify(signature, payload, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _invalid(path: Path, found: str, expected: str) -> InvalidKey:
    return InvalidKey(str(path), found=found or "nothing that can be read", expected=expected)
