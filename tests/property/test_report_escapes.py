"""Names come from files that users hand in: none of them becomes markup."""

from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from burnish_optimizer.report.rewriting import render_rewrite_page
from support import rewrites

NAMES = st.text(st.sampled_from("<>&\"'/=!-[]{}% abcscriptonload\x00é\n"), max_size=30)


class Tags(HTMLParser):
    """The tags of a page, with their attributes' names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, tuple(name for name, _ in attrs)))


PLAIN = Tags(render_rewrite_page(rewrites.report(word="x"), "x")).seen


@settings(max_examples=50)
@given(NAMES)
def test_a_name_adds_no_tag_and_no_attribute(name: str) -> None:
    assert Tags(render_rewrite_page(rewrites.report(word="x" + name), name)).seen == PLAIN
