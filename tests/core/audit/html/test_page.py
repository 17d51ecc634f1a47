"""The HTML report: it shows every finding and its numbers, escapes what files contain, and loads nothing."""

import argparse
import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

import pytest

from maskscope.audit import About, AuditReport, Evidence, Finding
from maskscope.audit.checks.registry import CHECKS
from maskscope.audit.html.page import html_page
from maskscope.commands.audit import html_report
from maskscope.keras_io.model_graph import GraphEdge, GraphNode, ModelGraph, NodeKind

HOSTILE = '<script>alert("x")</script>'
ADVICE = "put Masking before the Dense layer"
REAL = [True] * 6 + [False] * 3
CHANGES = [0.0, 2e-8, 1e-6, 3e-4, 0.02, 0.31, math.nan, math.nan, math.nan]

FINDINGS = (
    Finding("CONTENT", "passed", "Nothing moves.", 2e-8, 1e-6),
    Finding(
        "LENGTH",
        "failed",
        "Adding 7 padded positions moves a probability by 0.31.",
        0.31,
        1e-6,
        4,
        5,
        advice=ADVICE,
        evidence=Evidence.of(4, REAL, [("change", "change", CHANGES), ("printed", "value", [0.25] * 9)], 5),
    ),
    Finding("BATCH", "failed", "A batch moves a probability.", 3e-5, 1e-6, 9, 0, advice=ADVICE),
    Finding("GRADIENT", "failed", "A gradient is no number.", math.inf, 0.0, 2, 7),
    Finding("LOSS", "could not tell", "The loss can't be computed."),
    Finding("WEIGHTS", "passed", "Every gradient is the same.", 9e-6, 1e-5),
    Finding("METRICS", "failed", "Precision counts padding.", 0.5, 1e-6, advice="use weighted_metrics with the mask"),
    Finding("TRACE", "failed", "conv loses the mask.", layer="conv", advice=ADVICE),
    Finding(
        "COLLISIONS",
        "failed",
        "2 real tokens equal the mask value 0.",
        2.0,
        0.0,
        403,
        3,
        evidence=Evidence.of(403, REAL, [("the model's mask", "mask", [1, 1, 1, 0, 1, 1, 0, 0, 0])], 3),
    ),
    Finding("GEOMETRY", "passed", "Left gives what right gives.", 1e-7, 1e-6),
    Finding("TIME", "passed", "The graph gives what eager execution gives.", 0.0, 1e-6),
    Finding("DTYPE", "passed", "The masks are the same.", 0.0, 0.0),
    Finding("DATA", "passed", "The array holds finite numbers."),
    Finding("RELOAD", "could not tell", "The model can't be saved."),
)
ABOUT = About(
    "ab" * 32, 43_121, "float32", None, 0.0, "binary cross-entropy", True, "inferred", "3.15.1", "2.21.0", "1"
)


def node(name: str, class_name: str, kind: NodeKind = "layer", parameters: int = 4_321) -> GraphNode:
    return GraphNode(name, class_name, "(B, T, 4)", parameters, kind, "none", "none")


GRAPH = ModelGraph(
    "tagger.keras",
    (node("tokens", "InputLayer", "input", 0), node("conv", "Conv1D"), node("loss", "Loss", "output", 0)),
    (GraphEdge("tokens", "conv", "none", False, "no mask yet"), GraphEdge("conv", "loss", "none", True, "no mask")),
)
REPORT = AuditReport("tagger.keras", 1_009, (0, 4, 9, 403), FINDINGS, ABOUT, GRAPH)


@dataclass
class Element:
    """An element of a page."""

    name: str
    attributes: dict[str, str | None]
    content: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(each if isinstance(each, str) else each.text for each in self.content)

    @property
    def children(self) -> list["Element"]:
        return [each for each in self.content if isinstance(each, Element)]

    def all(self, name: str | None = None, **attributes: str) -> Iterator["Element"]:
        wanted = {key.rstrip("_"): value for key, value in attributes.items()}
        for each in self.children:
            if name in (None, each.name) and all(each.attributes.get(key) == wanted[key] for key in wanted):
                yield each
            yield from each.all(name, **attributes)

    def one(self, name: str | None = None, **attributes: str) -> "Element":
        (found,) = self.all(name, **attributes)
        return found


