"""The node as a function: what it does with each input, and what it refuses."""

import itertools
from collections.abc import Sequence

import pytest

from consensus.bodies import BallotBody
from consensus.decision import Status
from consensus.encoding import decode, encode
from consensus.genesis import Member, create_network
from consensus.identity import KeyPair, PeerKey
from consensus.messages import (
    AskMessage,
    BodyRequest,
    Commit,
    Entry,
    Kind,
    ProgressMessage,
    QuestionAnnouncement,
    ReceiptChunk,
    ReceiptRequest,
    RefusalMessage,
    RoundClosed,
    Signed,
    StatementMessage,
)
from consensus.question import compute_round_id, sign_question
from models.contract import (
    Choice,
    ChoiceRequest,
    Finish,
    GenerateRequest,
    Generation,
    Model,
    ModelInfo,
    Score,
    ScoreRequest,
)
from models.errors import ModelError
from models.scripted import ScriptedModel
from sim_net.checkers.final import check_world
from sim_net.checkers.watch import Watch
from sim_net.manifest import NetworkSettings
from sim_net.recorder import Recorder
from sim_net.world import World
from swarm.core.actions import Action, CancelCall, Emit, Generate, LoadReceipt, Persist, Send
from swarm.core.inputs import (
    CallFailed,
    CallFinished,
    Paused,
    Persisted,
    PersistFailed,
    ReceiptLoaded,
    Received,
    Started,
    TimerFired,
    Unpaused,
)
from swarm.core.node import CHUNK_BYTES
from swarm.core.places import KIND_PLACES, MEMBERS_PLACES, ROUNDS_OPEN_MAX
from swarm.core.questions import STALLED_MAX
from swarm.core.records import ASKER_PREFIX, QUESTION_KEY, Record, Table
from swarm.core.seat import STALLED_MS
from swarm.core.state import TICKETS_MAX, TICKETS_SENDER_MAX
from tests.core.bench import (
    ASKER,
    GENERATION,
    MODEL,
    SIGNERS,
    STRANGER,
    Bench,
    get_call,
    get_events,
    get_penalties,
    get_records,
    get_sent,
    make_question,
)

# -- writes before words -----------------------------------------------------------------------------


def test_nothing_leaves_before_the_question_is_on_disk() -> None:
    bench = Bench()
    actions = bench.ask()
    assert get_call(actions)
    assert not [message for message in get_sent(actions) if not isinstance(message, ProgressMessage)]
    released = bench.confirm(actions)
    relayed = [message for message in get_sent(released) if isinstance(message, AskMessage)]
    assert len(relayed) == 3


def test_a_commit_leaves_only_when_its_write_is_confirmed() -> None:
    bench = Bench()
    asked = bench.ask()
    bench.confirm(asked)
    sealed = bench.put(CallFinished(1, get_call(asked).call_id, GENERATION))
    assert [record.table for record in get_records(sealed)].count(Table.SIGNED) == 2
    assert not get_sent(sealed)
    commits = get_sent(bench.confirm(sealed))
    assert len(commits) == 3
    assert all(isinstance(message, StatementMessage) for message in commits)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_hostile_edge_that_confirms_out_of_order_releases_nothing_early(order: tuple[int, ...]) -> None:
    bench = Bench()
    asked = bench.ask()
    sealed = bench.put(CallFinished(1, get_call(asked).call_id, GENERATION))
    writes = [action.write_id for action in (*asked, *sealed) if isinstance(action, Persist)]
    assert len(writes) == 3
    confirmed: set[int] = set()
    for place in order:
        released = bench.put(Persisted(2, writes[place]))
        confirmed.add(writes[place])
        for message in get_sent(released):
            if isinstance(message, AskMessage):
                assert writes[0] in confirmed
            if isinstance(message, StatementMessage):
                assert confirmed == set(writes)
    assert len([one for one in get_sent(bench.done) if isinstance(one, StatementMessage)]) == 3


