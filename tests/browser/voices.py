"""Swarms whose peers say different things: plain ones, or texts that would like to be more than texts."""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import swarm.edge.asking
from models.contract import (
    Choice,
    ChoiceRequest,
    GenerateRequest,
    Generation,
    ModelInfo,
    Score,
    ScoreRequest,
)
from models.scripted import ScriptedModel
from tests.gateway.kit import Up, open_gateway

EVIL = "https://evil.example"
HOSTILE = (
    "<script>globalThis.hacked = 1</script>",
    '<img src=x onerror="globalThis.hacked = 1">',
    f"![a picture]({EVIL}/pixel.png)",
    "[press here](javascript:globalThis.hacked=1) [or](JaVaScRiPt:globalThis.hacked=1)",
    "[here](data:text/html,<script>globalThis.hacked=1</script>) [or](vbscript:x) [or](file:///etc/passwd)",
    "<javascript:globalThis.hacked=1> <https://user:password@evil.example>",
    "<svg onload=globalThis.hacked=1><a xlink:href=javascript:globalThis.hacked=1>x</a></svg>",
    f'<iframe srcdoc="<script>parent.hacked=1</script>"></iframe><base href={EVIL}>',
    f'<meta http-equiv=refresh content="0;url={EVIL}"><form action={EVIL}><input autofocus onfocus=hacked=1>',
    f"<style>@import '{EVIL}/x.css'; b {{ background: url({EVIL}/x.png) }}</style><link rel=stylesheet>",
    f'```html\n<script src={EVIL}/x.js></script>\n```\n"><script>globalThis.hacked=1</script>',
    "{{constructor.constructor('globalThis.hacked=1')()}} ${globalThis.hacked=1} __proto__ <!-- --> ]]>",
    f'| <b onclick=hacked=1>a</b> | b |\n|---|---|\n| [x]({EVIL}/"onmouseover="hacked=1) | \u202eabc\u2066 |',
)
NAMES = ('<img src=x onerror="hacked=1">', "<script>hacked=1</script>", "\u202egnp.exe", '"><b>', "__proto__")


THINKING_S = 0.3  # a call takes that long, so that there is a round to watch
PLAIN = tuple(f"The answer is number **{number}**." for number in range(26))


class Voices:
    """A model that answers each peer with a text of its own, out of some; with `place`, all with that one."""

    def __init__(self, texts: Sequence[str], place: int | None = None) -> None:
        self._texts = texts
        self._place = place
        self._honest = ScriptedModel(latency_s=THINKING_S)

    def info(self) -> ModelInfo:
        return self._honest.info()

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation]:
        answers = self._honest.generate(requests)
        return [
            dataclasses.replace(answer, text=self._choose(request.seat_key))
            for request, answer in zip(requests, answers, strict=True)
        ]

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score]:
        return self._honest.score(requests)

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        return self._honest.choose(requests)

    def _choose(self, seat_key: bytes) -> str:
        place = seat_key[0] if self._place is None else self._place
        return self._texts[place % len(self._texts)]


@contextmanager
def open_voices(directory: Path, texts: Sequence[str] = PLAIN, *, peers: int = 5) -> Iterator[Up]:
    """Serve a swarm with the same keys each time, whose peers say different things."""
    with ExitStack() as stack:
        with patch.object(swarm.edge.asking, "open_model", lambda *_, **__: Voices(texts)):
            up = stack.enter_context(open_gateway(directory, peers=peers, seed="voices"))
        yield up
