"""Where the service of this folder's settings listens: what `voice-agent call` calls where no address is given."""

from __future__ import annotations

import ipaddress
from typing import Final

from agent.core.errors import ConfigurationError
from agent.settings import PREFIX, Settings, refuse_misspelt, variables

_ANY: Final = {4: "127.0.0.1", 6: "::1"}  # a service that listens everywhere listens here, too


def own_address() -> str:
    """The address in VOICE_AGENT_URL, else that of VOICE_AGENT_HOST and VOICE_AGENT_PORT, in the environment or `.env`.

    Nothing else of the settings is read: a caller needs none of it. Raises ConfigurationError, also for a name that is
    spelt wrong: another service would be called.
    """
    refuse_misspelt()
    known = variables()
    if url := known.get(f"{PREFIX}URL"):
        return url
    usual: str = Settings.model_fields["host"].default
    host = known.get(f"{PREFIX}HOST") or usual
    port = known.get(f"{PREFIX}PORT", str(Settings.model_fields["port"].default))
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ConfigurationError(f"{PREFIX}PORT: {port} is no port that can be called: give the address")
    return http_address(host, int(port))


def own_api_key() -> str | None:
    """The key in VOICE_AGENT_API_KEY, in the environment or `.env`."""
    return variables().get(f"{PREFIX}API_KEY")


def http_address(host: str, port: int) -> str:
    """How a program on this machine reaches what listens there."""
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}"
    reached = _ANY[parsed.version] if parsed.is_unspecified else str(parsed)
    return f"http://[{reached}]:{port}" if parsed.version == 6 else f"http://{reached}:{port}"
