"""Counts what is in a text: a plain Python function, without any dependency."""

import re


def predict(text: str, top: int = 3) -> dict:
    """Returns how many words and sentences there are, and the most frequent words, at most `top` of them."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    counts = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    frequent = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top]
    return {
        "words": len(words),
        "sentences": len(re.findall(r"[.!?]+(?:\s|$)", text)),
        "letters_per_word": round(sum(map(len, words)) / len(words), 2) if words else 0.0,
        "most_frequent": [{"word": word, "count": count} for word, count in frequent],
    }
