"""Every limit of what neighbours tell each other beneath the protocol, each with a name and a unit.

A sender keeps to half of what its receiver allows, so that nobody honest is ever over it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayRate:
    """What may be sent through relays.

    Args:
        bytes_per_s: Bytes a second.
        bytes_burst: Bytes at once.
        frames_per_s: The same in frames a second.
        frames_burst: Frames at once.
    """

    bytes_per_s: float
    bytes_burst: int
    frames_per_s: float
    frames_burst: int


ASKER_RATE = RelayRate(bytes_per_s=524_288.0, bytes_burst=2_097_152, frames_per_s=40.0, frames_burst=400)
# A quarter of what a link to a member takes, so that askers never crowd out what members say on it.
ASKERS_RATE = RelayRate(
    bytes_per_s=2_097_152.0, bytes_burst=8_388_608, frames_per_s=500.0, frames_burst=2_000
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayLimits:
    """Bounds of address records, presence and relaying.

    Args:
        records_per_message_max: Address records in one message.
        sample_max: Records shown to a neighbour when its link comes up, besides its own and one's own.
        bucket_max: Of those, records of one part of the network.
        records_per_s: Records a neighbour may send, records a second.
        records_burst: Records it may send at once.
        news_s: Shortest time between two messages of records to a neighbour, seconds.
        reissue_s: Age at which a member signs a new record of its own, seconds.
        save_s: Shortest time between two writes of the anchors, seconds.
        presence_s: Shortest time between two of one's own words on presence to a neighbour, seconds.
        presence_per_s: How often a neighbour may say whom it is linked to, messages a second.
        presence_burst: How often at once.
        relay_bytes_per_s: What a relay passes on of one source, bytes a second.
        relay_bytes_burst: Bytes at once.
        relay_frames_per_s: The same in frames a second.
        relay_frames_burst: Frames at once.
        relay_total_bytes_per_s: What a relay passes on in all, bytes a second; more is dropped, nobody's
            fault.
        relay_total_bytes_burst: Bytes at once.
        asker_rate: What a relay passes on of one asker, and a member takes of one through relays.
        askers_rate: What a relay passes on of all askers together; more is dropped, nobody's fault.
        askers_max: Askers that a member remembers to have been reached by through relays, with the way to
            each; whoever was heard longest ago goes first.
        asker_seen_max: Frames of one asker that are remembered; older ones are refused.
        relay_queue_share: A relayed frame is dropped where the queue to its receiver is fuller than this
            share: a link's own messages go first.
        fresh_s: Oldest relayed frame that is taken, seconds.
        ahead_s: How far ahead of this clock one may be issued, seconds.
        seen_max: Frames of one source that are remembered; older ones are refused.
        rotate_s: How long one relay is used where several can be: one that drops silences nobody for longer.
        bootstrap_links: Links to members below which addresses without keys are dialed; fewer where there
            are fewer members.
        reverse_dial_s: How long a member waits for a link that the other end is to open, seconds.
        dialed_max: Members that a node keeps links to by dialing.
    """

    records_per_message_max: int = 64
    sample_max: int = 128
    bucket_max: int = 16
    records_per_s: float = 100.0
    records_burst: int = 2_048
    news_s: float = 1.0
    reissue_s: float = 21_600.0
    save_s: float = 60.0
    presence_s: float = 0.5
    presence_per_s: float = 4.0
    presence_burst: int = 40
    relay_bytes_per_s: float = 4_194_304.0
    relay_bytes_burst: int = 16_777_216
    relay_frames_per_s: float = 2_000.0
    relay_frames_burst: int = 8_192
    relay_total_bytes_per_s: float = 16_777_216.0
    relay_total_bytes_burst: int = 67_108_864
    asker_rate: RelayRate = ASKER_RATE
    askers_rate: RelayRate = ASKERS_RATE
    askers_max: int = 1_024
    asker_seen_max: int = 64
    relay_queue_share: float = 0.5
    fresh_s: float = 600.0
    ahead_s: float = 600.0
    seen_max: int = 1_024
    rotate_s: float = 3.0
    bootstrap_links: int = 3
    reverse_dial_s: float = 5.0
    dialed_max: int = 64

    @property
    def member_rate(self) -> RelayRate:
        """What a relay passes on of one member."""
        return RelayRate(
            bytes_per_s=self.relay_bytes_per_s,
            bytes_burst=self.relay_bytes_burst,
            frames_per_s=self.relay_frames_per_s,
            frames_burst=self.relay_frames_burst,
        )
