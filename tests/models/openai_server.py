"""A real local HTTP server that speaks the OpenAI format, as well or as badly as a test wants."""

import copy
import json
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Protocol

from models.contract import ChoiceRequest, GenerateRequest, Prompt, ScoreRequest
from models.errors import ModelError
from models.prompts import get_labelled_texts
from models.scripted import ScriptedModel, compute_distractors, get_question
from models.weights import TOKENIZER_NAME, ensure_embedded, get_cache_dir

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import DynamicCache

Json = dict[str, object]
ANSWER_MARK = "Answer:"
CONTEXT_LOGPROB = -1.0
DRIP_S = 0.01
END_IDS = (0, 2)  # of the embedded model: <|endoftext|> and <|im_end|>
PREFILLS_KEPT = 32


@dataclass(frozen=True)
class Said:
    """What an engine generates."""

    text: str
    tokens: list[str]
    logprobs: list[float]
    count: int
    finish: str


class Engine(Protocol):
    """What is behind the server."""

    context_tokens: int

    def tokenise(self, text: str) -> list[str]: ...
    def score(self, text: str) -> list[float | None]: ...
    def generate(
        self, text: str, *, max_tokens: int, temperature: float, seed: int, stop: list[str]
    ) -> Said: ...
    def get_top(self, text: str, count: int) -> dict[str, float]: ...
    def choose(self, text: str, options: Sequence[str]) -> int: ...


class ScriptedEngine:
    """A scripted model whose tokens are words."""

    context_tokens = 4_096

    def __init__(self, model: ScriptedModel) -> None:
        self._model = model

    def tokenise(self, text: str) -> list[str]:
        return re.findall(r"\s*\S+|\s+", text)

    def score(self, text: str) -> list[float | None]:
        head, mark, tail = text.rpartition(ANSWER_MARK)
        context = len(self.tokenise(head + mark))
        rest = len(self.tokenise(text)) - context
        value = CONTEXT_LOGPROB
        if tail.strip():
            request = ScoreRequest(context=Prompt(prefix="", suffix=head + mark or "?"), continuation=tail)
            (score,) = self._model.score([request])
            value = min(score.logprob, 0.0) / rest
        values: list[float | None] = [*[CONTEXT_LOGPROB] * context, *[value] * rest]
        return [None, *values[1:]]

    def generate(self, text: str, *, max_tokens: int, temperature: float, seed: int, stop: list[str]) -> Said:
        request = GenerateRequest(
            prompt=Prompt(prefix="", suffix=text),
            noise_seed=seed.to_bytes(8, "big"),
            seat_key=b"",
            temperature_milli=round(temperature * 1_000),
            max_tokens=max_tokens,
            stop=tuple(stop),
        )
        (said,) = self._model.generate([request])
        tokens = self.tokenise(said.text)
        return Said(said.text, tokens, [-0.5] * len(tokens), said.token_count, said.finish.value)

    def get_top(self, text: str, count: int) -> dict[str, float]:
        prompt = Prompt(prefix="", suffix=text)
        names = [name for name in get_labelled_texts(text) if name != "Question"]
        question = get_question(prompt)
        truth = self._model.get_truth(question)
        options = [f" {name}" for name in names or [truth, *compute_distractors(question, truth)]][:count]
        if len(options) < 2:
            return dict.fromkeys(options, -0.5)
        (choice,) = self._model.choose([ChoiceRequest(context=prompt, options=tuple(options))])
        return dict(zip(options, choice.logprobs, strict=True))

    def choose(self, text: str, options: Sequence[str]) -> int:
        request = ChoiceRequest(context=Prompt(prefix="", suffix=text), options=tuple(options))
        (choice,) = self._model.choose([request])
        return choice.logprobs.index(max(choice.logprobs))


@dataclass(frozen=True)
class Prefill:
    """A text that was run: its tokens' log-probabilities, those of the next token, and the cache."""

    logprobs: list[float | None]
    next: "Tensor"
    past: "DynamicCache"


