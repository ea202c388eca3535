"""The page in a real browser, where there is one: it is drawn whole, and asks for nothing."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from symact.page import page

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for path in map(shutil.which, _NAMES) if path), None)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_the_page_is_drawn_in_a_browser(compiled, tmp_path):
    activation = compiled("x*tanh(log(1+exp(x)))")
    comparison = activation.compare(dtype="float32", samples=600)
    target = tmp_path / "mish.html"
    # The page says itself how it came out: sizes of what a reader looks at, once all is loaded.
    report = (
        "<script>onload=()=>{const size=q=>{const b=document.querySelector(q).getBoundingClientRect();"
        "return Math.round(b.width)+'x'+Math.round(b.height)};document.title=['img','math','table','pre']"
        ".map(size).concat(performance.getEntriesByType('resource').filter(e=>!e.name.startsWith('data:'))"
        ".length,document.documentElement.scrollWidth<=innerWidth).join(' ')}</script>"
    )
    target.write_text(page(comparison, activation.compilation).replace("</body>", report + "</body>"))
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000", "--dump-dom"]
    done = subprocess.run(
        [*command, target.as_uri()], capture_output=True, text=True, check=False, timeout=120
    )
    title = done.stdout.split("<title>")[1].split("</title>")[0]
    *sizes, requests, fits = title.split()
    widths = [tuple(map(int, size.split("x"))) for size in sizes]
    picture, formula, table, source = widths
    assert picture[0] > 800
    assert picture[1] > 400
    assert formula[1] > 20
    assert table[0] > 400
    assert source[1] > 500
    assert requests == "0"
    assert fits == "true"
