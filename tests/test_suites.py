"""Published test data, as others wrote it: every case, n of n.

The cases lie in ../shared/suites beside the checkout (WAXWING_SUITES names
another place) and are never edited.  tests/suites/exceptions.txt lists those
whose expectation is not ours, each with the reason; a case listed there that
agrees after all is a failure too, so the list cannot rot.
"""
import ipaddress
import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from itertools import zip_longest

import pytest

from conftest import WAXWING, ROOT


def suites():
    for top in (os.environ.get("WAXWING_SUITES"), "../shared/suites", "../../shared/suites"):
        path = top and os.path.join(ROOT, top)
        if path and os.path.isdir(path):
            return path
    return None


SUITES = suites()
pytestmark = pytest.mark.skipif(SUITES is None, reason="no ../shared/suites beside the checkout")


def exceptions():
    found = {}
    with open(os.path.join(ROOT, "tests/suites/exceptions.txt")) as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                case, reason = line.split(None, 1)
                assert case not in found, f"{case} is listed twice"
                found[case] = reason.strip()
    return found


EXCEPTIONS = exceptions()


class Score:
    """Counts, and says at the end what differs and was not announced."""

    def __init__(self, suite):
        self.suite, self.cases, self.agree, self.wrong = suite, 0, 0, []

    def case(self, name, want, ours):
        name = f"{self.suite}/{name}"
        self.cases += 1
        if want == ours:
            self.agree += 1
            if name in EXCEPTIONS:
                self.wrong.append(f"{name} is listed as an exception and agrees")
        elif name not in EXCEPTIONS:
            self.wrong.append(f"{name}\n  wanted {json.dumps(want)[:1500]}\n  ours   {json.dumps(ours)[:1500]}")

    def done(self, least):
        listed = {n for n in EXCEPTIONS if n.startswith(self.suite + "/")}
        print(f"{self.suite}: {self.cases} of {self.cases} run, {self.agree} agree, {len(listed)} listed exceptions")
        assert self.cases >= least
        assert not self.wrong, "\n".join(self.wrong)
        assert self.agree + len(listed) == self.cases


def inspect(kind, data):
    p = subprocess.run([WAXWING, "inspect", kind], input=data, stdout=subprocess.PIPE, timeout=60)
    assert p.returncode == 0
    return json.loads(p.stdout)


def load(name):
    with open(os.path.join(SUITES, "mime", name), encoding="utf-8") as f:
        return json.load(f)


def field(name, value):
    return inspect("header", f"{name}:{value}".encode())["fields"][0]


# ---- ours in the suite's words ----

def addresses(rows):
    def one(a):
        # A word without @: for the suite a name, for us an address without domain.
        if a["name"] is None and "@" not in a["address"] and " " not in a["address"]:
            return {"name": a["address"].strip('"') or None, "address": None}
        return {"name": a["name"], "address": a["address"] or None}

    if not any("group" in a for a in rows):
        return {"List": [one(a) for a in rows]}
    groups = []
    for a in rows:
        if "group" in a:
            groups.append({"name": a["group"], "addresses": [one(m) for m in a["addresses"]]})
            loose = None
        else:
            if not groups or groups[-1] is not loose:
                loose = {"name": None, "addresses": []}
                groups.append(loose)
            loose["addresses"].append(one(a))
    return {"Group": groups}


def content(c):
    if c is None:
        return None
    pairs = []
    for p in c["parameters"]:
        if "language" in p:
            pairs.append([p["name"] + "-language", p["language"]])
        pairs.append([p["name"], p["value"]])
    return {"c_type": c["type"], "c_subtype": c["subtype"], "attributes": sorted(pairs)}


def wanted_content(c):
    if c is None:
        return None
    pairs = [[a["name"], a["value"]] if isinstance(a, dict) else a for a in c.get("attributes") or []]
    return {"c_type": c["c_type"], "c_subtype": c["c_subtype"], "attributes": sorted(map(list, pairs))}


def date(d):
    return d and [d[k] for k in ("year", "month", "day", "hour", "minute", "second", "zone")]


def wanted_date(d):
    if d is None:
        return None
    zone = (-1 if d["tz_before_gmt"] else 1) * (d["tz_hour"] * 60 + d["tz_minute"])
    return [d[k] for k in ("year", "month", "day", "hour", "minute", "second")] + [zone]