class EmbeddedEngine:
    """The embedded model as a foreign server would run it: special tokens in a text count as such."""

    context_tokens = 8_192

    def __init__(self) -> None:
        import torch
        from tokenizers import Tokenizer
        from transformers import AutoModelForCausalLM

        files = ensure_embedded(get_cache_dir(), progress=lambda _: None)
        torch.set_num_threads(1)
        self._torch = torch
        self._tokenizer = Tokenizer.from_file(str(files.directory / TOKENIZER_NAME))
        self._model = AutoModelForCausalLM.from_pretrained(files.directory, dtype=torch.float32)
        self._lock = threading.Lock()
        self._run = lru_cache(PREFILLS_KEPT)(self._run_prefill)

    def _run_prefill(self, ids: tuple[int, ...]) -> "Prefill":
        torch = self._torch
        with torch.inference_mode():
            output = self._model(torch.tensor([ids]), use_cache=True)
            values = torch.log_softmax(output.logits[0].float(), -1)
            found = values[:-1].gather(1, torch.tensor(ids[1:], dtype=torch.int64)[:, None])
        return Prefill([None, *found[:, 0].tolist()], values[-1], output.past_key_values)

    def _prefill(self, ids: Sequence[int]) -> "Prefill":
        with self._lock:
            return self._run(tuple(ids))

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _name(self, ids: Sequence[int]) -> list[str]:
        return [self._tokenizer.decode([one], skip_special_tokens=False) for one in ids]

    def tokenise(self, text: str) -> list[str]:
        return self._name(self._encode(text))

    def score(self, text: str) -> list[float | None]:
        return self._prefill(self._encode(text)).logprobs

    def generate(self, text: str, *, max_tokens: int, temperature: float, seed: int, stop: list[str]) -> Said:
        torch = self._torch
        prefill = self._prefill(self._encode(text))
        values, past = prefill.next, copy.deepcopy(prefill.past)
        generator = torch.Generator().manual_seed(seed)
        found: list[int] = []
        logprobs: list[float] = []
        while True:
            weights = torch.softmax(values / (temperature or 1.0), -1)
            token = int(
                torch.multinomial(weights, 1, generator=generator) if temperature else values.argmax()
            )
            found.append(token)
            logprobs.append(float(values[token]))
            is_end = token in END_IDS
            said = self._tokenizer.decode(found[:-1] if is_end else found, skip_special_tokens=False)
            cuts = [said.index(one) for one in stop if one in said]
            if is_end or cuts or len(found) == max_tokens:
                break
            with self._lock, torch.inference_mode():
                output = self._model(torch.tensor([[token]]), past_key_values=past, use_cache=True)
            values = torch.log_softmax(output.logits[0, -1].float(), -1)
        finish = "stop" if is_end or cuts else "length"
        said = said[: min(cuts)] if cuts else said
        return Said(said, self._name(found), logprobs, len(found), finish)

    def get_top(self, text: str, count: int) -> dict[str, float]:
        values, ids = self._prefill(self._encode(text)).next.topk(count)
        return dict(zip(self._name(ids.tolist()), values.tolist(), strict=True))

    def choose(self, text: str, options: Sequence[str]) -> int:
        start = len(self._encode(text))
        sums = [sum(value or 0.0 for value in self.score(text + option)[start:]) for option in options]
        return sums.index(max(sums))


