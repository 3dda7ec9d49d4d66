"""The page in Chromium: what a reader does with pointer and keyboard, colours, paper, accessibility, injections, bad input."""

import contextlib
import importlib.util
import logging
import math
import os
import re
import shutil
import threading
import time

import numpy as np
import pyarrow as pa
import pytest

from metricscan import Objective, Scanner, plot, rank, replay, report
from metricscan.logs.job import Job
from metricscan.reports.live_page import LivePage
from metricscan.reports.page_data import page_data

pytestmark = pytest.mark.integration
MIN = Objective("val_loss", "Minimize", step="epoch")
DEFINITIONS = [r"epoch=epoch=(\d+)", r"train_loss=train_loss=(\S+)", r"val_loss=val_loss=([0-9.]+)"]
SIZES = [(1600, 1000), (400, 800)]
COLOURS = ["light", "dark"]
HOSTILE = [
    "</script><script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    "<svg onload=window.hit=1>",
    "<svg><script>window.hit=1</script></svg>",
    "'\"><img src=x onerror=window.hit=1>",
    '" onmouseover="window.hit=1" autofocus onfocus="window.hit=1',
    "' onfocus='window.hit=1' autofocus='",
    "<!-- <script>window.hit=1</script> -->",
    "<!--",
    "]]><![CDATA[",
    "</title><script>window.hit=1</script>",
    "</style><style>*{display:none}</style>",
    "<base href=//example.invalid>",
    "<meta http-equiv=refresh content=0>",
    "<link rel=stylesheet href=//example.invalid/x.css>",
    "<iframe srcdoc='<script>parent.hit=1</script>'></iframe>",
    "<object data=//example.invalid></object>",
    "<form action=//example.invalid><button>x</button></form>",
    "<a href=javascript:window.hit=1>x</a>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.hit=1>",
    "<template><script>window.hit=1</script></template>",
    "<details open ontoggle=window.hit=1>",
    "<video><source onerror=window.hit=1></video>",
    "<body onload=window.hit=1>",
    "<input autofocus onfocus=window.hit=1>",
    "<marquee onstart=window.hit=1>",
    "javascript:window.hit=1",
    "{{data}}{{script}}",
    "${window.hit=1}",
    "`;window.hit=1;`",
    "\\u003cscript>window.hit=1</script>",
    "\\",
    '";window.hit=1;//',
    "';window.hit=1;//",
    "\u2028window.hit=1",
    "\u202ereversed",
    "\u200binvisible\ufeff",
    "\x1b[31mred\x07",
    "line\nbreak",
    "tab\there",
    "&lt;script&gt;window.hit=1&lt;/script&gt;",
    "&#60;script&#62;",
    "a&b<c>d",
    "__proto__",
    "constructor",
    "toString",
    "NaN",
    "@{x} @x{safe} $index",
    "$$\\href{javascript:window.hit=1}{x}$$",
    "=1+1",
    "\U0001f389" * 8,
    "x" * 300,
]


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with playwright.sync_playwright() as started:
        try:
            opened = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium: {error.message.splitlines()[0]}")
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def axe():
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None:
        pytest.skip("no axe-playwright-python")
    with open(os.path.join(found.submodule_search_locations[0], "axe.min.js"), encoding="utf-8") as script:
        return script.read()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A dataset and its page: jobs whose logs end in a NaN, in a crash and without a value among them."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "logs").mkdir()
    rng = np.random.default_rng(5)
    for number in range(60):
        lr, units = 10 ** rng.uniform(-5, -1), [16, 32, 64][number % 3]
        lines = ["beginning"]
        for epoch in range(1, 41):
            base = 0.2 + abs(math.log10(lr) + 3) / 5 + 2 / epoch + rng.normal() / 50
            value = "nan" if number == 7 and epoch > 30 else f"{base:.4f}"
            lines += [f"epoch={epoch} train_loss={base * 0.9:.4f}", f"val_loss={value}"]
        if number == 9:
            lines += ["Traceback (most recent call last):", '  File "x.py", line 1, in <module>', "RuntimeError: out"]
        text = "nothing\n" if number == 11 else "\n".join(lines) + "\n"
        (folder / "logs" / f"lr={lr:.3g},units={units},opt={'adam' if number % 2 else 'sgd'}.log").write_text(text)
    replay(folder / "logs", Scanner(DEFINITIONS), objective=MIN, out=folder / "out")
    report(folder / "out", folder / "page.html")
    return folder


