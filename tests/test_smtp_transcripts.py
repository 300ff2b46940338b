"""Each file of transcripts/smtp: what the server says, word for word."""
import pytest

import transcript


@pytest.mark.parametrize("name", transcript.files("smtp"))
def test_transcript(instance, name):
    transcript.run(instance, "smtp", name)
