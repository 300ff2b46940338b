"""No memory, at any allocation: each parser over its fuzz corpus, and what works on files, with one allocation
after another failing (tests/allocations.c): no crash, nothing left behind, nothing lost that was acknowledged."""
import glob
import os

import pytest

from test_programs import FUZZES, ROOT, run

# These keep a store from one input to the next, whose own harness allocates; the store has its row in FILES.
NOT_HERE = {"imap_session", "journal", "spool"}
FILES = ["store", "spool", "directory", "conf", "channel", "copy"]


@pytest.mark.parametrize("build", ["build", "build-asan"])
@pytest.mark.parametrize("name", sorted(set(FUZZES) - NOT_HERE))
def test_parser(name, build, tmp_path):
    corpus = sorted(glob.glob(os.path.join(ROOT, "tests/corpus", name, "*")))
    out = run([os.path.join(ROOT, build, "tests/alloc_" + name), *corpus], tmp_path, 120)
    assert out.count(" allocations\n") == len(corpus)


@pytest.mark.parametrize("build", ["build", "build-asan"])
@pytest.mark.parametrize("name", FILES)
def test_files(name, build, tmp_path):
    out = run([os.path.join(ROOT, build, "tests/alloc_files"), "=" + name], tmp_path, 120)
    assert " and all after it" in out, out