@contextlib.contextmanager
def opened(browser, path, size=SIZES[0], colours="light", shown="#made"):
    """The page, drawn; nothing may be said on the console, nothing may go wrong, nothing may be asked for."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=colours)
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    address = path if str(path).startswith("http") else f"file://{path}"
    page.on("request", lambda request: None if request.url.startswith(address) else said.append(request.url))
    page.goto(address)
    page.wait_for_selector(f"{shown}:not([hidden])")
    yield page
    page.wait_for_timeout(100)
    assert said == []
    context.close()


def drawn(page):
    page.wait_for_selector("html[data-drawn=yes]")
    return page


def violations(page, axe):
    page.evaluate(axe)
    found = page.evaluate("axe.run(document)")["violations"]
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


def column(page, head):
    """The texts of a column of the table."""
    heads = page.locator(".ranking thead tr:last-child th").all_inner_texts()
    at = next(number for number, text in enumerate(heads) if text.strip() == head)
    return page.locator(f".ranking tbody tr > :nth-child({at + 1})").all_inner_texts()


def ranges(page):
    """The part of the axes that the picture shows."""
    return page.evaluate(
        "() => { const [figure] = Bokeh.documents.at(-1).roots(); const {x_range: x, y_range: y} = figure;"
        " return [x.start, x.end, y.start, y.end]; }"
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("colours", COLOURS)
def test_it_opens_silently_and_axe_finds_nothing(browser, axe, folder, size, colours):
    with opened(browser, folder / "page.html", size, colours) as page:
        drawn(page)
        assert violations(page, axe) == []
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
        page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
        page.locator(".ranking tbody input").first.check()
        assert violations(page, axe) == []


def test_the_ranking_is_that_of_the_dataset(browser, folder):
    wanted = rank(folder / "out", MIN).to_pylist()
    with opened(browser, folder / "page.html") as page:
        values = column(page, "val_loss")
        assert [float(text) for text in values] == [row["value"] for row in wanted[: len(values)]]
        assert page.locator(".ranking tbody th").first.get_attribute("title") == wanted[0]["job"]
        assert page.locator("#winner .value").inner_text() == repr(wanted[0]["value"])
        assert page.locator("#winner .excerpt .at").inner_text().endswith(f"val_loss={wanted[0]['value']:.4f}")


@pytest.mark.parametrize("by", ["pointer", "keyboard"])
def test_sorting(browser, folder, by):
    with opened(browser, folder / "page.html") as page:
        button = page.locator(".ranking .sort", has_text="units")
        head = page.locator(".ranking th", has=page.locator(".sort", has_text="units"))

        def press():
            if by == "pointer":
                button.click()
            else:
                button.focus()
                page.keyboard.press("Enter")

        before = column(page, "rank")
        press()
        assert head.get_attribute("aria-sort") == "ascending"
        units = [float(one) for one in column(page, "units")]
        assert units == sorted(units)
        press()
        assert head.get_attribute("aria-sort") == "descending"
        assert column(page, "units")[0] == "64"
        press()
        assert head.get_attribute("aria-sort") is None
        assert column(page, "rank") == before


def test_filters_hold_for_the_table_and_the_curves(browser, folder):
    with opened(browser, folder / "page.html") as page:
        drawn(page)
        field = page.get_by_label("Filter by units")
        for text, wanted in (("64", {"64"}), ("<64", {"16", "32"}), ("20..40", {"32"}), (">=32", {"32", "64"})):
            field.fill(text)
            assert set(column(page, "units")) == wanted
        field.fill("64")
        page.get_by_label("Filter by opt").fill("ada")
        assert set(column(page, "opt")) == {"adam"}
        drawn(page)
        count = int(re.search(r"of (\d+) jobs that pass", page.locator(".pager").inner_text())[1])
        legend = page.locator(".legend").inner_text()
        assert count == 10
        # one of them has no value
        assert int(re.search(r"(\d+) (?:other )?jobs?", legend)[1]) + legend.count("(best)") == count - 1
        field.fill("much")
        assert field.get_attribute("aria-invalid") == "true"
        page.get_by_role("button", name="Clear filters").click()
        assert len(column(page, "units")) == 25
        page.get_by_label("Find jobs by any text").fill("no such text")
        assert page.locator(".ranking tbody").inner_text() == "No job passes the filters."
        drawn(page)
        assert page.evaluate("Bokeh.documents.length") == 1


def test_pages_of_the_table(browser, folder):
    with opened(browser, folder / "page.html") as page:
        seen = []
        while True:
            seen += page.locator(".ranking tbody th").evaluate_all("all => all.map((one) => one.title)")
            following = page.get_by_role("button", name="Next")
            if following.is_disabled():
                break
            following.click()
        assert seen == rank(folder / "out", MIN)["job"].to_pylist()


def test_a_drag_zooms_and_a_key_shows_all(browser, folder):
    with opened(browser, folder / "page.html") as page:
        drawn(page)
        whole = ranges(page)
        page.locator(".chart").scroll_into_view_if_needed()
        box = page.locator(".chart").bounding_box()
        page.mouse.move(box["x"] + 400, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + 700, box["y"] + 300, steps=5)
        page.mouse.up()
        page.wait_for_function("([start]) => Bokeh.documents.at(-1).roots()[0].x_range.start > start", arg=whole)
        start, end, low, high = ranges(page)
        assert whole[0] < start < end < whole[1]
        assert whole[2] < low < high < whole[3]
        # a filter leaves the part that is looked at
        page.get_by_label("Filter by units").fill("64")
        drawn(page)
        assert ranges(page)[:2] == [start, end]
        page.locator(".chart").focus()
        page.keyboard.press("0")
        assert ranges(page)[0] < start
        before = ranges(page)
        page.keyboard.press("+")
        inside = ranges(page)
        assert before[0] < inside[0] < inside[1] < before[1]
        page.keyboard.press("-")
        assert ranges(page) == pytest.approx(before)


def test_the_keyboard_reads_and_marks_curves(browser, folder):
    rows = rank(folder / "out", MIN).to_pylist()
    with opened(browser, folder / "page.html") as page:
        drawn(page)
        page.locator(".chart").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        status = page.locator("#status")
        assert status.inner_text().startswith(f"{rows[1]['job']}, epoch 1, val_loss ")
        for _ in range(60):
            page.keyboard.press("ArrowRight")
        assert status.inner_text() == f"{rows[1]['job']}, epoch 40, val_loss {rows[1]['value']!r}"
        assert page.locator(".tip").is_visible()
        page.keyboard.press("Enter")
        assert page.locator(".marked h3").inner_text() == rows[1]["job"]
        assert page.locator(".ranking tbody input").nth(1).is_checked()
        page.keyboard.press("Escape")
        assert page.locator(".tip").is_hidden()


def test_the_pointer_shows_a_curve_and_a_click_marks_it(browser, folder):
    with opened(browser, folder / "page.html") as page:
        drawn(page)
        chart = page.locator(".chart")
        chart.scroll_into_view_if_needed()
        box = chart.bounding_box()
        for down in range(20, int(box["height"]) - 40, 4):
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + down)
            page.wait_for_timeout(20)
            if page.locator(".tip").is_visible():
                break
        assert re.search(r"epoch \d+, val_loss [0-9.]+", page.locator(".tip").inner_text())
        page.mouse.down()
        page.mouse.up()
        page.wait_for_selector(".marked article")


def test_several_metrics_axes_and_highlights(browser, folder):
    with opened(browser, folder / "page.html") as page:
        drawn(page)
        curves = page.locator("#curves")
        curves.get_by_label("train_loss").check()
        assert {"train_loss", "val_loss"} <= set(page.locator(".legend li").all_inner_texts())
        curves.get_by_label("values", exact=True).check()
        assert page.evaluate("Bokeh.documents.at(-1).roots()[0].y_scale.type") == "LogScale"
        curves.get_by_label("row", exact=True).check()
        assert ranges(page)[1] > 40
        curves.get_by_label("Highlight").select_option("10")
        assert "10 jobs of the first 10" in page.locator(".legend").inner_text()


def test_a_part_of_an_axis_filters(browser, folder):
    with opened(browser, folder / "page.html") as page:
        strip = page.locator(".axis").first
        strip.scroll_into_view_if_needed()
        box = strip.bounding_box()
        page.mouse.move(box["x"] + 12, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + 12, box["y"] + 200)
        page.mouse.up()
        low, high = map(float, page.get_by_label("Filter by lr").input_value().split(".."))
        assert 1e-5 < low < high < 1e-1
        assert all(low <= float(text) <= high for text in column(page, "lr"))
        assert column(page, "lr")


def test_on_paper(browser, folder):
    for colours in COLOURS:
        with opened(browser, folder / "page.html", colours=colours) as page:
            drawn(page)
            assert page.pdf(print_background=True).startswith(b"%PDF")
            page.emulate_media(media="print")
            for hidden in ("nav", ".controls", ".filter"):
                assert not page.locator(hidden).first.is_visible()
            for shown in ("#winner", ".ranking", ".chart", "#made"):
                assert page.locator(shown).first.is_visible()
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_colours_follow_the_system(browser, folder):
    with opened(browser, folder / "page.html") as page:
        drawn(page)
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.emulate_media(color_scheme="dark")
        page.wait_for_function("(light) => getComputedStyle(document.body).backgroundColor !== light", arg=light)


# ---- pages of curves alone


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("colours", COLOURS)
@pytest.mark.parametrize("options", [{"log": True}, {"group_by": "units"}])
def test_a_plot_opens_silently_and_axe_finds_nothing(browser, axe, folder, tmp_path, size, colours, options):
    path = tmp_path / "plot.html"
    plot(folder / "out", ["train_loss", "val_loss"], path, step="epoch", objective=MIN, title="A sweep", **options)
    with opened(browser, path, size, colours, shown="#curves") as page:
        drawn(page)
        assert violations(page, axe) == []
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
        assert page.title() == "A sweep"
        visible = page.locator("main > section:visible").evaluate_all("all => all.map((one) => one.id)")
        assert (visible, page.locator("nav").is_visible()) == (["curves"], False)
        legend = page.locator(".legend").inner_text()
        best = rank(folder / "out", MIN)["job"][0].as_py()
        assert (f"{best} (best)" in legend) == ("log" in options)
        assert ("2 other groups" in legend) == ("group_by" in options)
        assert page.evaluate("Bokeh.documents.at(-1).roots()[0].y_scale.type") == (
            "LogScale" if "log" in options else "LinearScale"
        )
        page.locator(".chart").focus()
        page.keyboard.press("ArrowDown")
        assert re.search(r"epoch 1, train_loss \d", page.locator("#status").inner_text())


@pytest.mark.parametrize("options", [{}, {"group_name": "(?s)(.*)"}])
def test_injections_in_a_plot_stay_text(browser, tmp_path, options):
    jobs = pa.concat_tables([table_of([2.0, 1.0], job) for job in HOSTILE])
    metrics = {HOSTILE[0]: jobs} | {name: table_of([2.0, 1.0]) for name in HOSTILE[1:]}
    objective = Objective(HOSTILE[0], "Minimize")
    plot(metrics, HOSTILE, tmp_path / "plot.html", objective=objective, title=HOSTILE[0], **options)
    with opened(browser, tmp_path / "plot.html", shown="#curves") as page:
        drawn(page)
        page.locator(".chart").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        elements = page.evaluate("[...new Set([...document.querySelectorAll('*')].map((one) => one.localName))]")
        assert not {"img", "iframe", "svg", "object", "form", "base", "link", "template", "video"} & set(elements)
        assert page.evaluate("window.hit") is None


def table_of(values, job="a"):
    count = len(values)
    place = np.arange(count)
    columns = {"line": place + 1, "offset": 10 * place, "start": 10 * place + 5}
    names = {"job": pa.array([job] * count, pa.string()), "stream": pa.array(["out"] * count, pa.string())}
    time_of = pa.nulls(count, pa.timestamp("us", "UTC"))
    return pa.table({**names, "value": pa.array(values, pa.float64()), **columns, "time": time_of})


def jobs_of(count, rows=1):
    """The names of jobs, each of which has so many rows."""
    codes = pa.array(np.repeat(np.arange(count, dtype=np.int32), rows))
    return pa.DictionaryArray.from_arrays(codes, pa.array([f"job{at}" for at in range(count)]))


def test_injections_stay_text(browser, folder):
    assert len(HOSTILE) >= 50
    metrics = {name: pa.concat_tables([table_of([2.0, 1.0], job) for job in HOSTILE]) for name in HOSTILE}
    jobs = [Job(name, [], name, dict.fromkeys(HOSTILE[:8], name) | {"x": name}) for name in HOSTILE[1:]]
    jobs.append(Job(HOSTILE[0], [], "Completed", {"x": HOSTILE[0], HOSTILE[0]: HOSTILE[1]}))
    path = folder / "hostile.html"
    report(metrics, path, objective=Objective(HOSTILE[0], "Minimize"), jobs=jobs, title=HOSTILE[0])
    with opened(browser, path) as page:
        drawn(page)
        elements = page.evaluate("[...new Set([...document.querySelectorAll('*')].map((one) => one.localName))].sort()")
        assert not {"img", "iframe", "svg", "object", "form", "base", "link", "template", "video"} & set(elements)
        assert page.evaluate("document.querySelectorAll('script').length") == 3
        names = page.evaluate("[...document.querySelectorAll('*')].flatMap((one) => one.getAttributeNames())")
        assert not [name for name in names if name.startswith("on")]
        for number in range(3):
            page.locator(".ranking tbody input").nth(number).check()
        box = page.locator(".chart").bounding_box()
        page.mouse.move(box["x"] + box["width"] - 60, box["y"] + box["height"] / 2)
        page.locator(".chart").focus()
        for _ in range(5):
            page.keyboard.press("ArrowDown")
        titles = []
        while True:
            titles += page.locator(".ranking tbody th").evaluate_all("all => all.map((one) => one.title)")
            following = page.get_by_role("button", name="Next")
            if following.is_disabled():
                break
            following.click()
        assert len(titles) == len(HOSTILE)
        # as text: what cannot be seen is spelled, all else is there as it is
        assert {one for one in HOSTILE if one.isprintable()} <= set(titles)
        assert all(title.isprintable() for title in titles)
        assert page.title() == page.locator("h1").inner_text() == HOSTILE[0]
        assert page.evaluate("window.hit") is None


@pytest.mark.parametrize(
    ("tables", "objective", "said"),
    [
        ({}, None, "There are no jobs."),
        ({"m": table_of([])}, Objective("m", "Minimize"), "There are no values to draw."),
        ({"m": table_of([0.5])}, Objective("m", "Minimize"), "The lowest m wins."),
        ({"m": table_of([0.5, 0.25])}, None, "1 job"),
        (
            {"m": table_of([math.nan] * 3)},
            Objective("m", "Minimize"),
            "No job has a rank: each its value is not finite.",
        ),
        ({"m": table_of([math.nan, 1, math.inf, 2])}, Objective("m", "Minimize"), "2 points cannot be drawn"),
    ],
)
def test_little_or_nothing_to_show(browser, axe, tmp_path, tables, objective, said):
    report(tables, tmp_path / "page.html", objective=objective)
    with opened(browser, tmp_path / "page.html") as page:
        assert said in page.locator("body").inner_text()
        assert violations(page, axe) == []


def test_long_fractions_show_their_first_digits(browser, tmp_path):
    texts = ["0.0008492003420602507", "1.2345678901234567e-05", "0.5", "123456789.25", "100000000000000000000"]
    known = [Job(f"job{at}", [], "Completed", {"lr": text}) for at, text in enumerate(texts)]
    tables = {"m": table_of(range(5)).set_column(0, "job", jobs_of(5))}
    report(tables, tmp_path / "page.html", objective=Objective("m", "Minimize"), jobs=known)
    with opened(browser, tmp_path / "page.html") as page:
        drawn(page)
        assert column(page, "lr") == ["0.000849200…", "1.234567…e-05", *texts[2:]]
        # all of them where one points at, finds or marks one
        page.get_by_label("Find jobs by any text").fill(texts[0])
        assert page.get_by_title(texts[0]).inner_text() == "0.000849200…"
        page.get_by_label("Mark job0").check()
        assert texts[0] in page.locator(".marked").inner_text()


def test_a_hundred_thousand_jobs(browser, tmp_path):
    count = 100_000
    job = jobs_of(count)
    values = np.random.default_rng(1).permutation(count) / 7
    table = table_of(values).set_column(0, "job", job)
    report({"m": table}, tmp_path / "page.html", objective=Objective("m", "Minimize"))
    with opened(browser, tmp_path / "page.html") as page:
        drawn(page)
        assert "1 to 25 of 100,000 jobs" in page.locator(".pager").inner_text()
        page.get_by_label("Filter by m").fill("14000..14285")
        assert all(14000 <= float(text) <= 14285 for text in column(page, "m"))
        page.locator(".ranking .sort", has_text="job").click()
        assert "Only the first 1,000 jobs have curves." in page.locator("#curves").inner_text()


def test_a_thousand_jobs_of_ten_metrics(browser, tmp_path):
    jobs, points = 1_000, 100
    job = jobs_of(jobs, points)
    rng = np.random.default_rng(1)
    tables = {
        f"m{number}": table_of(rng.normal(size=jobs * points).round(4)).set_column(0, "job", job)
        for number in range(10)
    }
    known = [Job(f"job{at}", [], "Completed", {"lr": str(at / 7), "opt": "ab"[at % 2]}) for at in range(jobs)]
    report(tables, tmp_path / "page.html", objective=Objective("m0", "Minimize"), jobs=known)
    with opened(browser, tmp_path / "page.html") as page:
        drawn(page)
        # measured, and not asserted: a machine that does other things is slow
        opened_ms = page.evaluate("performance.now()")
        began = time.monotonic()
        page.get_by_label("Filter by m0").fill(">0")
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        logging.getLogger(__name__).info(
            f"opened in {opened_ms:.0f} ms, filtered in {1000 * (time.monotonic() - began):.0f} ms"
        )
        assert all(float(text) > 0 for text in column(page, "m0"))


def test_new_rows_appear_on_a_page_that_is_served(browser, tmp_path, monkeypatch):
    monkeypatch.setattr("metricscan.reports.live_page._LEAST_PAUSE_S", 0.0)
    log = tmp_path / "a.log"
    log.write_text("loss=3\n")
    scanner = Scanner([r"loss=loss=(\S+)"])
    objective = Objective("loss", "Minimize")
    with LivePage(lambda: page_data(replay(log, scanner, objective=objective))) as live:
        thread = threading.Thread(target=live.serve)
        thread.start()
        try:
            with opened(browser, live.url) as page:
                field = page.get_by_label("Filter by job")
                field.fill("a")
                log.write_text("loss=3\nloss=1.5\n")
                page.locator("#winner .value", has_text="1.5").wait_for()
                assert column(page, "loss") == ["1.5"]
                assert field.input_value() == "a"
                assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Filter by job"
        finally:
            live.close()
            thread.join()
