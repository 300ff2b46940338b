"""S/MIME both ways with BouncyCastle, the library of Java's mail programs and gateways."""
import os
import shutil
import subprocess

import pytest

from smime_pki import Pki
from test_smime import BODY, HEAD, der_of, judged, opaque, problems, waxwing

JARS = [f"/usr/share/java/{x}.jar" for x in ("bcprov", "bcutil", "bcpkix")]
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "BouncyCastle.java")

pytestmark = pytest.mark.skipif(shutil.which("java") is None or not all(map(os.path.exists, JARS)),
                                reason="libbcpkix-java or Java is not installed")


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    one = Pki(tmp_path_factory.mktemp("pki"))
    one.leaf("green", "p384", "email:green@foo.com")
    one.leaf("ed", "ed25519", "email:smith@bar.com")
    one.leaf("curve", "p384", "email:smith@bar.com")
    return one


@pytest.fixture(scope="module")
def java(pki):
    """One Java for all of it."""
    p = subprocess.Popen(["java", "-XX:TieredStopAtLevel=1", "-cp", ":".join(JARS), SOURCE], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(*words, data):
        p.stdin.write("\t".join([*words, pki.write("java.in", data), pki("java.out")]) + "\n")
        said = p.stdout.readline().strip()
        assert said == "ok", (words, said)
        return pki.read("java.out")

    yield ask
    p.stdin.close()
    assert p.wait(timeout=60) == 0


@pytest.mark.parametrize("who, more", [("smith", ()), ("smith", ("--pss",)), ("brown", ()), ("curve", ())])
def test_verifies_ours(pki, java, who, more):
    letter = waxwing("smime", "sign", "--key", pki(f"{who}.pem"), "--opaque", *more, stdin=HEAD + BODY)
    assert b"ten pounds" in java("verify", data=der_of(letter))


@pytest.mark.parametrize("cipher", ["gcm", "cbc"])
@pytest.mark.parametrize("who, more", [("jones", ()), ("jones", ("--oaep",)), ("brown", ()), ("green", ())])
def test_decrypts_ours(pki, java, who, more, cipher):
    if cipher == "gcm" and who != "jones":
        pytest.skip("BouncyCastle 1.72 opens authEnveloped-data for RSA alone")
    letter = waxwing("smime", "encrypt", "--certificates", pki(f"{who}.crt"), "--cipher", cipher, *more, stdin=HEAD + BODY)
    assert b"ten pounds" in java("decrypt", pki(f"{who}.key"), pki(f"{who}.crt"), data=der_of(letter))


@pytest.mark.parametrize("who, algorithm, shown", [
    ("smith", "SHA256withRSA", "RSA"), ("smith", "SHA512withRSAandMGF1", "RSA-PSS"), ("curve", "SHA384withECDSA", "ECDSA"),
    ("ed", "Ed25519", "ED25519"),
])
def test_signs(pki, java, who, algorithm, shown):
    v = judged(pki, opaque(java("sign", algorithm, pki(f"{who}.key"), pki(f"{who}.crt"), data=BODY), "signed-data"))
    assert v["verdict"] == "good" and v["signers"][0]["algorithm"] == shown, v


@pytest.mark.parametrize("kind, who", [("rsa", "jones"), ("oaep", "jones"), ("ecdh", "brown"), ("ecdh", "green")])
@pytest.mark.parametrize("cipher, shown", [("aes256-gcm", "AES-256-GCM"), ("aes128-gcm", "AES-128-GCM"), ("aes256-cbc", "AES-256-CBC"),
                                           ("aes128-cbc", "AES-128-CBC")])
def test_encrypts(pki, java, kind, who, cipher, shown):
    data = java("encrypt", kind, cipher, pki(f"{who}.crt"), data=BODY)
    v = judged(pki, opaque(data, "authEnveloped-data" if "gcm" in cipher else "enveloped-data"), key=who)
    assert v["verdict"] == "encrypted" and v["decryption"]["algorithm"] == shown and v["payload_octets"] == len(BODY), v
    assert v["decryption"]["key_algorithm"] == {"rsa": "RSA", "oaep": "RSA-OAEP", "ecdh": "ECDH"}[kind]
    assert ("malleable" in problems(v)) == ("cbc" in cipher)
