"""What a task's payload holds for its grader: one JSON object, read strictly."""

import json
from collections.abc import Mapping

from consensus.errors import ConfigError
from evaluation.task import Task


def write_payload(content: Mapping[str, object]) -> str:
    """Write a payload: one JSON object with sorted keys, so that equal content is equal text."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False)


def read_payload(task: Task) -> dict[str, object]:
    """Read the payload of `task`.

    Raises:
        ConfigError: It is no JSON object.
    """
    if not task.payload:
        return {}
    try:
        content = json.loads(task.payload)
    except ValueError as exc:
        raise ConfigError(f"task {task.key}: the payload is no JSON: {exc}") from exc
    if not isinstance(content, dict):
        raise ConfigError(f"task {task.key}: the payload is {type(content).__name__}, expected an object")
    return content


def read_text(task: Task, content: Mapping[str, object], name: str) -> str:
    """Return the text under `name`.

    Raises:
        ConfigError: There is no such text.
    """
    value = content.get(name)
    if not isinstance(value, str):
        raise ConfigError(f"task {task.key}: the payload's {name!r} is {value!r}, expected a text")
    return value


def read_texts(task: Task, content: Mapping[str, object], name: str) -> list[str]:
    """Return the list of texts under `name`; empty where there is none.

    Raises:
        ConfigError: Something else stands there.
    """
    value = content.get(name, [])
    if not isinstance(value, list):
        raise ConfigError(f"task {task.key}: the payload's {name!r} is {value!r}, expected a list of texts")
    texts = [item for item in value if isinstance(item, str)]
    if len(texts) != len(value):
        raise ConfigError(f"task {task.key}: the payload's {name!r} holds something that is no text")
    return texts
