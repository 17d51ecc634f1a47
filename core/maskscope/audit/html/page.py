"""An audit's report as one HTML page that needs nothing from elsewhere: to attach to a paper, to read, to print."""

import math
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maskscope.audit.html.evidence import evidence_figure, evidence_words, numbers_table
from maskscope.audit.html.figures import (
    ROLES,
    hatching,
    mark,
    overview_axis,
    overview_cell,
    overview_head,
    ratio_of,
    scale,
    size_of,
    times_tolerance,
)
from maskscope.audit.html.markup import Markup, element, escaped, joined, number, plain_number
from maskscope.audit.html.picture import inlined
from maskscope.audit.html.style import style_sheet
from maskscope.audit.report import TOLERANCES, About, AuditReport, Finding, Verdict
from maskscope.keras_io.model_graph import ModelGraph

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""What a browser may load for the page: nothing."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is told of a check beside its finding.

    Attributes:
        definition: one sentence: what is done, and what must hold.
        fault: what is wrong where it fails, after "This model fails: ".
        measured: what its deviation is; "" where it has none.
    """

    definition: str
    fault: str
    measured: str


_PRINTS = "what it prints at real tokens depends on padding"
_LEARNS = "padding takes part in what it learns"
_PROBABILITY = "largest change of a probability at a real token"

KNOWN = {
    "LENGTH": Known(
        "Padded positions (1, 7 and 64) are added behind a sentence; what the model prints at real tokens must stay.",
        _PRINTS,
        _PROBABILITY,
    ),
    "BATCH": Known(
        "A sentence is run alone, with its padding and without, and in a batch, in two orders; what the model prints "
        "at real tokens must stay.",
        _PRINTS,
        _PROBABILITY,
    ),
    "CONTENT": Known(
        "The mask is held as it is, and padding is filled with random numbers of standard deviation 10, then with NaN; "
        "nothing at a real token may change or become NaN.",
        _PRINTS,
        _PROBABILITY,
    ),
    "GRADIENT": Known(
        "The gradient of what is printed at real tokens, taken at the padded input, must be 0: through the whole "
        "model, and with the mask held as it is.",
        _PRINTS,
        "largest gradient at a padded position",
    ),
    "LOSS": Known(
        "Labels at padded positions are flipped, the loss is held against its mean over real tokens alone, and 9 "
        "padded positions are added; the loss must stay.",
        _LEARNS,
        "largest relative change of the loss",
    ),
    "WEIGHTS": Known(
        "The gradient of every weight over a padded batch must equal that over the same sentences without padding.",
        _LEARNS,
        "largest relative difference of a weight's gradient",
    ),
    "METRICS": Known(
        "Labels at padded positions are flipped; a compiled metric that moves counts padding.",
        "padding counts in its metrics",
        "largest change of a metric",
    ),
    "TRACE": Known(
        "After every layer the mask is compared with the one that the lengths make; the first layer that loses or "
        "alters it is named.",
        "its mask does not reach every layer that needs it",
        "",
    ),
    "COLLISIONS": Known(
        "Real tokens, by the lengths, are counted whose embedding equals the mask value in the type that the model "
        "computes in; there must be none.",
        "it takes real tokens for padding",
        "real tokens that equal the mask value",
    ),
    "GEOMETRY": Known(
        "Padding is put on the right, on the left, inside a sentence and in place of one: left must give what right "
        "gives, and nothing but finite numbers may come out; whether cuDNN could run the model is told, too.",
        "where padding stands changes what it prints",
        _PROBABILITY,
    ),
    "TIME": Known(
        "Batches of 9, 5, 12 and 9 positions, of 1 and of 8 sentences, are run one after another: each output must be "
        "as long as its input, and the compiled graph must print what eager execution prints.",
        "it can't be trusted on batches of unlike length",
        "largest difference between graph and eager execution",
    ),
    "DTYPE": Known(
        "The mask of the input in the type that the model computes in must equal that of the same input in float64.",
        "the type that it computes in makes it take tokens and padding for one another",
        "positions at which the two masks differ",
    ),
    "DATA": Known(
        "The array is held against the lengths: whole numbers in place of embeddings, cut sentences, padding in front, "
        "NaN and infinity.",
        "the data are not what the lengths say",
        "",
    ),
    "RELOAD": Known(
        "The model is saved and loaded again; its masks and what it prints must stay.",
        "saving and loading changes it",
        "largest change of what is printed",
    ),
}
"""Every check of the audit, as it is defined."""

_ORDER: tuple[Verdict, ...] = ("failed", "could not tell", "passed")

_TERMS = (
    ("token", "One word of a sentence, with one row of numbers, its embedding."),
    ("position", "One time step of a padded batch: a real token, or padding. Positions count from 0."),
    ("padding", "Positions behind a sentence's own tokens, which fill it up to the length of its batch."),
    ("mask", "For each position, whether it is a real token; Keras hands it from layer to layer."),
    (
        "collision",
        "A real token that the model's Masking layer takes for padding, since its embedding equals the mask value.",
    ),
)


def command_line(words: Sequence[str]) -> str:
    """Words as one types them in a shell of this system."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def html_page(report: AuditReport, picture_svg: str | None, command: str = "") -> str:
    """The report as one page: no script, nothing from elsewhere, light or dark as the reader's system is.

    Args:
        report: of the audit. Names in it may come from anyone's file: all are escaped.
        picture_svg: the model's picture, drawn in the window's light theme; None where there is none.
        command: the command line that made the report, with its arguments; "" when none did.

    Returns:
        HTML, ending in a line feed; the same for the same report.
    """
    findings = sorted(report.findings, key=lambda finding: _ORDER.index(finding.verdict))
    title = f"Padding audit of {report.model}: {report.verdict}"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", content=POLICY, **{"http-equiv": "Content-Security-Policy"}),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(style_sheet())),
    )
    parts = [
        _verdict(report, findings),
        _overview(findings),
        _checks(findings),
        _model(report.graph, picture_svg),
        _making(report, command),
        _tolerances(report, findings),
        _glossary(),
        _citing(report, findings),
        element("footer", f"Made by Maskscope{_version(report.about)}. This page holds no script and loads nothing."),
    ]
    body = element("body", hatching(), element("main", Markup("\n".join(part for part in parts if part))))
    return f'<!doctype html>\n<html lang="en">\n{head}\n{body}\n</html>\n'


