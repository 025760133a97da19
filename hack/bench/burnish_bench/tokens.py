"""Texts on standard input (JSON) to BERT's token ids on standard output. Runs in the peers' environment."""

import json
import sys
from importlib import import_module
from pathlib import Path

CLS, SEP, UNKNOWN = 101, 102, 100
LONGEST = 510


def main() -> None:
    """[CLS], the word pieces of the uncased vocabulary, [SEP], for each text."""
    library = import_module("blingfire")
    model = library.load_model(str(Path(str(library.__file__)).with_name("bert_base_tok.bin")))
    for_each = [
        library.text_to_ids(model, text, LONGEST, UNKNOWN, no_padding=True) for text in json.load(sys.stdin)
    ]
    print(json.dumps([[CLS, *map(int, ids), SEP] for ids in for_each]))


if __name__ == "__main__":
    main()
