"""DATA: lengths against what the array holds: integers, cut sentences, padding in front, NaN and infinity."""

import numpy as np

from maskscope import masks
from maskscope.audit.report import Finding
from maskscope.audit.subject import Padded, Ragged, Subject
from maskscope.jobs import Job

_BLOCK_ROWS = 8192


def check(subject: Subject, job: Job) -> Finding:
    """The defaults of `keras.utils.pad_sequences` fail: int32, padded and cut at the front."""
    job.progress(0, 0, "DATA")
    data = subject.data
    found = _ragged(data, job) if isinstance(data, Ragged) else _padded(data, subject.padding, job)
    if found is not None:
        return found
    if data.lengths_from == "inferred":
        return Finding(
            "DATA",
            "could not tell",
            "The lengths were inferred from the zeros themselves, so there is nothing to hold the mask against; "
            "give the lengths.",
        )
    return Finding("DATA", "passed", "The array holds finite numbers, and real tokens exactly where the lengths say.")


def _fail(meaning: str, sentence: int | None = None, position: int | None = None) -> Finding:
    return Finding("DATA", "failed", meaning, sentence=sentence, position=position)


def _ragged(data: Ragged, job: Job) -> Finding | None:
    for begin in range(0, len(data.embeddings), _BLOCK_ROWS):
        block = data.embeddings[begin : begin + _BLOCK_ROWS]
        bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if len(bad):
            token = int(bad[0]) + begin
            sentence = int(np.searchsorted(data.offsets, token, side="right")) - 1
            return _fail(
                "A token's embedding holds NaN or infinity, which spreads to its whole sentence; mend the source.",
                sentence,
                token - int(data.offsets[sentence]),
            )
        job.progress(begin, len(data.embeddings), "DATA")
    return None


def _padded(data: Padded, padding: float, job: Job) -> Finding | None:
    if data.x.dtype.kind in "iub":
        return _fail(
            f"The array holds whole numbers ({data.x.dtype}): embeddings were rounded, as pad_sequences does without "
            "dtype='float32'; pad again."
        )
    n_positions = data.x.shape[1]
    longest = int(data.lengths.max(initial=0))
    if longest > n_positions:
        return _fail(
            f"The array has {n_positions} positions, but a sentence has {longest} tokens: it was cut; pad again to "
            "the longest.",
            int(data.lengths.argmax()),
        )
    for sentence in range(data.n_sentences):
        rows = np.asarray(data.x[sentence])
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(bad):
            return _fail(
                "A row holds NaN or infinity, which spreads to its whole sentence, also from a padded position.",
                sentence,
                int(bad[0]),
            )
        real = masks.masking_layer(rows.astype(np.float32, copy=False), padding)
        length = int(data.lengths[sentence])
        behind = np.flatnonzero(real[length:])
        if len(behind):
            front = not real[: n_positions - length].any() and length < n_positions
            where = "in front of the tokens, as pad_sequences does without padding='post'" if front else "elsewhere"
            return _fail(
                f"A sentence of {length} tokens has numbers behind its end: padding stands {where}.",
                sentence,
                length + int(behind[0]),
            )
        if data.lengths_from == "inferred" and length > 1 and not real[0] and real.any():
            first = int(np.argmax(real))
            if first > 1:
                return _fail(
                    f"A sentence begins with {first} zero rows and ends in a token: it looks padded in front, as "
                    "pad_sequences does without padding='post'.",
                    sentence,
                    0,
                )
        if sentence % 256 == 0:
            job.progress(sentence, data.n_sentences, "DATA")
    return None