def _version(about: About) -> str:
    return f" {about.maskscope}" if about.maskscope else ""


def _name(text: str) -> Markup:
    """A name from a file, which may be written in any direction."""
    return element("bdi", text)


def _listed(words: Sequence[str], last: str = "and") -> Markup:
    """In a row, each escaped: "a, b and c"."""
    if len(words) < 2:
        return joined(*words)
    return joined(Markup(", ".join(map(escaped, words[:-1]))), f" {last} ", words[-1])


def _sentence(words: str) -> str:
    """An order or a name as a sentence."""
    words = words[:1].upper() + words[1:]
    return words if words.endswith((".", "?", ":")) else f"{words}."


# what came out


def _verdict(report: AuditReport, findings: Sequence[Finding]) -> Markup:
    return element(
        "header",
        element("p", "Padding audit", class_="caps"),
        element(
            "div",
            mark(report.verdict, 30) if findings else "",
            element("h1", _name(report.model), ": ", element("span", _word(report), class_=ROLES[report.verdict])),
            class_="verdict",
        ),
        element("p", *_in_a_sentence(report, findings), class_="lead"),
        element("p", _counts(report), class_="second"),
        _advice_list(report),
    )


def _word(report: AuditReport) -> str:
    return report.verdict if report.findings else "no check was made"


def _in_a_sentence(report: AuditReport, findings: Sequence[Finding]) -> tuple[str, ...]:
    count = len(findings)
    if not count:
        return ("No check was made, so nothing is known of this model.",)
    if report.verdict == "failed":
        failed = [each for each in findings if each.verdict == "failed"]
        faults = dict.fromkeys(
            KNOWN[each.check].fault if each.check in KNOWN else f"it does not hold what {each.check} asks"
            for each in failed
        )
        return ("This model does not pass: ", "; ".join(faults), ".")
    if report.verdict == "could not tell":
        unclear = report.count("could not tell")
        return (
            f"No check failed, but {unclear} of {count} could not be made. That is no pass: the answer is not known.",
        )
    return (
        f"This model ignores its padding, as far as {_checks_in_words(count)} can tell: no change at padding was found "
        "to reach a real token.",
    )


