"""Environment variables → Settings. Everything that can be set is declared here, with what it takes.

Provider keys and hosts have the names that the providers' own tools use; the service's own settings begin with
`VOICE_AGENT_`. Secrets are `SecretStr`: they are never printed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from agent.core.errors import ConfigurationError
from agent.core.hosts import is_own_host
from agent.core.secrets import MIN_SECRET, refuse_shared, weakness
from agent.settings_doors import DoorSettings
from agent.settings_names import refuse_unknown
from agent.settings_providers import CALLED, SERVICES, Endpoint, ProviderName, ProviderSettings, named
from agent.settings_webhook import WebhookSettings

PREFIX: Final = "VOICE_AGENT_"
SANDBOX_KEY: Final = "sandbox"  # what the sandbox takes as a provider key
SANDBOX_SECRET: Final = "sandbox-only-secret-never-use-it-anywhere-else"  # noqa: S105  only taken with a sandbox
OF_OTHER_PROGRAMS: Final = {
    f"{PREFIX}URL": "Address of the service that `voice-agent call` calls; without it that of this folder's settings.",
    f"{PREFIX}API_KEY": "Key that `voice-agent call` sends; it opens a premium session.",
    f"{PREFIX}DATA": "Folder of the outside test data, for tests and evaluations.",
}
"""Variables with the prefix that are no settings of the service."""


SECRETS: Final = (
    "token_secret",
    "token_secret_previous",
    "membership_secret",
    "membership_secret_previous",
    "operator_token",
    "alerts_token",
)


class Settings(ProviderSettings, DoorSettings, WebhookSettings):
    """All settings. `load_settings()` is the way to get them."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", env_file=".env", env_ignore_empty=True, frozen=True
    )

    # The server
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    public_url: str | None = Field(
        None, description="the address that clients use; needed where that is not a loopback address or an allowed host"
    )
    log_format: Literal["console", "json"] = Field("console", description="lines for people, or one JSON object a line")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least level that is logged"
    )
    log_transcripts: bool = Field(False, description="the words of callers and of replies are written to the log")

    # Who may talk
    token_secret: SecretStr | None = Field(None, description="signs session tokens (HS256), 32 characters or more")
    token_secret_previous: SecretStr | None = Field(
        None, description="while secrets are changed: tokens that this one signed are accepted, too"
    )
    membership_secret: SecretStr | None = Field(None, description="verifies the premium_token cookie (HS256)")
    membership_secret_previous: SecretStr | None = Field(
        None, description="while secrets are changed: cookies that this one signed are accepted, too"
    )
    membership_audience: str | None = Field(None, description="the `aud` that a premium_token cookie must have")
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="keys that open premium sessions; 16 characters or more each"
    )
    free_sessions: bool = Field(True, description="callers without a membership or an API key may call")
    token_minutes: int = Field(15, ge=1, le=60, description="minutes in which a session token opens a session")

    # One session
    max_sessions: int = Field(200, ge=1, le=100_000, description="sessions that one process holds at once")
    premium_reserve: float = Field(
        0.2, ge=0, lt=1, description="share of max_sessions that is kept for premium callers"
    )
    free_lag_s: float = Field(0.2, gt=0, le=10, description="event-loop lag from which free callers are refused")
    any_lag_s: float = Field(0.5, gt=0, le=10, description="event-loop lag from which everybody is refused")
    provider_calls: int = Field(
        100, ge=1, le=10_000, description="calls at once to one provider; a quarter for premium"
    )
    speak_degraded: bool = Field(False, description="premium callers also hear once that they are served simplified")
    drain_s: float = Field(30.0, ge=0, le=600, description="how long running turns may go on after SIGTERM")
    idle_timeout_s: float = Field(
        120.0, gt=0, le=3600, description="a session ends after so long without a word from either side"
    )
    max_session_s: float = Field(3600.0, gt=0, le=86_400, description="the longest session")
    start_timeout_s: float = Field(
        10.0, gt=0, le=60, description="a connection is closed that has not sent `start` by then"
    )
    resume_grace_s: float = Field(
        30.0, ge=0, le=600, description="a session whose connection was lost waits so long for its caller"
    )
    stt_idle_s: float = Field(
        30.0, gt=0, le=3600, description="the recogniser's stream is closed after so long without a voice"
    )
    barge_in_word_s: float = Field(
        0.7, gt=0, le=5, description="a paused reply plays on when no word was recognised by then"
    )
    context_tokens: int = Field(
        6000,
        ge=1000,
        le=100_000,
        description="the most tokens of a prompt: what does not fit of the conversation is recalled or left out",
    )
    notes_share: float = Field(
        0.03, ge=0, le=1, description="what the small model's notes may cost, as a share of the session; 0 takes none"
    )

    # What it says
    business_name: str = Field(
        "the front desk", min_length=1, max_length=80, description="who the agent says that it answers for"
    )
    extra_prompt: str = Field(
        "", max_length=20_000, description="text that is added to the system prompt: facts, opening hours, tone"
    )
    agent: str = Field("receptionist", description="the agent that answers where a session request names none")
    agents_dir: Path | None = Field(
        None, description="folder of own agents (`name.toml`); one with a shipped name stands in its place"
    )
    clips_dir: Path | None = Field(None, description="recordings of `voice-agent clips make`; else the shipped ones")
    terms_file: Path | None = Field(
        None, description="more technical terms, one a line, that send a turn to the larger model"
    )
    budgets_file: Path | None = Field(None, description="latency and cost budgets (TOML) instead of the shipped ones")
    policies_file: Path | None = Field(None, description="routing policies (TOML) instead of the shipped ones")
    prices_file: Path | None = Field(None, description="contract prices (TOML) over the shipped price book")

    # Where it is kept
    database_url: str = Field(
        "sqlite+aiosqlite:///var/voice-agent.db",
        description="database of the ledger: `sqlite+aiosqlite:///path` or `postgresql+asyncpg://host/name`",
    )
    session_lease_s: float = Field(
        45.0, ge=2, le=600, description="a process that gives no sign for so long has lost its calls"
    )
    retention_days: int = Field(30, ge=1, le=3650, description="days that sessions, turns and charges are kept")

    # Who operates it
    probe_key: SecretStr | None = Field(
        None, description="the key of the synthetic caller (`voice-agent probe`), whose calls count for nobody else"
    )
    operator_token: SecretStr | None = Field(
        None, description="the bearer token that opens /v1/ops/policies, /agents and /decisions"
    )
    alerts_token: SecretStr | None = Field(
        None, description="the bearer token that Alertmanager sends to /v1/ops/alerts"
    )
    prometheus_url: str | None = Field(None, description="the Prometheus that decisions get their numbers from")
    rollback_mode: Literal["off", "recommend", "auto"] = Field(
        "recommend",
        description="what an alert that asks for a rollback does: nothing, a recommendation, or the rollback",
    )
    rollback_dwell_s: float = Field(
        1800.0, ge=0, le=604_800, description="no automatic rollback for so long after a change"
    )
    false_rollback_days: float = Field(
        30.0, ge=0.01, le=3650, description="a policy just at its limit is suspected by chance once in so many days"
    )
    rollbacks_per_day: int = Field(2, ge=0, le=100, description="automatic rollbacks of a tier in a day, at most")
    chat_webhook_url: SecretStr | None = Field(None, description="an incoming webhook that is told about decisions")
    dashboard_url: str | None = Field(None, description="where Grafana is, for links in messages")

    # Who watches
    sentry_dsn: SecretStr | None = Field(
        None, validation_alias=named("SENTRY_DSN"), description="DSN of a Sentry project for error reports"
    )
    otlp_endpoint: str | None = Field(
        None,
        validation_alias=named("OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="OTLP over HTTP: where traces are sent",
    )
    trace_share: float = Field(1.0, ge=0, le=1, description="share of unremarkable turns whose trace is kept")
    environment: str = Field(
        "development", max_length=40, description="name of the deployment, in traces and error reports"
    )

    @field_validator("api_keys", "keyterms", "sandbox_local", "billed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("api_keys")
    @classmethod
    def _long_keys(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(key.get_secret_value()) < 16 for key in value):
            raise ValueError("takes comma-separated keys of 16 characters or more")
        return value

    @field_validator(*SECRETS)
    @classmethod
    def _strong_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and value.get_secret_value() != SANDBOX_SECRET:  # that one is looked at below
            weak = weakness(value.get_secret_value())
            if weak is not None:
                raise ValueError(weak)
        return value

    @model_validator(mode="after")
    def _different_secrets(self) -> Self:
        """What opens one door must not open another one. Raises ValueError with the names."""
        known = {name: value.get_secret_value() for name in SECRETS if (value := getattr(self, name)) is not None}
        allowed = "token_secret" if self.all_simulated else None
        refuse_shared(known, [key.get_secret_value() for key in self.api_keys], SANDBOX_SECRET, allowed)
        return self

    @field_validator(
        "deepgram_base_url",
        "anthropic_base_url",
        "elevenlabs_base_url",
        "openai_base_url",
        "sandbox_url",
        "public_url",
        "otlp_endpoint",
        "prometheus_url",
        "dashboard_url",
    )
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("takes an address that begins with http:// or https://")
        return value.rstrip("/") if value else None

    @field_validator("chat_webhook_url")
    @classmethod
    def _webhook(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"https?://[^\s/]+/\S*", value.get_secret_value()):
            raise ValueError("takes the address of an incoming webhook: https://host/path")
        return value

    @field_validator("sentry_dsn")
    @classmethod
    def _dsn(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"https?://[^@/\s]+@[^@\s]+/\d+", value.get_secret_value()):
            raise ValueError("takes the DSN of a Sentry project: https://key@host/number")
        return value

    def provider(self, name: ProviderName) -> Endpoint:
        """Key and host of a provider: its own where a key is set, else the sandbox. Raises ConfigurationError."""
        key: SecretStr | None = getattr(self, f"{name}_api_key")
        url: str | None = getattr(self, f"{name}_base_url")
        if key is not None and self.has_key(name):
            return Endpoint(key, url, simulated=False, local=url is not None and self._own(url))
        if self.sandbox_url is None:
            raise ConfigurationError(
                f"{name.upper()}_API_KEY is not set: set it to the key, or {PREFIX}SANDBOX_URL to a sandbox's address"
            )
        local = SERVICES[name] in self.sandbox_local
        return Endpoint(SecretStr(SANDBOX_KEY), self.sandbox_url, simulated=True, local=local)

    def has_key(self, name: ProviderName) -> bool:
        """Whether a provider is asked itself, wherever that is."""
        key: SecretStr | None = getattr(self, f"{name}_api_key")
        return key is not None and key.get_secret_value() != ""

    def _own(self, url: str) -> bool:
        return is_own_host(url) and (urlsplit(url).hostname or "") not in self.billed_hosts

    def unpaid(self) -> frozenset[str]:
        """The providers, as calls name them, that run on machines of one's own: they cost nothing."""
        return frozenset(name for name, (key, service) in CALLED.items() if self._is_unpaid(key, service))

    def _is_unpaid(self, name: ProviderName, service: str) -> bool:
        try:
            end = self.provider(name)
        except ConfigurationError:
            return False
        return service in self.sandbox_local if end.simulated else end.local

    @property
    def all_simulated(self) -> bool:
        """Whether the sandbox plays every provider: nobody pays for a call."""
        return self.sandbox_url is not None and not self._any_key()

    def session_secret(self) -> str:
        """The secret that signs session tokens. Raises ConfigurationError when none is set outside the sandbox."""
        if self.token_secret is not None:
            return self.token_secret.get_secret_value()
        if self.all_simulated:
            return SANDBOX_SECRET
        raise ConfigurationError(
            f"{PREFIX}TOKEN_SECRET is not set: it takes {MIN_SECRET} characters or more (`openssl rand -hex 32`)"
        )

    def previous_secrets(self) -> tuple[str, ...]:
        """Secrets whose session tokens are accepted while they are changed."""
        previous = self.token_secret_previous
        return () if previous is None else (previous.get_secret_value(),)

    def membership_secrets(self) -> tuple[str, ...]:
        """Secrets that verify membership cookies, the present one first; empty where memberships are not set up."""
        if self.membership_secret is None:
            return ()
        both = (self.membership_secret, self.membership_secret_previous)
        return tuple(secret.get_secret_value() for secret in both if secret is not None)

    def check_rollbacks(self) -> None:
        """Raises ConfigurationError when automatic rollbacks lack what they need."""
        if self.rollback_mode == "auto":
            for name in ("alerts_token", "prometheus_url"):
                if getattr(self, name) is None:
                    variable = f"{PREFIX}{name.upper()}"
                    raise ConfigurationError(f"{variable} is not set: {PREFIX}ROLLBACK_MODE=auto needs it")

    def _any_key(self) -> bool:
        return any(self.has_key(name) for name in SERVICES)


def load_settings(env_file: str | None = ".env") -> Settings:
    """Reads the environment and `.env`. Raises ConfigurationError with one line: the variable and what it takes."""
    refuse_misspelt(env_file)
    try:
        return Settings(_env_file=env_file)  # pyright: ignore[reportCallIssue]  pydantic-settings' own parameter
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        said = first["msg"].removeprefix("Value error, ")
        name = str(first["loc"][0]) if first["loc"] else ""  # what concerns two settings names them itself
        variable = name if name.isupper() or not name else f"{PREFIX}{name.upper()}"
        raise ConfigurationError(f"{variable}: {said}" if variable else said) from None


def variables(env_file: str | None = ".env") -> dict[str, str]:
    """What is set in the environment or, where it is not set there, in `.env`. An empty variable is not set."""
    both = (*_in_file(env_file).items(), *os.environ.items())
    return {name.upper(): value for name, value in both if value}


def _in_file(env_file: str | None) -> dict[str, str | None]:
    """The variables of a file, by their names in capitals; nothing of a file that is not there."""
    if env_file is None or not Path(env_file).is_file():
        return {}
    return {name.upper(): value for name, value in dotenv_values(env_file).items()}


def refuse_misspelt(env_file: str | None = ".env") -> None:
    """Raises ConfigurationError for a name in the environment or `.env` that is nearly one of those that are read."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | OF_OTHER_PROGRAMS.keys()
    vendors = [f"{name.upper()}_{what}" for name in SERVICES for what in ("API_KEY", "BASE_URL")]
    refuse_unknown((*_in_file(env_file), *os.environ), PREFIX, known, vendors)
