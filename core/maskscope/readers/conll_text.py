r"""The text of CoNLL-like files: the meaning of a line, and the escapes for tokens that a line can't hold.

Lines end in "\n" alone (a "\r" before it is dropped). Columns are separated by tabs when the first token line has
one, else by runs of spaces; the token is the first column, its label the last. docs/formats.md has all rules.

A sentence that needs escapes, and no other, begins with the comment ``# maskscope.escaped = backslash``. From it
to the end of that sentence, ``\\ \t \n \r \uXXXX`` mean characters, a column ``\e`` means the empty string, and a
column ``\N`` means "no label".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from maskscope.errors import ReadError
from maskscope.readers.base import unreadable

ESCAPED = "maskscope.escaped = backslash"
EMPTY = "maskscope.empty = true"
DOCSTART = "-DOCSTART-"

_BLANKS = re.compile(r"[ \t]+")
# Control characters, which include everything that str.splitlines takes for a line end.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNSAFE_OR_BACKSLASH = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|[\s\S]?)")
# A byte order mark at the start of a file is dropped; "# " is a comment to other tools.
_MISREAD_STARTS = (" ", "\ufeff", "# ", DOCSTART)
_SHORT = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
_LONG = {short[1]: char for char, short in _SHORT.items()}
_NAME = re.compile(r"sent_id ?= ?([\s\S]*)")
_CONLLU_ID = re.compile(r"[0-9]+([-.][0-9]+)?")
_CONLLU_COLUMNS = 10


@dataclass(frozen=True, slots=True)
class TextSentence:
    """One sentence of a file.

    Attributes:
        tokens: T strings.
        labels: T label names, None for a token without one; None when the file has a single column.
        name: of ``# sent_id = ``, "" without one.
        comments: the other comment lines before its tokens, without "# ".
        line: the line it begins in, counted from 1.
    """

    tokens: tuple[str, ...]
    labels: tuple[str | None, ...] | None
    name: str
    comments: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """How the lines of a file are split into columns.

    Attributes:
        tabs: columns are separated by tabs, so that tokens may hold spaces.
        columns: how many a token line has; 0 when the file has no token line.
        conllu: the ten columns of CoNLL-U: the token is the second, multiword ranges and empty nodes are skipped.
    """

    tabs: bool
    columns: int
    conllu: bool

    def fields(self, line: str) -> list[str]:
        """The columns of a line."""
        return line.split("\t") if self.tabs else _BLANKS.split(line.strip(" \t"))


def layout(path: Path) -> ColumnLayout:
    """The layout of the first token line. Raises ReadError when the file is no UTF-8 text."""
    hashed = None
    for _, line in _lines(path):
        if _is_blank(line) or _is_docstart(line):
            continue
        if not line.startswith("#"):
            return _layout_of(line)
        if hashed is None and "\t" in line:
            hashed = line
    return ColumnLayout(tabs=True, columns=0, conllu=False) if hashed is None else _layout_of(hashed)


def sentences(path: Path, cut: ColumnLayout) -> Iterator[TextSentence | None]:
    """Yield the sentences of `path` in order, and None for each skipped -DOCSTART- line.

    Raises ReadError for text that is not UTF-8, another number of columns than in the first line, or an unknown escape.
    """
    pending = _Pending()
    index = 0
    for number, line in _lines(path):
        if _is_blank(line):
            if pending.complete:
                yield pending.sentence(cut)
                pending, index = _Pending(), index + 1
            continue
        pending.line = pending.line or number
        started = bool(pending.tokens)
        if not started and _is_docstart(line):
            yield None
            continue
        fields = cut.fields(line)
        if not started and line.startswith("#") and len(fields) != cut.columns:
            pending.comment(line, path, index, number)
            continue
        if len(fields) != cut.columns:
            raise ReadError(
                f"line {number} has another number of columns than the first",
                file=path,
                sentence=index,
                expected=f"{cut.columns} columns separated by {'tabs' if cut.tabs else 'spaces'}",
                received=f"{len(fields)}: {line[:60]!r}",
            )
        if cut.conllu and not fields[0].isdecimal():
            continue
        pending.token(fields, cut, path, index, number)
    if pending.complete:
        yield pending.sentence(cut)


def sentence_lines(
    name: str, tokens: tuple[str, ...], labels: tuple[str | None, ...], comments: tuple[str, ...]
) -> str:
    """The lines of one sentence and the empty line after it; escaped only when something needs it."""
    escaped = not (
        not _UNSAFE.search(name)
        and all(_comment_is_plain(c) for c in comments)
        and all(_token_is_plain(t) for t in tokens)
        and all(label is not None and _label_is_plain(label) for label in labels)
    )
    lines = [f"# {ESCAPED}"] if escaped else []
    if name:
        lines.append(f"# sent_id = {_escaped(name) if escaped else name}")
    lines += [f"# {_escaped_comment(c) if escaped else c}" for c in comments]
    if not tokens:
        lines.append(f"# {EMPTY}")
    for token, label in zip(tokens, labels, strict=True):
        if escaped:
            lines.append(f"{_escaped_token(token)}\t{_escaped_label(label)}")
        else:
            lines.append(f"{token}\t{label}")
    return "\n".join(lines) + "\n\n"


class _Pending:
    """The sentence being read."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.labels: list[str | None] = []
        self.name: str | None = None
        self.comments: list[str] = []
        self.escaped = False
        self.empty = False
        self.line = 0

    @property
    def complete(self) -> bool:
        return self.empty or bool(self.tokens)

    def comment(self, line: str, path: Path, sentence: int, number: int) -> None:
        text = line[1:].removeprefix(" ")
        if text == ESCAPED:
            self.escaped = True
        elif text == EMPTY:
            self.empty = True
        elif text.startswith("maskscope.escaped"):
            raise ReadError(
                f"line {number} names an unknown kind of escape",
                file=path,
                sentence=sentence,
                expected=ESCAPED,
                received=repr(text[:60]),
            )
        elif self.name is None and (found := _NAME.fullmatch(text)):
            self.name = self._text(found[1], path, sentence, number)
        else:
            self.comments.append(self._text(text, path, sentence, number))

    def token(self, fields: list[str], cut: ColumnLayout, path: Path, sentence: int, number: int) -> None:
        token = fields[1 if cut.conllu else 0]
        label: str | None = fields[-1]
        if self.escaped:
            token = "" if token == r"\e" else self._text(token, path, sentence, number)
            if label == r"\N":
                label = None
            elif label is not None:
                label = "" if label == r"\e" else self._text(label, path, sentence, number)
        elif label is not None:
            label = label.strip(" ") or None
        self.tokens.append(token)
        if cut.columns > 1:
            self.labels.append(label)

    def sentence(self, cut: ColumnLayout) -> TextSentence:
        labels = tuple(self.labels) if cut.columns != 1 else None
        return TextSentence(tuple(self.tokens), labels, self.name or "", tuple(self.comments), self.line)

    def _text(self, text: str, path: Path, sentence: int, number: int) -> str:
        if not self.escaped:
            return text
        try:
            return _ESCAPE.sub(_unescaped, text)
        except KeyError as error:
            raise ReadError(
                f"line {number} has an unknown escape",
                file=path,
                sentence=sentence,
                expected=r"\\ \t \n \r \uXXXX, or a column that is \e or \N",
                received=repr("\\" + str(error.args[0])),
            ) from None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                try:
                    line = raw.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise ReadError(
                        f"line {number} is not UTF-8 text",
                        file=path,
                        expected="UTF-8",
                        received=f"byte 0x{raw[error.start]:02X} in column {error.start + 1}",
                    ) from None
                if number == 1:
                    line = line.removeprefix("\ufeff")
                yield number, line.removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise unreadable(path, error) from None


