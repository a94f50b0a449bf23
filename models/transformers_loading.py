"""Loading a model with transformers, and what the batching backend can make of it (imports torch)."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from models.errors import ModelError
from models.transformers_quiet import quiet_transformers
from models.weights import CONFIG_NAME, TOKENIZER_NAME, WEIGHTS_NAME

ATTENTION_KINDS = frozenset({"full_attention", "sliding_attention"})


def load_weights(directory: Path, dtype: torch.dtype) -> PreTrainedModel:
    """Load a causal language model from a local directory; nothing is fetched, no code of it is run.

    Args:
        directory: Holds configuration and safetensors weights.
        dtype: What the weights are turned into.

    Returns:
        The model, in evaluation mode, on the CPU.

    Raises:
        ModelError: Files are absent or damaged, or do not hold every weight.
    """
    remedy = (
        f"give a directory with {CONFIG_NAME}, {TOKENIZER_NAME} and {WEIGHTS_NAME} of a causal language model"
    )
    try:
        with quiet_transformers():
            loaded: object = AutoModelForCausalLM.from_pretrained(
                directory,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                attn_implementation="sdpa",
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError) as exc:
        raise ModelError(f"{directory} could not be loaded: {exc}", remedy=remedy) from exc
    assert isinstance(loaded, tuple)
    model, report = loaded
    assert isinstance(model, PreTrainedModel)
    absent = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if absent:
        # transformers would fill them with random numbers and only warn.
        raise ModelError(f"the weights in {directory} lack {', '.join(absent[:3])}", remedy=remedy)
    return model


def get_context_tokens(config: PreTrainedConfig) -> int:
    """Return how many tokens the backend runs exactly: its masks know no sliding window.

    Args:
        config: Of the text model.

    Raises:
        ModelError: A layer is not attention.
    """
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if not kinds <= ATTENTION_KINDS:
        raise ModelError(
            f"this backend cannot batch layers of kind {', '.join(sorted(kinds - ATTENTION_KINDS))}",
            remedy="use a model whose layers are all attention",
        )
    length = int(config.max_position_embeddings)
    window = getattr(config, "sliding_window", None)
    return min(length, int(window)) if window else length