# ---- header fields ----

def test_address_fields():
    score = Score("mime/address")
    for i, c in enumerate(load("address.json")):
        score.case(i, c["expected"], addresses(field("To", c["header"])["addresses"]))
    score.done(60)


def test_content_types():
    score = Score("mime/content_type")
    for i, c in enumerate(load("content_type.json")):
        score.case(i, wanted_content(c["expected"]), content(field("Content-Type", c["header"])["content"]))
    score.done(103)


def test_dates():
    score = Score("mime/date")
    for i, c in enumerate(load("date.json")):
        score.case(i, wanted_date(c["expected"]), date(field("Date", c["header"])["date"]))
    score.done(40)


PROTOCOLS = ("SMTP", "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA", "LMTP", "LMTPA", "HTTP", "IMAP", "POP3")


def protocol(word):
    """The suite has one word for several."""
    word = re.sub("^LOCAL-", "", (word or "").upper())
    word = {"ESMTP-TLS": "ESMTPS", "BSMTP": "SMTP", "HTTPREST": "HTTP"}.get(word, re.sub(r"^SMTPSVC.*", "SMTP", word))
    return word if word in PROTOCOLS else "Local" if word == "LOCAL" else None


def tls_version(word):
    m = re.match(r"TLS[v-]?1(?:[._]([0-3]))?", word or "")
    return m and "TLSv1_" + (m[1] or "0")


def same_address(text):
    return text and str(ipaddress.ip_address(text))


def test_trace_fields():
    score = Score("mime/received")
    for i, c in enumerate(load("received.json")):
        ours, want = field("Received", c["header"])["received"], c["expected"]
        ours = dict(ours, date=date(ours["date"]), **{"with": protocol(ours["with"]), "tls_version": tls_version(ours["tls_version"])},
                    address=same_address(ours["address"]))
        hosts = {k: list(want[k].values())[0] if want.get(k) else None for k in ("from", "by", "helo")}
        score.case(i, dict(hosts, address=same_address(want.get("from_ip")), reverse=want.get("from_iprev"), via=want.get("via"), id=want.get("id"),
                           tls_version=want.get("tls_version"), tls_cipher=want.get("tls_cipher"), date=wanted_date(want["date"]),
                           **{"with": want.get("with"), "for": want.get("for_")}), ours)
    score.done(181)


def test_ids():
    score = Score("mime/id")
    for i, c in enumerate(load("id.json")):
        score.case(i, c["expected"] or [], field("References", c["header"])["ids"])
    score.done(11)


def test_unstructured():
    score = Score("mime/unstructured")
    for i, c in enumerate(load("unstructured.json")):
        score.case(i, c["expected"], field("Subject", c["header"])["text"])
    score.done(30)


def test_lists():
    score = Score("mime/list")
    for i, c in enumerate(load("list.json")):
        words = [w.strip() for w in field("Keywords", c["header"])["text"].split(",")]
        score.case(i, c["expected"], [w for w in words if w])
    score.done(7)


# ---- addresses alone ----

def test_isemail():
    score = Score("address")
    tree = ElementTree.parse(os.path.join(SUITES, "address/isemail-tests.xml"))
    for test in tree.getroot().findall("test"):
        # U+2400 and following stand for control characters.
        text = "".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) < 0x2420 else c
                       for c in test.findtext("address") or "")
        ours = inspect("address", text.encode() + b"\n")
        score.case(test.get("id"), [test.findtext("category"), test.findtext("diagnosis")],
                   ["ISEMAIL_" + ours["category"], "ISEMAIL_" + ours["diagnosis"]])
    score.done(164)


# ---- letters ----

def wanted_parts(message, base=0):
    """The suite's tree, one row a part in our order."""
    def visit(i):
        p = message["parts"][i]
        kind, value = next(iter(p["body"].items()))
        rows.append({"kind": {"Multipart": "multipart", "Message": "message"}.get(kind, "leaf"),
                     "header": p["offset_header"], "body": p["offset_body"],
                     "end": None if kind in ("Multipart", "Message") else p["offset_end"],
                     "text": value if kind in ("Text", "Html") else None,
                     "octets": bytes(value) if kind in ("Binary", "InlineBinary") else None,
                     "fields": [wanted_field(h) for h in p["headers"]]})
        if kind == "Multipart":
            for child in value:
                visit(child)
        elif kind == "Message":
            rows.extend(wanted_parts(value))

    rows = []
    visit(0)
    return rows


