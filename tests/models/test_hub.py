"""Models of the hub: fetched from a local one, pinned, checked, resumed, and used without a network."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from models.catalog import get_model_info, list_models, open_model, pull_model
from models.errors import ModelError
from models.hub_records import FileRecord, HubRecord, HubSpec, find_record, is_hub, parse_hub, write_record
from tests.models.fake_hub import FakeHub, Repo, run_fake_hub

SPEC = "hf:somebody/tiny"
WEIGHTS = bytes(range(256)) * 512
SMALL = {"config.json": b'{"model_type": "llama"}', "tokenizer.json": b"{}"}
CHUNK_BYTES = 1_000  # what the client library writes at a time; 10 MB unless told
LIBRARY_ATTEMPTS = 6
EXTRAS = {"pytorch_model.bin": b"pickle", "modeling_tiny.py": b"import os", "README.md": b"# Tiny"}


@pytest.fixture(name="hub")
def _hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with run_fake_hub() as hub:
        hub.repos["somebody/tiny"] = Repo({**SMALL, **EXTRAS, "model.safetensors": WEIGHTS})
        # What HF_ENDPOINT and HF_HUB_CACHE set where the library is imported afterwards.
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK_BYTES)
        monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
        monkeypatch.setenv("PEERAGE_CACHE_DIR", str(tmp_path / "peerage"))
        yield hub


def get_starts(hub: FakeHub) -> list[int]:
    """Return where every download of the weights began."""
    ranges = hub.get_ranges("model.safetensors")
    return [int(ranged.removeprefix("bytes=").removesuffix("-") or 0) for ranged in ranges]


def pull(spec: str = SPEC) -> list[str]:
    notes: list[str] = []
    pull_model(spec, notes.append)
    return notes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf:a/b", HubSpec(owner="a", name="b")),
        ("hf:some-body/Qwen3-0.6B_x@v1.0", HubSpec(owner="some-body", name="Qwen3-0.6B_x", revision="v1.0")),
        ("hf:a/b@refs/pr/1", HubSpec(owner="a", name="b", revision="refs/pr/1")),
    ],
)
def test_specifications(text: str, expected: HubSpec) -> None:
    assert is_hub(text)
    assert parse_hub(text) == expected
    assert expected.text == text


@pytest.mark.parametrize(
    "text",
    [
        *("hf:", "hf:a", "hf:a/", "hf:/b", "hf:a/b/c", "hf:../b", "hf:a/..", "hf:a/b@", "hf:a/b@../c"),
        *("hf:a b/c", "hf:a/b@-x", "hf:-a/b", "hf:a--b/c", "hf:a/b\n", "hf:ä/b"),
        *("hf:" + "x" * 300, "hf:a/" + "x" * 300),
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ModelError, match="names no model of the Hugging Face hub") as caught:
        open_model(text, progress=lambda _: None)
    assert "hf:OWNER/NAME" in caught.value.remedy


def test_only_weights_tokenizer_and_configuration_are_fetched(hub: FakeHub, tmp_path: Path) -> None:
    notes = pull()
    fetched = {path.rpartition("/")[2] for _, path, _ in hub.requests if "/resolve/" in path}
    assert fetched == {"config.json", "tokenizer.json", "model.safetensors"}
    assert "0.1 MB, published by somebody, licence apache-2.0" in notes[0]
    assert hub.repos["somebody/tiny"].commit[:12] in notes[0]
    record = find_record(tmp_path / "peerage", parse_hub(SPEC))
    assert record is not None
    assert record.commit == hub.repos["somebody/tiny"].commit
    assert (Path(record.directory) / "model.safetensors").read_bytes() == WEIGHTS
    entry = get_model_info(SPEC)
    assert (entry.is_ready, entry.licence, entry.digest) == (True, "apache-2.0", record.digest)
    assert entry.details["publisher"] == "somebody"
    assert SPEC in [listed.name for listed in list_models()]


def test_size_and_licence_are_said_before_anything_is_fetched(hub: FakeHub) -> None:
    entry = get_model_info(SPEC)
    assert not entry.is_ready
    assert entry.download_bytes == len(WEIGHTS) + sum(map(len, SMALL.values()))
    assert entry.licence == "apache-2.0"
    assert hub.get_ranges("safetensors") == []
    hub.repos["somebody/tiny"].licence = None
    assert get_model_info(SPEC).licence == ""


def test_what_was_fetched_stays_pinned_until_it_is_pulled_again(hub: FakeHub, tmp_path: Path) -> None:
    from models.hub import ensure_hub_model

    pull()
    before = find_record(tmp_path / "peerage", parse_hub(SPEC))
    hub.repos["somebody/tiny"] = Repo({**SMALL, "model.safetensors": WEIGHTS[::-1]})
    count = len(hub.requests)
    kept = ensure_hub_model(parse_hub(SPEC), tmp_path / "peerage", progress=lambda _: None)
    assert kept == before
    assert len(hub.requests) == count, "no network was needed"
    pull()
    after = find_record(tmp_path / "peerage", parse_hub(SPEC))
    assert after is not None
    assert before is not None
    assert (after.commit, after.digest) != (before.commit, before.digest)


@pytest.mark.parametrize("cuts", [[50_000], [50_000, 20_000, 0]])
def test_a_cut_connection_is_resumed(hub: FakeHub, cuts: list[int], tmp_path: Path) -> None:
    hub.repos["somebody/tiny"].cuts["model.safetensors"] = list(cuts)
    pull()
    assert get_starts(hub) == [0, *itertools.accumulate(cuts)]
    record = find_record(tmp_path / "peerage", parse_hub(SPEC))
    assert record is not None
    assert (Path(record.directory) / "model.safetensors").read_bytes() == WEIGHTS


def test_files_that_arrived_whole_are_kept_for_the_next_pull(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["somebody/tiny"].cuts["model.safetensors"] = [50_000, *[0] * LIBRARY_ATTEMPTS]
    with pytest.raises(ModelError, match="cannot be reached, or the connection broke") as caught:
        pull()
    assert "files that arrived whole are kept" in caught.value.remedy
    assert find_record(tmp_path / "peerage", parse_hub(SPEC)) is None
    hub.repos["somebody/tiny"].cuts.clear()
    pull()
    assert len(hub.get_ranges("config.json")) == 1
    assert get_model_info(SPEC).is_ready


def test_bytes_that_are_not_what_the_hub_lists_are_removed(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["somebody/tiny"].lies = frozenset({"model.safetensors"})
    with pytest.raises(ModelError, match="is not what the hub lists") as caught:
        pull()
    assert "peerage models pull" in caught.value.remedy
    assert find_record(tmp_path / "peerage", parse_hub(SPEC)) is None
    hub.repos["somebody/tiny"].lies = frozenset()
    pull()


def test_damage_on_disk_is_noticed_and_mended(hub: FakeHub, tmp_path: Path) -> None:
    from models.hub import ensure_hub_model

    pull()
    record = find_record(tmp_path / "peerage", parse_hub(SPEC))
    assert record is not None
    path = (Path(record.directory) / "model.safetensors").resolve()
    path.write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"model\.safetensors of hf:somebody/tiny is absent, or not"):
        get_model_info(SPEC)
    notes: list[str] = []
    mended = ensure_hub_model(parse_hub(SPEC), tmp_path / "peerage", progress=notes.append)
    assert "model.safetensors of hf:somebody/tiny not what was fetched" in notes[0]
    assert mended.digest == record.digest
    assert path.read_bytes() == WEIGHTS


def test_without_a_network_what_is_here_is_used(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.hub import ensure_hub_model

    pull()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    count = len(hub.requests)
    commit = hub.repos["somebody/tiny"].commit
    # The second cache knows of it through the hub's own only.
    for cache, spec in (("peerage", SPEC), ("another", f"{SPEC}@{commit}")):
        record = ensure_hub_model(parse_hub(spec), tmp_path / cache, progress=lambda _: None)
        assert record.commit == commit
    assert len(hub.requests) == count
    with pytest.raises(ModelError, match="is not here, and HF_HUB_OFFLINE") as caught:
        open_model("hf:somebody/other", progress=lambda _: None)
    assert "unset HF_HUB_OFFLINE" in caught.value.remedy


def test_shards_are_fetched_with_their_index(hub: FakeHub) -> None:
    shards = {f"model-0000{index}-of-00002.safetensors": WEIGHTS[:index] for index in (1, 2)}
    index = {"weight_map": {f"layer{number}": name for number, name in enumerate(shards)}}
    files = {**SMALL, **shards, "model.safetensors.index.json": json.dumps(index).encode()}
    hub.repos["somebody/tiny"] = Repo(files)
    pull()
    assert get_model_info(SPEC).download_bytes == sum(map(len, files.values()))
    index["weight_map"]["layer9"] = "../../secret"
    hub.repos["somebody/tiny"] = Repo({**files, "model.safetensors.index.json": json.dumps(index).encode()})
    with pytest.raises(ModelError, match="secret"):
        pull()


@pytest.mark.parametrize("absent", ["config.json", "tokenizer.json", "model.safetensors"])
def test_repositories_that_cannot_be_loaded_are_refused_at_once(hub: FakeHub, absent: str) -> None:
    del hub.repos["somebody/tiny"].files[absent]
    with pytest.raises(ModelError, match=f"has no {absent}") as caught:
        pull()
    assert "openai:MODEL@BASE_URL" in caught.value.remedy
    assert hub.get_ranges("json") == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ((404, "RepoNotFound"), "has no model"),
        ((404, "RevisionNotFound"), "has no revision"),
        ((403, "GatedRepo"), "accepted its terms"),
        ((500, "Broken"), "HTTP 500"),
    ],
)
def test_refusals_of_the_hub(hub: FakeHub, error: tuple[int, str], said: str) -> None:
    hub.repos["somebody/tiny"].error = error
    with pytest.raises(ModelError, match=said) as caught:
        pull()
    assert caught.value.remedy


def test_no_hub_at_all(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="cannot be reached") as caught:
        pull()
    assert "peerage models pull" in caught.value.remedy


def test_no_room(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.hub.SPACE_MARGIN_BYTES", 10**18)
    with pytest.raises(ModelError, match="MB free") as caught:
        pull()
    assert "HF_HOME" in caught.value.remedy
    assert hub.get_ranges("safetensors") == []


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b'{"schema": 2}'])
def test_a_record_that_cannot_be_read_counts_as_none(tmp_path: Path, data: bytes) -> None:
    spec = parse_hub("hf:a/b@refs/pr/1")
    record = HubRecord(
        schema=1,
        repo="a/b",
        revision="refs/pr/1",
        commit="0" * 40,
        licence="mit",
        directory=str(tmp_path),
        digest="00" * 32,
        files={"config.json": FileRecord(sha256="00" * 32, size=1)},
    )
    write_record(tmp_path, record)
    assert find_record(tmp_path, spec) == record
    (path,) = (tmp_path / "hub").iterdir()
    path.write_bytes(data)
    assert find_record(tmp_path, spec) is None


def test_a_record_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "hub").write_bytes(b"")
    record = HubRecord(1, "a/b", "main", "0" * 40, "", "", "", {})
    with pytest.raises(ModelError, match="cannot be written") as caught:
        write_record(tmp_path, record)
    assert "PEERAGE_CACHE_DIR" in caught.value.remedy


@pytest.mark.slow
def test_a_model_of_the_hub_answers(hub: FakeHub, tmp_path: Path) -> None:
    from tests.models.test_transformers_backend import request
    from tests.models.tiny import save_tiny

    source = tmp_path / "source"
    source.mkdir()
    save_tiny(source)
    files = {path.name: path.read_bytes() for path in source.iterdir()}
    hub.repos["somebody/tiny"] = Repo(files, cuts={"model.safetensors": [1_000]})
    model = open_model(SPEC, progress=lambda _: None)
    plain = open_model(str(source), progress=lambda _: None)
    asked = [request("ab c")]
    assert model.generate(asked) == plain.generate(asked)
    assert model.info().digest == plain.info().digest
    assert model.info().name == f"somebody/tiny@{hub.repos['somebody/tiny'].commit[:12]}"
