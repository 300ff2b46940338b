"""What the pages say about the tree is so."""
import os
import re
import subprocess

from conftest import ROOT, WAXWING


def read(*path):
    return open(os.path.join(ROOT, *path)).read()


def sources():
    for top, _, files in os.walk(os.path.join(ROOT, "src")):
        for f in files:
            if f.endswith((".c", ".h", ".def")):
                yield os.path.relpath(os.path.join(top, f), ROOT)


def test_internals_has_every_record():
    p = subprocess.run([os.path.join(ROOT, "tools/pages.py"), "--check", WAXWING], text=True,
                       stdout=subprocess.PIPE)
    assert p.returncode == 0, p.stdout
    names = re.findall(r"^R\((\w+),", read("src/ipc/records.def"), re.M)
    page = read("INTERNALS.md")
    assert len(names) > 30 and [n for n in names if f"\n| {n} |" not in page] == []


def rows_of_spec():
    for line in read("SPEC.md").split("\n"):
        cells = [c.strip() for c in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) >= 3 and cells[0] not in ("RFC", "what") and "---" not in line:
            yield cells


def test_every_cited_rfc_has_its_row():
    # "RFC 5321 4.2", "RFC 3463 and 5248", "RFC 2045-2049" cite the first at least.
    rows = " ".join(c[0] for c in rows_of_spec())
    has = set(re.findall(r"\b\d{3,4}\b", rows))
    missing = {}
    for path in sources():
        for n in re.findall(r"RFC (\d{3,4})", read(path)):
            if n not in has:
                missing.setdefault(n, path)
    assert not missing, f"SPEC.md has no row for {missing}"


def test_spec_names_files_that_exist_and_states_that_mean_something():
    rows = list(rows_of_spec())
    assert len(rows) > 15
    for cells in rows:
        for path in re.findall(r"\b(?:src|tests|tools|doc)/[\w./-]*", cells[-1]):
            assert os.path.exists(os.path.join(ROOT, path)), f"SPEC.md: no {path}"
        if len(cells) == 4:
            assert re.match(r"(done|partial|not yet)\b", cells[2]), f"SPEC.md: {cells}"


def test_links_between_pages_lead_somewhere():
    for page in ("README.md", "MAP.md", "INTERNALS.md", "SPEC.md", "QUIRKS.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", read(page)):
            assert os.path.exists(os.path.join(ROOT, link)), f"{page}: {link}"


def test_internals_contents_name_each_section():
    """By the anchor that a heading gets: lower case, without what is no letter, digit, blank or hyphen."""
    page = read("INTERNALS.md")
    headings = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^## (.*)$", page, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) == headings


def test_internals_names_every_file_that_a_server_keeps():
    names = set()
    for path in sources():
        if re.match(r"src/(directory|warden|ms|mta|parent|role)/(?!.*(test|fuzz|bench)_)", path):
            names |= set(re.findall(r'"(?:[\w%/]*/)?(\w+\.(?:db|key|keys|der))"', read(path)))
    assert len(names) > 8 and [n for n in names if n not in read("INTERNALS.md")] == []


def test_headers_of_protocols_cite_their_rfc():
    # A header that speaks a protocol says which text it follows.
    for path in sources():
        if re.match(r"src/(wire|msg)/[^/]+\.h$", path) and not path.endswith("internal.h"):
            text = read(path)
            plain = {"src/wire/carry.h", "src/wire/conn.h", "src/wire/session.h", "src/wire/sink.h"}
            assert path in plain or "RFC " in text, f"{path} cites no RFC"