def wanted_field(h):
    name = h["name"] if isinstance(h["name"], str) else h["name"]["other"]
    value = h["value"]
    kind, v = (value, None) if isinstance(value, str) else next(iter(value.items()))
    row = [name.replace("_", "-").lower(), h["offset_field"], h["offset_end"]]
    return row + {"Address": lambda: [v], "ContentType": lambda: [wanted_content(v)],
                  "DateTime": lambda: [wanted_date(v)]}.get(kind, lambda: [])()


def our_field(f):
    row = [f["name"].lower(), f["start"], f["end"]]
    if "addresses" in f:
        return row + [addresses(f["addresses"])]
    if f["name"].lower() in ("content-type", "content-disposition"):
        return row + [content(f["content"])]
    if f.get("date"):
        return row + [date(f["date"])]
    return row


def forms(letter):
    unix = letter.replace(b"\r\n", b"\n")
    return (("", unix), (".crlf", unix.replace(b"\n", b"\r\n")))


def our_parts(letter, wanted):
    rows = []
    for p, want in zip(inspect("mime", letter)["parts"], wanted):
        text = p.get("text") if want["text"] is not None else None
        octets = want["octets"]
        if octets is not None and len(octets) != p["octets"]:
            octets = p["octets"]
        fields = [our_field(f) for f in p["fields"] if f["name"]]
        rows.append({"kind": p["kind"], "header": p["header"], "body": p["body"],
                     "end": None if p["kind"] != "leaf" else p["end"], "text": text, "octets": octets,
                     "fields": fields})
    return rows


def shown(one, other):
    """What of a part is not as in the other one; long octets by their length."""
    if one is None or other is None:
        return one and one["kind"]
    return {k: len(v) if isinstance(v, bytes) else [f for f in v if f not in other[k]] if k == "fields" else v
            for k, v in one.items() if v != other[k]}


@pytest.mark.parametrize("folder", ["rfc", "legacy"])
def test_letters(folder):
    score = Score(f"mime/{folder}")
    top = os.path.join(SUITES, "mime", folder)
    for name in sorted(f[:-4] for f in os.listdir(top) if f.endswith(".eml")):
        with open(os.path.join(top, name + ".eml"), "rb") as f:
            letter = f.read()
        for form, data in forms(letter):
            if not os.path.exists(os.path.join(top, name + form + ".json")):
                continue
            wanted = wanted_parts(load(f"{folder}/{name}{form}.json"))
            ours = our_parts(data, wanted)
            differ = [(w, o) for w, o in zip_longest(wanted, ours) if w != o]
            score.case(name + form, [shown(w, o) for w, o in differ], [shown(o, w) for w, o in differ])
    score.done(20)


# ---- SPF ----

def zone_strings(value):
    """The data of a TXT record: one string or several; \\DDD for what is no plain ASCII."""
    def one(s):
        return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\{b:03d}"
                             for b in s.encode("latin-1", "surrogateescape")) + '"'

    return " ".join(one(s[i:i + 255] if s else "") for s in ([value] if isinstance(value, str) else value)
                    for i in range(0, max(len(s), 1), 255))


def zone_name(name):
    return "".join(c if "!" <= c <= "~" and c not in '";' else f"\\{ord(c):03d}" for c in name.lower().rstrip("."))


def spf_records(zone):
    """The suite's zone as --records reads it: SPF entries stand for TXT where there is no TXT."""
    lines = []
    for name, rows in zone.items():
        name = zone_name(name)
        kinds = [next(iter(r)) for r in rows if isinstance(r, dict)]
        for row in rows:
            if isinstance(row, str):
                lines.append(f"{name} * {row}")
                continue
            kind, value = next(iter(row.items()))
            if kind == "SPF":
                if "TXT" not in kinds:
                    lines.append(f"{name} TXT {zone_strings(value)}")
            elif kind == "TXT":
                if value != "NONE":
                    lines.append(f"{name} TXT {zone_strings(value)}")
            elif kind == "MX":
                lines.append(f"{name} MX {value[0]} {zone_name(value[1])}")
            elif kind in ("PTR", "CNAME"):
                lines.append(f"{name} {kind} {zone_name(value)}")
            elif kind in ("A", "AAAA"):
                lines.append(f"{name} {kind} {value}")
    return "\n".join(lines) + "\n"


