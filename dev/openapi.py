#!/usr/bin/python3
"""docs/openapi.yaml as the JSON that nginx serves: dev/openapi.py docs/openapi.yaml build/openapi.json"""

import json
import pathlib
import sys

import yaml

source, target = map(pathlib.Path, sys.argv[1:])
text = json.dumps(yaml.safe_load(source.read_text(encoding="utf-8")), ensure_ascii=False, separators=(",", ":"))
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text(text + "\n", encoding="utf-8")
