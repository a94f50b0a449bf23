"""Manifests as TOML: what is read, what is refused, and how it is told."""

import pytest

from sim_net.fault_kinds import FAULT_KINDS, get_flag, get_ms, get_number, get_text
from sim_net.manifest import AdversarySettings, FaultSettings, Manifest, SwarmSettings
from sim_net.manifest_file import TEXT_BYTES_MAX, decode_manifest, parse_manifest, render_manifest
from sim_net.problems import PROBLEMS_TOLD_MAX, ManifestError, Problem

HEAD = 'schema = 1\nname = "one"\n'
EVERYTHING = """
schema = 1
name = "everything"
about = "All of it."
seed = 7
rounds = 3
expect = ["finished == 1", "accuracy >= 0.5"]
[swarm]
peers = 9
seats = 7
answer = "1m"
[models]
kind = "recorded"
cache = "calls.db"
[network]
jitter = "1.5s"
loss = 1
[phases]
faults = "1h"
[[adversary]]
kind = "sleeper"
share = 0.3
wakes = 4
[[adversary]]
kind = "my.module:Liar"
peers = 1
how = "loudly"
times = 3
[[fault]]
kind = "partition"
at = "30s"
every = "1m"
until = "5m"
lasts = "20s"
probability = 0.5
groups = [[0, 3], [1]]
one_way = true
[[fault]]
kind = "clock-skew"
skew = "-250ms"
peers = [0, 8]
[[fault]]
kind = "weather"
loss = 0.2
jitter = "1s"
latency = "constant(5)"
"""


def read(text: str) -> Manifest:
    return parse_manifest(text, origin="a.toml")


def find_problems(text: str) -> list[Problem]:
    with pytest.raises(ManifestError) as caught:
        read(text)
    assert str(caught.value).startswith("a.toml: ")
    return list(caught.value.problems)


def find_problem(text: str) -> Problem:
    (problem,) = find_problems(text)
    return problem


def test_the_least_manifest_has_all_defaults() -> None:
    assert read(HEAD) == Manifest(name="one")


def test_everything_is_read() -> None:
    manifest = read(EVERYTHING)
    assert (manifest.seed, manifest.rounds, manifest.expect[1]) == (7, 3, "accuracy >= 0.5")
    assert manifest.swarm == SwarmSettings(peers=9, seats=7, answer_ms=60_000)
    assert (manifest.models.kind, manifest.models.cache) == ("recorded", "calls.db")
    assert (manifest.network.jitter_ms, manifest.network.loss) == (1_500, 1.0)
    assert isinstance(manifest.network.loss, float)
    assert manifest.phases.faults_ms == 3_600_000
    assert manifest.adversaries == (
        AdversarySettings(kind="sleeper", share=0.3, options={"wakes": 4}),
        AdversarySettings(kind="my.module:Liar", peers=1, options={"how": "loudly", "times": 3}),
    )
    partition, skew, weather = manifest.faults
    assert partition == FaultSettings(
        kind="partition",
        at_ms=30_000,
        every_ms=60_000,
        until_ms=300_000,
        lasts_ms=20_000,
        probability=0.5,
        groups=((0, 3), (1,)),
        options={"one_way": True},
    )
    assert (skew.peers, skew.options) == ((0, 8), {"skew_ms": -250})
    assert weather.options == {"loss": 0.2, "jitter_ms": 1_000, "latency": "constant(5)"}


def test_everything_is_written_and_read_again() -> None:
    manifest = read(EVERYTHING)
    text = render_manifest(manifest)
    assert read(text) == manifest
    assert render_manifest(read(text)) == text
    assert 'skew = "-250ms"' in text


def test_options_of_faults_have_typed_doors_with_defaults() -> None:
    partition, skew, weather = read(EVERYTHING).faults
    assert get_flag(partition, "one_way") is True
    assert get_flag(FaultSettings(kind="partition"), "one_way") is False
    assert get_number(FaultSettings(kind="partition"), "share") is None
    assert get_number(FaultSettings(kind="slow"), "factor") == 4.0
    assert (get_ms(skew, "skew"), get_ms(FaultSettings(kind="clock-jump"), "by")) == (-250, 5_000)
    assert (get_text(weather, "latency"), get_ms(weather, "jitter")) == ("constant(5)", 1_000)
    with pytest.raises(KeyError):
        get_number(weather, "factor")


def test_equivocating_askers_are_no_peers() -> None:
    (asker,) = read(HEAD + '[[adversary]]\nkind = "equivocating-asker"\nevery = 3').adversaries
    assert (asker.peers, asker.share, asker.options) == (0, 0.0, {"every": 3})
    problem = find_problem(HEAD + '[[adversary]]\nkind = "equivocating-asker"\npeers = 1')
    assert problem.path == "adversary[0].peers"


