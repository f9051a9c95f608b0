"""Tests of the API documentation page in a browser."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from tests.controller.conftest import OpenPage

pytestmark = pytest.mark.process

# Contrast ratios of WCAG between the text of elements and their backgrounds.
CONTRASTS = """(selector) => {
  const parse = (color) => color.match(/[0-9.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = parse(color).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return parse(color)[3] === 0 ? background(element.parentElement) : color;
  };
  return [...document.querySelectorAll(selector)].map((element) => {
    const pair = [getComputedStyle(element).color, background(element)].map(luminance);
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  });
}"""


def expand_operation(page: Page, summary: str) -> None:
    page.locator(".opblock-summary", has_text=summary).get_by_role("button").first.click()


def test_footer_links_to_the_api_page_with_all_endpoints(
    open_page: OpenPage, client: FlaskClient
) -> None:
    document: Any = client.get("/api/v1.0/openapi.json").json
    operations = sum(len(methods) for methods in document["paths"].values())
    page = open_page("/rasps/10")
    page.get_by_role("contentinfo").get_by_role("link", name="API").click()
    expect(page.locator(".opblock")).to_have_count(operations)
    expect(page.locator(".opblock").first).to_contain_text("List the rasps in order of their ids.")


def test_endpoint_can_be_executed_on_the_page(open_page: OpenPage) -> None:
    page = open_page("/api/docs")
    expand_operation(page, "Return a summary of the rack")
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute", exact=True).click()
    expect(page.locator(".live-responses-table")).to_contain_text('"rasps": 48')


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_page_follows_the_color_scheme_and_fits_the_screen(
    open_page: OpenPage, scheme: str, width: int
) -> None:
    page = open_page("/api/docs", width=width, scheme=scheme)
    expand_operation(page, "List the rasps")
    expect(page.get_by_text("Id, or part of the name").first).to_be_visible()
    red = page.evaluate(
        "Number(getComputedStyle(document.querySelector('.swagger-ui')).color.match(/[0-9]+/)[0])"
    )
    assert (red > 128) == (scheme == "dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator(".opblock").first.bounding_box()
    assert box
    assert box["width"] > 300
    assert min(page.evaluate(CONTRASTS, ".version, .opblock-summary-method")) >= 4.5
    heights = page.evaluate(
        "[...document.querySelectorAll('.opblock-summary')].map((each) => each.offsetHeight)"
    )
    assert max(heights) < 240, heights  # ten lines
