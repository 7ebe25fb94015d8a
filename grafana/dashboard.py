"""The one dashboard: a campaign as visitors feel it, and the service as it measures itself.

Every rate is taken over Grafana's $__rate_interval, which is at least four scrapes long.
"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.models import dashboard as models

from grafana.panels import (
    COUNT,
    DATASOURCE,
    EVENTS,
    PER_SECOND,
    SECONDS,
    SHARE,
    Line,
    Panel,
    built,
)

TITLE: Final = "Surge: campaign and service"
UID: Final = "surge"
#: Outcomes that answer a visitor; the rest failed.
ANSWERED: Final = "accepted|pending|declined"
#: Routes that no visitor walks.
OPERATOR: Final = "healthz|readyz|capacity|metrics|ledger|support_ledger"
LATE_S: Final = "0.05"


def rate(series: str) -> str:
    return f"rate({series}[$__rate_interval])"


def total(series: str, by: str = "") -> str:
    return f"sum by ({by}) ({rate(series)})" if by else f"sum({rate(series)})"


def quantile(p: float, series: str, by: str = "") -> str:
    """Of a histogram; ``series`` is its buckets."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({p}, {total(series, labels)})"


def quantiles(series: str) -> list[Line]:
    return [Line(quantile(p, series), f"p{p * 100:g}") for p in (0.5, 0.95, 0.99)]


def glance() -> list[Panel]:
    failed = total(f'surge_visitor_attempts_total{{outcome!~"{ANSWERED}"}}')
    system = 'up{job!="generator"}'  # which is there only while it drives a campaign
    on_time = total(f'surge_generator_lag_seconds_bucket{{le="{LATE_S}"}}')
    return [
        Panel("Processes that do not answer", COUNT, "How many scraped processes are down?",
              [Line(f"count({system}) - sum({system})", "down")], 6, "number", 1),
        Panel("Attempts that failed", SHARE, "What share of what visitors try is not answered?",
              [Line(f"{failed} / {total('surge_visitor_attempts_total')}", "failed")],
              6, "number", 0.005),
        Panel("Attempts sent late", SHARE,
              "What share was sent more than 50 ms late? From 1 % on the run is invalid.",
              [Line(f"1 - {on_time} / {total('surge_generator_lag_seconds_count')}", "late")],
              6, "number", 0.01),
        Panel("Identity checks that wait", COUNT, "How long is the queue of the ministry?",
              [Line('sum(surge_queue_depth{queue="identity"})', "queued")], 6, "number", 10_000),
    ]  # fmt: skip


def campaign() -> list[Panel]:
    steps = '{step=~"$step"}'
    return [
        Panel("Offered against achieved", EVENTS,
              "Visitors whom the curve calls for, who are sent, who register, whose visit ends.",
              [Line(total("surge_generator_due_total"), "offered"),
               Line(total("surge_generator_arrivals_total"), "sent"),
               Line(total('surge_writes_acknowledged_total{kind="register"}'), "registered"),
               Line(total("surge_generator_visits_ended_total"), "ended")]),
        Panel("Visitors inside", COUNT, "Who has come and not yet left?",
              [Line("sum(surge_generator_arrivals_total - surge_generator_visits_ended_total)",
                    "inside")]),
        Panel("Attempts by outcome", PER_SECOND, "What becomes of what visitors try?",
              [Line(total(f"surge_visitor_attempts_total{steps}", "outcome"), "{{outcome}}")],
              kind="stacked"),
        Panel("Latency that visitors feel, p95 by step", SECONDS,
              "From the intended start of an attempt to its answer.",
              [Line(quantile(0.95, f"surge_visitor_seconds_bucket{steps}", "step"), "{{step}}")]),
        Panel("Generator lag", SECONDS,
              "How late is the generator itself? Its lag is in every latency above.",
              quantiles("surge_generator_lag_seconds_bucket")),
        Panel("Generator's cores", SHARE, "At 95 % of a core a worker sends late.",
              [Line(total("surge_generator_cpu_seconds_total"), "all workers")]),
    ]  # fmt: skip