def test_confirmations_that_nobody_asked_for_change_nothing() -> None:
    bench = Bench()
    asked = bench.ask()
    for write_id in (0, -1, 99, 2**70):
        assert bench.put(Persisted(1, write_id)) == []
    released = bench.confirm(asked)
    again = [bench.put(Persisted(2, action.write_id)) for action in asked if isinstance(action, Persist)]
    assert released
    assert again == [[]]


def test_a_failed_write_halts_the_node_for_good() -> None:
    bench = Bench()
    asked = bench.ask()
    call_id = get_call(asked).call_id
    write_id = next(action.write_id for action in asked if isinstance(action, Persist))
    halted = bench.put(PersistFailed(1, write_id, "disk full", "free space"))
    assert halted == [Emit(None, "node_halted", (("reason", "disk full"), ("remedy", "free space")))]
    round_id = compute_round_id(make_question(bench.network).payload)
    seat = bench.state.seats[round_id]
    before = dict(seat.round.desk.signed)
    assert bench.put(Persisted(2, write_id)) == []
    assert bench.put(CallFinished(2, call_id, GENERATION)) == []
    assert bench.ask(make_question(bench.network, counter=1)) == []
    assert bench.put(Started(3, ())) == []
    assert seat.round.desk.signed == before == {}


def test_a_paused_node_takes_no_further_rounds_and_goes_on_with_open_ones() -> None:
    bench = Bench()
    opened = bench.ask()
    assert get_events(bench.put(Paused(1, "its owner plays"))) == ["node_paused"]
    declined = bench.ask(make_question(bench.network, counter=1))
    assert get_events(declined) == ["round_declined"]
    assert get_sent(declined, ASKER.key) == [
        RefusalMessage(compute_round_id(make_question(bench.network, counter=1).payload), b"its owner plays")
    ]
    assert get_events(bench.ask(make_question(bench.network, counter=1))) == []  # said once
    relayed = bench.ask(make_question(bench.network, counter=2), sender=bench.others[0])
    assert get_sent(relayed) == []
    assert bench.put(CallFinished(2, get_call(opened).call_id, GENERATION))  # it seals its answer
    assert get_events(bench.put(Unpaused(3))) == ["node_unpaused"]
    assert "round_opened" in get_events(bench.ask(make_question(bench.network, counter=1)))


# -- model calls -------------------------------------------------------------------------------------


def test_unknown_call_ids_are_ignored() -> None:
    bench = Bench()
    bench.ask()
    assert bench.put(CallFinished(1, 12_345, GENERATION)) == []
    assert bench.put(CallFailed(1, 12_345, "late")) == []


def test_a_call_counts_once() -> None:
    bench = Bench()
    call_id = get_call(bench.ask()).call_id
    assert bench.put(CallFinished(1, call_id, GENERATION))
    assert bench.put(CallFinished(2, call_id, GENERATION)) == []
    assert bench.put(CallFailed(3, call_id, "late")) == []


@pytest.mark.parametrize("text", ["", "  \n", "\u200b"])
def test_a_model_that_says_nothing_commits_to_nothing(text: str) -> None:
    bench = Bench()
    call_id = get_call(bench.ask()).call_id
    empty = Generation(text=text, tokens=(), finish=Finish.STOP, prompt_tokens=3, logprob=0.0)
    assert get_records(bench.put(CallFinished(1, call_id, empty))) == []


@pytest.mark.parametrize(
    "generation",
    [
        Generation(text="é" * 40_000, tokens=(1,), finish=Finish.STOP, prompt_tokens=3, logprob=0.0),
        Generation(text="\ud800x", tokens=(1,), finish=Finish.STOP, prompt_tokens=3, logprob=0.0),
        Generation(text="84", tokens=(1,) * 65, finish=Finish.STOP, prompt_tokens=3, logprob=0.0),
    ],
    ids=["long", "surrogate", "too many tokens"],
)
def test_what_a_model_may_say_never_ends_the_node(generation: Generation) -> None:
    """A foreign server may return anything; the seat seals a valid answer or none."""
    bench = Bench()
    asked = bench.ask()
    bench.confirm(asked)
    bench.put(CallFinished(1, get_call(asked).call_id, generation))


