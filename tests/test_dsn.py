"""Reports upon deliveries, read by Python's email package (src/msg/dsn.h)."""
import email
import email.policy
import os
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.join(ROOT, "build/tests/test_dsn")


def report(case):
    raw = subprocess.run([PROGRAM, case], stdout=subprocess.PIPE, check=True, timeout=60).stdout
    assert raw.count(b"\n") == raw.count(b"\r\n")
    return email.message_from_bytes(raw, policy=email.policy.default)


@pytest.mark.parametrize("case, status, original", [
    ("simple", "message/delivery-status", "message/rfc822"),
    ("header", "message/delivery-status", "text/rfc822-headers"),
    ("eightbit", "message/delivery-status", "message/rfc822"),
    ("international", "message/global-delivery-status", "message/global"),
])
def test_report(case, status, original):
    m = report(case)
    assert not m.defects
    assert m.get_content_type() == "multipart/report"
    assert m.get_param("report-type") == "delivery-status"
    assert m["Auto-Submitted"] == "auto-replied"
    assert m["To"].addresses[0].addr_spec == "owner-info-mime@cs.utk.edu"
    parts = list(m.iter_parts())
    assert [p.get_content_type() for p in parts] == ["text/plain", status, original]
    assert "could not be delivered" in " ".join(parts[0].get_content().split())
    for p in parts:
        assert not p.defects


def test_fields():
    status = list(report("simple").iter_parts())[1]
    message, recipient = status.get_payload()
    assert message["Reporting-MTA"] == "dns; cs.utk.edu"
    assert recipient["Final-Recipient"] == "rfc822; louisl@larry.slip.umd.edu"
    assert recipient["Action"] == "failed"
    assert recipient["Status"] == "4.0.0"
    assert recipient["Diagnostic-Code"] == "smtp; 426 connection timed out"


def test_subject_is_shown_in_its_charset():
    text = list(report("eightbit").iter_parts())[0].get_content()
    assert '"Grüße"' in text
