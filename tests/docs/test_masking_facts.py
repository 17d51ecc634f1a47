"""The guide to masking: what it quotes is what Keras does, and what it names is there."""

import importlib.util
import platform
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from maskscope.commands.parser import parse

pytestmark = pytest.mark.keras

DOCS = Path(__file__).resolve().parents[2] / "docs"
if not (DOCS / "masking.md").exists():
    pytest.skip("the guide is not there", allow_module_level=True)

GUIDE = (DOCS / "masking.md").read_text(encoding="utf-8")
QUOTED = dict(
    re.findall(r"```sh\npython docs/examples/masking_facts\.py ([\w-]+)\n```\n```text\n(.*?)\n```", GUIDE, re.DOTALL)
)
NUMBER = re.compile(r"-?\d+\.\d{2,}")
SLOW = {"repair"}


@pytest.fixture(scope="module")
def facts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("masking_facts", DOCS / "examples" / "masking_facts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numbers(text: str) -> list[float]:
    return [float(each) for each in NUMBER.findall(text)]


def without_denormals(text: str) -> str:
    """Whether 1e-40 is zero depends on the processor, as the guide says."""
    lines = text.splitlines()
    known = platform.machine() in ("x86_64", "AMD64")
    return "\n".join(line for line in lines if known or not line.startswith("1e-40"))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in QUOTED]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_the_guide_quotes_is_what_keras_does(
    name: str, facts: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert facts.main([name]) == 0
    shown = without_denormals(capsys.readouterr().out)
    quoted = without_denormals(QUOTED[name])
    assert [line.rstrip() for line in NUMBER.sub("#", shown).splitlines()] == NUMBER.sub("#", quoted).splitlines()
    np.testing.assert_allclose(numbers(shown), numbers(quoted), rtol=0, atol=2e-4)


def quoted(name: str) -> dict[str, list[float]]:
    """The numbers of each line that the guide quotes, by the text before the first of them."""
    lines = {}
    for line in QUOTED[name].splitlines():
        found = NUMBER.search(line)
        if found is not None:
            lines[line[: found.start()].strip()] = numbers(line)
    return lines


def test_the_quoted_numbers_say_what_the_guide_says_of_them() -> None:
    recipe = quoted("recipe")
    assert recipe["three more padded positions change a real token's probability by"] == [0.0]
    (real,) = recipe["mean over real tokens, by numpy"]
    assert recipe["loss, as Keras reports it"] == recipe["with every label at padding flipped"] == [real]
    assert recipe["mean over all positions, by numpy"] != [real]

    at_padding = quoted("padding-output")
    assert at_padding["BiLSTM, then Dense"][2:] == at_padding["sigmoid of the Dense bias"] * 2
    assert len(set(at_padding["LSTM, then Dense"][1:])) == 1

    collided = quoted("collision")
    zero, deleted = collided["the middle one zero"], collided["the middle one deleted"]
    assert zero[:2] + zero[3:] == deleted
    assert zero[2:3] == at_padding["sigmoid of the Dense bias"]

    assert all(len(set(line)) == 1 for line in quoted("loss").values())
    assert len({line[0] for line in quoted("loss").values()}) == 3
    each, in_all = quoted("scalar-loss").values()
    assert each[0] == each[1] == real
    assert in_all[0] != in_all[1]

    epoch = quoted("epoch-loss")
    assert epoch["fit reports"] == epoch["mean of the batches"] != epoch["mean of the tokens"]
    assert epoch["evaluate, one batch"] == epoch["mean of the tokens"]

    reported = {name: line for name, line in quoted("metrics").items() if len(line) == 4}
    assert {name for name, line in reported.items() if line[0] == line[1]} == {"BinaryAccuracy", "MeanSquaredError"}
    assert all(line[2] == line[3] for line in reported.values())
    assert len(reported) == 7

    weights = quoted("sample-weight")
    assert weights["weights (B,)"] == weights["numpy, positions"] != weights["numpy, sentences"]
    assert weights["weights (B, 1)"] == weights["numpy, sentences"]
    (by_class,) = quoted("class-weight").values()
    assert by_class[0] == by_class[1]

    repaired = quoted("repair")
    assert len(repaired) == 8
    assert all(usual > 0.001 and cured == 0.0 for usual, cured in repaired.values())
    first, perturbed = (line[-1] for line in quoted("fresh-weights").values())
    assert (first, perturbed > 0.001) == (0.0, True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_answer_of_ten_lines_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len([line for line in code.splitlines() if line and not line.startswith("import")]) == 9
    rng = np.random.default_rng(0)
    real = np.arange(6) < np.array([6, 3, 1])[:, None]
    names: dict[str, object] = {
        "X": np.where(real[..., None], rng.normal(size=(3, 6, 2048)), 0).astype(np.float32),
        "y": rng.integers(0, 2, (3, 6)),
    }
    exec(code.replace("epochs=10", "epochs=1"), names)
    probabilities = names["probabilities"]
    assert isinstance(probabilities, np.ndarray)
    assert probabilities.shape == (10,)
    assert "accuracy" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_model_with_a_convolution_is_shown_as_the_guide_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from keras import Input, Model, layers

    inputs = Input((None, 2048), name="embeddings")
    hidden = layers.Conv1D(32, 3, padding="same", name="conv")(layers.Masking(0.0, name="masking")(inputs))
    hidden = layers.Bidirectional(layers.LSTM(10, return_sequences=True), name="bilstm")(hidden)
    Model(inputs, layers.Dense(1, activation="sigmoid", name="probability")(hidden)).save(tmp_path / "mine.keras")
    assert parse(["model", str(tmp_path / "mine.keras")])() == 0
    assert f"```text\n{capsys.readouterr().out}```\n" in GUIDE


def test_every_fact_is_in_the_guide_and_every_command_of_the_guide_is_there(
    facts: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    named = re.findall(r"python docs/examples/masking_facts\.py ([\w-]+)", GUIDE)
    assert sorted(named) == sorted(facts.FACTS)
    assert sorted(QUOTED) == sorted(facts.FACTS)
    assert facts.main([]) == 0
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.splitlines()] == list(facts.FACTS)
    assert facts.main(["nonsense"]) == 2
    assert "there is no fact 'nonsense'" in capsys.readouterr().err
    for command in set(re.findall(r"^maskscope (\w+)", GUIDE, re.MULTILINE)):
        with pytest.raises(SystemExit) as ended:
            parse([command, "--help"])
        assert ended.value.code == 0, command
    for target in re.findall(r"\]\(([^)#]+)\)", GUIDE):
        assert (DOCS / target).exists(), target