def _layout_of(line: str) -> ColumnLayout:
    tabs = "\t" in line
    fields = ColumnLayout(tabs, 0, False).fields(line)
    conllu = tabs and len(fields) == _CONLLU_COLUMNS and _CONLLU_ID.fullmatch(fields[0]) is not None
    return ColumnLayout(tabs, len(fields), conllu)


def _is_blank(line: str) -> bool:
    return not line.strip(" \t")


def _is_docstart(line: str) -> bool:
    return line.startswith(DOCSTART) and line[len(DOCSTART) : len(DOCSTART) + 1] in ("", " ", "\t")


def _token_is_plain(token: str) -> bool:
    return bool(token) and not (_UNSAFE.search(token) or token[-1] == " " or token.startswith(_MISREAD_STARTS))


def _label_is_plain(label: str) -> bool:
    return bool(label) and not (_UNSAFE.search(label) or label[0] == " " or label[-1] == " ")


def _comment_is_plain(comment: str) -> bool:
    return not (_UNSAFE.search(comment) or comment.startswith(("maskscope.", "sent_id")))


def _escaped_token(token: str) -> str:
    if not token:
        return r"\e"
    return _guarded(token, first=token.startswith(_MISREAD_STARTS), last=token[-1] == " ")


def _escaped_label(label: str | None) -> str:
    if label is None:
        return r"\N"
    if not label:
        return r"\e"
    return _guarded(label, first=label[0] == " ", last=label[-1] == " ")


def _escaped_comment(comment: str) -> str:
    return _guarded(comment, first=comment.startswith(("maskscope.", "sent_id")), last=False)


def _guarded(text: str, *, first: bool, last: bool) -> str:
    """`text` escaped, with its first or last character written as a code, so that nothing misreads it."""
    if first:
        rest = text[1:]
        return f"\\u{ord(text[0]):04x}" + (_guarded(rest, first=False, last=last) if rest else "")
    if last:
        return _escaped(text[:-1]) + f"\\u{ord(text[-1]):04x}"
    return _escaped(text)


def _escaped(text: str) -> str:
    return _UNSAFE_OR_BACKSLASH.sub(lambda m: _SHORT.get(m[0]) or f"\\u{ord(m[0]):04x}", text)


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if len(code) == 5:
        point = int(code[1:], 16)
        if 0xD800 <= point <= 0xDFFF:
            raise KeyError(code)
        return chr(point)
    return _LONG[code]