def test_a_failed_answer_call_is_reported_and_the_seat_stays_silent() -> None:
    bench = Bench()
    asked = bench.ask()
    failed = bench.put(CallFailed(1, get_call(asked).call_id, "out of memory"))
    assert get_events(failed) == ["call_failed"]
    assert get_records(failed) == []


# -- questions ---------------------------------------------------------------------------------------


def test_the_same_question_twice_opens_one_round() -> None:
    bench = Bench()
    first = bench.ask()
    assert [action for action in first if isinstance(action, Generate)]
    assert bench.ask() == []
    assert bench.ask(sender=bench.others[0]) == []
    assert len(bench.state.seats) == 1


def test_a_second_question_under_a_counter_is_refused_and_reported() -> None:
    bench = Bench()
    bench.ask()
    other = make_question(bench.network, text=b"What is 8 times 12?")
    actions = bench.ask(other)
    assert get_events(actions) == ["asker_equivocated"]
    (refusal,) = get_sent(actions, ASKER.key)
    assert isinstance(refusal, RefusalMessage)
    assert refusal.round == compute_round_id(other.payload)
    assert len(bench.state.seats) == 1


def test_a_peer_that_relays_a_refused_question_is_not_answered() -> None:
    """Two questions of one asker reach two seats, which relay them to each other in good faith."""
    bench = Bench()
    bench.ask()
    actions = bench.ask(make_question(bench.network, text=b"What is 8 times 12?"), sender=bench.others[0])
    assert get_events(actions) == ["asker_equivocated"]
    assert get_sent(actions) == []
    assert get_penalties(actions) == []


def test_an_asker_with_two_questions_under_one_counter_turns_no_peers_against_each_other() -> None:
    calm = NetworkSettings(latency="constant(5)")  # everybody hears its own question first
    world = World(seed=4, models=[ScriptedModel()] * 4, network=calm)
    watch, recorder = Watch(world), Recorder(world)
    world.asker.is_honest = False
    for index in range(4):
        text = "What is 7 times 12?" if index % 2 else "What is 8 times 12?"
        question = world.make_question(text, steps_max=1)
        world.deliver(
            index,
            world.asker.key,
            encode(AskMessage(sign_question(question, world.asker.signer, world.network))),
        )
    world.run(until_ms=60_000)
    check_world(watch, is_healed=False)
    assert recorder.penalties == []
    events = [logged.emit.event for logged in recorder.events]
    assert "asker_equivocated" in events
    assert "round_closed" not in events


def test_a_question_after_a_finished_one_with_the_next_counter_is_taken() -> None:
    world = World(seed=1, models=[ScriptedModel()] * 4)
    watch, recorder = Watch(world), Recorder(world)
    first = world.ask("What is 7 times 12?", counter=0, steps_max=1)
    second = world.ask("What is 7 times 12?", counter=1, steps_max=1)
    world.run(until_ms=60_000)
    check_world(watch)
    assert first != second
    closed = [logged.emit.round_id for logged in recorder.events if logged.emit.event == "round_closed"]
    assert closed.count(first) == closed.count(second) == 4


@pytest.mark.parametrize("change", ["signature", "network", "junk"])
def test_questions_that_are_none_are_the_senders_fault(change: str) -> None:
    bench = Bench()
    signed = make_question(bench.network)
    match change:
        case "signature":
            message = encode(AskMessage(type(signed)(signed.payload, bytes(64))))
        case "network":
            message = encode(
                AskMessage(
                    type(signed)(
                        signed.payload.replace(bench.network.network_id, b"x" * 32), signed.signature
                    )
                )
            )
        case _:
            message = b"\x92\x01\x92\xc4\x01x\xc4\x01x"
    actions = bench.receive(STRANGER.key, message)
    assert [penalty.key for penalty in get_penalties(actions)] == [STRANGER.key]
    assert not bench.state.seats


def test_a_node_without_a_seat_does_nothing() -> None:
    bench = Bench(signer=STRANGER)
    assert bench.ask() == []
    assert not bench.state.seats


