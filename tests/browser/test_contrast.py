"""What stands on the talk page stands out from its ground, in both colour schemes."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.talk import calm_house, finished_turns, needs_chromium, say, talk_page

pytestmark = [needs_chromium, pytest.mark.slow]


async def test_text_stands_out_from_its_ground() -> None:
    """Contrast of the colours that the page combines, by WCAG 2.2: 4.5 to 1 for text."""
    pairs = [
        ("ink", "paper"),
        ("soft", "paper"),
        ("ink", "panel"),
        ("soft", "panel"),
        ("accent", "panel"),
        ("over", "panel"),
        ("over", "paper"),
        ("accent-ink", "accent"),
        ("ink", "note-fill"),
        ("ink", "over-fill"),
    ]
    names = sorted({name for pair in pairs for name in pair})
    async with calm_house() as stack, talk_page(stack.url) as page:
        for scheme in ("light", "dark"):
            await page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            values: list[str] = await page.run(f"""{json.dumps(names)}.map((name) =>
                getComputedStyle(document.documentElement).getPropertyValue(`--${{name}}`).trim())""")
            colours = dict(zip(names, values, strict=True))
            low = {pair: contrast for pair in pairs if (contrast := _contrast(*(colours[name] for name in pair))) < 4.5}
            assert low == {}, scheme


async def test_what_can_be_used_or_read_off_stands_out_from_its_ground() -> None:
    """The same for borders of controls, budgets and bars: 3 to 1."""
    shapes = {
        "#talk": "background-color",
        "#text": "border-top-color",
        "#send": "border-top-color",
        "#sample-buttons button": "border-top-color",
        "#history .bar": "background-color",
        ".budget": "border-top-color",
        ".spent": "background-color",
    }
    grounds = ("--panel", "--paper", "--note-fill", "--over-fill")
    async with calm_house() as stack, talk_page(stack.url) as page:
        await say(page, "I would like to book a room")
        await finished_turns(page, 1)
        await page.run("voiceAgent.dispatchEvent(new CustomEvent('turn.metrics', { detail: { epoch: 1, turn: 1,"
                       " spoken: true, outcome: 'replied', voice_to_voice_ms: 700, over_budget: [],"
                       " stages: { stt: 300, llm: 200, tts: 150, send: 1, network: 49 } } }))")  # fmt: skip
        for scheme in ("light", "dark"):
            await page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            for selector, what in shapes.items():
                drawn: str = await page.run(f"getComputedStyle(document.querySelector('{selector}'))['{what}']")
                colour = "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", drawn)[:3])
                for ground in grounds[:2] if selector.startswith((".", "#history")) else grounds:
                    behind: str = await page.run(
                        f"getComputedStyle(document.documentElement).getPropertyValue('{ground}').trim()"
                    )
                    assert _contrast(colour, behind) >= 3, (scheme, selector, ground)


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