def test_no_adversaries_may_be_asked_for_so_that_a_sweep_can_begin_at_nought() -> None:
    for line in ("share = 0.0", "share = 0", "peers = 0"):
        manifest = read(HEAD + f'[[adversary]]\nkind = "inverter"\n{line}')
        assert manifest.adversaries == (AdversarySettings(kind="inverter"),)
        assert read(render_manifest(manifest)) == manifest


FAULT = '[[fault]]\nkind = "{}"\n'
WRONG = (
    # (text after the head, path, in the message, in the remedy)
    ("sed = 3", "sed", "means nothing", "did you mean seed?"),
    ("loss = 0.1", "loss", "means nothing", "belongs in [network]"),
    ("[swarm]\npers = 3", "swarm.pers", "means nothing", "did you mean peers?"),
    ("[swarm]\nrounds = 3", "swarm.rounds", "means nothing", "above the first table"),
    ("[swarm]\nloss = 0.1", "swarm.loss", "means nothing", "belongs in [network]"),
    ("[netwrok]\nloss = 0.1", "netwrok", "means nothing", "did you mean network?"),
    ("[[adversaries]]\nkind = 'twin'", "adversaries", "means nothing", "did you mean adversary?"),
    ("seed = '1'", "seed", 'got "1", expected a whole number', ""),
    ("seed = true", "seed", "got True", ""),
    ("seed = -1", "seed", "expected a whole number of 0 to 9223372036854775807", ""),
    ("rounds = 1.0", "rounds", "got 1.0, expected a whole number", ""),
    ("rounds = 0", "rounds", "of 1 to 100000", ""),
    ("about = 3", "about", "expected a text", ""),
    ("expect = 'finished == 1'", "expect", "expected a list of texts", ""),
    ("expect = [3]", "expect", "expected a text", ""),
    (
        "expect = ['rounds > 0', 'acuracy >= 1']",
        "expect[1]",
        "acuracy is no metric",
        "did you mean accuracy?",
    ),
    ("swarm = 3", "swarm", "got a whole number, expected a table", "[swarm]"),
    ("[[swarm]]\npeers = 7", "swarm", "got a list, expected a table", "[swarm]"),
    ("[swarm]\npeers = 3", "swarm.peers", "of 4 to 1024", ""),
    ("[swarm]\nseats = 3", "swarm.seats", "0 or a whole number of 4 to 31", ""),
    ("[swarm]\nseats = 8", "swarm.seats", "at most the 7 peers", ""),
    ("[swarm]\ncalls = 31", "swarm.calls", "of 4 to 30", ""),
    ("[swarm]\nanswer = 20", "swarm.answer", "got 20, expected a duration", '"20s"'),
    ("[swarm]\nanswer = '20 s'", "swarm.answer", "got '20 s', expected a number with a unit", '"30s"'),
    ("[swarm]\nanswer = '0.5ms'", "swarm.answer", "whole milliseconds", ""),
    ("[swarm]\nanswer = '-1s'", "swarm.answer", "a duration of 100ms to 24h", ""),
    ("[swarm]\nanswer = '25h'", "swarm.answer", "a duration of 100ms to 24h", ""),
    ("[models]\nkind = 'statistcal'", "models.kind", "expected one of", "did you mean statistical?"),
    ("[models]\naccuracy = 1.1", "models.accuracy", "a number of 0 to 1", ""),
    ("[models]\naccuracy = nan", "models.accuracy", "got nan", ""),
    ("[models]\nkind = 'recorded'", "models.cache", "is missing", "name the file"),
    ("[models]\ncache = 'x'", "models.cache", "means nothing without", "remove it"),
    ("[network]\nloss = inf", "network.loss", "got inf", ""),
    ("[network]\nlatency = 5", "network.latency", "expected a distribution", ""),
    ("[network]\nlatency = 'unifrom(1, 2)'", "network.latency", "got the distribution", "uniform(1, 20)"),
    ("[network]\nlatency = 'constant(1e3)'", "network.latency", "expected a distribution", ""),
    ("[network]\nlatency = 'uniform(5, 1)'", "network.latency", "lower bound first", ""),
    ("[adversary]\nkind = 'twin'", "adversary", "expected tables", "[[adversary]]"),
    ("adversary = [1]", "adversary", "expected tables", "[[adversary]]"),
    ("[[adversary]]\npeers = 1", "adversary[0].kind", "is missing", "equivocator"),
    ("[[adversary]]\nkind = 'twni'\npeers = 1", "adversary[0].kind", 'got "twni"', "did you mean twin?"),
    ("[swarm]\nstanding = true", "swarm.standing", "got True", ""),
    ("[swarm]\nstanding = 'no'", "swarm.standing", 'got "no"', ""),
    ("[swarm]\npeers = 65\nstanding = 'on'", "swarm.standing", "65 peers, a standing holds 64", "off"),
    ("[swarm]\ngold_every = -1", "swarm.gold_every", "got -1", ""),
    ("[swarm]\ngold_every = 3\nstanding = 'off'", "swarm.gold_every", "nobody learns", "remove it"),
    ("[swarm]\ngold_every = 3\npeers = 65", "swarm.gold_every", "nobody learns", "64 peers at most"),
    (
        "[[adversary]]\nkind = 'history-forger'\n[swarm]\nstanding = 'off'",
        "adversary[0].kind",
        "no history to forge",
        "keep a standing",
    ),
    ("[[adversary]]\nkind = 3\npeers = 1", "adversary[0].kind", "got 3", ""),
    ("[[adversary]]\nkind = 'kill'\npeers = 1", "adversary[0].kind", "a kind of adversary", ""),
    ("[[adversary]]\nkind = 'twin'", "adversary[0]", "neither peers nor share", "peers = 1"),
    ("[[adversary]]\nkind = 'twin'\npeers = 1\nshare = 0.1", "adversary[0]", "both peers and share", ""),
    ("[[adversary]]\nkind = 'twin'\npeers = [1]", "adversary[0].peers", "expected a whole number", ""),
    ("[[adversary]]\nkind = 'twin'\npeers = 8", "adversary[0].peers", "at most the 7 peers", ""),
    (
        "[[adversary]]\nkind = 'sleeper'\npeers = 1\nwaeks = 3",
        "adversary[0].waeks",
        "",
        "did you mean wakes?",
    ),
    ("[[adversary]]\nkind = 'sleeper'\npeers = 1\nwakes = 'x'", "adversary[0].wakes", 'got "x"', ""),
    ("[[adversary]]\nkind = 'a:B'\npeers = 1\nhow = [1]", "adversary[0].how", "got a list", ""),
    ("[[adversary]]\nkind = 'a:B'\npeers = 1\nhow = nan", "adversary[0].how", "finite", ""),
    ("[[adversary]]\nkind = 'a:B'\npeers = 1\n'a b' = 1", 'adversary[0]."a b"', "", "Python"),
    ("[[adversary]]\nkind = 'a:B-'\npeers = 1", "adversary[0].kind", "a kind of adversary", ""),
    (FAULT.format("kil"), "fault[0].kind", 'got "kil"', "did you mean kill?"),
    (FAULT.format("a:B"), "fault[0].kind", "a kind of fault", ""),
    (FAULT.format("kill") + "evry = '3s'", "fault[0].evry", "means nothing", "did you mean every?"),
    (FAULT.format("kill") + "groups = [[0]]", "fault[0].groups", "means nothing", ""),
    (FAULT.format("kill") + "at = 3", "fault[0].at", "expected a duration", '"3s"'),
    (FAULT.format("kill") + "every = '1ms'", "fault[0].every", "0s or a duration of 100ms", ""),
    (FAULT.format("kill") + "at = '5s'\nuntil = '5s'", "fault[0].until", "never strike", ""),
    (FAULT.format("kill") + "until = '0s'\npeers = [7]", "fault[0].peers", "index of 0 to 6", ""),
    (FAULT.format("kill") + "peers = [1, 1]", "fault[0].peers", "every peer once", ""),
    (FAULT.format("kill") + "peers = []", "fault[0].peers", "a list of peers", ""),
    (FAULT.format("kill") + "peers = [-1]", "fault[0].peers", "got -1", ""),
    (FAULT.format("kill") + "peers = [true]", "fault[0].peers", "got True", ""),
    (FAULT.format("kill") + "count = 8", "fault[0].count", "at most the 7 peers", ""),
    (FAULT.format("kill") + "count = 0", "fault[0].count", "of 1 to 1024", ""),
    (FAULT.format("kill") + "count = 1\npeers = [1]", "fault[0]", "peers and count", "remove"),
    (FAULT.format("restart") + "lasts = '3s'", "fault[0].lasts", "has no end", "remove it"),
    (FAULT.format("weather"), "fault[0]", "changes nothing", "latency"),
    (FAULT.format("weather") + "loss = 0.1\ncount = 2", "fault[0].count", "strikes the network", "remove it"),
    (FAULT.format("slow") + "factor = 0.5", "fault[0].factor", "a number of 1 to 1000", ""),
    (FAULT.format("clock-skew") + "skew = '2h'", "fault[0].skew", "-1h to 1h", ""),
    (FAULT.format("partition") + "groups = [[0], [7]]", "fault[0].groups", "index of 0 to 6", ""),
    (FAULT.format("partition") + "groups = [[0], [0]]", "fault[0].groups", "every peer once", ""),
    (FAULT.format("partition") + "groups = [0]", "fault[0].groups", "got 0", ""),
    (FAULT.format("partition") + "groups = [[0]]\nshare = 0.5", "fault[0]", "groups and share", "remove"),
    (FAULT.format("partition") + "one_way = 1", "fault[0].one_way", "true or false", ""),
)