def test_one_asker_has_half_of_the_places_and_others_have_the_rest() -> None:
    bench = Bench()
    half = (ROUNDS_OPEN_MAX - KIND_PLACES - MEMBERS_PLACES) // 2
    for counter in range(half):
        assert get_events(bench.ask(make_question(bench.network, counter=counter)))[0] == "round_opened"
    late = make_question(bench.network, counter=half)
    (refusal,) = get_sent(bench.ask(late))
    assert isinstance(refusal, RefusalMessage)
    assert refusal.reason == f"busy: {half} rounds are open here, {half} of them yours".encode()
    other = make_question(bench.network, asker=STRANGER)
    assert get_events(bench.ask(other, sender=STRANGER.key))[0] == "round_opened"
    # A seat that has opened the round already asks for no more than it would.
    assert get_sent(bench.ask(late, sender=STRANGER.key)) == []
    assert get_events(bench.ask(late, sender=bench.others[0]))[0] == "round_opened"


def test_only_so_many_rounds_are_open_at_once() -> None:
    bench = Bench()
    askers = [KeyPair(b"%032d" % number) for number in range(ROUNDS_OPEN_MAX)]
    opened = 0
    for asker in askers:
        asked = make_question(bench.network, asker=asker)
        opened += get_events(bench.ask(asked, sender=bench.others[0]))[:1] == ["round_opened"]
    assert opened == ROUNDS_OPEN_MAX - MEMBERS_PLACES - KIND_PLACES
    waiting = 0
    for asker in askers:
        actions = bench.ask(make_question(bench.network, asker=asker, counter=1), sender=asker.key)
        opened += is_opened(actions)
        own = any(seat.asker == asker.key for seat in bench.state.seats.values())
        waiting += not own  # who has rounds open waits for them, not in line
    assert opened == ROUNDS_OPEN_MAX - MEMBERS_PLACES
    stranger = make_question(bench.network, asker=STRANGER)
    (refusal,) = get_sent(bench.ask(stranger, sender=STRANGER.key))
    assert isinstance(refusal, RefusalMessage)
    expected = f"busy: {opened} rounds are open here, and {waiting} askers wait before you"
    assert refusal.reason == expected.encode()


def is_opened(actions: Sequence[Action]) -> bool:
    return "round_opened" in get_events(actions)


def test_a_round_of_which_too_few_seats_are_heard_loses_its_place_and_nothing_else() -> None:
    bench = Bench()
    askers = [KeyPair(b"%032d" % number) for number in range(ROUNDS_OPEN_MAX)]

    def ask_all(counter: int) -> list[bytes]:
        asked = [(make_question(bench.network, counter=counter, asker=asker), asker) for asker in askers]
        opened = [one for one, asker in asked if is_opened(bench.ask(one, asker.key))]
        return [compute_round_id(one.payload) for one in opened]

    def list_finished(round_ids: Sequence[bytes]) -> list[bytes]:
        return [one for one in round_ids if bench.state.seats[one].round.is_finished]

    places = ROUNDS_OPEN_MAX - KIND_PLACES - MEMBERS_PLACES
    stalled = ask_all(0)
    assert len(stalled) == places
    bench.now_ms = STALLED_MS
    assert ask_all(1) == []
    known, *_ = stalled  # two other seats have it too, a quorum of four
    for other in bench.others[:2]:
        bench.receive(other, QuestionAnnouncement(known))
    bench.now_ms += 1
    assert len(ask_all(2)) == places - 1
    assert list_finished(stalled) == []
    for counter in range(3, 6):
        bench.now_ms += STALLED_MS + 1
        ask_all(counter)
    given_up = list_finished(stalled)
    assert given_up == stalled[1 : 1 + len(given_up)] != []
    unfinished = [seat for seat in bench.state.seats.values() if not seat.round.is_finished]
    assert len(unfinished) <= STALLED_MAX + places + 1


