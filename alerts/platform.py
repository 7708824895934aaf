"""Alerts on the platform itself: whether it can write, whether it keeps up, and whether anybody would hear of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.telemetry import catalog
from agent.telemetry.catalog import Metric
from agent.telemetry.recorded_metrics import VERDICT
from alerts.model import Alert, PanelLink, RuleContext, Runbook
from alerts.promql import equal, grown, select, total, value
from alerts.recording.model import LATE_S

JOB: Final = "voice-agent"

UP: Final = Metric("up", "gauge", "Prometheus' own: 1 where the last scrape worked.", ("job", "instance"))
_DROPS: Final = PanelLink("ux", 53, "Lost by full queues, or refused")
_LOAD: Final = PanelLink("ux", 50, "Event-loop lag, by process")
_VERDICT: Final = PanelLink("ux", 1, "Verdict")


def platform(setting: RuleContext) -> Iterator[Alert]:
    """Everything about the processes and the way of the alerts."""
    yield _ledger_dropped(setting)
    yield _ledger_failing(setting)
    yield _late(setting)
    yield _queue_drops(setting)
    yield _work_breaks(setting)
    yield _process_down()
    yield _vanished(setting)
    yield _absent()
    yield _no_verdict()
    yield _watchdog()


def _ledger_dropped(setting: RuleContext) -> Alert:
    return Alert(
        "VoiceAgentLedgerDropped",
        grown(catalog.LEDGER_DROPPED, setting.window("1h"), ("table",)),
        "page",
        '{{ $value | printf "%.0f" }} rows of the ledger ({{ $labels.table }}) were lost in the last hour',
        "The database was down for so long that the spool was full, or a row could not be written at all. Calls go on;"
        " what they cost in this time is in the metrics only.",
        _DROPS,
        Runbook(
            "Money and history are being lost for good.",
            (
                "Can the database be reached? Bring it back: the spool is written then, what was dropped is not.",
                "It can: the log names the row that it refuses. A migration is missing, or a disk is full.",
            ),
            ("curl -s HOST/health/ready", "docker compose ps postgres", "docker compose logs --tail 50 agent"),
            "Never: it loses more every minute.",
        ),
        ("table",),
        keep_firing_minutes=10,
    )


def _ledger_failing(setting: RuleContext) -> Alert:
    return Alert(
        "VoiceAgentLedgerFailing",
        f"{total(catalog.LEDGER_FAILURES, setting.window('5m'))} > 0",
        "ticket",
        'The ledger cannot be written: {{ $value | printf "%.0f" }} attempts failed in 5 minutes',
        "Rows wait in a bounded spool and are tried again. When it is full they are lost (VoiceAgentLedgerDropped).",
        _DROPS,
        Runbook(
            "The database is down, locked or full. Calls go on, policies cannot be changed.",
            ("Is the database up? Start it.", "Is it up, but slow or full? Make room; look for long transactions."),
            ("curl -s HOST/health/ready", "docker compose ps postgres", "docker compose logs --tail 50 postgres"),
            "A planned restart of the database of a few minutes.",
        ),
        for_minutes=2,
        keep_firing_minutes=5,
    )


def _late(setting: RuleContext) -> Alert:
    return Alert(
        "VoiceAgentEventLoopLate",
        f"avg_over_time({select(catalog.LOOP_LAG)}[{setting.window('5m')}]) > {LATE_S:g}",
        "ticket",
        '{{ $labels.instance }} is {{ $value | printf "%.2f" }} s late on average in 5 minutes (free callers are'
        " refused from 0.2 s)",
        "The process has more to do than its core can: audio is sent late, and every latency of it is too high.",
        _LOAD,
        Runbook(
            "A process is overloaded.",
            (
                "Are all of them? Add replicas.",
                "Only one? Its sessions are unevenly spread, or its machine is shared: drain and restart it.",
            ),
            ("docker compose up --scale agent=3 -d", "docker compose logs --tail 50 agent"),
            "The process has just started: imports and caches.",
        ),
        ("instance", "job"),
        for_minutes=5,
        keep_firing_minutes=10,
    )


def _queue_drops(setting: RuleContext) -> Alert:
    return Alert(
        "VoiceAgentQueueDrops",
        grown(catalog.QUEUE_DROPS, setting.span(10), ("queue",)),
        "warning",
        '{{ $value | printf "%.0f" }} items were dropped from the full queue {{ $labels.queue }} in 10 minutes',
        "listen: audio of callers; outbox: messages to a client that does not read; else spans and error reports.",
        _DROPS,
        Runbook(
            "Something is produced faster than it is taken away.",
            (
                "`listen`: the event loop is late, or a recogniser does not read: look at both.",
                "`outbox`: a client or its line is too slow; its session is the only one that suffers.",
                "`spans`, `errors`: the collector or Sentry does not answer; callers do not notice.",
            ),
            ("docker compose logs --tail 50 agent",),
            "A few items of one client's outbox.",
        ),
        ("queue",),
        keep_firing_minutes=10,
    )


def _work_breaks(setting: RuleContext) -> Alert:
    return Alert(
        "VoiceAgentBackgroundWorkFails",
        grown(catalog.BACKGROUND_FAILURES, setting.span(30), ("work",)),
        "ticket",
        '{{ $value | printf "%.0f" }} times in 30 minutes {{ $labels.work }} broke off and was begun again',
        "A fault of ours in what goes on beside calls. Calls go on; what it does is late by up to a minute each time.",
        PanelLink("ux", 93, "Work beside calls that broke off"),
        Runbook(
            "What goes on beside calls is not done, or late.",
            (
                "`work beside calls failed` in the log, and in Sentry, has the error: report it with its traceback.",
                "`providers`: connections, breakers' probes, openings. What does the provider answer to a list of"
                " models? A proxy's page is no list.",
                "`ceilings`, `owners`, `withdrawals`: does the database answer? `agents`: which file was changed?",
            ),
            ("docker compose logs --tail 200 agent", "voice-agent check"),
            "Once, in a deploy.",
        ),
        ("work",),
        keep_firing_minutes=10,
    )


def _process_down() -> Alert:
    return Alert(
        "VoiceAgentProcessDown",
        f"{select(UP, [equal('job', JOB)])} == 0",
        "ticket",
        "{{ $labels.instance }} does not answer Prometheus",
        "The process is gone, hangs or cannot be reached. Its sessions resume on another replica.",
        PanelLink("ux", 26, "Live sessions"),
        Runbook(
            "A process that should be scraped does not answer.",
            (
                "Is it alive? Its log's last lines say why it is not.",
                "It is, and answers you: the network between it and Prometheus.",
                "Was it taken away on purpose? Take it out of alerts/targets.",
            ),
            ("curl -s HOST/health/live", "docker compose ps agent", "docker compose logs --tail 50 agent"),
            "A rolling deploy.",
        ),
        ("instance", "job"),
        for_minutes=2,
    )


def _vanished(setting: RuleContext) -> Alert:
    hour, step = setting.window("1h"), setting.span(1)
    now = value(catalog.BUILD_INFO, how="count")
    return Alert(
        "VoiceAgentReplicasVanished",
        f"(max_over_time(({now})[{hour}:{step}]) - on () {now}) > 0",
        "ticket",
        '{{ $value | printf "%.0f" }} replicas fewer than within the last hour: gone from service discovery',
        "A replica that service discovery no longer names is not scraped, so that it cannot be seen to be down.",
        PanelLink("ux", 26, "Live sessions"),
        Runbook(
            "There are fewer processes than there were.",
            (
                "Was it scaled down on purpose? Good; this passes after an hour.",
                "Was it not? Does the name still resolve to every replica, and do they start?",
            ),
            ("docker compose ps agent", "docker compose logs --tail 50 agent", "curl -s HOST/health/live"),
            "After scaling down.",
        ),
        for_minutes=10,
        keep_firing_minutes=5,
    )


def _absent() -> Alert:
    return Alert(
        "VoiceAgentMetricsAbsent",
        f"absent({select(catalog.BUILD_INFO)})",
        "page",
        "No process of the voice agent is scraped: 0 series of voice_agent_build_info",
        "The service is down, or Prometheus does not find it. Either way every other alert is blind.",
        PanelLink("ux", 26, "Live sessions"),
        Runbook(
            "Nothing is known about the service.",
            (
                "Does it answer a call? Then Prometheus does not find it: see its page “Targets”.",
                "It does not: start it; the log says why it stopped.",
            ),
            ("curl -s HOST/health/ready", "docker compose ps", "docker compose logs --tail 50 agent prometheus"),
            "Never.",
        ),
        for_minutes=3,
    )


def _no_verdict() -> Alert:
    return Alert(
        "VoiceAgentVerdictAbsent",
        f"{value(catalog.BUILD_INFO, how='count')} unless on () count({select(VERDICT)})",
        "ticket",
        '{{ $value | printf "%.0f" }} processes are scraped, and no policy has a verdict',
        "The recording rules are not loaded, fail, or no policy besides the baseline can be assigned: nothing would be"
        " rolled back.",
        _VERDICT,
        Runbook(
            "Rollbacks are blind.",
            (
                "Does Prometheus' page “Rules” show the groups voice-agent-…, without errors?",
                "Are the rules those of the running version? `make boards` makes them again.",
            ),
            ("promtool check rules alerts/generated/*.yml", "voice-agent policy list"),
            "The service started a minute ago.",
        ),
        for_minutes=5,
    )


def _watchdog() -> Alert:
    return Alert(
        "VoiceAgentWatchdog",
        "vector(1)",
        "none",
        "Alerts arrive: this one always fires (value {{ $value }})",
        "Whoever receives this expects it all the time. When it stops, Prometheus or Alertmanager is down or cut off.",
        _VERDICT,
        Runbook(
            "Proof that the way from Prometheus through Alertmanager works.",
            (
                "It fires: good.",
                "A dead man's switch says that it stopped: look at Prometheus and Alertmanager.",
            ),
            ("docker compose ps prometheus alertmanager", "docker compose logs --tail 50 prometheus alertmanager"),
            "While it fires.",
        ),
        for_minutes=1,
    )
