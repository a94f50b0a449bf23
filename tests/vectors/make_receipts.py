"""Writes the receipt vectors: recorded rounds, every forgery of them, and an index of what a verifier says.

Run: python -m tests.vectors.make_receipts
"""

import hashlib
import json

from consensus.identity import Verifier
from consensus.verify import CheckOutcome, VerifiedRound, verify_receipt
from tests.consensus.receipt_kit import KITS
from tests.vectors.forged import Vector, forge
from tests.vectors.honest import FOLDER, read_honest, read_kits, to_file_name

FORMAT = 1
INDEX = "index.json"

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]


def list_vectors() -> list[Vector]:
    """Return all vectors: the recorded rounds, some of them with their trust root, and the forgeries."""
    honest = read_honest()
    vectors = [Vector(name, data) for name, data in honest.items()]
    vectors += [
        Vector(f"honest {name}, its network trusted", honest[f"honest {name}"], name) for name in KITS
    ]
    return [*vectors, *forge()]


def render_files() -> dict[str, bytes]:
    """Return the content of every file but the keys; the recorded rounds are what is read."""
    vectors, kits, verifier = list_vectors(), read_kits(), Verifier()
    names = _name_files(vectors)
    files = {name: data for data, name in names.items()}
    genesis = {f"{name}.genesis": kit.receipt.genesis for name, kit in kits.items()}
    rows = [_describe(vector, names[vector.data], verifier) for vector in vectors]
    index = json.dumps({"format": FORMAT, "vectors": rows}, indent=1) + "\n"
    return {**files, **genesis, INDEX: index.encode()}


def _name_files(vectors: list[Vector]) -> dict[bytes, str]:
    """Return a file name for every different receipt: that of the first vector that holds it."""
    names: dict[bytes, str] = {}
    for vector in vectors:
        if vector.data in names:
            continue
        name = stem = to_file_name(vector.name)
        count = 1
        while name in names.values():  # two names may differ in signs only
            count += 1
            name = stem.replace(".", f"-{count}.")
        names[vector.data] = name
    return names


def _describe(vector: Vector, file: str, verifier: Verifier) -> Json:
    trusted = None if vector.trusted is None else read_kits()[vector.trusted].receipt.genesis
    verdict = verify_receipt(vector.data, trusted_network=trusted, verifier=verifier)
    failed = [check.number for check in verdict.checks if check.outcome is CheckOutcome.FAILED]
    return {
        "name": vector.name,
        "file": file,
        "sha256": hashlib.sha256(vector.data).hexdigest(),
        "trusted_network": None if vector.trusted is None else f"{vector.trusted}.genesis",
        "consistent": verdict.is_consistent,
        "trusted": verdict.is_trusted,
        "failed_step": failed[0] if failed else None,
        "result": None if verdict.round is None else _describe_round(verdict.round),
    }


def _describe_round(verified: VerifiedRound) -> Json:
    last = verified.closed[-1].outcome
    return {
        "round": verified.facts.round_id.hex(),
        "network": verified.facts.network.network_id.hex(),
        "winner": verified.winner,
        "text": None if verified.winner is None else verified.texts[verified.winner].decode("utf-8"),
        "status": last.value.status,
        "p_best_q16": last.value.p_best_q16,
        "flip_estimate": last.value.flip_estimate,
        "receipt_digest": verified.receipt_digest.hex(),
        "steps": [
            {"digest": step.outcome.digest.hex(), "scores": list(step.outcome.value.scores)}
            for step in verified.closed
        ],
    }


def main() -> None:
    """Write all files, and remove receipts that are no longer among them."""
    files = render_files()
    for path in FOLDER.glob("*.receipt"):
        if path.name not in files:
            path.unlink()
    for name, data in files.items():
        (FOLDER / name).write_bytes(data)


if __name__ == "__main__":
    main()