def test_a_round_without_a_receipt_is_over_for_who_asks_again() -> None:
    """It was forgotten, or given up before a restart: only its counter is left."""
    bench = Bench()
    signed = make_question(bench.network)
    round_id = compute_round_id(signed.payload)
    slot = ASKER_PREFIX + ASKER.key + b"/0"
    bench.put(Started(0, (Record(Table.SIGNED, bench.network.network_id, slot, round_id),)))
    (load,) = bench.ask(signed)
    assert isinstance(load, LoadReceipt)
    (refusal,) = get_sent(bench.put(ReceiptLoaded(0, load.request_id, None)))
    assert isinstance(refusal, RefusalMessage)
    assert refusal.reason.startswith(b"this round is over")
    assert get_sent(bench.ask(signed, sender=bench.others[0])) == []
    assert get_records(bench.done) == []


# -- frames ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        RoundClosed(b"r" * 32, b"v" * 32, 0),
        ProgressMessage(b"r" * 32, 0, 0, 0),
        RefusalMessage(b"r" * 32, b"no"),
    ],
)
def test_what_only_an_asker_takes_is_a_fault(message: RoundClosed) -> None:
    bench = Bench()
    bench.ask()
    assert len(get_penalties(bench.receive(bench.others[0], message))) == 1


def test_messages_of_unknown_rounds_are_no_fault() -> None:
    bench = Bench()
    commit = Signed(int(Kind.COMMIT), 0, encode(Commit(b"r" * 32, 0, b"c" * 32)), bytes(64))
    assert bench.receive(bench.others[0], StatementMessage(b"r" * 32, commit)) == []
    assert bench.receive(bench.others[0], BodyRequest(b"r" * 32, 0, ())) == []
    assert bench.put(TimerFired(1, b"r" * 32, None)) == []  # type: ignore[arg-type]


def test_a_body_request_from_a_link_without_a_seat_is_a_fault() -> None:
    bench = Bench()
    asked = bench.ask()
    round_id = next(iter(bench.state.seats))
    request = BodyRequest(round_id, 0, (Entry(0, b"c" * 32),))
    assert len(get_penalties(bench.receive(STRANGER.key, request))) == 1
    assert get_penalties(bench.receive(bench.others[0], request)) == []
    assert asked


def test_garbage_is_penalised_and_survived() -> None:
    bench = Bench()
    bench.ask()
    for data in (b"", b"\xc1", b"\x90", b"\xdd\xff\xff\xff\xff", b"\x92\x63\xc0", bytes(200_000)):
        actions = bench.put(Received(1, bench.others[0], data))
        assert len(get_penalties(actions)) == len(actions) == 1


# -- receipts ----------------------------------------------------------------------------------------


def finish_round(**limits: int) -> World:
    world = World(seed=7, models=[ScriptedModel()] * 4)
    world.ask("What is 7 times 12?", **limits)
    world.run(until_ms=60_000)
    assert len(world.closed) == 4
    return world


def test_asking_again_after_the_end_tells_how_it_closed() -> None:
    world = finish_round()
    known = dict(world.closed)
    world.asker.asked.clear()
    world.ask("What is 7 times 12?")
    world.run(until_ms=120_000)
    assert world.closed == known


def test_asking_again_after_a_restart_tells_it_from_disk() -> None:
    world = finish_round()
    recorder = Recorder(world)
    known = dict(world.closed)
    for index in range(4):
        world.crash(index)
        world.restart(index)
    world.asker.asked.clear()
    world.ask("What is 7 times 12?")
    world.run(until_ms=120_000)
    assert world.closed == known
    assert world.get_receipt() is not None
    assert recorder.penalties == []


def test_a_late_seat_that_relays_the_question_is_not_told_what_only_an_asker_takes() -> None:
    """A finished node that restarted knows the round from its disk only; a slow seat relays the question."""
    world = finish_round()
    recorder = Recorder(world)
    world.crash(0)
    world.restart(0)
    question = next(row.value for (_, _, key), row in world.nodes[1].disk.rows.items() if key == QUESTION_KEY)
    ask = b"\x92\x01" + question
    world.deliver(0, world.nodes[1].signer.key, ask)
    world.run(until_ms=120_000)
    assert recorder.penalties == []


