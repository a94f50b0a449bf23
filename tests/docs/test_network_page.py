"""docs/network.md names the structs, tags, kinds and limits that the program uses, and its examples hold."""

import re
from pathlib import Path
from typing import get_args

from consensus.identity import KeyPair, NetworkId
from swarm.edge.addresses import (
    KIND_ADDRESS_RECORD,
    TTL_S_MAX,
    URLS_MAX,
    AddressRecord,
    SignedRecord,
    sign_record,
)
from swarm.edge.control import CONTROL_BYTE, ControlMessage
from swarm.edge.dial_back import ANSWER_S, ASKED_MAX, DIAL_S, DIALS_MAX, EVERY_S
from swarm.edge.limits import EdgeLimits
from swarm.edge.overlay_limits import OverlayLimits
from swarm.edge.relay import KIND_RELAYED, RelayedFrame, RelaySource
from swarm.edge.second_machine import RESTORED_WAIT_S, WAIT_S

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "network.md").read_text("utf-8")
FLAT = " ".join(PAGE.split())
NOW_MS = 1_700_000_000_000
ZERO = NetworkId(bytes(32))


def test_every_struct_and_tag_is_on_the_page() -> None:
    for kind in (SignedRecord, AddressRecord, RelayedFrame):
        assert f"| {kind.__name__} | {', '.join(kind.__struct_fields__)} |" in PAGE
    tags = {kind.__struct_config__.tag: len(kind.__struct_fields__) for kind in get_args(ControlMessage)}
    rows = re.findall(r"^\| (\d) \| [\w -]+ \| (.*) \|$", PAGE, re.M)
    assert [int(tag) for tag, _ in rows] == sorted(tags)
    assert tags == {1: 1, 2: 1, 3: 2, 4: 1, 5: 2}
    assert f"0x{CONTROL_BYTE:X}" in PAGE
    assert f"{KIND_RELAYED} relayed frame, {KIND_ADDRESS_RECORD} address record, 255 handshake" in FLAT


def test_every_limit_on_the_page_is_the_programs() -> None:
    limits, edge = OverlayLimits(), EdgeLimits()
    one, every = limits.asker_rate, limits.askers_rate
    for words in (
        f"at most {limits.records_per_message_max}, at most one a member",
        f"0 to {URLS_MAX} URLs",
        f"1 to {TTL_S_MAX:,}.",
        f"up to {limits.sample_max} drawn ones, at most {limits.bucket_max} of one /16",
        f"every {limits.reissue_s / 3_600:g} hours",
        f"uses one for {limits.rotate_s:g} seconds",
        f"({limits.fresh_s / 60:g} minutes either way)",
        f"{limits.relay_bytes_per_s / 2**20:g} MiB and {limits.relay_frames_per_s:,g} frames a second"
        f" ({limits.relay_bytes_burst / 2**20:g} MiB and {limits.relay_frames_burst:,} at once)",
        f"{limits.relay_total_bytes_per_s / 2**20:g} MiB a second in all",
        f"an asker within {one.bytes_per_s / 2**10:g} KiB and {one.frames_per_s:g} frames"
        f" ({one.bytes_burst / 2**20:g} MiB and {one.frames_burst})",
        f"{every.bytes_per_s / 2**20:g} MiB and {every.frames_per_s:g} frames of all askers together",
        f"for the {limits.askers_max:,} askers heard last",
        f"the last {limits.seen_max:,} of a member and {limits.asker_seen_max} of an asker",
        f"or 0 after {DIAL_S:g} seconds, whatever was wrong",
        f"The asking end waits {ANSWER_S:g} seconds",
        f"after {WAIT_S:g} seconds ({RESTORED_WAIT_S:g} after a restore)",
    ):
        assert words in FLAT, words
    assert limits.ahead_s == limits.fresh_s
    assert 1 / limits.presence_s == 2
    assert limits.news_s == 1
    assert limits.relay_queue_share == 0.5
    assert (ASKED_MAX, DIALS_MAX, EVERY_S) == (3, 4, 10.0)
    assert (edge.bad_messages_max, edge.ban_s) == (20, 600.0)


def test_the_examples_hold() -> None:
    pair, other = KeyPair(bytes(32)), KeyPair(b"\x01" * 32)
    record = sign_record(pair, ZERO, ["wss://a.example:4242"], issued_ms=NOW_MS).signed
    source = RelaySource(signer=pair, network_id=ZERO, rate=OverlayLimits().member_rate)
    frame = source.seal(other.key, b"\x92\x01\x02", now_ms=NOW_MS)
    digits = re.sub(r"\s+", "", PAGE)
    for made in (record.payload, frame.frame, record.signature[:8], frame.signature[:8]):
        assert made.hex() in digits