class _Reader(HTMLParser):
    """Python's own reader; fails where an element is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {tag}"
        element = Element(tag, dict(attrs))
        self.open[-1].content.append(element)
        if tag not in ("meta", "br"):
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().name == tag

    def handle_data(self, data: str) -> None:
        # line breaks of the templates between elements are no content
        if not (data.isspace() and "\n" in data):
            self.open[-1].content.append(data)


def read(page: str) -> Element:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    (root,) = reader.open
    identifiers = [each.attributes["id"] for each in root.all() if "id" in each.attributes]
    assert len(set(identifiers)) == len(identifiers)
    return root


def place(element: Element, key: str = "x") -> float:
    return float(str(element.attributes[key]).removesuffix("%"))


def article(root: Element, check: str) -> Element:
    (found,) = [each for each in root.all("article") if check in each.one("h3").text]
    return found


@pytest.fixture(scope="module")
def root() -> Element:
    return read(html_page(REPORT, None, "maskscope audit 'my data' --model tagger.keras"))


def test_the_verdict_is_first_and_says_what_is_wrong(root: Element) -> None:
    header = root.one("main").content[0]
    assert isinstance(header, Element)
    assert header.one("h1").text == "tagger.keras: failed"
    assert [each.text for each in header.one("svg").all("title")] == ["failed"]
    lead = header.one(class_="lead").text
    assert "its outputs at real tokens depend on padding" in lead
    assert lead.count("depend on padding") == 1, "two checks that say the same say it once"
    assert "14 checks: 6 failed, 2 could not tell, 6 passed. 4 of 1,009 sentences" in header.text
    assert "Put Masking before the Dense layer. (LENGTH, BATCH and TRACE)" in header.text


def test_every_finding_is_there_failed_ones_first(root: Element) -> None:
    verdicts = [each.one(class_=f"word {role}").text for each in root.all("article") for role in roles(each)]
    assert verdicts == ["failed"] * 6 + ["could not tell"] * 2 + ["passed"] * 6
    for finding in FINDINGS:
        found = article(root, finding.check)
        assert finding.meaning in found.text
        assert found.one(class_="definition").text == CHECKS[finding.check].definition
        assert ("To repair: " in found.text) == bool(finding.advice)
        facts = [float(str(each.attributes["value"])) for each in found.all("data")]
        assert facts == [] if finding.deviation is None else facts[0] == finding.deviation
        assert finding.tolerance in (None, *facts)
        links = [each.text for each in root.all("a", href=f"#{found.attributes['id']}")]
        assert links == [finding.check]
    assert "sentence 4, position 5" in article(root, "LENGTH").text
    assert "layer conv" in article(root, "TRACE").text


def roles(element: Element) -> list[str]:
    classes = [str(each.attributes.get("class", "")) for each in element.one("h3").all("span")]
    return [each.removeprefix("word ") for each in classes if each.startswith("word ")]


def test_what_could_not_be_told_is_no_pass() -> None:
    page = read(html_page(AuditReport("m.keras", 3, (0,), FINDINGS[4:6]), None))
    assert page.one("h1").text == "m.keras: could not tell"
    assert "No check failed, but 1 of 2 could not be run. That is not a pass" in page.one(class_="lead").text
    assert "ignores its padding" in read(html_page(AuditReport("m.keras", 3, (0,), FINDINGS[:1]), None)).text
    assert "nothing is known about this model" in read(html_page(AuditReport("m.keras", 3, (), ()), None)).text


def test_it_can_be_made_again_by_what_it_says(root: Element) -> None:
    rows = {row.one("th").text: row.one("td").text for row in root.one("table", class_="how").all("tr")}
    assert rows["SHA-256 of its file"] == "ab" * 32
    assert rows["parameters"] == "43,121"
    assert rows["mask value"] == "none: the model has no Masking layer"
    assert rows["padded with"] == "0, behind the tokens (as the data are padded)"
    assert rows["labels"] == "made up"
    assert rows["lengths from"] == "the padding (inferred)"
    assert rows["loss"].startswith("binary cross-entropy (assumed")
    assert rows["sentences"] == "1,009, of which 4 were run: 0, 4, 9, 403"
    assert rows["made with"] == "Maskscope 1, Keras 3.15.1 and TensorFlow 2.21.0"
    assert rows["command"] == "maskscope audit 'my data' --model tagger.keras"
    assert "4,321" in root.text
    assert "A layer needs the mask but does not get it (or gets a wrong one) from conv to loss (no mask)." in root.text


def test_the_overview_puts_every_ratio_where_its_axis_has_it(root: Element) -> None:
    overview = root.one("table", class_="overview")
    ticks = {each.text: place(each) for each in overview.one("thead").all("text")}
    decade = (ticks["100"] - ticks["1"]) / 2
    for finding in FINDINGS:
        (row,) = [each for each in overview.all("tr") if finding.check in [a.text for a in each.all("a")]]
        cell = row.one("td", class_="n number")
        dots = list(row.all("svg", height="1"))
        if finding.tolerance is None:
            assert dots == []
            assert cell.text == "–"
            continue
        (dot,) = dots
        assert finding.deviation is not None
        if finding.deviation == 0:
            assert place(dot) == ticks["0"]
        elif finding.tolerance == 0:
            assert place(dot) == ticks["∞"]
        else:
            ratio = finding.deviation / finding.tolerance
            assert (place(dot) - ticks["1"]) / decade == pytest.approx(math.log10(ratio), abs=1e-3)
            assert float(str(cell.one("data").attributes["value"])) == pytest.approx(ratio)


def test_a_check_has_its_deviation_beside_its_tolerance(root: Element) -> None:
    found = article(root, "LENGTH")
    (figure,) = [each for each in found.all("svg") if "scale" in str(each.attributes.get("aria-labelledby"))]
    words = [each.text for each in figure.all("text")]
    assert "deviation 0.31" in words
    assert "tolerance 10⁻⁶" in words
    assert "the largest deviation at 0.31: 310,000 times the tolerance" in figure.one("desc").text
    (limit,) = figure.all("line", class_="limit")
    ticks = {each.text: place(each) for each in figure.all("text")}
    assert place(limit, "x1") == ticks["10⁻⁶"]


def test_the_evidence_is_drawn_position_by_position(root: Element) -> None:
    found = article(root, "LENGTH")
    (seen,) = [each for each in found.all("svg") if "seen" in str(each.attributes.get("aria-labelledby"))]
    assert [each.one("title").text for each in seen.all("rect", class_="on")] == [f"position {i}: 1" for i in range(6)]
    assert len(list(seen.all("rect", class_="off"))) == 3
    beyond = list(seen.all("rect", class_="bar-beyond"))
    heights = [float(str(each.attributes["height"])) for each in beyond]
    assert len(beyond) == 3, "3e-4, 0.02 and 0.31 are above 1e-6; 1e-6 itself is not"
    assert heights == sorted(heights)
    assert len(list(seen.all("circle", class_="hollow"))) == 3, "an output at padding is not a prediction"
    assert "position 5" in [each.text for each in seen.all("text")]
    (frame, *_) = seen.all("rect", class_="frame")
    assert place(frame) == pytest.approx(5 / 9 * 100, abs=0.01)
    caption = found.one("figcaption").text
    assert caption.startswith("Sentence 4, positions 0 to 8: 6 real tokens, 3 padded positions (hatched).")
    assert "at most 0.31, at position 5, and above the tolerance at 3 of 6 positions" in caption
    rows = [[cell.text for cell in row.children] for row in found.one("tbody").children]
    assert rows[4] == ["4", "real token", "0.02", "0.25"]
    collisions = article(root, "COLLISIONS")
    assert len(list(collisions.all("rect", class_="wrong"))) == 1
    assert "The model's mask: wrong at position 3 (crossed out)." in collisions.one("figcaption").text


def test_a_long_sentence_goes_on_below() -> None:
    evidence = Evidence.of(0, [True] * 90, [("change", "change", [1e-3] * 90)])
    finding = Finding("LENGTH", "failed", "It moves.", 1e-3, 1e-6, 0, 70, evidence=evidence)
    page = read(html_page(AuditReport("m.keras", 1, (0,), (finding,)), None))
    bars = list(page.all("rect", class_="bar-beyond"))
    assert len(bars) == 90
    assert len({place(each, "y") for each in bars}) == 3
    assert max(place(each) + place(each, "width") for each in bars) <= 100


def test_a_deviation_without_bound_is_described_when_the_report_comes_from_the_worker() -> None:
    # On the way its infinite deviation has become None.
    report = AuditReport("m.keras", 3, (0,), (replace(FINDINGS[3], deviation=None),))
    found = article(read(html_page(report, None)), "GRADIENT")
    assert "not a finite number" in found.one("dl").text


def test_nothing_is_loaded_and_nothing_runs() -> None:
    page = html_page(REPORT, None)
    assert "://" not in page
    assert "@import" not in page
    assert set(re.findall(r"url\(([^)]*)\)", page)) == {"#hatch"}
    root = read(page)
    names = {each.name for each in root.all()}
    assert not names & {"script", "link", "iframe", "object", "embed", "img", "image", "use", "foreignobject", "base"}
    for each in root.all():
        assert not [key for key in each.attributes if key.startswith("on") or key in ("src", "srcset", "xlink:href")]
        assert str(each.attributes.get("href", "#")).startswith("#")
    (policy,) = root.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy.attributes["content"] == (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    assert html_page(REPORT, None) == page


@pytest.mark.parametrize(
    "hostile",
    [
        HOSTILE,
        '" onload="alert(1)',
        "'><img src=x onerror=alert(1)>",
        "]]></style></title></svg><iframe>",
        "{{ 7 * 7 }}{% for %}",
    ],
)
def test_names_from_files_are_text_and_nothing_else(hostile: str) -> None:
    evidence = Evidence.of(0, [True, False], [(hostile, "change", [1.0, 0.0]), (hostile, "value", [1.0, 0.0])])
    finding = Finding(
        hostile, "failed", hostile, 1.0, 0.5, 0, 0, hostile, advice=hostile, repair=hostile, evidence=evidence
    )
    about = About(hostile, 1, hostile, 0.0, 0.0, hostile, True, hostile, hostile, hostile, hostile, 1.0)
    turned = "\x00\u202e'\"&" + hostile
    graph = ModelGraph(
        hostile, (node(hostile, hostile), node(turned, "]]>")), (GraphEdge(hostile, turned, "none", True, hostile),)
    )
    page = html_page(AuditReport(hostile, 1, (0,), (finding,), about, graph), None, hostile)
    root = read(page)
    assert not {each.name for each in root.all()} & {"script", "img", "iframe"}
    assert not [key for each in root.all() for key in each.attributes if key.startswith("on")]
    assert "\u202e" not in page
    assert "\x00" not in page
    assert hostile in article(root, hostile).text, "it can be read as it is"


def test_the_picture_stands_in_the_page_and_what_is_no_picture_does_not() -> None:
    picture = '<svg viewBox="0 0 9 9"><title>&lt;b&gt;</title><rect width="9"/></svg>'
    drawn = read(html_page(REPORT, picture)).one("figure", class_="model").one("svg")
    assert [each.name for each in drawn.all()] == ["title", "rect"]
    assert drawn.text == "<b>"
    assert not list(read(html_page(REPORT, "no picture")).all("figure", class_="model"))


def test_where_qt_cannot_start_the_report_has_no_picture_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "PySide6", None)
    values = argparse.Namespace(
        project=None,
        gallery=None,
        data="X.npy",
        lengths=None,
        labels=None,
        weights=None,
        model="a b.keras",
        padding=None,
        padding_side=None,
        repair=None,
        report="r.html",
    )
    page = html_report(REPORT, values)
    assert not list(read(page).all("figure", class_="model"))
    assert "conv" in page
    errors = capsys.readouterr().err
    assert errors.startswith("the report is written without the model's picture: the window needs PySide6")
    assert errors.count("\n") == 1
