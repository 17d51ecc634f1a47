"""The model's picture inside the report: only shapes and text of it are kept."""

import pytest

from maskscope.audit.html.picture import inline_picture

HOSTILE = (
    '<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "a" "b">\n'
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'viewBox="0 0 9 9" onload="x()">'
    "<title>&lt;script&gt;alert(1)&lt;/script&gt;</title><script>alert(2)</script><style>*{color:red}</style>"
    '<a xlink:href="javascript:x()"><text>linked</text></a><g id="hatch" onclick="x()" fill="url(http://a/b)">'
    '<text x="1" style="x" transform="matrix(1,0,0,1,0,0)">&lt;script&gt;alert(3)&lt;/script&gt;</text></g>'
    '<image href="http://a/b.png"/><foreignObject><p>hello</p></foreignObject></svg>'
)


def test_only_shapes_and_text_are_kept() -> None:
    assert inline_picture(HOSTILE) == (
        '<svg viewBox="0 0 9 9" role="img" width="100%" style="max-width:9px">'
        "<title>&lt;script&gt;alert(1)&lt;/script&gt;</title>"
        '<g><text x="1" transform="matrix(1,0,0,1,0,0)">&lt;script&gt;alert(3)&lt;/script&gt;</text></g></svg>'
    )


def test_text_of_a_picture_stays_where_it_was() -> None:
    picture = '<svg viewBox="0 0 2 2"><text>a<tspan>b</tspan>c<!-- left out -->d<a>left out</a>e</text></svg>'
    assert "<text>a<tspan>b</tspan>cde</text>" in str(inline_picture(picture))


@pytest.mark.parametrize(
    "picture",
    [
        "",
        "no picture",
        "<svg viewBox='0 0 1 1'>",
        "<p viewBox='0 0 1 1'/>",
        "<svg/>",
        '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><svg viewBox="0 0 1 1"><text>&b;</text></svg>',
    ],
)
def test_what_is_no_picture_is_left_out(picture: str) -> None:
    assert inline_picture(picture) is None
