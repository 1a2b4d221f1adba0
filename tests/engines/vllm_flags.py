"""Reads vLLM's configuration files with vLLM's own parser, and prints them as JSON: for an interpreter with vLLM."""

import json
import sys

from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.reasoning import ReasoningParserManager
from vllm.tokenizers.registry import TokenizerRegistry
from vllm.tool_parsers import ToolParserManager
from vllm.utils.argparse_utils import FlexibleArgumentParser

PARSER = make_arg_parser(FlexibleArgumentParser())


def read(path: str) -> dict[str, object]:
    """Return the flags of a file; exits with the parser's message, or raises, if vLLM would not start with them."""
    args = PARSER.parse_args(["serve", "--config", path])
    validate_parsed_serve_args(args)
    ToolParserManager.get_tool_parser(args.tool_call_parser)
    if args.reasoning_parser:
        ReasoningParserManager.get_reasoning_parser(args.reasoning_parser)
    if args.tokenizer_mode != "auto":
        TokenizerRegistry.load_tokenizer_cls(args.tokenizer_mode)
    return {"model": args.model, "served": args.served_model_name, "context": args.max_model_len}


print(json.dumps({path: read(path) for path in sys.argv[1:]}))
