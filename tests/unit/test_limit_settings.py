"""Every limit has a setting and a test, and pages name only tests that there are."""

import re
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from ingest.settings import (
    InvalidSettings,
    Settings,
    read_profile_limits,
    read_settings,
)

ROOT = Path(__file__).parents[2]

#: By the setting that is a limit: a test of it, and what stands for it there.
LIMITS = {
    "batch_size": ("test_more_than_one_batch_is_applied_in_order", "batch_size"),
    "batch_bytes": (
        "test_what_is_read_at_once_is_bounded_by_its_bytes",
        "batch_bytes",
    ),
    "max_head_bytes": (
        "test_a_head_over_the_limit_is_431_and_the_connection_ends",
        "short_heads",
    ),
    "max_body_bytes": ("test_a_body_over_the_limit_is_413", "max_body_bytes"),
    "max_bodies_bytes": (
        "test_bodies_beyond_the_room_for_them_are_503_until_there_is_room",
        "max_bodies_bytes",
    ),
    "body_seconds": (
        "test_a_body_that_drips_is_408_when_its_time_is_over",
        "body_seconds",
    ),
    "min_body_rate": ("test_a_body_keeps_a_rate_and_a_deadline", "min_rate"),
    "max_batch_elements": ("test_more_elements_than_the_limit_are_400", "10_001"),
    "max_depth": ("test_a_harmful_document_is_400_and_nothing_is_queued", "depth"),
    "max_keys": ("test_the_members_of_one_object_are_limited", "keys"),
    "max_values": (
        "test_the_values_of_a_body_are_limited_before_they_are_read",
        "values",
    ),
    **{
        f"max_{name}": (
            "test_what_an_import_brings_is_allowed_up_to_the_limit",
            name,
        )
        for name in (
            *("text_bytes", "key_length", "phones"),
            *("tags", "subscriptions", "profile_bytes"),
        )
    },
    "max_profile_keys": (
        "test_an_import_with_more_keys_than_any_may_have_is_rejected",
        "profile_keys",
    ),
    "max_scan_seconds": (
        "test_a_search_that_takes_too_long_is_refused_and_harms_no_other",
        "scan_seconds",
    ),
    "max_waiting": (
        "test_too_much_waiting_work_is_429_until_it_is_done",
        "max_waiting",
    ),
    "redis_memory_ratio": ("test_memory_past_the_ratio_is_no_room", "memory_ratio"),
    "max_file_bytes": ("test_an_upload_that_is_too_long_is_stopped", "max_file_bytes"),
    "max_unpack_ratio": ("test_a_bomb_is_refused_before_it_bursts", "max_ratio"),
    "max_archive_files": ("test_a_bomb_is_refused_before_it_bursts", "max_members"),
    "max_workbook_bytes": ("test_a_workbook_is_bounded", "max_workbook_bytes"),
    "export_seconds": (
        "test_an_export_that_takes_too_long_has_no_end",
        "export_seconds",
    ),
    "max_console_bytes": ("test_the_spool_is_bounded", "max_console_bytes"),
    "max_console_files": ("test_the_spool_is_bounded", "max_console_files"),
    "console_hours": ("test_a_file_expires", "console_hours"),
    "max_spool_bytes": (
        "test_what_does_not_fit_is_refused_and_leaves_nothing",
        "max_spool_bytes",
    ),
    "max_uploads": ("test_no_more_uploads_are_read_than_may_be", "max_uploads"),
}
#: What bounds nothing that is sent.
OTHERS = {
    *("database_url", "redis_url", "partitions", "wait_seconds", "mirror_errors"),
    *("receipt_days", "webhook_allow", "events_broker", "geoip_database"),
    *("amqp_broker", "log_level", "after_wait", "cors_origins", "console_url"),
    *("secret", "public_url", "trusted_proxies"),
    *("live_batch_elements", "consent_days", "console_dir"),
    *("spool_dir", "spool_hours"),
}
PAGES = ("docs/security.md", "docs/reliability.md")


