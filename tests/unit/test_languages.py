"""Languages as clients write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.text.languages import LANGUAGE_NAMES, normalize_language


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("en", "en"), ("EN", "en"), ("en-US", "en"), ("en_us", "en"), ("English", "en"), ("english", "en"),
        ("eng", "en"), (" en ", "en"), ("zh-Hans-CN", "zh"), ("cmn", "zh"), ("Mandarin", "zh"), ("pt-BR", "pt"),
        ("fre", "fr"), ("fra-CA", "fr"), ("FRENCH", "fr"), ("iw", "he"), ("fil", "tl"), ("jw", "jv"), ("yue", "yue"),
        ("Haitian Creole", "ht"), ("ger", "de"), ("sr-Latn", "sr"), ("es-419", "es"),
    ],
)  # fmt: skip
def test_codes_tags_and_names_mean_a_language(written: str, code: str):
    assert normalize_language(written) == code


@pytest.mark.parametrize(
    "written",
    ["", " ", "auto", "xx", "xx-US", "日本", "en-", "en--US", "-en", "en US", "english-US", "e", "en-US.UTF-8",
     "klingon", "en\x00", "en\nUS", "en" * 20, "\ud800", "None", "und"],
)  # fmt: skip
def test_what_names_no_language_is_none(written: str):
    assert normalize_language(written) is None


def test_every_language_is_found_by_its_code_and_by_its_name():
    for code, name in LANGUAGE_NAMES.items():
        assert normalize_language(code) == normalize_language(name) == code


@given(st.text(max_size=40))
def test_no_text_raises(written: str):
    assert normalize_language(written) in {None, *LANGUAGE_NAMES}
