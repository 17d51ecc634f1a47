"""A process of its own for TensorFlow: `python -m maskscope.worker` speaks JSON lines on stdin and stdout."""
