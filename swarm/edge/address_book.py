"""The newest address record of every member, and which members are dialed where.

Pure but for the clock it is given. Only members have records, and one each, so a book is bounded by its
network. A record that expires is dropped; addresses from the network's file, and anchors that expired while
this peer was down, are hints: dialed like records, never shown to others.
"""

import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import trio

from consensus.errors import ConfigError, PeerError
from consensus.identity import KEY_BYTES, NetworkId, PeerKey, Signer, Verifier
from swarm.edge.address_sampling import draw_sample
from swarm.edge.addresses import (
    AHEAD_MS_MAX,
    Addressed,
    SignedRecord,
    is_current,
    open_record,
    sign_record,
)
from swarm.edge.network_urls import is_loopback, parse_url

OWN_MAX: Final = 16  # own records of this run that are recognised; one is issued every few hours
HINT_AGE_MS_MAX: Final = 7 * 86_400_000  # how long after it expired an anchor is still worth a dial


class ForeignRecordError(PeerError):
    """A new record under this node's own key that this node did not sign: the key is in use elsewhere."""


class AddressBook:
    """Whom this node knows where.

    Args:
        signer: This node's key: a member's, or a client's, which has no record.
        network_id: The network, 32 bytes.
        members: Keys of all members, in any order.
        get_time_ms: Reads the wall clock, milliseconds since 1970.
        urls: Where this node can be dialed, as others see it; none where it only dials out.
        bootstrap: URLs at which some member is said to be, whoever it is.
        draw: Decides which records are shown to whom.

    Raises:
        ConfigError: A key or URL is none.
    """

    def __init__(
        self,
        *,
        signer: Signer,
        network_id: NetworkId,
        members: Iterable[PeerKey],
        get_time_ms: Callable[[], int],
        urls: Sequence[str] = (),
        bootstrap: Sequence[str] = (),
        draw: random.Random | None = None,
    ) -> None:
        self.members: tuple[PeerKey, ...] = tuple(sorted(set(members)))
        for key in self.members:
            if len(key) != KEY_BYTES:
                raise ConfigError(f"got a member key of {len(key)} bytes, expected {KEY_BYTES}")
        self.urls = tuple(parse_url(url).url for url in urls)
        forms = dict.fromkeys(parse_url(url).url for url in bootstrap)
        self.bootstrap = tuple(url for url in forms if url not in self.urls)
        self.started_ms = get_time_ms()
        self.changed = trio.lowlevel.ParkingLot()  # whoever follows the book waits here
        self.version = 0  # counts changes
        self._signer = signer
        self._network_id = network_id
        self.get_time_ms = get_time_ms
        self._draw = draw or random.Random()  # noqa: S311 - which records are shown is no secret
        self._verifier = Verifier(good_max=len(self.members))
        self._is_member = dict.fromkeys(self.members, True)
        self._records: dict[PeerKey, Addressed] = {}
        self._hints: dict[PeerKey, tuple[str, ...]] = {}
        self._own: deque[bytes] = deque(maxlen=OWN_MAX)

    @property
    def own_key(self) -> PeerKey:
        """This node's key."""
        return self._signer.key

    def get(self, key: PeerKey) -> Addressed | None:
        """Return the newest record of a member, if there is one that has not expired."""
        return self._records.get(key)

    def list_records(self) -> tuple[Addressed, ...]:
        """Return all records, by rising key."""
        return tuple(record for _, record in sorted(self._records.items()))

    def list_urls(self) -> Mapping[PeerKey, tuple[str, ...]]:
        """Return where members are dialed, by rising key; not this node itself.

        Addresses of this machine are left out of records unless this node's own network is on this machine: a
        member shall not have others call on whatever listens behind their own walls.
        """
        is_local, found = self._is_local(), dict(self._hints)
        found |= {key: _list_dialed(record, is_local) for key, record in self._records.items()}
        return {key: urls for key, urls in sorted(found.items()) if urls and key != self.own_key}

    def get_urls(self, key: PeerKey) -> tuple[str, ...]:
        """Return where one member's record says that it is dialed; see `list_urls`."""
        record = self._records.get(key)
        return () if record is None else _list_dialed(record, self._is_local())

    def _is_local(self) -> bool:
        hinted = (url for urls in self._hints.values() for url in urls)
        return any(map(is_this_machine, (*self.urls, *self.bootstrap, *hinted)))

    def adopt(self, members: Mapping[PeerKey, str | None]) -> None:
        """Take a mesh's members, which are this book's, and their URLs as hints.

        Raises:
            ConfigError: They are others.
        """
        if self.members != tuple(sorted(members)):
            raise ConfigError(
                f"got a book of {len(self.members)} members and a mesh of {len(members)},"
                " expected the same ones"
            )
        self.set_hints({key: (url,) for key, url in members.items() if url is not None})

    def set_hints(self, hints: Mapping[PeerKey, Sequence[str]]) -> None:
        """Add where members may be, from a source that signs nothing; records of theirs count before."""
        for key, urls in hints.items():
            if key in self._is_member and key != self.own_key and urls:
                self._hints[key] = tuple(urls)
        self._note_change()

    def issue(self) -> Addressed | None:
        """Sign and keep a new record of this node's own; None for a client, which has none.

        Raises:
            ConfigError: Its URLs do not make a record.
        """
        if self.own_key not in self._is_member:
            return None
        record = sign_record(self._signer, self._network_id, self.urls, issued_ms=self.get_time_ms())
        self._own.append(record.signed.payload)
        self._records[self.own_key] = record
        return record

    def open(self, signed: SignedRecord) -> Addressed:
        """Check that a record is a member's.

        Raises:
            PeerError: It does not hold, or is a stranger's.
        """
        record = open_record(signed, network_id=self._network_id, verifier=self._verifier)
        if record.key not in self._is_member:
            raise PeerError(f"address record: got one of {record.key.hex()[:16]}, who is no member")
        return record

    def add(self, record: Addressed) -> bool:
        """Keep a record that `open` gave back, if it is news.

        Returns:
            False if one as new was known, it is this node's own, or is of another time: clocks differ, so
            that is nobody's fault.

        Raises:
            ForeignRecordError: It is this node's own, signed since this node started, and not by it.
        """
        if record.key == self.own_key:
            self._verify_own(record)
            return False
        if not is_current(record, self.get_time_ms()):
            return False
        known = self._records.get(record.key)
        if known is not None and not record.is_newer(known):
            return False
        self._records[record.key] = record
        if known is None or known.urls != record.urls:
            self._note_change()
        return True

    def _verify_own(self, record: Addressed) -> None:
        """Refuse a record of this node's key that it signed neither in this run nor in an earlier one."""
        if record.issued_ms > self.started_ms and record.signed.payload not in self._own:
            at = ", ".join(record.urls) or "no address"
            ahead_s = (record.issued_ms - self.started_ms) / 1_000
            raise ForeignRecordError(
                f"somebody with this key signed an address record ({at}),"
                f" {ahead_s:.0f} s after this peer started"
            )

    def drop_expired(self) -> None:
        """Forget what no longer counts."""
        now_ms = self.get_time_ms()
        expired = [key for key, record in self._records.items() if record.expires_ms <= now_ms]
        for key in expired:
            del self._records[key]
        if expired:
            self._note_change()

    def get_age_ms(self, record: Addressed) -> int:
        """Return how long ago a record was issued, milliseconds."""
        return self.get_time_ms() - record.issued_ms

    def draw_records(self, *, count_max: int, bucket_max: int) -> list[Addressed]:
        """Return records of others to show to a neighbour, few of any one part of the network."""
        others = [record for record in self.list_records() if record.key != self.own_key]
        return draw_sample(others, count_max=count_max, bucket_max=bucket_max, draw=self._draw)

    def load_anchors(self, anchors: Iterable[SignedRecord]) -> int:
        """Take records that were saved earlier; those that do not hold any more are left out.

        Args:
            anchors: As `swarm.edge.anchors.read_anchors` gives them.

        Returns:
            How many are of use: as records, or as hints where they have expired.
        """
        return sum(self._load(signed) for signed in anchors)

    def _load(self, signed: SignedRecord) -> bool:
        try:
            record = self.open(signed)
        except PeerError:
            return False  # another network's, or of a member that left it; addresses are learnt again
        now_ms = self.get_time_ms()
        if record.key == self.own_key or record.issued_ms > now_ms + AHEAD_MS_MAX:
            return False
        if record.expires_ms > now_ms:
            return self.add(record)
        if not record.urls or now_ms - record.expires_ms > HINT_AGE_MS_MAX:
            return False
        self._hints.setdefault(record.key, record.urls)
        return True

    def _note_change(self) -> None:
        self.version += 1
        self.changed.unpark_all()


def _list_dialed(record: Addressed, is_local: bool) -> tuple[str, ...]:
    return tuple(url for url in record.urls if is_local or not is_this_machine(url))


def is_this_machine(url: str) -> bool:
    """Say whether a URL names this machine as such; what a name in DNS leads to is not looked up."""
    try:
        host = parse_url(url).host
    except ConfigError:
        return False
    return is_loopback(host) or host.endswith(".localhost")
