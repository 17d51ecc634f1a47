"""The process that TensorFlow runs in, `python -m maskscope.worker`, and its clients: they exchange lines of JSON."""
