"""Each file of transcripts/smtp: what the server says, word for word; once plain, once with sanitizers."""
import os
import re

import pytest

import test_asan
import transcript


@pytest.mark.parametrize("name", transcript.files("smtp"))
def test_transcript(instance, name):
    transcript.run(instance, "smtp", name)


@pytest.mark.parametrize("name", transcript.files("smtp"))
def test_transcript_sanitized(instance, name):
    if not os.path.exists(test_asan.PROGRAM):
        pytest.skip("no build with sanitizers: `make asan`")
    w = transcript.run(instance, "smtp", name, program=test_asan.PROGRAM, env=test_asan.ENV)
    w.stop()
    assert not re.search("Sanitizer|runtime error|signal=", w.log()), w.log()
