"""The model's picture, made safe to be put into the report: only shapes and text of it are kept."""

import re
from xml.etree import ElementTree

from markupsafe import Markup

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
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def inline_picture(svg: str) -> Markup | None:
    """The picture as an element of an HTML page; None when the text is no SVG picture.

    Scripts, links, styles, images and everything else that is not a shape is left out, and so are identifiers, which
    might equal those of the page: the picture holds names of layers, and a model's file may come from anyone.

    Args:
        svg: the text of an .svg file.
    """
    text = _PROLOG.sub("", _NOT_IN_XML.sub("\ufffd", svg))
    if "<!" in text.replace("<!--", ""):
        # a document type or an entity, neither of which the window's own pictures have
        return None
    try:
        root = ElementTree.fromstring(text)
        width = float(root.get("viewBox", "").split()[2])
    except (ElementTree.ParseError, IndexError, ValueError):
        return None
    if _local_name(root) != "svg":
        return None
    picture = _shapes_of(root, "svg")
    # as wide as it was drawn, or as the page where that is narrower
    picture.attrib.pop("height", None)
    picture.attrib.update({"role": "img", "width": "100%", "style": f"max-width:{width:.0f}px"})
    # ElementTree escapes text and attributes
    return Markup(ElementTree.tostring(picture, encoding="unicode", short_empty_elements=False))


def _shapes_of(node: ElementTree.Element, name: str) -> ElementTree.Element:
    """A copy of a shape with the allowed attributes and the shapes inside it; text of left-out elements goes, too."""
    copy = ElementTree.Element(name, {key: value for key, value in node.attrib.items() if _is_allowed(key, value)})
    copy.text = node.text
    for child in node:
        child_name = _local_name(child)
        if child_name in _SHAPES:
            kept = _shapes_of(child, child_name)
            kept.tail = child.tail
            copy.append(kept)
        elif len(copy):
            copy[-1].tail = (copy[-1].tail or "") + (child.tail or "")
        else:
            copy.text = (copy.text or "") + (child.tail or "")
    return copy


def _local_name(node: ElementTree.Element) -> str:
    """The element's name without its namespace; "" for comments and instructions, whose tag is a function."""
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""


def _is_allowed(key: str, value: str) -> bool:
    """Whether an attribute is kept. Brackets are only for transforms; elsewhere they are references: url(...)."""
    return key in _ATTRIBUTES and (key == "transform" or "(" not in value)