@cache
def find_tests() -> dict[str, str]:
    """Return the modules of all tests, by the tests' names."""
    found: dict[str, str] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        text = path.read_text()
        found |= dict.fromkeys(re.findall(r"^def (test_\w+)", text, re.MULTILINE), text)
    return found


def test_every_setting_is_a_limit_or_is_none() -> None:
    assert {each.name for each in fields(Settings)} == LIMITS.keys() | OTHERS


@pytest.mark.fact("16.14-settings")
@pytest.mark.parametrize("setting", LIMITS)
def test_every_limit_has_a_test_and_a_line_of_its_own(setting: str) -> None:
    test, word = LIMITS[setting]

    assert re.search(rf"\b{word}\b", find_tests()[test])
    assert (
        f"| `PENSTOCK_{setting.upper()}` |" in (ROOT / "docs/settings.md").read_text()
    )


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/penstock")
    monkeypatch.setenv("REDIS_URL", "redis://localhost")
    monkeypatch.delenv("PENSTOCK_SECRET", raising=False)
    return monkeypatch


@pytest.mark.parametrize("seconds", ["0.001", "0.5", "30"])
def test_a_scan_may_take_a_part_of_a_second(
    seconds: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("PENSTOCK_MAX_SCAN_SECONDS", seconds)

    assert read_settings().profile_limits.scan_seconds == float(seconds)


def test_settings_are_their_defaults_unless_they_are_given(
    environment: pytest.MonkeyPatch,
) -> None:
    assert read_settings() == Settings(
        database_url="postgresql://localhost/penstock", redis_url="redis://localhost"
    )

    environment.setenv("PENSTOCK_WEBHOOK_ALLOW", "10.0.0.0/8,crm.local")
    environment.setenv("PENSTOCK_MIRROR_ERRORS", "true")
    environment.setenv("PENSTOCK_LOG_LEVEL", "debug")
    environment.setenv("GEOIP_DATABASE", "city.mmdb")
    environment.setenv("PENSTOCK_MAX_TAGS", "7")

    settings = read_settings()
    assert settings.webhook_allow == ("10.0.0.0/8", "crm.local")
    assert settings.mirror_errors
    assert settings.log_level == "debug"
    assert settings.geoip_database == "city.mmdb"
    assert settings.profile_limits == read_profile_limits()
    assert read_profile_limits().tags == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_SCAN_SECONDS", "0"),
        ("MAX_SCAN_SECONDS", "30.1"),
        ("MAX_SCAN_SECONDS", "nan"),
        ("MAX_SCAN_SECONDS", "two"),
        ("MAX_HEAD_BYTES", "1023"),
        ("MAX_HEAD_BYTES", str(2**20 + 1)),
        ("MAX_TAGS", "0"),
        ("MAX_TAGS", "1.5"),
        ("MAX_PROFILE_BYTES", str(100 * 2**20 + 1)),
        ("MIRROR_ERRORS", "perhaps"),
        ("AFTER_WAIT", "never"),
        ("CORS_ORIGINS", "https://example.com,example.com"),
        ("LOG_LEVEL", "loud"),
        ("SECRET", "00" * 31),
        ("SECRET", "changeme"),
        ("PUBLIC_URL", "intake.example.com"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,proxy"),
    ],
)
def test_a_setting_that_is_not_allowed_is_refused_by_name(
    name: str, value: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv(f"PENSTOCK_{name}", value)

    with pytest.raises(InvalidSettings, match=f"PENSTOCK_{name}"):
        read_settings()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_tests_that_there_are(page: str) -> None:
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`(test_\w+)`", text))
    paths = set(re.findall(r"tests/\w+/test_\w+\.py", text))

    assert named <= find_tests().keys()
    assert all((ROOT / path).exists() for path in paths)
    assert paths