def _checks_in_words(count: int) -> str:
    return "1 check" if count == 1 else f"{count} checks"


def _counts(report: AuditReport) -> str:
    each = ", ".join(f"{report.count(verdict)} {verdict}" for verdict in _ORDER if report.count(verdict))
    return (
        f"{_checks_in_words(len(report.findings))}{f': {each}' if each else ''}. {len(report.sampled):,} of "
        f"{report.sentences:,} sentences were run through the model."
    )


def _advice_list(report: AuditReport) -> Markup:
    """What would repair it, each once, with the checks that ask for it."""
    if not report.advice:
        return Markup("")
    items = [
        element("li", _sentence(advice), " ", element("span", "(", _listed(checks), ")", class_="second"))
        for advice, checks in report.advice.items()
    ]
    words = (
        "The smallest change that would repair it" if len(items) == 1 else "The smallest changes that would repair it"
    )
    return element("div", element("h2", words), element("ul", *items), class_="keep")


def _key(place: int) -> str:
    return f"check-{place + 1}"


def _overview(findings: Sequence[Finding]) -> Markup:
    if not findings:
        return Markup("")
    axis = overview_axis(findings)
    groups = []
    for verdict in _ORDER:
        mine = [(place, finding) for place, finding in enumerate(findings) if finding.verdict == verdict]
        if not mine:
            continue
        title = element("th", f"{_sentence(verdict)[:-1]} ({len(mine)})", colspan="2", scope="rowgroup")
        rows = [element("tr", title, element("td", class_="number"), class_="title")]
        for place, finding in mine:
            name = element("span", mark(verdict), element("a", finding.check, href=f"#{_key(place)}"))
            rows.append(
                element(
                    "tr",
                    element("th", name, scope="row", class_="name"),
                    element("td", overview_cell(finding, axis)),
                    element("td", *_ratio(finding), class_="n number"),
                )
            )
        groups.append(element("tbody", *rows, class_="group"))
    table = element(
        "table",
        element(
            "caption",
            "Each check's largest deviation, divided by its tolerance, on one logarithmic axis. What stands right "
            "of the dashed line is too much. Under ∞: any deviation at all is too much, or something was no finite "
            "number. A check without a number answers yes or no.",
        ),
        element(
            "thead",
            element(
                "tr",
                element("th", "check", scope="col", class_="name"),
                element("th", overview_head(axis), scope="col", **{"aria-label": "deviation over tolerance"}),
                element("th", "over tolerance", scope="col", class_="n number"),
            ),
        ),
        *groups,
        class_="overview",
    )
    return _section("Overview", element("figure", table), "overview")


def _ratio(finding: Finding) -> tuple[str, ...]:
    ratio, size = ratio_of(finding), size_of(finding)
    if ratio is None or size is None:
        return (Markup("&ndash;"),)
    if ratio == float("inf"):
        # not a ratio but what there is instead
        return (number(size), element("span", " (0 allowed)", class_="far")) if size != ratio else ("∞",)
    return number(ratio), element("span", " ×", class_="far")


def _checks(findings: Sequence[Finding]) -> Markup:
    if not findings:
        return Markup("")
    articles = [_check(finding, _key(place)) for place, finding in enumerate(findings)]
    return _section("Checks", joined(*articles), "checks", None)