@pytest.mark.parametrize(("text", "path", "message", "remedy"), WRONG, ids=[wrong[0] for wrong in WRONG])
def test_one_wrong_thing_is_told_with_its_path_and_remedy(
    text: str, path: str, message: str, remedy: str
) -> None:
    problem = find_problem(HEAD + text)
    assert problem.path == path
    assert message in problem.message
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("text", "path"), [('name = "a"', "schema"), ("schema = 1", "name"), ('schema = 2\nname = "a"', "schema")]
)
def test_schema_and_name_must_be_there(text: str, path: str) -> None:
    assert find_problem(text).path == path


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "ä", "a\\n", "a" * 65])
def test_names_are_letters_digits_and_hyphens(name: str) -> None:
    assert find_problem(f'schema = 1\nname = "{name}"').path == "name"
    assert read('schema = 1\nname = "A-1"').name == "A-1"


def test_all_problems_are_told_together() -> None:
    text = HEAD + "sed = 1\n[swarm]\npers = 3\n[models]\naccuracy = 2\n" + FAULT.format("kil")
    paths = [problem.path for problem in find_problems(text)]
    assert paths == ["sed", "swarm.pers", "models.accuracy", "fault[0].kind"]
    with pytest.raises(ManifestError) as caught:
        read(text)
    lines = str(caught.value).splitlines()
    assert lines[0] == "a.toml: 4 problems"
    assert lines[1] == "  sed: means nothing here; did you mean seed?"


