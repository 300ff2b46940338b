#!/usr/bin/python3
"""Writes what is generated in the pages: the table of records in INTERNALS.md.

    tools/pages.py WAXWING          writes
    tools/pages.py --check WAXWING  status 1 when something would change
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = re.compile(r"(<!-- records: .*?-->\n)(.*?)(<!-- end of records -->)", re.S)


def main():
    check = "--check" in sys.argv
    waxwing = sys.argv[-1]
    page = ROOT / "INTERNALS.md"
    text = page.read_text()
    records = subprocess.run([waxwing, "--records"], check=True, text=True, stdout=subprocess.PIPE).stdout
    fresh = TABLE.sub(lambda m: m.group(1) + records + m.group(3), text)
    if fresh == text:
        return 0
    if check:
        print("INTERNALS.md does not have the records of src/ipc/records.def: `make pages` writes them")
        return 1
    page.write_text(fresh)
    return 0


sys.exit(main())
