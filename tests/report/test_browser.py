"""The report in a browser: it opens without network, and its viewer knows what the models thought."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kuzushiji.artifacts import write_detailed
from kuzushiji.data.labels import read_page_labels
from kuzushiji.report.__main__ import main
from tests.browser import open_chromium
from tests.report.conftest import certain


@pytest.fixture
def page(runs: Path, tiny_root: Path) -> Iterator[Any]:
    """A tab with the report of two folds, whose models are sure of everything."""
    truth = read_page_labels(tiny_root / "solution.csv")
    for fold in (0, 1):
        write_detailed(runs / f"clf-fold{fold}" / "test_detailed.parquet", certain(truth))
    assert main([str(runs), "--data-root", str(tiny_root), "--compare"]) == 0
    with open_chromium() as browser:
        tab = browser.new_page(viewport={"width": 1300, "height": 900})
        failures: list[str] = []
        tab.on("pageerror", lambda error: failures.append(str(error)))
        tab.on("console", lambda message: failures.append(message.text) if message.type == "error" else None)
        tab.on("request", lambda sent: None if sent.url.startswith(("file:", "data:")) else failures.append(sent.url))
        tab.goto((runs / "report.html").as_uri())
        yield tab
    assert failures == []


def test_the_report_opens_and_a_click_on_a_box_shows_its_candidates(page: Any) -> None:
    links = page.get_by_role("navigation").get_by_role("link")
    assert links.all_inner_texts() == [
        "Stage by stage", "Beside the reference", "Errors", "By character", "Worst and best pages", "Page viewer",
        "Learning curves",
    ]  # fmt: skip
    pictures = page.locator("figure img")
    assert all(pictures.nth(i).evaluate("node => node.naturalWidth") > 0 for i in range(pictures.count()))
    page.locator(".viewer-box.missed").click()  # the first character, which the second level left out
    assert "missed" in page.locator(".viewer-details").inner_text()
    box = page.locator(".viewer-box.right").first
    box.click()
    char = box.get_attribute("aria-label")[0]
    row = page.locator(".viewer-models tr").first.inner_text().split()
    assert row[:4] == ["clf", char, "99.97", "%"]  # the softmax of 9 and 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 1300
    row = page.get_by_role("group", name="Scores by page").get_by_role("row").nth(1)
    name = row.locator("a").inner_text()
    row.locator("a").click()  # a link leads to the page in the viewer
    assert page.get_by_role("img", name=f"Page {name}").is_visible()
    heading = page.get_by_role("group", name="Scores by character").get_by_role("button", name="true", exact=True)
    heading.click()
    counts = page.locator("#characters ~ div tr td:nth-child(4)").all_inner_texts()[:3]
    assert counts == sorted(counts, key=int, reverse=True)
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
