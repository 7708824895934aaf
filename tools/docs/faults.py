"""`docs/reference/faults.md`, from the sandbox's table of faults and the fields of a rule."""

from __future__ import annotations

from typing import Final

from tools.docs.declared import field_texts
from tools.docs.markdown import entry, page, section, sentence
from voice_sandbox import faults

EXAMPLE: Final = """```
curl -X POST http://127.0.0.1:8100/control/faults -d '{"provider": "elevenlabs", "kind": "stall", "count": 3}'
curl http://127.0.0.1:8100/control/state
curl -X DELETE http://127.0.0.1:8100/control/faults
```"""


def reference() -> str:
    """The page."""
    intro = (
        "The sandbox fails as the real providers do. A rule says what goes wrong, where and how often; rules are"
        " switched at run time, and drawn with a seed."
    )
    fields = {**field_texts(faults.Fault), **{k: v for k, v in field_texts(faults.FaultRule).items() if v}}
    order = list(faults.FaultRule.__dataclass_fields__)
    rule = section("Fields of a rule", (entry(name, sentence(_text(name, fields))) for name in order))
    table = section(
        "Kinds", (entry(", ".join(names), sentence(text)) for names, text in faults.kind_sentences().items())
    )
    return page("Faults of the sandbox", intro, EXAMPLE, rule, table)


def _text(name: str, fields: dict[str, str]) -> str:
    if name == "provider":
        return f"One of {', '.join(f'`{provider}`' for provider in faults.PROVIDERS)}"
    if name == "kind":
        return "One of the kinds below"
    if name == "probability":
        return "Share of the requests that it applies to; 1 = all"
    return fields[name]
