"""Stores what the function itself answers."""

import sys
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent)]
from answers import write_answers  # noqa: E402
from predict import predict  # noqa: E402

bodies = [
    {"text": "The ship is at the wharf. The wharf is full!", "top": 2},
    {"text": "The ship is at the wharf. The wharf is full!"},
    {"text": ""},
    {"text": "", "top": 0},
    {"text": "One."},
    {"text": "one two three four five six seven", "top": 100},
    {"text": "Tie tie! Knot knot? Bow...", "top": 1},
    {"text": "Ünïcödé wörds: naïve café, Straße, 東京 東京.", "top": 2},
    {"text": "42 is not a word_but_these are 3.14", "top": 5},
    {"text": "quotes \" and \\ back\\slashes\nand\ttabs 🚢🚢", "top": 4},
    {"text": "It's a contraction. Isn't it?", "top": 3},
    {"text": "negative counts cut from the end", "top": -1},
    {"text": "word " * 200, "top": 1},
]
write_answers(FOLDER, [], [("predict", body, predict(**body)) for body in bodies])