def spf(records, case):
    words = [WAXWING, "inspect", "spf", "--records", records, "--ip", case["host"], "--helo", case["helo"]]
    p = subprocess.run(words + ["--from", case["mailfrom"]], stdout=subprocess.PIPE, timeout=60)
    assert p.returncode == 0, words
    return json.loads(p.stdout)


def test_spf(tmp_path):
    yaml = pytest.importorskip("yaml")
    score = Score("spf")
    with open(os.path.join(SUITES, "spf/rfc7208-tests.yml"), encoding="utf-8") as f:
        scenarios = list(yaml.safe_load_all(f))
    for i, scenario in enumerate(scenarios):
        records = tmp_path / f"zone{i}"
        records.write_text(spf_records(scenario["zonedata"]))
        for name, case in scenario["tests"].items():
            got = spf(str(records), case)
            allowed = case["result"] if isinstance(case["result"], list) else [case["result"]]
            want = [got["result"] if got["result"] in allowed else allowed]
            ours = [got["result"]]
            if "explanation" in case and got["result"] == "fail":
                want.append(None if case["explanation"] == "DEFAULT" else case["explanation"])
                ours.append(got["explanation"])
            score.case(name, want, ours)
    score.done(203)


# ---- DANE ----

def dane_cases():
    """(records, certificates, names not asked of DANE-EE, error, depth) of each block."""
    with open(os.path.join(SUITES, "dane/danetest.in")) as f:
        lines = iter(f.read().splitlines(True))
    for line in lines:
        if line.startswith("#") or not line.strip():
            continue
        n_records, n_certificates, unnamed, error, depth = map(int, line.split())
        records = [next(lines) for _ in range(n_records)]
        chain = []
        while n_certificates:
            chain.append(next(lines))
            n_certificates -= chain[-1].startswith("-----END CERTIFICATE")
        text = re.findall(r"-----BEGIN.*?-----END CERTIFICATE-----\n", "".join(chain), re.S)
        yield records, text, unnamed, error, depth


def test_dane():
    """TLSA records against chains (RFC 6698, 7671), by the code that verifies
    other hosts; and once more as SMTP decides, whose deviations from plain DANE
    (RFC 7672 3.1) are the exceptions."""
    plain, smtp = Score("dane"), Score("dane-smtp")
    for i, (records, chain, unnamed, error, depth) in enumerate(dane_cases(), 1):
        p = subprocess.run([WAXWING, "inspect", "tlsa", "--domain", "example.com",
                            "--authorities", os.path.join(SUITES, "dane/danetest.pem")],
                           input="".join(records + chain), text=True, stdout=subprocess.PIPE, timeout=60)
        assert p.returncode == 0, i
        answer = json.loads(p.stdout)
        ours = answer["unnamed" if unnamed else "named"]
        # The depth is told only where the names and dates fit, too.
        plain.case(i, [error, error or depth], [ours["error"], ours["error"] or ours["depth"]])
        smtp.case(i, "refused" if error else "verified", answer["smtp"]["outcome"])
    plain.done(54)
    smtp.done(54)


# ---- ARC ----

def test_arc(tmp_path):
    yaml = pytest.importorskip("yaml")
    score = Score("arc")
    with open(os.path.join(SUITES, "arc/arc-validation-cases.yml"), encoding="utf-8") as f:
        scenarios = list(yaml.safe_load_all(f))
    for i, scenario in enumerate(scenarios):
        records = tmp_path / f"zone{i}"
        records.write_text("".join(f"{zone_name(name)} TXT {zone_strings(text)}\n"
                                   for name, text in (scenario.get("txt-records") or {}).items()))
        for name, case in scenario["tests"].items():
            message = (case["message"] or "").replace("\n", "\r\n").encode()
            p = subprocess.run([WAXWING, "inspect", "arc", "--records", str(records)], input=message,
                               stdout=subprocess.PIPE, timeout=60)
            assert p.returncode == 0, name
            got = json.loads(p.stdout)
            want = case["cv"].strip().lower()
            score.case(name, [want, None], [got["result"], None if got["result"] == want else got["problem"]])
    score.done(89)
