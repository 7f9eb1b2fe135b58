"""A headless Chromium of the tests' own, from the system's programs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.webdriver import WebDriver

from tests.programs import find_program

#: It fetches nothing but our pages, and leaves nothing behind.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
)


@contextmanager
def browsing(profile: Path) -> Iterator[WebDriver]:
    """Yield a browser whose profile is the empty directory `profile`."""
    program, driver = find_program("chromium"), find_program("chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    browser.set_page_load_timeout(60)
    try:
        yield browser
    finally:
        browser.quit()


def set_scheme(browser: WebDriver, scheme: str) -> None:
    """Prefer `dark` or `light`, and nothing that moves, as a system would say."""
    features = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def set_width(browser: WebDriver, width: int, height: int = 800) -> None:
    """Lay pages out in a window of this size."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )


#: Returns what a page lacks for those who do not see it, or have no mouse.
FIND_BARRIERS = """
const barriers = [];
const say = (text, node) => barriers.push(text + ': ' + node.outerHTML.slice(0, 120));
const count = (what) => document.querySelectorAll(what).length;
if (!document.documentElement.lang) barriers.push('no language');
if (!document.title.trim()) barriers.push('no title');
for (const what of ['h1', 'main', 'header'])
    if (count(what) !== 1) barriers.push(count(what) + ' of ' + what);
const skip = document.querySelector('a');
if (skip.getAttribute('href') !== '#main') say('the first link skips nothing', skip);
let level = 1;
for (const heading of document.querySelectorAll('h1, h2, h3, h4')) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) say('a level is left out before', heading);
    level = own;
}
const fields = 'input:not([type=hidden], [hidden]), select';
for (const field of document.querySelectorAll(fields))
    if (!field.labels.length) say('no label', field);
for (const button of document.querySelectorAll('button, a'))
    if (!button.innerText.trim() && !button.ariaLabel && !button.className)
        say('no name', button);
for (const table of document.querySelectorAll('table')) {
    if (!table.caption || !table.caption.textContent.trim()) say('no caption', table);
    for (const cell of table.querySelectorAll('th'))
        if (!cell.scope) say('no scope', cell);
}
for (const image of document.querySelectorAll('img'))
    if (!image.hasAttribute('alt')) say('no alternative', image);
for (const node of document.querySelectorAll('[tabindex]'))
    if (node.tabIndex > 0) say('an order of its own', node);
for (const list of document.querySelectorAll('.wide, pre'))
    if (list.scrollWidth > list.clientWidth && list.tabIndex < 0)
        say('scrolled by a mouse only', list);
const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
if (new Set(ids).size !== ids.length) barriers.push('an id twice');
return barriers;
"""

#: Returns every text whose contrast with what is behind it is below 4.5 to 1.
FIND_FAINT = """
const parse = (color) => color.match(/[\\d.]+/g).map(Number);
const channel = (part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
};
const light = (rgb) =>
    0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2]);
const behind = (node) => {
    for (; node; node = node.parentElement) {
        const color = parse(getComputedStyle(node).backgroundColor);
        if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
};
const faint = [];
for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some(
        (child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || !node.getClientRects().length) continue;
    const one = light(parse(getComputedStyle(node).color));
    const two = light(behind(node));
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < 4.5) faint.push(ratio.toFixed(2) + ' ' + node.outerHTML.slice(0, 100));
}
return faint;
"""

#: Returns what sticks out of the window at its right.
FIND_WIDE = """
return [...document.querySelectorAll('body *')]
    .filter((node) => node.getBoundingClientRect().right > innerWidth
        && !node.closest('.wide') && !node.closest('pre'))
    .map((node) => node.outerHTML.slice(0, 80));
"""
