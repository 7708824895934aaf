from __future__ import annotations

from typing import Any

from voice_sandbox.anthropic.prompt_cache import Block, InputUsage, PromptCache, blocks_of, estimate_tokens

MODEL = "claude-haiku-5-5"
MINIMUM = 4096


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def block(name: str, tokens: int, *, marked: bool = False, ttl: Any = "5m") -> Block:
    return Block(name, tokens, ttl if marked else None)


def test_tokens_are_a_quarter_of_the_characters_rounded_up() -> None:
    assert [estimate_tokens("x" * n) for n in (0, 1, 4, 5)] == [0, 1, 1, 2]


def test_write_then_read() -> None:
    cache = PromptCache(Clock())
    prompt = [block("system", 5000, marked=True), block("question", 20)]
    assert cache.charge(MODEL, MINIMUM, prompt) == InputUsage(20, written_5m=5000)
    assert cache.charge(MODEL, MINIMUM, [prompt[0], block("other", 7)]) == InputUsage(7, read=5000)


def test_a_short_prefix_is_not_cached_and_no_error() -> None:
    cache = PromptCache(Clock())
    for _ in range(2):
        assert cache.charge(MODEL, MINIMUM, [block("system", 4095, marked=True)]) == InputUsage(4095)
    assert cache.charge(MODEL, MINIMUM, [block("long", 4096, marked=True)]) == InputUsage(0, written_5m=4096)


def test_models_do_not_share() -> None:
    cache = PromptCache(Clock())
    prompt = [block("system", 5000, marked=True)]
    cache.charge(MODEL, MINIMUM, prompt)
    assert cache.charge("claude-sonnet-5-5", MINIMUM, prompt) == InputUsage(0, written_5m=5000)


def test_one_changed_character_misses() -> None:
    cache = PromptCache(Clock())
    cache.charge(MODEL, MINIMUM, [block("system", 5000, marked=True)])
    assert cache.charge(MODEL, MINIMUM, [block("System", 5000, marked=True)]).read == 0


def test_five_minutes_from_the_last_use() -> None:
    clock = Clock()
    cache = PromptCache(clock)
    prompt = [block("system", 5000, marked=True)]
    cache.charge(MODEL, MINIMUM, prompt)
    for _ in range(3):
        clock.now += 299
        assert cache.charge(MODEL, MINIMUM, prompt).read == 5000
    clock.now += 301
    assert cache.charge(MODEL, MINIMUM, prompt) == InputUsage(0, written_5m=5000)


def test_an_hour_where_it_is_asked_for() -> None:
    clock = Clock()
    cache = PromptCache(clock)
    prompt = [block("system", 5000, marked=True, ttl="1h")]
    assert cache.charge(MODEL, MINIMUM, prompt) == InputUsage(0, written_1h=5000)
    clock.now += 3500
    assert cache.charge(MODEL, MINIMUM, prompt).read == 5000


def test_a_growing_conversation_reads_the_old_part_and_writes_the_new() -> None:
    cache = PromptCache(Clock())
    system = block("system", 5000, marked=True)
    cache.charge(MODEL, MINIMUM, [system, block("one", 100, marked=True)])
    second = [system, block("one", 100), block("two", 30), block("three", 40, marked=True), block("tail", 3)]
    assert cache.charge(MODEL, MINIMUM, second) == InputUsage(3, read=5100, written_5m=70)


def test_only_twenty_blocks_back() -> None:
    cache = PromptCache(Clock())
    start = [block("system", 5000, marked=True)]
    cache.charge(MODEL, MINIMUM, start)
    near = [block("system", 5000), *(block(str(i), 1) for i in range(19)), block("end", 1, marked=True)]
    assert cache.charge(MODEL, MINIMUM, near).read == 5000
    far = [block("system", 5000), *(block(f"f{i}", 1) for i in range(20)), block("end", 1, marked=True)]
    assert cache.charge(MODEL, MINIMUM, far).read == 0


def test_the_prompt_in_caching_order() -> None:
    body = {
        "tools": [{"name": "look_up"}],
        "system": [
            {"type": "text", "text": "abcd", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "e"},
        ],
        "messages": [
            {"role": "user", "content": "12345678"},
            {"role": "user", "content": [{"type": "text", "text": "1"}]},
        ],
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
    }
    blocks = blocks_of(body)
    assert [item.ttl for item in blocks] == [None, "5m", None, None, "1h"]
    assert [item.tokens for item in blocks][1:] == [1, 1, 2, 1]
