"""One-time conversion of the embedded GGUF to safetensors; imports torch and transformers."""

import warnings
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from models.errors import ModelError
from models.transformers_quiet import quiet_transformers
from models.weights import CONFIG_NAME, TOKENIZER_NAME, WEIGHTS_NAME


def convert_gguf(gguf: Path, dest: Path) -> None:
    """Write the GGUF's weights (rounded to bf16), tokenizer and configuration into `dest`.

    Args:
        gguf: A GGUF file whose digest was checked by the caller.
        dest: An existing directory.

    Raises:
        ModelError: transformers could not read the file.
    """
    try:
        # The GGUF reader draws a progress bar on stderr that no setting of transformers turns off.
        with quiet_transformers(), warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            model = AutoModelForCausalLM.from_pretrained(
                gguf.parent, gguf_file=gguf.name, dtype=torch.float32
            )
            tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    except (ValueError, RuntimeError, ImportError, KeyError) as exc:
        raise ModelError(
            f"{gguf.name} could not be converted: {exc}",
            remedy="reinstall the versions of transformers and gguf that are declared",
        ) from exc
    state = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in model.state_dict().items()}
    config = model.config
    if config.tie_word_embeddings:
        del state["lm_head.weight"]
    save_file(state, dest / WEIGHTS_NAME, metadata={"format": "pt"})
    # A fresh configuration: the loaded one claims to be a quantised GGUF.
    fields = config.to_dict()
    for name in ("quantization_config", "_name_or_path", "_model_name_or_path", "dtype"):
        fields.pop(name, None)
    fields["architectures"] = [type(model).__name__]
    type(config)(**fields).to_json_file(dest / CONFIG_NAME)
    tokenizer.backend_tokenizer.save(str(dest / TOKENIZER_NAME))
