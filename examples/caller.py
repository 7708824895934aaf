"""A caller in 40 lines: python examples/caller.py "I would like to book a room" reply.wav"""

import asyncio
import json
import sys
import wave

import httpx
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol


async def call(url: str, text: str) -> tuple[str, bytes]:
    """Types one turn; returns the text of the reply, and its sound: PCM s16le mono 16 kHz."""
    async with httpx.AsyncClient() as client:
        session = (await client.post(f"{url}/v1/sessions")).raise_for_status().json()
    offered = [Subprotocol("voice-agent.v1"), Subprotocol(f"bearer.{session['token']}")]
    words, sound = list[str](), bytearray()
    async with connect(session["url"], subprotocols=offered) as line:
        await line.send(json.dumps({"type": "start", "client": "example/1"}))
        await line.send(json.dumps({"type": "text", "text": text}))
        async for frame in line:
            if isinstance(frame, bytes):
                sound += frame
                continue
            message = json.loads(frame)
            match message["type"]:
                case "ping":
                    await line.send(json.dumps({"type": "pong", "id": message["id"]}))
                case "reply.text":
                    words.append(message["text"])
                case "audio.end":
                    await line.send(json.dumps({"type": "hangup"}))
                case "error":
                    raise SystemExit(message["message"])
                case _:
                    pass
    return " ".join(words), bytes(sound)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    reply, pcm = asyncio.run(call("http://127.0.0.1:8000", sys.argv[1]))
    with wave.open(sys.argv[2], "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
        file.writeframes(pcm)
    sys.stdout.write(f"{reply}\n")
