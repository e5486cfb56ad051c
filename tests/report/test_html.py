"""Text becomes part of a page only escaped."""

from __future__ import annotations

import html.parser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonde.report.glossary import GLOSSARY
from sonde.report.html import Markup, coded, escape, facts, join, name, prose, shorten, table, tag


def text_of(source: str) -> str:
    words: list[str] = []
    parser = html.parser.HTMLParser(convert_charrefs=True)
    parser.handle_data = words.append  # type: ignore[method-assign]
    parser.feed(source)
    parser.close()
    return "".join(words)


def test_escapes_text_and_attributes() -> None:
    made = tag(
        "td", {"title": '"><script>', "class": None, "hidden": True, "open": False}, "<b>&</b>", Markup("<i></i>"), None, ["x", ["y"]]
    )
    assert made == '<td title="&quot;&gt;&lt;script&gt;" hidden>&lt;b&gt;&amp;&lt;/b&gt;<i></i>xy</td>'


def test_markup_in_an_attribute_is_text() -> None:
    assert tag("img", {"alt": Markup('<b>"')}) == '<img alt="&lt;b&gt;&quot;">'


def test_characters_that_no_page_may_hold() -> None:
    assert escape("a\x00b\x1bc\ud800d") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c?d"
    escape("\ud800").encode("utf-8")


@given(st.text())
def test_text_comes_back_as_it_was(written: str) -> None:
    shown = text_of(tag("p", None, written))
    expected = text_of(escape(written))
    assert shown == expected
    assert "<" not in escape(written)
    if all(" " <= letter < "\x7f" for letter in written):
        assert shown == written


def test_prose_marks_only_the_template() -> None:
    made = prose("The [epochs|epoch] of `--lr` are **{}**, {}.", "[loss] `x` **y** {}", Markup("<i>z</i>"))
    assert made.endswith("of <code>--lr</code> are <strong>[loss] `x` **y** {}</strong>, <i>z</i>.")
    assert f'title="{GLOSSARY["epoch"]}"' in made
    assert 'href="#term-epoch"' in made


def test_prose_counts_its_values() -> None:
    with pytest.raises(ValueError, match="2 places for 1 values"):
        prose("{} and {}", 1)


def test_an_unknown_term_is_an_error() -> None:
    with pytest.raises(ValueError, match="the glossary has no 'flux'"):
        prose("the [flux]")


@given(st.text(), st.integers(4, 60))
def test_shorten_keeps_both_ends(written: str, length: int) -> None:
    short = shorten(written, length)
    assert len(short) <= length
    assert short == written or ("…" in short and short[0] == written[0] and short[-1] == written[-1])


def test_a_long_name_shows_whole_when_pointed_at() -> None:
    assert name("short") == '<span class="name">short</span>'
    assert f'title="{"x" * 100}"' in name("x" * 100)
    assert len(name("x" * 10**6)) < 1000


def test_table_has_heads_and_scrolls() -> None:
    made = table(["a", "b"], [["x", 1]], numbers=(1,), caption="what it is")
    assert '<th scope="col" class="number">b</th>' in made
    assert '<th scope="row">x</th><td class="number">1</td>' in made
    assert 'tabindex="0" role="group" aria-label="what it is"' in made


def test_facts_leave_out_what_is_missing() -> None:
    made = facts([("a", None), ("b", ""), ("c", 0)])
    assert made == '<dl class="facts"><div><dt>c</dt><dd>0</dd></div></dl>'


def test_messages_keep_their_code() -> None:
    assert coded("say `--set a=<b>`, or `x`") == "say <code>--set a=&lt;b&gt;</code>, or <code>x</code>"
    assert coded("one ` alone") == "one ` alone"


def test_join_is_markup() -> None:
    assert isinstance(join(["<", Markup("<br>")]), Markup)
    assert join(["<", Markup("<br>")]) == "&lt;<br>"


def test_glossary_is_plain_sentences() -> None:
    for word, said in GLOSSARY.items():
        assert word == word.lower()
        assert said[0].isupper()
        assert said.endswith(".")
