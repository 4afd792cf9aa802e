"""The built site in a real browser, from file:// and from a server on loopback: make site-test.

Skipped with the reason where there is no Chromium. Pictures of both editions go to build/screenshots/.
"""

from __future__ import annotations

import base64
import functools
import http.server
import json
import shutil
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import links  # noqa: E402

from scratch_lstm import lstm_textbook, rnn_textbook  # noqa: E402
from scratch_lstm.gradcheck import relative_error  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
SITE, PICTURES = ROOT / "site", ROOT / "build" / "screenshots"
PAGES = sorted(SITE.rglob("*.html"))
pytestmark = pytest.mark.site
EDITIONS = pytest.mark.parametrize("language", ["en", "zh"])


@pytest.fixture(scope="session")
def browser():
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install 'scratch-lstm[site-test]'")
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])


@pytest.fixture
def tab(browser):
    """A page; at the end there must have been no error, and no request to anywhere but the site."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.wrong = []
    page.on("console", lambda message: page.wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(("file:", "data:", "blob:", page.home))
            else page.wrong.append(request.url))
    page.home = "file:"
    yield page
    page.close()
    assert not page.wrong


def url(*parts):
    return SITE.joinpath(*parts).as_uri()


def test_the_site_is_built():
    assert len(PAGES) > 100, "make site"
    assert not links.broken(SITE)


def test_every_page_without_errors_formulas_rendered_nothing_too_wide(tab):
    """At 360 and 1280 pixels; every picture has an alternative text."""
    formulas = 0
    for path in PAGES:
        if path.parent == SITE:
            continue        # it only leads to one of the editions
        tab.goto(path.as_uri())
        found = tab.evaluate("""() => ({
            raw: document.querySelectorAll('.arithmatex, .katex-error').length,
            formulas: document.querySelectorAll('.formula > .katex, .formula > .katex-display').length,
            empty: [...document.querySelectorAll('.formula')]
                .filter((formula) => !formula.querySelector('.katex-html')).length,
            comments: document.body.innerHTML.includes('<!--excerpt')
                || [...document.querySelectorAll('p, li, td, h1, h2, h3')].some((part) =>
                    part.textContent.includes('\\\\(')),
            alt: [...document.images].filter((image) => image.alt.length < 5 || !image.naturalWidth).length
            })""")
        name = path.relative_to(SITE)
        assert (found["raw"], found["empty"], found["comments"], found["alt"]) == (0, 0, False, 0), name
        formulas += found["formulas"]
        for width in (360, 1280):
            tab.set_viewport_size({"width": width, "height": 900})
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, f"{name} at {width}"
        assert not tab.wrong, f"{name}: {tab.wrong}"
    assert formulas > 4000
    print(f"{len(PAGES)} pages, {formulas:,} formulas, requests that leave the machine: 0")


def search(tab, words):
    """The addresses that a search finds, opened by its key."""
    tab.wait_for_timeout(500)       # what is typed before the page's script has started is lost
    tab.keyboard.press("/")
    tab.keyboard.type(words, delay=20)
    tab.keyboard.press("End")       # a key comes up, as it does when Chinese is typed
    tab.wait_for_selector(".md-search-result__item a", state="attached", timeout=60_000)
    return [link.get_attribute("href") for link in tab.locator(".md-search-result__item a").all()]


@EDITIONS
def test_pointing_at_an_equation_lights_its_code_and_the_other_way_round(tab, language):
    tab.goto(url(language, "derivations", "02_bptt.html"))
    equation = tab.locator('[id="eq-6.36"] .pair-equation')
    line = tab.locator('[id="eq-6.36"] .code-line.cited')
    assert "U.T @ delta[t, k + 1]" in line.inner_text()
    equation.hover()
    assert "lit" in line.get_attribute("class")
    line.hover()
    assert "lit" in equation.get_attribute("class")
    tab.mouse.move(0, 0)
    assert "lit" not in equation.get_attribute("class") + line.get_attribute("class")
    equation.focus()        # without a mouse
    assert "lit" in line.get_attribute("class")
    copies = tab.locator(f'.code-line.lit[data-line="{line.get_attribute("data-line")}"]')
    assert copies.count() >= 2, "the line is lit in the whole function further down, too"


@EDITIONS
def test_from_6_36_to_its_line_and_back_is_one_click_each(tab, language):
    tab.goto(url(language, "derivations", "02_bptt.html"))
    tab.locator('[id="eq-6.36"] .pair-text a').first.click()
    tab.wait_for_url("**/source/scratch_lstm/rnn_textbook.py.html#L*")
    target = tab.locator(".code-line:target")
    assert "U.T @ delta[t, k + 1]" in target.inner_text() and target.is_visible()
    target.locator("a.back", has_text="(6.36)").click()
    tab.wait_for_url(f"**/{language}/derivations/02_bptt.html#eq-6.36")
    assert tab.locator('[id="eq-6.36"]').is_visible()


@pytest.mark.parametrize("language, words, page", [("en", "vanishing gradients", "05_vanishing"),
                                                   ("zh", "梯度消失", "05_vanishing"),
                                                   ("zh", "误差项", "02_bptt")])
def test_the_search_finds_from_file(tab, language, words, page):
    tab.goto(url(language, "index.html"))
    found = search(tab, words)
    assert any(page in link for link in found), found[:5]


def test_the_other_language_and_the_dark_scheme(tab):
    tab.goto(url("en", "derivations", "07_lstm_backward.html"))
    tab.locator("label[for=__palette_1]").click()
    assert tab.locator("body").get_attribute("data-md-color-scheme") == "slate"
    tab.locator(".md-header a[hreflang=zh]").evaluate("(link) => link.click()")
    tab.wait_for_url("**/zh/derivations/07_lstm_backward.html")
    assert "反向传播" in tab.title() and tab.locator("html").get_attribute("lang") == "zh"
    assert tab.locator("body").get_attribute("data-md-color-scheme") == "slate", "it is kept"


# The explorer

def model():
    """What the page reads with, as arrays."""
    text = (SITE / "en" / "assets" / "explorer_model.js").read_text(encoding="utf-8")
    data = json.loads(text[text.index("{"):text.rindex(";")])

    def array(packed, *shape):
        kind, = packed
        return np.frombuffer(base64.b64decode(packed[kind]), f"<{kind}").astype(float).reshape(shape)

    for net in (data["lstm"], data["simple"]):
        for layer in net["layers"]:
            layer["U"], layer["b"] = array(layer["U"], -1, layer["H"]), array(layer["b"], -1)
            layer["W"] = array(layer["W"], -1, layer["D"])
        net["embedding"], net["bias"] = array(net["embedding"], net["V"], -1), array(net["bias"], -1)
        net["weight"] = array(net["weight"], net["V"], -1)
    return data


def by_numpy(net, textbook, tokens, targets):
    """The quantities of the page, by the textbook code."""
    x = net["embedding"][tokens]
    for layer in net["layers"]:
        zeros = np.zeros(layer["H"])
        start = (zeros, zeros) if textbook is lstm_textbook else zeros
        states = textbook.forward(x, start, layer["W"], layer["U"], layer["b"])
        x = states.h[1:]
    logits = x @ net["weight"].T + net["bias"]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    dh = (p - np.eye(net["V"])[targets]) @ net["weight"]
    delta = textbook.delta(states, net["layers"][-1]["U"], dh)
    found = {"h": states.h, "p": p, "dh": dh, "delta": delta.transpose(1, 0, 2),
             "norm": np.linalg.norm(delta, axis=2)}
    return found | ({"c": states.c, "gates": states.gates} if textbook is lstm_textbook else {})


def test_the_explorer_s_numbers_are_numpy_s(tab):
    tab.goto(url("zh", "explorer.html"))
    tab.locator("[data-verse]").last.click()
    data, lists = model(), "Object.fromEntries(Object.entries(%s).filter(([, a]) => a.length)" \
                           ".map(([n, a]) => [n, [...a]]))"
    now = tab.evaluate(f"""() => {{ const now = ExplorerView.state(); return {{
        tokens: now.tokens, targets: now.states.targets,
        lstm: {{...{lists % 'now.states'}, ...{lists % 'now.found'}}},
        simple: {{...{lists % 'now.other'}, ...{lists % 'now.simple'}}} }} }}""")
    assert len(now["tokens"]) == 25
    for name, textbook in (("lstm", lstm_textbook), ("simple", rnn_textbook)):
        expected = by_numpy(data[name], textbook, now["tokens"], now["targets"])
        for quantity, value in expected.items():
            error = relative_error(np.reshape(now[name][quantity], value.shape), value, quantity)
            assert error <= 1e-12, (name, quantity)
            print(f"{name} {quantity:6} {error:.1e}")
    milliseconds = tab.evaluate("""() => { const start = performance.now();
        for (let n = 0; n < 30; n++) ExplorerView.compute(true); return (performance.now() - start) / 30 }""")
    print(f"a frame at T = 25, H = {data['lstm']['layers'][-1]['H']}: {milliseconds:.1f} ms")


@EDITIONS
def test_the_explorer_without_a_mouse(tab, language):
    tab.goto(url(language, "explorer.html"))
    tab.locator("#ex-text").fill("白日依山尽")
    assert tab.locator("#ex-message").inner_text() == ""
    before = tab.locator("#ex-numbers").inner_text()
    tab.locator("#ex-norm").focus()
    tab.keyboard.press("ArrowRight")
    assert tab.locator("#ex-numbers").inner_text() != before
    for name in ("c", "u", "chain"):
        assert tab.locator("#ex-errors").inner_text() == "dU 0, dW 0, db 0"
        tab.locator(f"#ex-{name}").focus()
        tab.keyboard.press("Space")
        assert tab.locator("#ex-errors").inner_text() != "dU 0, dW 0, db 0", name
        if name == "chain":
            assert tab.locator("#ex-errors").inner_text().startswith("dU 1.000"), "h_0 = 0"
        tab.keyboard.press("Space")
    shown = [part for part in tab.locator("[data-case]").all() if part.is_visible()]
    assert len(shown) == 1 and shown[0].locator(".code-line.cited").count() >= 1
    tab.locator("#ex-text").fill("白A日")
    assert "A" in tab.locator("#ex-message").inner_text()


def test_from_a_server_on_loopback(tab):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tab.home = f"http://127.0.0.1:{server.server_port}/"
    for page in ("en/derivations/02_bptt.html", "zh/explorer.html", "zh/api/model.html"):
        tab.goto(tab.home + page)
    assert search(tab, "遗忘门")
    server.shutdown()
    server.server_close()


@EDITIONS
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_to_look_at(browser, language, width, scheme):
    PICTURES.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    for name in ("index", "explorer", "derivations/02_bptt", "derivations/07_lstm_backward",
                 "derivations/lab5", "derivations/equations", "derivations/glossary", "api/lstm_textbook",
                 "source/scratch_lstm/rnn_textbook.py"):
        page.goto(url(language, f"{name}.html"))
        page.wait_for_timeout(200)
        file = PICTURES / f"{name.replace('/', '-')}-{language}-{width}-{scheme}.png"
        page.screenshot(path=file, full_page=name in ("explorer", "index"))
        assert file.stat().st_size > 10_000
    page.close()