def _check(finding: Finding, key: str) -> Markup:
    role = ROLES[finding.verdict]
    known = KNOWN.get(finding.check)
    drawn = scale(finding, f"{key}-scale")
    facts = _facts(finding, known)
    parts = [
        element("h3", mark(finding.verdict), finding.check, element("span", finding.verdict, class_=f"word {role}")),
        element("p", known.definition, class_="definition") if known is not None else "",
        element("p", finding.meaning),
        element("p", element("strong", "Smallest change: "), _sentence(finding.advice), class_="advice")
        if finding.advice
        else "",
        element("p", "Maskscope can make this change in a copy of the model.", class_="second")
        if finding.repair and finding.verdict == "failed"
        else "",
        element("div", facts, "" if drawn is None else element("figure", drawn), class_="measure") if facts else "",
    ]
    picture = evidence_figure(finding, f"{key}-seen")
    if picture is not None and finding.evidence is not None:
        parts.append(
            element(
                "figure",
                picture,
                element("figcaption", evidence_words(finding)),
                element(
                    "details",
                    element("summary", "The numbers"),
                    _scrolled(numbers_table(finding.evidence), f"The numbers of {finding.check}"),
                ),
            )
        )
    return element("article", *parts, id=key)


def _facts(finding: Finding, known: Known | None) -> Markup:
    facts: list[tuple[str, Markup]] = []
    size = size_of(finding)
    if size is not None:
        measured = known.measured if known is not None and known.measured else "largest deviation"
        times = times_tolerance(finding)
        more = element("span", ": ", times) if times and math.isfinite(size) else ""
        facts.append((measured, joined(number(size), more)))
        if finding.tolerance is not None:
            facts.append(("tolerance", number(finding.tolerance)))
    places = []
    if finding.sentence is not None:
        places.append(f"sentence {finding.sentence}")
    if finding.position is not None:
        places.append(f"position {finding.position}")
    if finding.layer is not None:
        places.append(joined("layer ", _name(finding.layer)))
    if places:
        facts.append(("found at", Markup(", ".join(map(escaped, places)))))
    if not facts:
        return Markup("")
    rows = [element("div", element("dt", what), element("dd", value)) for what, value in facts]
    return element("dl", *rows, class_="facts")


# what was audited, and how


def _section(title: str, content: Markup, key: str, class_: str | None = "keep") -> Markup:
    """A part of the page; on paper it is kept on one page unless its class is None."""
    return element("section", element("h2", title, id=key), content, class_=class_, **{"aria-labelledby": key})


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], **attributes: str) -> Markup:
    first = element("tr", *(element("th", each, scope="col") for each in head))
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", each) for each in row[1:])) for row in rows
    ]
    return element("table", element("thead", first), element("tbody", *body), **attributes)


def _scrolled(table: Markup, label: str) -> Markup:
    """A table that may be wider than a phone; by the keyboard, too."""
    return element("div", table, class_="scroll", role="region", tabindex="0", **{"aria-label": label})


def _model(graph: ModelGraph | None, picture_svg: str | None) -> Markup:
    picture = None if picture_svg is None else inlined(picture_svg)
    if graph is None and picture is None:
        return Markup("")
    parts = []
    if picture is not None:
        caption = "The model's layers from top to bottom, and on every edge whether the mask is there."
        parts.append(element("figure", picture, element("figcaption", caption), class_="model"))
    if graph is not None:
        faults = [edge for edge in graph.edges if edge.fault]
        words = [joined(_name(edge.source), " to ", _name(edge.target), " (", edge.words, ")") for edge in faults]
        if words:
            parts.append(element("p", "The mask is missing where it would be needed, from ", _listed(words), "."))
        rows = [
            (_name(node.name), node.class_name, node.shape, f"{node.parameters:,}", node.words)
            for node in graph.nodes
            if node.kind != "output"
        ]
        head = ("layer", "class", "output", "parameters", "mask after it")
        parts.append(_scrolled(_table(head, rows), "The layers"))
    return _section("The model", joined(*parts), "model", None)