def make_finished_bench(receipt: bytes | None) -> tuple[Bench, list[Action]]:
    bench = Bench()
    asked = bench.receive(STRANGER.key, ReceiptRequest(b"r" * 32, 1))
    (load,) = (action for action in asked if isinstance(action, LoadReceipt))
    return bench, bench.put(ReceiptLoaded(1, load.request_id, receipt))


def test_receipts_are_served_in_chunks() -> None:
    receipt = bytes(range(256)) * (CHUNK_BYTES // 128)
    _, actions = make_finished_bench(receipt)
    (chunk,) = get_sent(actions, STRANGER.key)
    assert isinstance(chunk, ReceiptChunk)
    assert (chunk.index, chunk.count) == (1, 2)
    assert chunk.data == receipt[CHUNK_BYTES:]


def test_a_receipt_that_is_not_there_is_not_served() -> None:
    assert make_finished_bench(None)[1] == []


def test_a_receipt_that_nobody_waits_for_is_ignored() -> None:
    bench, _ = make_finished_bench(None)
    assert bench.put(ReceiptLoaded(1, 999, b"x")) == []


def test_reads_under_way_are_bounded_for_one_key_and_for_all() -> None:
    bench = Bench()

    def request(key: PeerKey) -> bool:
        return bool(bench.receive(key, ReceiptRequest(b"r" * 32, 0)))

    assert [request(STRANGER.key) for _ in range(TICKETS_SENDER_MAX + 1)] == [True] * TICKETS_SENDER_MAX + [
        False
    ]
    others = [PeerKey(bytes([place]) * 32) for place in range(TICKETS_MAX // TICKETS_SENDER_MAX)]
    assert sum(request(key) for key in others for _ in range(100)) == TICKETS_MAX - TICKETS_SENDER_MAX
    assert len(bench.state.tickets) == TICKETS_MAX
    bench.put(ReceiptLoaded(1, next(iter(bench.state.tickets)), None))
    assert [request(STRANGER.key), request(STRANGER.key)] == [True, False]


def test_a_chunk_beyond_the_last_is_the_askers_fault() -> None:
    bench, actions = make_finished_bench(b"short")
    assert [penalty.key for penalty in get_penalties(actions)] == [STRANGER.key]
    assert bench.state.tickets == {}


@pytest.mark.parametrize("index", [-1, 1, 2**60])
def test_a_chunk_of_a_round_at_hand_beyond_the_last_is_the_askers_fault(index: int) -> None:
    world = finish_round()
    recorder = Recorder(world)
    round_id = next(iter(world.nodes[0].state.seats))
    world.deliver(0, world.asker.key, encode(ReceiptRequest(round_id, index)))
    world.run(until_ms=120_000)
    assert [(one.node, one.penalty.key) for one in recorder.penalties] == [(0, world.asker.key)]


# -- restart -----------------------------------------------------------------------------------------


def test_an_open_round_of_a_network_that_was_left_is_let_be() -> None:
    left = create_network(
        name=b"left", beacon=b"l" * 32, members=tuple(Member(signer.key, b"") for signer in SIGNERS)
    )
    before = Bench(network=left)
    records = tuple(record for record in get_records(before.ask()) if record.table is Table.FACT)
    assert records
    started = Bench().put(Started(0, records))
    assert get_events(started) == ["node_started"]


def test_a_started_node_with_nothing_on_disk_has_nothing_to_do() -> None:
    bench = Bench()
    assert get_events(bench.put(Started(0, ()))) == ["node_started"]


def test_a_restarted_node_signs_nothing_twice() -> None:
    bench = Bench()
    asked = bench.ask()
    sealed = bench.put(CallFinished(1, get_call(asked).call_id, GENERATION))
    records = tuple(get_records(asked) + get_records(sealed))
    bench.confirm([*asked, *sealed])
    before = {record.key: record.value for record in records if record.table is Table.SIGNED}
    again = Bench()
    resumed = again.put(Started(5, records))
    assert "round_resumed" in get_events(resumed)
    assert not [action for action in resumed if isinstance(action, Generate)]
    released = [*get_sent(resumed), *get_sent(again.confirm(resumed))]
    commits = {encode(one.signed) for one in released if isinstance(one, StatementMessage)}
    assert commits == {before[bytes([Kind.COMMIT, 0, 0])]}
    other = again.ask(make_question(again.network, text=b"Another?"))
    assert get_events(other) == ["asker_equivocated"]


def test_a_crash_between_reveal_and_commit_opens_what_is_committed() -> None:
    """The two statements of a sealed body are two writes; the model may answer otherwise after a restart."""
    bench = Bench()
    asked = bench.ask()
    sealed = bench.put(CallFinished(1, get_call(asked).call_id, GENERATION))
    first = next(action for action in sealed if isinstance(action, Persist))
    again = Bench()
    resumed = again.put(Started(5, (*get_records(asked), *first.records)))
    calls = [action for action in resumed if isinstance(action, Generate)]
    if calls:
        other = Generation(text=" 85", tokens=(2,), finish=Finish.STOP, prompt_tokens=3, logprob=-1.0)
        again.put(CallFinished(6, calls[0].call_id, other))
    seat = next(iter(again.state.seats.values()))
    committed = [c for page in seat.round.collection.commits.pages.values() for c in [page.content]]
    assert len(committed) == 1
    assert isinstance(committed[0], Commit)
    assert (seat.round.desk.seat, committed[0].commit) in seat.round.collection.openings


def test_records_without_a_question_open_nothing() -> None:
    bench = Bench()
    actions = bench.put(Started(0, (Record(Table.FACT, b"r" * 32, b"view/0", b"1"),)))
    assert get_events(actions) == ["node_started"]
    assert not bench.state.seats


def test_calls_of_a_closed_step_are_cancelled() -> None:
    """A slow judge is told to stop once the others have certified the step without it."""
    slow = World(seed=3, models=[ScriptedModel()] * 4)
    slow.ask("What is 7 times 12?", steps_max=1)
    cancelled: list[Action] = []
    perform = slow._perform

    def spy(index: int, action: Action, *, is_excused: bool) -> None:
        if isinstance(action, CancelCall):
            cancelled.append(action)
        if index == 0 and isinstance(action, Generate):
            return  # its model never comes back
        perform(index, action, is_excused=is_excused)

    slow._perform = spy  # type: ignore[method-assign]
    slow.run(until_ms=120_000)
    assert len(slow.closed) == 4
    assert cancelled


def test_every_send_goes_to_somebody_else() -> None:
    bench = Bench()
    bench.confirm(bench.ask())
    sends = [action for action in bench.done if isinstance(action, Send)]
    assert sends
    assert all(action.to != SIGNERS[0].key for action in sends)


class DeafModel:
    """A model that answers, and fails whenever it should judge."""

    def info(self) -> ModelInfo:
        return MODEL.info()

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        return MODEL.generate(requests)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        raise ModelError("deaf")

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        raise ModelError("deaf")


@pytest.mark.parametrize("deaf", [1, 4])
def test_who_cannot_judge_seals_an_empty_ballot(deaf: int) -> None:
    """A missing judgement is missing, not a loss; the seat has taken part, so the round is full."""
    for seed in range(20):
        models: list[Model] = [DeafModel()] * deaf + [MODEL] * (4 - deaf)
        world = World(seed=seed, models=models)
        watch = Watch(world)
        world.ask("What is 7 times 12?", steps_max=1)
        world.run(until_ms=60_000, is_done=lambda world=world: len(world.closed) == 4)  # type: ignore[misc]
        check_world(watch)
        closed = next(iter(world.nodes[0].state.seats.values())).round.desk.closed
        if len(closed) == 2:
            break
    assert closed[-1].outcome.value.status == Status.FULL
    keys = [node.signer.key for node in world.nodes[:deaf]]
    seats = next(iter(world.nodes[0].state.seats.values())).round.desk.facts.committee.keys
    for opening in closed[1].openings:
        ballot = decode(BallotBody, opening.body, bytes_max=len(opening.body))
        assert ballot.votes == () or seats[opening.seat] not in keys
