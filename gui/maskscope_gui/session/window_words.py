"""Messages of the core that name an option of the command line, in the words of the window."""

import re

from maskscope_gui.actions import key_of_action

_OPTIONS = f"“Open model with options…” ({key_of_action('open_model_with_options')})"
_PART = "“Save the part that is known…”"
_KINDS = r"--output(?:,? (?:or )?(?:probabilities|logits|log|values))*"
_WORDS = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"maskscope model FILE\.keras --cut NEW\.keras saves the part up", f"{_PART} keeps what is known, up"),
        (r"maskscope model FILE\.keras --cut NEW\.keras", _PART),
        (rf"name them with --classes FILE, or say {_KINDS} to see them as they are", f"match them in {_OPTIONS}"),
        (
            rf"open it with {_KINDS} if that is what they are",
            f"if they predict labels, say so in {_OPTIONS}",
        ),
        (rf"say what they are with {_KINDS}", f"say what they are in {_OPTIONS}"),
        (rf"say {_KINDS}", f"say what they are in {_OPTIONS}"),
        (
            r"compute them first with maskscope score --model \S+",
            f"put it to use first ({key_of_action('next_model')}), which computes them",
        ),
        (r"give --padding\b", f"import the padded arrays themselves ({key_of_action('import')}), which show it"),
    )
)


def window_words(text: str) -> str:
    """A message as the window says it: with its own controls and keys in place of options of the command line."""
    for pattern, words in _WORDS:
        text = pattern.sub(words, text)
    return text
