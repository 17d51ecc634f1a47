"""How the report looks: the window's colours, in light, in dark, and on paper."""

from dataclasses import asdict

from maskscope_resources.colours import DARK, LIGHT, Theme

_SHEET = """\
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--window);color:var(--text);
 font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
 font-variant-numeric:tabular-nums;overflow-wrap:anywhere;print-color-adjust:exact;-webkit-print-color-adjust:exact}
main{max-width:56rem;margin:0 auto;padding:1.5rem 2rem 3rem;background:var(--panel);
 border:solid var(--line);border-width:0 1px;min-height:100vh}
h1,h2,h3{line-height:1.25;margin:0;font-weight:600}
h1{font-size:1.75rem;letter-spacing:-.01em}
h2{font-size:1.2rem;margin:0 0 .75rem}
h3{font-size:1rem;display:flex;align-items:center;gap:.5rem;flex-wrap:wrap}
p{margin:.5rem 0}
a{color:var(--accent)}
ul,ol{margin:.5rem 0;padding-left:1.25rem}
.caps{font-size:.73rem;font-weight:600;letter-spacing:.06em;text-transform:uppercase;color:var(--second);margin:0}
.second,figcaption,.definition{color:var(--second)}
.verdict{display:flex;gap:.9rem;align-items:flex-start;margin:.4rem 0 .75rem}
.verdict>svg{margin-top:.15rem}
header h2{margin:1.1rem 0 .25rem;font-size:1rem}
.lead{font-size:1.1rem}
.fails,.fails a{color:var(--fails)}.holds{color:var(--holds)}.unclear{color:var(--collision)}
.word{font-size:.85rem;font-weight:600}
main>section{border-top:1px solid var(--line);padding-top:1.5rem;margin-top:1.5rem}
article{padding:1rem 0;border-top:1px solid var(--line)}
article:first-of-type{border-top:0;padding-top:0}
.definition{font-size:.9rem;margin:.25rem 0 .5rem}
.advice{padding-left:.75rem;border-left:3px solid var(--accent)}
.measure{display:grid;grid-template-columns:minmax(0,19rem) minmax(0,1fr);gap:.25rem 2rem;margin-top:.6rem}
.measure figure{margin:0}
.facts{margin:0;display:grid;grid-template-columns:1fr;gap:.4rem;align-content:start}
.facts dt{font-size:.8rem;line-height:1.3;color:var(--second)}
.facts dd{margin:0;font-weight:600;line-height:1.35}
.facts dd span{font-weight:400}
sup{font-size:.72em;line-height:0}
figure{margin:.75rem 0 0}
figcaption{font-size:.85rem;margin-top:.35rem}
svg{display:block;overflow:visible}
.mark{flex:none}
svg.f text{font-size:11px;fill:var(--second)}
svg.f text.strong{fill:var(--text);font-weight:600}
svg.f text.here{fill:var(--accent);font-weight:600}
svg.f text.tick,svg.f text.place{font-size:10px}
table{border-collapse:collapse;width:100%}
caption{text-align:left;font-size:.85rem;color:var(--second);padding-bottom:.5rem;caption-side:top}
th,td{text-align:left;vertical-align:top;padding:.35rem 1rem .35rem 0;font-size:.9rem;
 border-bottom:1px solid var(--line);overflow-wrap:break-word}
.how td{overflow-wrap:anywhere}
th{font-weight:600}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--second);font-size:.8rem}
td.n,th.n{text-align:right;white-space:nowrap}
.how th{width:11rem;color:var(--second);font-weight:400}
.overview{table-layout:fixed}
.overview th,.overview td{border-bottom:0;padding-top:0;padding-bottom:0;vertical-align:middle;height:30px}
.overview thead th{height:auto;vertical-align:bottom;padding-bottom:.2rem}
.overview .title th{padding-top:.6rem;height:auto;font-size:.8rem}
.overview .name{width:9.5rem}.overview .number{width:8.5rem}
.overview .name span{display:flex;gap:.5rem;align-items:center}
.overview a{color:inherit;text-decoration-color:var(--control);text-underline-offset:.2em}
.grid{stroke:var(--line)}.axis{stroke:var(--control)}
.limit{stroke:var(--text);stroke-width:1.5;stroke-dasharray:4 3}
.within{fill:var(--holds_ground)}.beyond{fill:var(--fails_ground)}
.dot-holds{fill:var(--holds)}.dot-fails{fill:var(--fails)}.dot-unclear{fill:var(--collision)}
.stem-holds{stroke:var(--holds);stroke-width:2}.stem-fails{stroke:var(--fails);stroke-width:2}
.stem-unclear{stroke:var(--collision);stroke-width:2}
.on{fill:var(--mask)}.off{fill:url(#hatch);stroke:var(--pad_stroke)}
.ground{fill:var(--window)}.hatched{fill:url(#hatch)}
.bar-beyond{fill:var(--fails)}.bar-within{fill:var(--mask)}.bar-value{fill:var(--ramp_high)}
.hollow{fill:none;stroke:var(--second);stroke-width:1.25}
.none{fill:none;stroke:var(--pad_stroke);stroke-dasharray:2 2}
.wrong{fill:none;stroke:var(--fails);stroke-width:2}.cross{stroke:var(--fails);stroke-width:1.75}
.here{fill:var(--accent)}.frame{fill:none;stroke:var(--accent);stroke-width:1.5}
.over{fill:transparent}
.hatch-ground{fill:var(--pad_ground)}.hatch-stroke{stroke:var(--pad_stroke)}
code,pre,kbd{font:.85em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{margin:.5rem 0;padding:.6rem .75rem;background:var(--window);white-space:pre-wrap}
details{margin-top:.5rem}
summary{cursor:pointer;font-size:.85rem;color:var(--second)}
summary:focus-visible,a:focus-visible,.scroll:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.scroll{overflow-x:auto}
details table{width:auto;margin-top:.4rem}
dl.words{margin:0}
.words dt{font-weight:600;margin-top:.6rem}.words dd{margin:0}
footer{border-top:1px solid var(--line);margin-top:1.5rem;padding-top:.75rem;font-size:.8rem;color:var(--second)}
@media (max-width:40rem){
 body{font-size:14px}
 main{padding:1rem 1rem 2rem;border-width:0}
 h1{font-size:1.35rem}.lead{font-size:1rem}
 .overview .name{width:7.9rem}
 .overview .number,svg .far{display:none}
 .overview th,.overview td{padding-right:.25rem;font-size:.8rem}
 .measure{grid-template-columns:minmax(0,1fr)}
 .how tr,.how th,.how td{display:block;width:auto}
 .how th{border-bottom:0;padding-bottom:0}.how td{padding-top:0}
}
@page{size:A4;margin:17mm 16mm}
@media print{
 html{font-size:13px}
 body{font-size:9.5pt;background:none}
 main{max-width:none;padding:0;border:0;min-height:0;background:none}
 h1{font-size:17pt}h2{font-size:12pt}.lead{font-size:11pt}
 h2,h3{break-after:avoid}
 article,figure,tr,dl,pre,.keep{break-inside:avoid}
 footer{break-before:avoid;margin-top:.75rem;padding-top:.4rem}
 tbody.group{break-inside:avoid}
 main>section{padding-top:1rem;margin-top:1rem}
 details:not([open]){display:none}
 .scroll{overflow:visible}
 .scroll th,.scroll td{overflow-wrap:anywhere}
 a{color:inherit;text-decoration:none}
}
"""


def _variables(theme: Theme) -> str:
    return ";".join(f"--{name}:{code}" for name, code in asdict(theme).items() if str(code).startswith("#"))


def _picture_in_dark() -> str:
    """The model's picture is drawn in the light theme's colours; each is exchanged for the dark one of its name."""
    rules = []
    for name in ("window", "panel", "line", "text", "second", "mask", "fails", "fails_ground", "control"):
        for property_ in ("fill", "stroke"):
            code = getattr(LIGHT, name).lower()
            rules.append(f'.model [{property_}="{code}" i]{{{property_}:var(--{name})}}')
    return "\n".join(rules)


def style_sheet() -> str:
    """All of it, as the text of one style element."""
    # paper is white whatever the screen is
    return (
        f":root{{color-scheme:light dark;{_variables(LIGHT)}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}\n"
        f"{_SHEET}{_picture_in_dark()}\n"
    )
