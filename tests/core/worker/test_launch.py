"""Which line of a worker that has died is shown."""

from maskscope.worker.launch import last_line


def test_a_warning_is_not_the_last_line() -> None:
    warned = ["/lib/keras/layer.py:1039: UserWarning: Layer 'conv' was passed a mask", "  warnings.warn("]
    assert last_line(["Fatal: no room", *warned]) == " Its last output: Fatal: no room"
    assert last_line(warned) == ""
