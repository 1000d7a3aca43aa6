"""The settings: what a person or a mounted file gives them is taken as it is meant, or refused at the start."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from include.oms.base.settings import Settings


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_a_line_end_is_cut(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setenv("OMS_JWT_ISSUER", f"https://issuer.example{end}")
    monkeypatch.setenv("OMS_THUNDERHEAD_TOKEN", f"token{end}")
    monkeypatch.setenv("OMS_DATABASE_URL", f"postgresql://oms@db.example/oms{end}")
    monkeypatch.setenv("OMS_KAFKA_TOPIC", f"a.topic{end}")
    monkeypatch.setenv("OMS_RETENTION_DAYS", f"30{end}")
    settings = Settings()
    assert settings.jwt_issuer == "https://issuer.example"
    assert settings.thunderhead_token.get_secret_value() == "token"
    assert settings.database_url == "postgresql://oms@db.example/oms"
    assert (settings.kafka_topic, settings.retention_days) == ("a.topic", 30)


@pytest.mark.parametrize("value", ["", " ", "inf", "nan", "-1", "1e300", "9" * 400, "1,5", "\u0663 days"])
@pytest.mark.parametrize(
    "name",
    [
        "LEASE_SECONDS", "OVERDUE_SECONDS", "LINGER_SECONDS", "SLICE_SIZE", "CONCURRENCY", "RETENTION_DAYS",
        "QUOTA_BYTES_AN_HOUR",
    ],
)  # fmt: skip
def test_a_number_that_nothing_can_be_done_with_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"OMS_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()
