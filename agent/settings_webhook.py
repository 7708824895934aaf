"""Settings of the webhook that is told of every finished session."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from agent.core.secrets import weakness


class WebhookSettings(BaseSettings):
    """The part of `Settings` that is about `session.ended`."""

    session_webhook_url: SecretStr | None = Field(
        None, description="every finished session is posted here (docs/webhook.md); https, without a redirect"
    )
    session_webhook_secret: SecretStr | None = Field(
        None, description="signs what is posted (HMAC-SHA256), 32 characters or more; needed with the address"
    )
    session_webhook_transcript: bool = Field(False, description="what is posted holds the words of caller and agent")
    session_webhook_summary: bool = Field(
        False, description="the small model writes a summary of each finished session; it is paid for"
    )
    session_webhook_private: bool = Field(
        False, description="the address may be http, and lie on this machine or in a private network"
    )

    @field_validator("session_webhook_url")
    @classmethod
    def _an_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = urlsplit(value.get_secret_value())
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.fragment:
                raise ValueError("takes the address of a webhook: https://host/path")
        return value

    @field_validator("session_webhook_secret")
    @classmethod
    def _a_strong_secret(cls, value: SecretStr | None) -> SecretStr | None:
        weak = None if value is None else weakness(value.get_secret_value())
        if weak is not None:
            raise ValueError(weak)
        return value

    @model_validator(mode="after")
    def _signed_and_encrypted(self) -> Self:
        url = self.session_webhook_url
        if url is None:
            return self
        if self.session_webhook_secret is None:
            raise ValueError("session_webhook_url needs session_webhook_secret: what is posted is signed")
        if urlsplit(url.get_secret_value()).scheme != "https" and not self.session_webhook_private:
            raise ValueError("session_webhook_url takes https://, or session_webhook_private as well")
        return self
