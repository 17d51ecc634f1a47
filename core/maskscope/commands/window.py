"""The command about the window: screenshot."""

import argparse

from maskscope.commands.terminal import say


def screenshot(values: argparse.Namespace) -> int:
    """``maskscope screenshot PROJECT FILE.png``"""
    from maskscope.project import Project

    with Project.open(values.project, read_only=True) as project:
        if values.sentence is not None:
            # Refuses a number that is none of its sentences.
            project.sentence(values.sentence)
    from maskscope_gui.preflight import check

    check(offscreen=True)
    from maskscope_gui.screenshot import screenshot as write

    write(values.project, values.file, values.sentence, values.size, values.theme, values.page)
    say(str(values.file))
    return 0
