"""Specifications of models behind servers, and that no key or password shows anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ModelError
from models.openai_spec import BASE_URL_VARIABLE, KEY_VARIABLE, OpenAISpec, is_openai, parse_openai

SECRET = "s3cret-key"


@pytest.mark.parametrize(
    ("spec", "model", "url"),
    [
        ("openai:tiny@http://localhost:8000/v1", "tiny", "http://localhost:8000/v1"),
        ("openai:tiny@http://localhost:8000", "tiny", "http://localhost:8000/v1"),
        ("openai:Qwen/Qwen3-8B@https://api.example/v1/", "Qwen/Qwen3-8B", "https://api.example/v1"),
        ("openai:llama3.2:3b@http://[::1]:11434/v1", "llama3.2:3b", "http://[::1]:11434/v1"),
        ("openai:claude@2024@https://api.example/x", "claude@2024", "https://api.example/x"),
        ("openai:@http://localhost:8000/v1", "", "http://localhost:8000/v1"),
        ("openai:tiny", "tiny", "http://from-environment/v1"),
    ],
)
def test_model_and_address_are_told_apart(spec: str, model: str, url: str) -> None:
    assert is_openai(spec)
    found = parse_openai(spec, {BASE_URL_VARIABLE: "http://from-environment/"})
    assert (found.model, found.base_url) == (model, url)


def test_the_key_comes_from_the_environment_and_does_not_show() -> None:
    found = parse_openai("openai:tiny@https://api.example/v1", {KEY_VARIABLE: f" {SECRET}\n"})
    assert found.key == SECRET
    assert SECRET not in repr(found)
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"http://user:{SECRET}@localhost/v1", "credentials"),
        (f"http://{SECRET}@localhost/v1", "credentials"),
        (f"http://localhost/v1?key={SECRET}", "query"),
        (f"http://localhost/v1#{SECRET}", "fragment"),
        (f"http://local host/{SECRET}", "characters"),
        (f"http://[::1/{SECRET}", "malformed"),
        (f"http://localhost:99999/{SECRET}", "malformed"),
        ("http://", "names no host"),
        ("http://localhost/" + "x" * 3_000, "characters"),
    ],
)
def test_other_addresses_are_refused_without_repeating_them(url: str, said: str) -> None:
    for spec, environ in ((f"openai:tiny@{url}", {}), ("openai:tiny", {BASE_URL_VARIABLE: url})):
        with pytest.raises(ModelError, match=said) as caught:
            parse_openai(spec, environ)
        assert caught.value.remedy
        assert SECRET not in f"{caught.value}{caught.value.remedy}"


@pytest.mark.parametrize("url", [f"ftp://user:{SECRET}@host/", f"file:///{SECRET}"])
def test_other_schemes_are_refused(url: str) -> None:
    for spec, environ in ((f"openai:tiny@{url}", {}), ("openai:tiny", {BASE_URL_VARIABLE: url})):
        with pytest.raises(ModelError) as caught:
            parse_openai(spec, environ)
        assert SECRET not in f"{caught.value}{caught.value.remedy}"


def test_no_address_at_all() -> None:
    with pytest.raises(ModelError, match="no server was named") as caught:
        parse_openai("openai:tiny", {})
    assert BASE_URL_VARIABLE in caught.value.remedy


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel", "k" * 5_000])
def test_a_key_that_no_header_takes(key: str) -> None:
    with pytest.raises(ModelError, match=KEY_VARIABLE) as caught:
        parse_openai("openai:tiny@http://localhost", {KEY_VARIABLE: key})
    assert key not in str(caught.value)


def test_a_key_in_the_open_is_noticed() -> None:
    def spec(url: str, key: str = SECRET) -> OpenAISpec:
        return OpenAISpec(model="m", base_url=url, key=key)

    assert spec("http://192.0.2.1/v1").is_key_exposed
    assert spec("http://example.org/v1").is_key_exposed
    assert not spec("http://example.org/v1", key="").is_key_exposed
    assert not spec("https://example.org/v1").is_key_exposed
    assert not spec("http://127.0.0.1:8000/v1").is_key_exposed
    assert not spec("http://localhost:8000/v1").is_key_exposed
    assert not spec("http://[::1]:8000/v1").is_key_exposed


@given(st.text(max_size=400))
def test_any_text_is_read_or_refused(text: str) -> None:
    found, refused = None, None
    try:
        found = parse_openai(f"openai:{text}", {BASE_URL_VARIABLE: "http://localhost"})
    except ModelError as exc:
        refused = exc
    if found is None:
        assert refused is not None
        assert refused.remedy
    else:
        assert found.base_url.startswith(("http://", "https://"))
        assert "@" not in found.origin
