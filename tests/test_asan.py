"""A whole server built with sanitizers: letters through every process, no
report.  The walls stay up but for the system calls that sanitizers need."""
import os
import re
import smtplib
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(ROOT, "build-asan/src/waxwing")
ENV = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"}


def test_no_report_from_a_sanitized_server(instance):
    w = instance(program=PROGRAM, env=ENV)
    for size in (10, 3000, 60_000, 300_000):
        with smtplib.SMTP("127.0.0.1", w.ports["smtp"]) as c:
            for i in range(5):
                text = f"Subject: {size} {i}\r\n\r\n" + "Blah blah blah\r\n" * (size // 16)
                c.sendmail("Smith@bar.com", ["Jones@foo.com", "Brown@foo.com"], text)
    w.wait_until(lambda: w.log().count(" delivered id=") == 40)
    w.stop()
    assert not re.search("Sanitizer|runtime error|signal=", w.log()), w.log()


def test_no_report_from_a_sanitized_relay():
    """All that other hosts may do to it (test_relay.py), once more."""
    p = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", os.path.join(ROOT, "tests/test_relay.py")],
                       env=dict(os.environ, WAXWING=PROGRAM), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert p.returncode == 0, p.stdout[-8000:]
