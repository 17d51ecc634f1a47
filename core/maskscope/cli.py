"""The command line: starts the window or a command, and turns errors into one line and an exit code.

Nothing slow is imported here, since the window's first paint waits for it.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from maskscope.errors import Cancelled, MaskscopeError

COMMANDS = (
    "add-model",
    "audit",
    "compare",
    "demo",
    "evaluate",
    "export",
    "formats",
    "import",
    "info",
    "model",
    "score",
    "screenshot",
    "train",
)

DONE, COULD_NOT_RUN, INTERRUPTED = 0, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``maskscope`` with `argv` (None: the process's own) and return its exit code.

    0 done; 1 a check failed; 2 could not run, with one line on stderr; 130 cancelled by Ctrl+C.
    """
    own_process = argv is None
    if own_process:
        _prepare_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        return _guarded(lambda: _window(None))
    first = arguments[0]
    if first in COMMANDS or first.startswith("-"):
        if own_process:
            # SIGTERM cleans up as Ctrl+C does.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        return _guarded(lambda: _command(arguments))
    if first.rstrip("/\\").endswith(".maskscope") or os.path.lexists(first):
        return _guarded(lambda: _window(_only(arguments)))
    return _fail(_unknown(first))


def _window(project: Path | None) -> int:
    if project is not None and not project.exists():
        raise MaskscopeError("there is no such project; import one, or check its name", file=project)
    from maskscope_gui.preflight import check, explain

    check()
    # Python's own handler would run only at the next event. Every edit is saved, so the window may simply end.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        from maskscope_gui.app import run
    except ImportError as error:
        raise explain(error) from error
    return run(project)


def _command(arguments: list[str]) -> int:
    from maskscope.commands.parser import parse

    command = parse(arguments)
    return command()


def _only(arguments: list[str]) -> Path:
    if len(arguments) > 1:
        raise MaskscopeError("the window opens one project; give its path alone", received=" ".join(arguments[1:]))
    return Path(arguments[0])


def _unknown(word: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, COMMANDS, n=1, cutoff=0.5)
    hint = f"did you mean maskscope {near[0]}?" if near else "see maskscope --help"
    return f"there is no command and no file {word!r}; {hint}"


def _guarded(action: Callable[[], int]) -> int:
    try:
        code = action()
        if sys.stdout is not None:
            sys.stdout.flush()
    except MaskscopeError as error:
        return _fail(str(error))
    except BrokenPipeError:
        # The reader of a pipe has closed it (`maskscope formats | head`). Nothing more can be written to stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        return _fail(f"{place}{error.strerror or error}")
    except (KeyboardInterrupt, Cancelled):
        _fail("cancelled; nothing unfinished was left behind")
        return INTERRUPTED
    except MemoryError:
        return _fail("there is not enough memory for this")
    except Exception:  # noqa: BLE001 - Python's own exit code would be 1, which means that a check failed
        import traceback

        traceback.print_exc()
        return _fail("this is an error in Maskscope; please report it with the lines above")
    return code


def _fail(message: str) -> int:
    line = " ".join(message.splitlines())
    print(f"maskscope: {line}", file=sys.stderr)
    return COULD_NOT_RUN


def _prepare_streams() -> None:
    # On Windows, pipes have a code page that can't encode most scripts; no encoding has a lone surrogate.
    encoding = "utf-8" if sys.platform == "win32" else None
    for stream in (sys.stdout, sys.stderr):
        # A program without a console on Windows has no streams.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding=encoding, errors="backslashreplace")
