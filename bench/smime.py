#!/usr/bin/env python3
"""Sign, verify, encrypt and decrypt letters of 10 KiB and 25 MiB: waxwing beside the openssl command, in turn.

    bench/smime.py [--rounds N] [WAXWING]

Whole commands, from a file to /dev/null: wall and processor time (medians, and the ratio to openssl), the largest
resident size.  RSA of 2048 bits, SHA-256, AES-256-GCM and AES-256-CBC.
"""
import argparse
import base64
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
from smime_pki import Pki, openssl  # noqa: E402

HEAD = b"From: Smith <smith@bar.com>\r\nTo: jones@foo.com\r\nSubject: large\r\nMIME-Version: 1.0\r\n"


def letter(size):
    line = base64.b64encode(os.urandom(54)) + b"\r\n"
    return HEAD + b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + line * (size // len(line))


def once(args, path):
    """Wall, processor time (s), MiB.  The child of a small process, so that this one's size does not count."""
    with open(path) as f, open(os.devnull, "w") as null:
        p = subprocess.Popen(["/usr/bin/python3", "-S", "-c", MEASURE, *map(str, args)], stdin=f, stdout=subprocess.PIPE, stderr=null)
        said = p.communicate()[0].split()
    assert p.returncode == 0, args
    return float(said[0]), float(said[1]), int(said[2]) / 1024


MEASURE = """
import os, sys, time
null = os.open("/dev/null", os.O_WRONLY)
start = time.monotonic()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
_, status, usage = os.wait4(pid, 0)
assert status == 0
print(time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("waxwing", nargs="?", default=os.path.join(ROOT, "build/src/waxwing"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as top:
        p = Pki(top)
        w, o = args.waxwing, "/usr/bin/openssl"
        print("| what | letter | waxwing, wall | openssl, wall | ratio | processor | MiB | openssl's MiB |\n|---|---|---|---|---|---|---|---|")
        for name, size, times in (("10 KiB", 10 * 1024, 4), ("25 MiB", 25 * 1024 * 1024, 1)):
            plain = p.write("plain", letter(size))
            signed = p.write("signed", HEAD + openssl("cms", "-sign", "-signer", p("smith.crt"), "-inkey", p("smith.key"), stdin=letter(size)))
            kinds = [("sign", plain, [w, "smime", "sign", "--key", p("smith.pem")],
                      [o, "cms", "-sign", "-signer", p("smith.crt"), "-inkey", p("smith.key")]),
                     ("verify", signed, [w, "smime", "verify", "--ca", p("ca.crt")], [o, "cms", "-verify", "-CAfile", p("ca.crt")])]
            for cipher in ("gcm", "cbc"):
                sealed = p.write(f"sealed-{cipher}", HEAD + openssl("cms", "-encrypt", f"-aes-256-{cipher}", p("jones.crt"), stdin=letter(size)))
                kinds += [(f"encrypt {cipher}", plain, [w, "smime", "encrypt", "--cipher", cipher, "--certificates", p("jones.crt")],
                           [o, "cms", "-encrypt", f"-aes-256-{cipher}", p("jones.crt")]),
                          (f"decrypt {cipher}", sealed, [w, "smime", "decrypt", "--key", p("jones.pem"), "--ca", p("ca.crt")],
                           [o, "cms", "-decrypt", "-recip", p("jones.crt"), "-inkey", p("jones.key")])]
            for what, path, ours, theirs in kinds:
                runs = [(once(ours, path), once(theirs, path)) for _ in range(args.rounds * times)]
                a, b = ([statistics.median(r[i][k] for r in runs) for k in range(3)] for i in (0, 1))
                print(f"| {what} | {name} | {a[0] * 1000:.1f} ms | {b[0] * 1000:.1f} ms | {a[0] / b[0]:.2f} | {a[1] / b[1]:.2f} | "
                      f"{a[2]:.0f} | {b[2]:.0f} |", flush=True)


main()
