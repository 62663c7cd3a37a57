"""Writes `docs/report.png` and `docs/viewer.png` from a report: the pictures of the README.

    python docs/screenshots.py _runs/demo/report.html

Needs playwright (requirements-dev.txt) and a Chromium.
"""

import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1200, 860
COLORS = 256
"""Colours of a picture, chosen so that rare ones stay, which mean something."""


def main(report: Path) -> None:
    """Take the pictures."""
    path = next(found for name in NAMES if (found := shutil.which(name)))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(report.resolve().as_uri())
        picture_of(page, "#errors", HERE / "report.png")
        page.locator("#viewer").scroll_into_view_if_needed()
        click_misread(page)
        picture_of(page, ".viewer", HERE / "viewer.png")
        browser.close()


def click_misread(page: Page) -> None:
    """Click the first box that was read as another character, not one that is wrong for where it lies."""
    for box in page.locator(".viewer-box.wrong").all():
        box.click()
        if not page.get_by_text("wrong since").count():
            return


def picture_of(page: Page, selector: str, path: Path) -> None:
    """Write what is to be seen from an element on."""
    page.evaluate(f"document.querySelector({selector!r}).scrollIntoView()")
    page.mouse.move(0, 0)  # off the boxes: a box under the pointer is shown in place of the one that was clicked
    page.screenshot(path=path)
    with Image.open(path) as image:
        smaller = image.convert("RGB").resize((WIDTH * 3 // 4, HEIGHT * 3 // 4), Image.Resampling.LANCZOS)
    smaller.quantize(COLORS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