def by_step() -> list[Panel]:
    steps = '{route=~"$step"}'
    requests = total(f"surge_requests_total{steps}", "route")
    broken = total('surge_requests_total{route=~"$step", status=~"5.."}', "route")
    refused = total('surge_requests_total{route=~"$step", status=~"4.."}', "route")
    cpu = total(f"surge_route_cpu_seconds_total{steps}", "route")
    seconds = f"surge_route_seconds_bucket{steps}"
    return [
        Panel("Rate", PER_SECOND, "Requests answered, by step.", [Line(requests, "{{route}}")]),
        Panel("Errors", SHARE, "Shares that the service broke (5xx) or refused (4xx).",
              [Line(f"{broken} / {requests}", "{{route}} 5xx"),
               Line(f"{refused} / {requests}", "{{route}} 4xx")]),
        Panel("Duration, p95", SECONDS, "First byte received to answer written, by step.",
              [Line(quantile(0.95, seconds, "route"), "{{route}}")]),
        Panel("Duration, p50", SECONDS, "First byte received to answer written, by step.",
              [Line(quantile(0.5, seconds, "route"), "{{route}}")]),
        Panel("Duration, p99", SECONDS, "First byte received to answer written, by step.",
              [Line(quantile(0.99, seconds, "route"), "{{route}}")]),
        Panel("CPU a request", SECONDS, "What does a request of each step cost the service?",
              [Line(f"{cpu} / {requests}", "{{route}}")]),
    ]  # fmt: skip


def stations() -> list[Panel]:
    wait, service = "surge_station_wait_seconds", "surge_station_service_seconds"
    return [
        Panel("Waiting, p95", SECONDS, "Where do visitors queue?",
              [Line(quantile(0.95, f"{wait}_bucket", "station"), "{{station}}")], 12),
        Panel("Service, p95", SECONDS, "Where does the work take long?",
              [Line(quantile(0.95, f"{service}_bucket", "station"), "{{station}}")], 12),
        Panel("Waiting at once", COUNT,
              "Mean number that waits, by Little's law: seconds waited per second.",
              [Line(total(f"{wait}_sum", "station"), "{{station}}")], 12),
        Panel("Served at once", COUNT,
              "Offered load: seconds of service per second. It can't exceed a station's servers.",
              [Line(total(f"{service}_sum", "station"), "{{station}}")], 12),
    ]  # fmt: skip


def queues() -> list[Panel]:
    rows = "surge_batch_rows"
    return [
        Panel("Durable queues", COUNT, "Rows that wait for the ministry, mails that wait for SMTP.",
              [Line("sum by (queue) (surge_queue_depth)", "{{queue}}")]),
        Panel("Requests in flight", COUNT, "And the connections of the pool that serve reads.",
              [Line("sum(surge_in_flight)", "in flight"), Line("sum(surge_pool_size)", "pool")]),
        Panel("Refused by admission", PER_SECOND, "Requests shed because too many were in flight.",
              [Line(total("surge_shed_total"), "shed")]),
        Panel("Rows a flush", COUNT, "Batches grow with load: that is what keeps writes cheap.",
              [Line(f"{total(f'{rows}_sum')} / {total(f'{rows}_count')}", "mean")]),
        Panel("Flushes", EVENTS, "Transactions of the write batcher.",
              [Line(total("surge_flushes_total"), "flushes")]),
        Panel("Acknowledged writes", EVENTS, "Durable rows whose writer was told so.",
              [Line(total("surge_writes_acknowledged_total", "kind"), "{{kind}}")]),
    ]  # fmt: skip


def saturation() -> list[Panel]:
    return [
        Panel("Cores used", SHARE, "Which process comes near the cores that it has?",
              [Line(total("process_cpu_seconds_total", "job"), "{{job}}"),
               Line(total("surge_database_cpu_seconds_total"), "postgres")]),
        Panel("Event-loop lag", SECONDS, "What a ready timer waits for the service's loop.",
              quantiles("surge_loop_lag_seconds_bucket")),
        Panel("Context switches", EVENTS,
              "Wake-ups are slack; preemptions are others on the same core.",
              [Line(total("surge_loop_wakeups_total", "job"), "{{job}} wakes"),
               Line(total("surge_involuntary_switches_total", "job"), "{{job}} preempted")]),
        Panel("Commits", EVENTS, "Transactions of the database.",
              [Line(total("surge_database_commits_total"), "commits")]),
        Panel("Error budget burnt, times the sustainable pace", COUNT,
              "Above 14.4 over 5 minutes and an hour somebody is called.",
              [Line("surge:errors:ratio_rate5m / 0.005", "errors, 5 min"),
               Line("surge:slow_registers:ratio_rate5m / 0.05", "slow registers, 5 min")]),
        Panel("Processes", COUNT, "1: answers its scrape; 0: does not.",
              [Line("up", "{{job}}")]),
    ]  # fmt: skip


