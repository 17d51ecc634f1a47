"""A worker without TensorFlow or msgspec, for the tests of its clients: `python fake_worker.py [MODE...]`.

The stem of the requested model's file says what happens to the request; the first argument, how the process starts.
"""

import json
import os
import sys
import time
from pathlib import Path
from urllib.parse import unquote

Fields = dict[str, object]

DESCRIBED: dict[str, Fields] = {
    "choose": {
        "name": "choose.keras",
        "n_outputs": 3,
        "output_reason": "its last layer is linear",
        "names": list("012"),
    },
    "guess": {
        "name": "guess.keras",
        "n_positions": 12,
        "n_outputs": 1,
        "output": "probabilities",
        "columns": [0],
        "padding": "0, behind each sentence, which is assumed",
        "padding_assumed": True,
    },
    "crf": {
        "name": "crf.keras",
        "refusal": "holds a layer in own code, CRF",
        "way_out": ["audit", "picture", "cut"],
    },
}
"""What is said of a model's file by the stem of its name; of any other, that nothing is known before it is run."""


def send(type: str, /, **fields: object) -> None:
    """Write one message."""
    print(json.dumps({"type": type, **fields}), flush=True)


def start(mode: str) -> None:
    """Get ready, or not."""
    if mode == "no-tensorflow":
        send("start_failed", message="TensorFlow can't be imported: no wheel")
        sys.exit(1)
    if mode == "dies":
        print("no room on the device", file=sys.stderr, flush=True)
        sys.exit(3)
    time.sleep(0.05)
    send("ready", keras="3.15.1", tensorflow="2.21.0", warning=" ".join(sys.argv[2:]))


def run(number: int, request: Fields) -> None:
    """Answer one request."""
    what = Path(unquote(str(request.get("model", "")))).name.partition(".")[0]
    if request["job"] == "describe_model":
        send("done", id=number, result={"result": "describe_model", "description": DESCRIBED.get(what, {"name": ""})})
        return
    if request["job"] == "cut_model":
        send("done", id=number, result={"result": "cut_model", "layer": "emissions"})
        return
    folder = Path(unquote(str(request.get("folder", ""))))
    if folder.is_absolute():
        # What a real worker removes when it fails, and can't remove when it is killed.
        folder.mkdir()
    send("progress", id=number, done=1, total=4, text="steps")
    if what == "echo":
        send("figure", id=number, name="loss", step=1, value=0.5)
        send("figure", id=number, name="loss", step=2, value=None)
        send("progress", id=99, done=1, total=2, text="of a job that is unknown")
        print("this is no JSON", flush=True)
        for answer in (request["folder"], "again"):
            send("done", id=number, result={"result": "open_model", "folder": answer})
    elif what == "other":
        send("done", id=number, result={"result": "ping"})
    elif what == "refuse":
        if folder.is_absolute():
            folder.rmdir()
        send("failed", id=number, kind="ModelError", message="m.keras: is no model")
    elif what == "fault":
        send("failed", id=number, kind="ZeroDivisionError", message="the job failed", detail="Traceback\n  line 1")
    elif what == "late":
        sys.stdin.readline()
        send("progress", id=number, done=2, total=2, text="steps")
        send("done", id=number, result={"result": "open_model", "folder": "made"})
    elif what == "hang":
        time.sleep(60)
    elif what == "eat":
        kept = []
        while True:
            kept.append(bytearray(b"x") * (4 << 20))
            send("progress", id=number, done=1, total=4, text="steps")
            time.sleep(0.01)
    elif what == "die":
        print("E0000 noise\nFatal: no room", file=sys.stderr)
        print("2026-01-01 00:00:00 I tensorflow/noise", file=sys.stderr, flush=True)
        os._exit(9)


def main() -> None:
    """Answer requests until the standard input ends; one that the model's name does not end waits for its cancel."""
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    start(mode)
    while line := sys.stdin.readline():
        message = json.loads(line)
        if message["type"] == "cancel":
            send("cancelled", id=message["id"])
        else:
            run(message["id"], message["request"])
    if mode == "stubborn":
        time.sleep(60)


if __name__ == "__main__":
    main()
