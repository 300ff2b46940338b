"""waxwing verify and inspect: letters that we sign are good for us and, where
it is installed, for another implementation; and what breaks them."""
import base64
import json
import subprocess

import pytest

from conftest import WAXWING

LETTER = b"From: Smith <smith@bar.com>\r\nTo: jones@foo.com\r\nSubject: Dinner\r\n\r\nAre you hungry yet?\r\n"


def run(*words, data=b""):
    p = subprocess.run([WAXWING, *map(str, words)], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def asked(*words, data=b""):
    code, out, err = run(*words, data=data)
    assert code == 0, err
    return json.loads(out)


def openssl(*words):
    return subprocess.run(["openssl", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A domain with a key of each kind."""
    top = tmp_path_factory.mktemp("trust")
    openssl("genrsa", "-out", top / "rsa.pem", "2048")
    openssl("genpkey", "-algorithm", "ed25519", "-out", top / "ed.pem")
    rsa = base64.b64encode(openssl("pkey", "-in", top / "rsa.pem", "-pubout", "-outform", "DER")).decode()
    ed = base64.b64encode(openssl("pkey", "-in", top / "ed.pem", "-pubout", "-outform", "DER")[-32:]).decode()
    keys = {"rsa": f"v=DKIM1; k=rsa; p={rsa}", "ed": f"v=DKIM1; k=ed25519; p={ed}"}
    lines = ["bar.com TXT \"v=spf1 ip4:192.0.2.1 -all\"", "_dmarc.bar.com TXT \"v=DMARC1; p=reject\""]
    for name, text in keys.items():
        parts = " ".join(f'"{text[i:i + 200]}"' for i in range(0, len(text), 200))
        lines.append(f"{name}._domainkey.bar.com TXT {parts}")
    (top / "zone").write_text("\n".join(lines) + "\n")
    return top, top / "zone", keys


def sign(world, key, letter=LETTER):
    top, _, _ = world
    field = asked("inspect", "dkim-sign", "--key", top / f"{key}.pem", "--selector", key, "--domain", "bar.com", data=letter)
    return field["field"].encode() + letter


@pytest.mark.parametrize("key", ["rsa", "ed"])
def test_signed_letters_pass(world, key):
    signed = sign(world, key)
    got = asked("inspect", "dkim", "--records", world[1], data=signed)
    assert got["result"] == "pass" and got["signatures"][0]["selector"] == key
    assert asked("inspect", "dkim", "--records", world[1], data=signed.replace(b"hungry", b"angry"))["result"] == "fail"


@pytest.mark.parametrize("key", ["rsa", "ed"])
def test_another_implementation_agrees(world, key):
    dkim = pytest.importorskip("dkim")
    if key == "ed":
        pytest.importorskip("nacl")
    assert dkim.verify(sign(world, key), dnsfunc=lambda name, timeout=5: world[2][key].encode())
    assert not dkim.verify(sign(world, key) + b"more\r\n", dnsfunc=lambda name, timeout=5: world[2][key].encode())


def test_their_signatures_pass(world):
    dkim = pytest.importorskip("dkim")
    for canonical in ((b"relaxed", b"relaxed"), (b"simple", b"simple"), (b"relaxed", b"simple"), (b"simple", b"relaxed")):
        field = dkim.sign(LETTER, b"rsa", b"bar.com", (world[0] / "rsa.pem").read_bytes(), canonicalize=canonical)
        assert asked("inspect", "dkim", "--records", world[1], data=field + LETTER)["result"] == "pass", canonical


def test_verify_says_it_in_words(world, tmp_path):
    path = tmp_path / "letter.eml"
    path.write_bytes(sign(world, "rsa"))
    code, out, _ = run("verify", path, "--records", world[1])
    assert code == 0 and out.startswith("This letter is from bar.com: it bears that domain's signature.")
    assert "\r\n\tdmarc=pass (p=reject) header.from=bar.com" in out.replace("\n", "\r\n").replace("\r\r", "\r")
    path.write_bytes(LETTER)
    code, out, _ = run("verify", path, "--records", world[1], "--ip", "192.0.2.2", "--from", "smith@bar.com")
    assert "that domain wants such letters refused" in out and "spf=fail" in out
    code, out, _ = run("verify", path, "--records", world[1], "--ip", "192.0.2.1", "--from", "smith@bar.com", "--json")
    assert code == 0 and json.loads(out)["dmarc"]["spf_aligned"] is True


def test_verify_without_dns(world, tmp_path):
    path = tmp_path / "letter.eml"
    path.write_bytes(sign(world, "ed"))
    got = asked("verify", path, "--records", "/dev/null", "--json")
    assert got["dkim"]["signatures"][0]["problem"] == "there is no such key"
    assert got["dmarc"]["result"] == "none"


def test_arc_seal_and_check(world):
    letter = LETTER
    for sets in range(3):
        got = asked("inspect", "arc-seal", "--records", world[1], "--key", world[0] / "ed.pem", "--selector", "ed",
                    "--domain", "bar.com", data=letter)
        letter = got["fields"].encode() + letter
        got = asked("inspect", "arc", "--records", world[1], data=letter)
        assert (got["result"], got["sets"]) == ("pass", sets + 1)
    broken = asked("inspect", "arc", "--records", world[1], data=letter.replace(b"Dinner", b"Supper"))
    assert broken["result"] == "fail"


def test_wrong_use_is_said(world, tmp_path):
    assert run("inspect", "nothing")[0] == 2
    assert run("verify", tmp_path / "missing.eml", "--records", world[1])[0] == 1
    (tmp_path / "bad").write_text("a.b A\n")
    code, _, err = run("inspect", "dkim", "--records", tmp_path / "bad", data=LETTER)
    assert code == 1 and "bad:1:" in err
    code, _, err = run("inspect", "dkim-sign", "--key", world[1], "--selector", "s", "--domain", "bar.com", data=LETTER)
    assert code == 1 and "private key" in err
