"""What Keras, TensorFlow or a layer's own code raised, in one line for a message."""

import re

_LENGTH = 200


def plain_text(error: BaseException) -> str:
    """The message of an error without the codes by which Keras prints words in bold."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error))


def error_summary(error: BaseException) -> str:
    """The class of an error and its message without TensorFlow's stack trace, at most 200 characters of it."""
    text = plain_text(error)
    lines = [line.strip() for line in text.splitlines()]
    kept = [
        line for line in lines if line and not re.match(r'File "|Detected at node|Graph execution error|\[\[', line)
    ]
    if "Graph execution error" in text:
        kept = kept[-1:]
    return f"{type(error).__name__}: {' '.join(' '.join(kept).split())[:_LENGTH]}"