def test_ten_problems_are_told_and_the_rest_counted() -> None:
    text = HEAD + "".join(f"key{index} = 1\n" for index in range(25))
    assert len(find_problems(text)) == PROBLEMS_TOLD_MAX
    with pytest.raises(ManifestError) as caught:
        read(text)
    assert str(caught.value).splitlines()[-1] == "  and 15 more"


def test_adversaries_are_no_more_than_peers() -> None:
    text = HEAD + '[[adversary]]\nkind = "twin"\npeers = 4\n[[adversary]]\nkind = "inverter"\nshare = {}'
    assert read(text.format(0.4)).adversaries[1].share == 0.4
    problem = find_problem(text.format(0.6))
    assert problem.path == "adversary"
    assert "got 8" in problem.message


def test_syntax_errors_name_their_line() -> None:
    assert "line 3" in find_problem(HEAD + "seed = = 3").message
    assert "line 3" in find_problem(HEAD + 'name = "two"\n').message  # a key that is there already


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEAD,
        HEAD + "x = " + "[" * 100_000,
        HEAD + "seed = " + "9" * 5_000,
        "#" * (TEXT_BYTES_MAX + 1),
    ],
    ids=["byte-order mark", "nesting", "digits", "length"],
)
def test_hostile_texts_are_one_typed_error(text: str) -> None:
    assert find_problem(text).path == ""


def test_huge_numbers_are_told_shortly() -> None:
    problem = find_problem(HEAD + "seed = 0x" + "f" * 50_000)
    assert problem.path == "seed"
    assert len(problem.message) < 200


def test_what_is_got_cannot_steer_a_terminal() -> None:
    problem = find_problem(HEAD + r'seed = "\u001b[31m"')
    assert "\x1b" not in problem.message


def test_files_that_are_no_utf_8_or_too_long_are_refused() -> None:
    assert decode_manifest("ä".encode(), origin="a.toml") == "ä"
    for data in (b"\xff\xfeschema", b"#" * (TEXT_BYTES_MAX + 1)):
        with pytest.raises(ManifestError) as caught:
            decode_manifest(data, origin="a.toml")
        assert str(caught.value).startswith("a.toml: got ")


@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_every_fault_can_be_written_with_its_options(kind: str) -> None:
    known = FAULT_KINDS[kind]
    options = {key.field: key.default for key in known.options if key.default is not None}
    if known.needs_option:
        options["loss"] = 0.5
    manifest = Manifest(name="one", faults=(FaultSettings(kind=kind, at_ms=5, options=options),))
    assert read(render_manifest(manifest)) == manifest


def test_what_means_nothing_for_a_fault_is_not_written() -> None:
    fault = FaultSettings(kind="weather", count=3, options={"loss": 0.5})
    text = render_manifest(Manifest(name="one", faults=(fault,)))
    assert "count" not in text
    assert read(text).faults == (FaultSettings(kind="weather", options={"loss": 0.5}),)


def test_an_empty_text_is_not_the_same_as_a_default_that_is_not_empty() -> None:
    manifest = read(HEAD + '[models]\nkind = "recorded"\ncache = "calls.db"\ninner = ""')
    assert manifest.models.inner == ""
    assert read(render_manifest(manifest)) == manifest