@dataclass(frozen=True)
class Failure:
    """A status given once instead of an answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Switches:
    """What the server can do, and how it misbehaves."""

    models: list[Json] = field(default_factory=lambda: [{"id": "tiny", "object": "model"}])
    has_model_list: bool = True
    has_completions: bool = True
    has_chat: bool = True
    has_echo: bool = True
    echoes_only_sampled: bool = False  # llama.cpp: the text is echoed, its log-probabilities are not
    has_logprobs: bool = True
    has_content_style: bool = False  # llama.cpp: raw completions in the shape of chat
    limit_field: str = "max_tokens"
    constraints: tuple[str, ...] = ()
    start_token: str = ""
    key: str = ""
    failures: list[Failure] = field(default_factory=list)
    body: bytes | None = None  # given instead of an answer
    headers: dict[str, str] = field(default_factory=dict)
    is_dripping: bool = False
    cuts_after: int | None = None  # bytes of a body, once
    holds: threading.Event | None = None  # an answer waits for it


@dataclass
class Served:
    """A running server, and what it was sent."""

    url: str
    switches: Switches
    requests: list[tuple[str, dict[str, str], Json]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    def count(self, path: str) -> int:
        return sum(one == path for one, _, _ in self.requests)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, engine: Engine, switches: Switches) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.engine = engine
        self.ended = threading.Event()
        self.served = Served(url=f"http://127.0.0.1:{self.server_port}/v1", switches=switches)

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that hangs up is what some tests are about.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def switches(self) -> Switches:
        return self.server.served.switches

    def log_message(self, format: str, *args: object) -> None:
        return None

    def do_GET(self) -> None:
        self._note({})
        if self._is_stopped():
            return None
        if self.path != "/v1/models" or not self.switches.has_model_list:
            return self._send(404, {"error": {"message": "not found"}})
        return self._send(200, {"object": "list", "data": self.switches.models})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._note(body)
        if self._is_stopped():
            return None
        if self.switches.holds is not None:
            while not (self.switches.holds.wait(DRIP_S) or self.server.ended.is_set()):
                continue
        if self.switches.body is not None:
            return self._send_bytes(200, self.switches.body)
        known = {
            "/v1/completions": self.switches.has_completions,
            "/v1/chat/completions": self.switches.has_chat,
        }
        if not known.get(self.path):
            return self._send(404, {"error": {"message": f"no {self.path} here"}})
        try:
            self._send(200, _answer(self.server.engine, self.switches, body, is_chat="chat" in self.path))
        except (ModelError, ValueError) as exc:
            self._send(400, {"error": {"message": str(exc)}})

    def _note(self, body: Json) -> None:
        self.server.served.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.server.served.arrived.set()

    def _is_stopped(self) -> bool:
        if self.switches.key and self.headers.get("authorization") != f"Bearer {self.switches.key}":
            said = f"wrong key {self.headers.get('authorization')}"
            self._send(401, {"error": {"message": said}})
            return True
        if self.switches.failures:
            failure = self.switches.failures.pop(0)
            self._send_bytes(failure.status, b'{"error": "in a while"}', failure.headers)
            return True
        return False

    def _send(self, status: int, value: Json) -> None:
        self._send_bytes(status, json.dumps(value).encode())

    def _send_bytes(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**self.switches.headers, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        cut, self.switches.cuts_after = self.switches.cuts_after, None
        if cut is not None:
            self.wfile.write(body[:cut])
            self.close_connection = True
        elif self.switches.is_dripping:
            for index in range(len(body)):
                if self.server.ended.wait(DRIP_S):
                    return
                self.wfile.write(body[index : index + 1])
        else:
            self.wfile.write(body)


def _answer(engine: Engine, switches: Switches, body: Json, *, is_chat: bool) -> Json:
    if is_chat:
        messages = body["messages"]
        assert isinstance(messages, list)
        text = str(messages[-1]["content"]).partition("\n\n")[2]
    else:
        text = str(body["prompt"])
    if switches.limit_field not in body:
        raise ValueError(f"use {switches.limit_field}")
    max_tokens = int(str(body[switches.limit_field]))
    prompt = engine.tokenise(text)
    if len(prompt) + max_tokens > engine.context_tokens:
        raise ValueError(f"maximum context length is {engine.context_tokens}, got {len(prompt)}")
    options = _read_options(body, switches.constraints)
    if options is not None:
        chosen = options[engine.choose(text, options)]
        shown = json.dumps({"choice": chosen}) if "response_format" in body else chosen
        said = Said(shown, [shown], [-0.1], 1, "stop")
    else:
        stop = body.get("stop", [])
        assert isinstance(stop, list)
        said = engine.generate(
            text,
            max_tokens=max_tokens,
            temperature=float(str(body["temperature"])),
            seed=int(str(body.get("seed", 0))),
            stop=stop,
        )
    is_echo = bool(body.get("echo")) and switches.has_echo and not is_chat
    start = [switches.start_token] if switches.start_token else []
    choice: Json = {"index": 0, "finish_reason": said.finish}
    choice |= (
        {"message": {"role": "assistant", "content": said.text.lstrip()}}
        if is_chat
        else {"text": (text if is_echo else "") + said.text}
    )
    top = body.get("top_logprobs" if is_chat else "logprobs")
    if top is not None and switches.has_logprobs:
        tokens, values = said.tokens, list[float | None](said.logprobs)
        if is_echo and not switches.echoes_only_sampled:
            scores = engine.score(text)
            if start:
                scores = [None, -2.0, *scores[1:]]
            tokens, values = [*start, *prompt, *tokens], [*scores, *values]
        likeliest = engine.get_top(text, int(str(top))) if options is None and not is_echo else {}
        choice["logprobs"] = _show(
            tokens, values, likeliest, is_content=is_chat or switches.has_content_style
        )
    usage = {"prompt_tokens": len(start) + len(prompt), "completion_tokens": said.count}
    return {"choices": [choice], "usage": usage}


def _read_options(body: Json, constraints: tuple[str, ...]) -> list[str] | None:
    """Return the options of a constraint that this server knows; others are ignored, as servers do."""
    found: object = None
    if "structured_outputs" in constraints and "structured_outputs" in body:
        found = body["structured_outputs"]
        assert isinstance(found, dict)
        found = found["choice"]
    elif "guided_choice" in constraints and "guided_choice" in body:
        found = body["guided_choice"]
    elif "grammar" in constraints and "grammar" in body:
        found = [json.loads(one) for one in str(body["grammar"]).removeprefix("root ::= ").split(" | ")]
    elif "json_schema" in constraints and "response_format" in body:
        shape = json.dumps(body["response_format"])
        enum = re.search(r'"enum": (\[.*?\])', shape)
        assert enum is not None
        found = json.loads(enum[1])
    assert found is None or isinstance(found, list)
    return found


def _show(tokens: list[str], values: list[float | None], top: dict[str, float], *, is_content: bool) -> Json:
    tops = [top] + [{}] * (len(tokens) - 1) if tokens else []
    if not is_content:
        return {"tokens": tokens, "token_logprobs": values, "top_logprobs": tops}
    return {
        "content": [
            {
                "token": token,
                "logprob": value,
                "top_logprobs": [{"token": name, "logprob": one} for name, one in best.items()],
            }
            for token, value, best in zip(tokens, values, tops, strict=True)
        ]
    }


@contextmanager
def serve(engine: Engine, switches: Switches | None = None) -> Iterator[Served]:
    """Run a server on a free port of this machine until the block is left."""
    server = _Server(engine, switches or Switches())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": DRIP_S}, daemon=True)
    thread.start()
    try:
        yield server.served
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
