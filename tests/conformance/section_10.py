# SPDX-License-Identifier: BSD-3-Clause
"""TP-469 section 10, bulk data collection: over HTTP and HTTPS, as an event, over MQTT."""

import re
import time

from harness.collector import Collector, read_csv, read_json
from harness.messages import add
from harness.registry import MQTT, case
from harness.steps import boot_parameter, given
from hptest.pki import Pki

PROFILES = "Device.BulkData.Profile."
URI_PARAMETER = ("UpTime", "Device.LocalAgent.UpTime")
UP_TIME = ("UpTime", "Device.DeviceInfo.UpTime")
SLACK = 1.0
HTTP, PUSH = ["Device.BulkData.Profile.{i}.HTTP.URL"], ["Device.BulkData.Profile.{i}.Push!"]
OBJECTS = "names are compared however the report nests them, for the standard's default is ObjectHierarchy"


def secure(lane):
    """Setup: the agent trusts the authority of the collector's certificate."""
    pki = Pki(lane.dir / "pki")
    lane.keep["collector"] = pki.issue("collector")
    lane.agent.tls(pki.ca_file)


def collector(t, tls=None):
    server = Collector(tls)
    t.undo(server.stop)
    return server


def interval(t):
    return t.scaled(60, 1)


def profile(t, *settings, parameter=UP_TIME, every=None, encoding="JSON"):
    """Steps 1 to 4: the profile, not enabled yet, and its parameter."""
    resp = t.ctl.must(add((PROFILES, *settings, f"EncodingType={encoding}",
                           f"ReportingInterval={every or interval(t)}")))
    row = t.created(resp.created_obj_results[0].oper_status.oper_success.instantiated_path)
    t.created(t.ctl.add(row + "Parameter.", Name=parameter[0], Reference=parameter[1]))
    return row


def enable(t, row):
    t.undo(lambda: t.ctl.set("Device.BulkData.", Enable=False))
    t.ctl.set("Device.BulkData.", Enable=True)
    t.ctl.set(row, Enable=True)


def window(t):
    return 2 * interval(t) + 10


def transfers(t, server, metric=1):
    """The two transfers that must come in time."""
    got = server.wait(2, window(t))
    t.need(metric, len(got) == 2, f"{len(got)} transfers within {window(t)} s, not 2")
    return got


def identified(t, metric, got):
    for transfer in got:
        t.ok(metric, transfer.identified(), f"no identity in the query: {transfer.query}")


def reports(t, metric, body, encoding="JSON"):
    try:
        return (read_json if encoding == "JSON" else read_csv)(body)
    except (ValueError, KeyError, AttributeError) as e:
        t.need(metric, False, f"not readable as {encoding}: {e}: {body[:200]!r}")


def only_up_time(t, metrics, bodies, encoding="JSON"):
    parsable, content = metrics
    for body in bodies:
        got = reports(t, parsable, body, encoding)
        t.ok(parsable, got, "no report in the message")
        for report in got:
            t.eq(content, "names", sorted(report), ["UpTime"])
            t.ok(content, str(report.get("UpTime")).isdigit(), f"UpTime is {report.get('UpTime')!r}")


def plain(t, encoding, tls=None):
    server = collector(t, tls)
    enable(t, profile(t, "Protocol=HTTP", f"HTTP.URL={server.url}", encoding=encoding))
    got = transfers(t, server)
    kind = {"JSON": "application/json", "CSV": "text/csv"}[encoding]
    for transfer in got:    # R-BULK.7, R-BULK.8
        header = transfer.headers.get("Content-Type", "")
        t.ok(2, header.startswith(kind) and "charset=" in header, f"Content-Type {header!r}")
        t.ok(2, transfer.headers.get("BBF-Report-Format"), "no BBF-Report-Format")
    only_up_time(t, (2, 3), [transfer.body for transfer in got], encoding)
    identified(t, 4, got)


@case("10.1", "Bulk data over HTTP in JSON", metrics=4, supports=HTTP)
def http_json(t):
    plain(t, "JSON")


@case("10.2", "Bulk data over HTTPS in JSON", metrics=4, supports=HTTP, fresh=True, setup=secure)
def https_json(t):
    plain(t, "JSON", t.lane.keep["collector"])


@case("10.3", "Bulk data over HTTP in CSV", metrics=4, supports=HTTP)
def http_csv(t):
    plain(t, "CSV")


@case("10.4", "Bulk data over HTTPS in CSV", metrics=4, supports=HTTP, fresh=True, setup=secure)
def https_csv(t):
    plain(t, "CSV", t.lane.keep["collector"])


def with_uri_parameter(t, tls=None):
    server = collector(t, tls)
    row = profile(t, "Protocol=HTTP", f"HTTP.URL={server.url}")
    name, reference = URI_PARAMETER
    t.created(t.ctl.add(row + "HTTP.RequestURIParameter.", Name=name, Reference=reference))
    enable(t, row)
    got = transfers(t, server)
    for transfer in got:
        t.ok(2, transfer.query.get(name, "").isdigit(), f"no {name} in the query: {transfer.query}")
    identified(t, 3, got)


@case("10.5", "An extra parameter in the URI, HTTP", metrics=3, supports=HTTP)
def uri_http(t):
    with_uri_parameter(t)


@case("10.6", "An extra parameter in the URI, HTTPS", metrics=3, supports=HTTP, fresh=True, setup=secure)
def uri_https(t):
    with_uri_parameter(t, t.lane.keep["collector"])


@case("10.7", "A transfer that fails is tried again", metrics=4, supports=HTTP,
      erratum="the two transfers of metric 1 are counted once the endpoint is back; the interval is longer than three "
              "retries together, else the next report may come before the third")
