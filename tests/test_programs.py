"""Unit tests and fuzz targets: each program of tests/meson.build is a case.

Unit tests run from build/ and again from build-asan/; fuzz targets run from
build-fuzz/ over their stored corpus (tests/corpus/NAME), with the dictionary
beside their source, for FUZZ_RUNS runs or FUZZ_SECONDS, whichever ends first.
Where FUZZ_SECONDS is set (make check-long) they look for what is new, each time
from another seed; without it the seed is the same, so that a change is judged
by what it changed.
"""
import glob
import os
import re
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FUZZ_RUNS, LEAST_RUNS = 20000, 100
FUZZ_SECONDS = int(os.environ.get("FUZZ_SECONDS", "5"))
TEXT = open(os.path.join(ROOT, "tests/meson.build")).read()


def listed(kind):
    """{name: first source file} of one list of tests/meson.build."""
    rows = re.findall(r"^%s \+= \[\['(\w+)', files\('([^']+)'" % kind, TEXT, re.M)
    return {name: os.path.normpath(os.path.join("tests", path)) for name, path in rows}


UNITS = listed("unit_tests")
FUZZES = listed("fuzz_targets")


def environment():
    env = dict(os.environ)
    env["ASAN_OPTIONS"] = "detect_stack_use_after_return=0:allocator_may_return_null=1"
    env["UBSAN_OPTIONS"] = "print_stacktrace=1"
    return env


def run(words, cwd, limit):
    p = subprocess.run(words, cwd=cwd, env=environment(), stdin=subprocess.DEVNULL, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit, errors="replace")
    assert p.returncode == 0, f"{words[0]}: {p.returncode}\n{p.stdout[-8000:]}"
    return p.stdout


@pytest.mark.parametrize("build", ["build", "build-asan"])
@pytest.mark.parametrize("name", sorted(UNITS))
def test_unit(name, build, tmp_path):
    out = run([os.path.join(ROOT, build, "tests", "test_" + name)], tmp_path, 120)
    assert "[  PASSED  ]" in out, out


def runs_of(out):
    return int(re.search(r"number_of_executed_units: (\d+)", out).group(1))


@pytest.mark.parametrize("name", sorted(FUZZES))
def test_fuzz(name, tmp_path):
    found = tmp_path / "found"
    found.mkdir()
    words = [os.path.join(ROOT, "build-fuzz/tests", "fuzz_" + name), "-print_final_stats=1", "-timeout=10",
             "-rss_limit_mb=2048", "-close_fd_mask=1"]
    if "FUZZ_SECONDS" not in os.environ:
        words += [f"-runs={FUZZ_RUNS}", "-seed=1"]
    dictionary = os.path.join(ROOT, FUZZES[name][:-2] + ".dict")
    if os.path.exists(dictionary):
        words.append("-dict=" + dictionary)
    words.append(str(found))
    corpus = os.path.join(ROOT, "tests/corpus", name)
    assert os.listdir(corpus), f"{corpus} needs at least one seed"
    try:
        out = run(words + [corpus, f"-max_total_time={FUZZ_SECONDS}"], tmp_path, FUZZ_SECONDS + 120)
        if runs_of(out) <= LEAST_RUNS:
            # The machine had no time for it: as many as are wanted, however long.
            out = run(words + [corpus, f"-runs={2 * LEAST_RUNS}"], tmp_path, 120)
    except AssertionError:
        # What broke it must outlive the folder of this run.
        kept = os.path.join(ROOT, "build-fuzz/broken")
        os.makedirs(kept, exist_ok=True)
        for f in glob.glob(str(tmp_path / "*-*")):
            shutil.copy(f, os.path.join(kept, name + "-" + os.path.basename(f)))
        raise
    assert runs_of(out) > LEAST_RUNS, f"only {runs_of(out)} runs"


def test_every_program_is_listed():
    there = {os.path.relpath(p, ROOT) for p in glob.glob(os.path.join(ROOT, "src/**/*.c"), recursive=True)
             if os.path.basename(p).startswith(("test_", "fuzz_"))}
    in_lists = set(UNITS.values()) | set(FUZZES.values())
    assert there == in_lists, f"not in tests/meson.build: {there - in_lists}; gone: {in_lists - there}"
