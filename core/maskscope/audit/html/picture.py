"""A model's picture, made fit to stand inside a page: nothing but shapes and text is left of it."""

import re
from xml.etree import ElementTree

from maskscope.audit.html.markup import Markup, element, escaped

_SHAPES = frozenset(
    {"svg", "g", "path", "rect", "line", "polyline", "polygon", "circle", "ellipse", "text", "tspan", "title", "desc"}
)
_ATTRIBUTES = frozenset(
    {"x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "width", "height", "d", "points", "transform"}
    | {"fill", "fill-opacity", "fill-rule", "opacity", "text-anchor", "viewBox"}
    | {"font-family", "font-size", "font-weight", "font-style"}
    | {"stroke", "stroke-width", "stroke-opacity", "stroke-linecap", "stroke-linejoin", "stroke-dasharray"}
)
_PROLOG = re.compile(r"^\s*(<\?xml[^>]*\?>\s*|<!--.*?-->\s*|<!DOCTYPE[^>\[]*>\s*)*", re.DOTALL)
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def inlined(svg: str) -> Markup | None:
    """The picture as an element of a page, or None when the text is no picture.

    Scripts, links, styles, images and whatever else is no shape are left out, and so are identifiers, which might be
    those of the page: a layer's name stands in the picture, and a model's file may be anyone's.
    """
    text = _PROLOG.sub("", _NO_XML.sub("\ufffd", svg))
    if "<!" in text.replace("<!--", ""):
        # a document type or entity, which no picture of ours has
        return None
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None
    if _name(root.tag) != "svg":
        return None
    box = root.get("viewBox", "").split()
    try:
        width = float(box[2])
    except (IndexError, ValueError):
        return None
    # as wide as it was drawn, or narrower where the page is
    kept = {key: value for key, value in _kept(root).items() if key not in ("width", "height")}
    return element("svg", _inside(root), role="img", width="100%", style=f"max-width:{width:.0f}px", **kept)


def _inside(node: ElementTree.Element) -> Markup:
    parts = [escaped(node.text or "")]
    for child in node:
        name = _name(child.tag)
        if name in _SHAPES:
            parts.append(element(name, _inside(child), **_kept(child)))
        parts.append(escaped(child.tail or ""))
    return Markup("".join(parts))


def _name(tag: object) -> str:
    # comments and instructions have a function for a tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _kept(node: ElementTree.Element) -> dict[str, str]:
    return {key: value for key, value in node.attrib.items() if key in _ATTRIBUTES and "(" not in _plain(key, value)}


def _plain(key: str, value: str) -> str:
    """A transform has brackets; in anything else they would be a reference, such as url(...)."""
    return "" if key == "transform" else value