def retry(t):
    every, m = t.scaled(90, 16), t.scaled(5, 1)
    server = collector(t)
    server.status = 503
    enable(t, profile(t, "Protocol=HTTP", f"HTTP.URL={server.url}", "HTTP.RetryEnable=true",
                      f"HTTP.RetryMinimumWaitInterval={m}", "HTTP.RetryIntervalMultiplier=2000", every=every))
    t.need(2, server.wait(1, every + SLACK * 3), "no transfer was attempted")
    for number in (1, 2, 3):
        if number == 3:
            server.status = 200
        low, high = m * 2 ** (number - 1), m * 2 ** number
        got = server.wait(number + 1, high + SLACK * 2)
        t.need(2, len(got) == number + 1, f"retry {number} did not come within {high} s")
        waited = got[-1].at - got[-2].at
        t.ok(2, low - 0.05 <= waited <= high + SLACK, f"retry {number} after {waited:.2f} s, not {low} to {high} s")
    t.eq(4, "answer to the third retry", got[-1].status, 200)
    got = server.wait(5, every + 10)
    t.need(1, len(got) == 5, "no second transfer after the endpoint came back")
    # Not a retry: it comes with the next interval.
    waited = got[4].at - got[0].at
    t.ok(4, abs(waited - every) <= SLACK * 2, f"a transfer {waited:.2f} s after the first one, not {every} s")
    identified(t, 3, got)


def boot_parameters(t):
    """Test setup: two rows for the wildcard to find."""
    given(t, boot_parameter(t.lane.row, "Device.DeviceInfo.SoftwareVersion"),
          boot_parameter(t.lane.row, "Device.DeviceInfo.HardwareVersion"))


WILDCARD = ("Enabled", "Device.LocalAgent.Controller.*.BootParameter.*.Enable")


def matches(t, metric, report):
    named = [name for name in report if re.fullmatch(r"Enabled\.[1-9][0-9]*\.[1-9][0-9]*", name)]
    t.ok(metric, len(named) >= 2 and len(named) == len(report), f"names in the report: {sorted(report)}")


@case("10.8", "A wildcard in the reference", metrics=3, supports=HTTP, erratum=OBJECTS)
def wildcard(t):
    boot_parameters(t)
    server = collector(t)
    enable(t, profile(t, "Protocol=HTTP", f"HTTP.URL={server.url}", parameter=WILDCARD))
    got = transfers(t, server)
    for transfer in got:
        for report in reports(t, 2, transfer.body):
            matches(t, 2, report)
    identified(t, 3, got)


@case("10.9", "An object in the reference", metrics=3, supports=HTTP, erratum=OBJECTS)
def object_path(t):
    server = collector(t)
    enable(t, profile(t, "Protocol=HTTP", f"HTTP.URL={server.url}", parameter=("TestController", t.lane.row)))
    got = transfers(t, server)
    want = sorted("TestController." + path[len(t.lane.row):] for path in t.ctl.get(t.lane.row))
    for transfer in got:
        for report in reports(t, 2, transfer.body):
            t.eq(2, "names in the report", sorted(report), want)
    identified(t, 3, got)


def pushed(t, parameter):
    """The reports of two Push! events."""
    row = profile(t, "Protocol=USPEventNotif", parameter=parameter)
    t.created(t.ctl.subscribe(f"push-{t.case.number}", "Event", row + "Push!"))
    mark = t.ctl.mark()
    enable(t, row)

    def accept(n):
        return n.WhichOneof("notification") == "event" and n.event.event_name == "Push!" and n.event.obj_path == row
    end = time.monotonic() + window(t)
    found = []
    for skip in (0, 1):
        notice = t.ctl.notice(accept, max(0, end - time.monotonic()), mark, skip)
        t.need(1, notice, f"{skip} Push! events within {window(t)} s, not 2")
        found.append(notice.notify.event.params["Data"].encode())
    return found


@case("10.10", "Bulk data as a Push! event", metrics=3, supports=PUSH)
def push(t):
    only_up_time(t, (2, 3), pushed(t, UP_TIME))


@case("10.11", "Push! with a wildcard", metrics=3, supports=PUSH, erratum=OBJECTS)
def push_wildcard(t):
    boot_parameters(t)
    for body in pushed(t, WILDCARD):
        got = reports(t, 2, body)
        t.ok(2, got, "no report in the message")
        for report in got:
            matches(t, 3, report)


@case("10.12", "Push! with an object", metrics=3, supports=PUSH, erratum=OBJECTS)
def push_object(t):
    for body in pushed(t, ("Controller", t.lane.row)):
        got = reports(t, 2, body)
        t.ok(2, got, "no report in the message")
        for report in got:
            t.ok(3, report and all(name.startswith("Controller.") for name in report), f"names: {sorted(report)}")


@case("10.13", "Bulk data over MQTT", metrics=3, transports=MQTT,
      supports=["Device.BulkData.Profile.{i}.MQTT.PublishTopic"])
def mqtt(t):
    broker, found = t.lane.broker, []

    def take(_session, packet):
        if packet.topic == "mqtt-bulkdata":
            found.append(packet)
    broker.listeners.append(take)
    t.undo(lambda: broker.listeners.remove(take))
    enable(t, profile(t, "Protocol=MQTT", f"MQTT.Reference={t.lane.client.rstrip('.')}",
                      "MQTT.PublishTopic=mqtt-bulkdata"))
    t.need(1, broker.wait_for(lambda: len(found) >= 2, window(t)), f"{len(found)} publications, not 2")
    if t.transport == "mqtt":   # R-BULK.8a
        for packet in found:
            kind = packet.props.get("content_type", "")
            t.ok(2, kind.startswith("application/json") and "charset=" in kind, f"Content Type {kind!r}")
    only_up_time(t, (2, 3), [bytes(packet.payload) for packet in found])