def outside() -> list[Panel]:
    client = '{station="registry_client"}'
    twin = '{job="registry"}'
    mail, photos = '{station="mail_sender"}', '{job="photos"}'
    return [
        Panel("Registry calls", EVENTS, "How did the ministry answer?",
              [Line(total("surge_registry_calls_total", "outcome"), "{{outcome}}")]),
        Panel("Registry slots", COUNT, "Busy slots at the ministry, against what it has.",
              [Line("sum(surge_twin_busy_slots)", "busy"), Line("sum(surge_twin_slots)", "slots")]),
        Panel("Registry time, p95", SECONDS,
              "An identity check waits for its turn; the call; what the twin was told to take.",
              [Line(quantile(0.95, f"surge_station_wait_seconds_bucket{client}"), "wait"),
               Line(quantile(0.95, f"surge_station_service_seconds_bucket{client}"), "call"),
               Line(quantile(0.95, f"surge_twin_service_seconds_bucket{twin}"), "twin")]),
        Panel("Mails", EVENTS, "Handed over by SMTP, and what arrived.",
              [Line(total("surge_mails_total", "outcome"), "{{outcome}}"),
               Line(total("surge_mailbox_delivered_total"), "delivered"),
               Line(total("surge_mailbox_lost_total"), "lost on purpose")]),
        Panel("Mail time, p95", SECONDS, "From the outbox row to SMTP, and the SMTP transaction.",
              [Line(quantile(0.95, f"surge_station_wait_seconds_bucket{mail}"), "wait"),
               Line(quantile(0.95, f"surge_station_service_seconds_bucket{mail}"), "SMTP")]),
        Panel("Photo time, p95", SECONDS,
              "A photo on its way into the store, and the service's question whether it is there.",
              [Line(quantile(0.95, f"surge_twin_service_seconds_bucket{photos}"), "upload"),
               Line(quantile(0.95, "surge_photo_store_seconds_bucket"), "is it there?")]),
        Panel("Photos", PER_SECOND, "Taken, and refused because they were not what was announced.",
              [Line(total(f"surge_twin_requests_total{photos}", "status"), "{{status}}")]),
        Panel("Mailbox and photo store", COUNT, "Who waits for a mail, and who uploads a photo?",
              [Line("sum(surge_mailbox_readers)", "readers that wait"),
               Line("sum(surge_mailbox_under_way)", "mails under way"),
               Line("sum(surge_photos_uploads)", "uploads")]),
    ]  # fmt: skip


ROWS: Final = {
    "At a glance": glance,
    "Campaign: what visitors offer and feel": campaign,
    "Service: rate, errors, duration by step": by_step,
    "Stations: waiting and service": stations,
    "Queues": queues,
    "Saturation": saturation,
    "Mail, registry, photos": outside,
}


def make() -> models.Dashboard:
    """The whole dashboard."""
    made = Dashboard(TITLE).uid(UID).tags(["surge"]).readonly().timezone("browser")
    made = made.time("now-5m", "now").refresh("5s").tooltip(models.DashboardCursorSync.CROSSHAIR)
    made = made.with_variable(_datasource()).with_variable(_steps())
    number = 0
    for title, panels in ROWS.items():
        number += 1
        made = made.with_row(Row(title).id(number))
        for panel in panels():
            number += 1
            made = made.with_panel(built(panel, number))
    return made.build()


def _datasource() -> DatasourceVariable:
    current = models.VariableOption(selected=True, text="Prometheus", value="surge-prometheus")
    made = DatasourceVariable("datasource").label("Data source").type("prometheus")
    return made.current(current)


def _steps() -> QueryVariable:
    asked = f'label_values(surge_requests_total{{route!~"{OPERATOR}"}}, route)'
    everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    made = QueryVariable("step").label("Step").datasource(DATASOURCE).query(asked)
    made = made.multi(multi=True).include_all(include_all=True).current(everything)
    return made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