def _making(report: AuditReport, command: str) -> Markup:
    about = report.about
    rows: list[tuple[str, str]] = [("model", _name(report.model))]
    recorded = about != About()
    if recorded:
        rows.append(("SHA-256 of its file", element("code", about.sha256) if about.sha256 else "it is in no file"))
        rows.append(("parameters", f"{about.parameters:,}"))
        rows.append(("computes in", about.compute_dtype))
        none = "none, since the model has no Masking layer"
        rows.append(("mask value", none if about.mask_value is None else number(about.mask_value)))
        rows.append(("padded with", number(about.padding)))
        source = "the source" if about.lengths_from == "source" else "the zero rows themselves, so inferred"
        rows.append(("lengths from", source))
        if about.loss:
            assumed = " (assumed by its last layer, since the model is not compiled)" if about.loss_assumed else ""
            rows.append(("loss", f"{about.loss}{assumed}"))
    sampled = ", ".join(map(str, report.sampled))
    rows.append(
        (
            "sentences",
            f"{report.sentences:,}, of which {len(report.sampled):,} were run" + (f": {sampled}" if sampled else ""),
        )
    )
    if recorded:
        parts = (("Maskscope", about.maskscope), ("Keras", about.keras), ("TensorFlow", about.tensorflow))
        rows.append(
            ("made with", _listed([f"{name} {version}" for name, version in parts if version]) or "not recorded")
        )
        if about.warning:
            rows.append(("this Keras", about.warning))
        rows.append(("time", f"{about.seconds:.1f} s"))
    if command:
        rows.append(("command", element("code", command)))
    body = [element("tr", element("th", what, scope="row"), element("td", words)) for what, words in rows]
    note = "Sentences and positions count from 0. Every check runs the model as it is used, not as it is trained."
    return _section(
        "What was audited, and how", joined(element("table", *body, class_="how"), element("p", note)), "making"
    )


def _tolerances(report: AuditReport, findings: Sequence[Finding]) -> Markup:
    rows = []
    for finding in findings:
        if finding.tolerance is not None:
            known = KNOWN.get(finding.check)
            measured = known.measured if known is not None and known.measured else "largest deviation"
            rows.append((finding.check, measured, number(finding.tolerance)))
    if not rows:
        return Markup("")
    types = _listed([joined(number(tolerance), f" in {name}") for name, tolerance in TOLERANCES.items()])
    words = element(
        "p",
        "A deviation up to the tolerance is what rounding explains. Of a probability it is absolute: ",
        types,
        ". Of a loss and of a weight's gradient it is relative; where nothing at all may change it is 0. "
        "This model computes in ",
        report.about.compute_dtype,
        ".",
    )
    return _section("Tolerances", joined(words, _table(("check", "what is measured", "at most"), rows)), "tolerances")


def _glossary() -> Markup:
    words = [joined(element("dt", term), element("dd", meaning)) for term, meaning in _TERMS]
    return _section("Words", element("dl", *words, class_="words"), "words")


def _citing(report: AuditReport, findings: Sequence[Finding]) -> Markup:
    version = report.about.maskscope
    entry = (
        "@software{maskscope,\n  author  = {{The Maskscope developers}},\n"
        "  title   = {Maskscope: a padding audit for sequence taggers},\n"
        + (f"  version = {{{version}}},\n" if version else "")
        + "}"
    )
    return _section(
        "How to cite",
        element(
            "div",
            element("p", "For a methods section:"),
            element("pre", _methods(report, findings)),
            element("p", "For the list of references, with the year of the version:"),
            element("pre", entry),
            class_="keep",
        ),
        "citing",
    )


def _methods(report: AuditReport, findings: Sequence[Finding]) -> str:
    about = report.about
    made = ", ".join(
        f"{name} {version}" for name, version in (("Keras", about.keras), ("TensorFlow", about.tensorflow)) if version
    )
    by_verdict = []
    for verdict in _ORDER:
        names = [finding.check for finding in findings if finding.verdict == verdict]
        if names:
            by_verdict.append(f"{len(names)} {verdict} ({', '.join(names)})")
    file = f"{report.model} (SHA-256 {about.sha256[:12]})" if about.sha256 else report.model
    largest = [
        finding.tolerance
        for finding in findings
        if finding.tolerance and finding.check in ("LENGTH", "BATCH", "CONTENT")
    ]
    within = f" The tolerance of a probability was {plain_number(max(largest))}." if largest else ""
    return (
        f"We audited {file} for its handling of padding with Maskscope{_version(about)}{f' ({made})' if made else ''}, "
        f"on {len(report.sampled):,} of {report.sentences:,} sentences. Of {_checks_in_words(len(findings))}, "
        f"{'; '.join(by_verdict) if by_verdict else 'none was made'}.{within}"
    )
