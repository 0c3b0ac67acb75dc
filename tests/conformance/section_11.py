# SPDX-License-Identifier: BSD-3-Clause
"""TP-469 section 11, MQTT. The broker is the runner's own: it answers as each case wants it and keeps every packet."""

from harness import mqttwire as mq
from harness.broker import Connack
from harness.lanes import AGENT_TOPIC, CONTROLLER_TOPIC, MqttLane
from harness.messages import add, set_, status_of
from harness.registry import MQTT, MQTT5, case
from harness.steps import created, encrypted
from hptest import usp

CLIENT = "Device.MQTT.Client.1."
SLACK = 1.0

# The parameters of the four profiles; of two alternatives one is enough.
_CLIENT = "Device.MQTT.Client.{i}."
PROFILES = {
    "MQTTClientCon:1": [
        ("Device.MQTT.ClientNumberOfEntries",), ("Device.MQTT.Capabilities.ProtocolVersionsSupported",),
        ("Device.MQTT.Capabilities.TransportProtocolSupported",), *((_CLIENT + name,) for name in (
            "Enable", "Status", "ProtocolVersion", "BrokerAddress", "BrokerPort", "CleanSession", "KeepAliveTime", "Name",
            "ClientID", "Username", "Password", "TransportProtocol", "ConnectRetryTime",
            "ConnectRetryIntervalMultiplier", "ConnectRetryMaxInterval", "ResponseInformation"))],
    "MQTTClientSubscribe:1": [
        (_CLIENT + "SubscriptionNumberOfEntries",), (_CLIENT + "Subscription.{i}.Topic",),
        (_CLIENT + "Subscription.{i}.QoS",), (_CLIENT + "Subscription.{i}.Enable",)],
    "MQTTAgent:1": [("Device.LocalAgent.MTP.{i}.MQTT." + name,) for name in (
        "Reference", "ResponseTopicConfigured", "ResponseTopicDiscovered")],
    "MQTTController": [
        ("Device.LocalAgent.Controller.{i}.MTP.{i}.MQTT.AgentMTPReference",
         "Device.LocalAgent.Controller.{i}.MTP.{i}.MQTT.Reference"),
        ("Device.LocalAgent.Controller.{i}.MTP.{i}.MQTT.Topic",)],
}


# -- steps

def v5(t):
    return t.lane.version == "5.0"


def only_v5(t, *metrics):
    """True on MQTT 5.0; else these metrics do not apply."""
    if not v5(t):
        t.checked.update(metrics)
    return v5(t)


def rules(t, **functions):
    """Scripts the broker until the end of the case."""
    for name, function in functions.items():
        setattr(t.lane.broker, name, function)
    t.undo(t.lane.broker.reset_rules)


def reboot(t, metric):
    """Device.Reboot(); the agent's first connection to the broker after it. No controller need be reachable on it."""
    lives, number = t.lane.mark()
    t.ctl.send(usp.operate("Device.Reboot()", command_key=f"test{t.case.number}", send_resp=False))
    t.lane.restarted(lives)
    session = t.lane.broker.wait_session(number, 20)
    t.need(metric, session, "no CONNECT within 20 s of the reboot")
    return session


def restored(t):
    """The agent is reachable again."""
    t.ctl.transport.connect(20)


def get(t, metric, path):
    return t.response(metric, t.ctl.request(usp.get(path)), "get_resp")


def set_client(t, *settings):
    """Test setup or step: parameters of the agent's MQTT client."""
    answer = t.ctl.request(set_((CLIENT, *settings)))
    done = answer.body.WhichOneof("msg_body") == "response" and all(
        status_of(r)[0] == "oper_success" for r in answer.body.response.set_resp.updated_obj_results)
    t.setup(done, f"Set of {CLIENT} {settings}: {answer.body}")


def settle(t):
    """A changed parameter may make the agent connect anew: waits until that, if it happens, is over."""
    session = t.lane.broker.current()
    if session:
        session.wait_closed(0.5)
    restored(t)


def retry_time(t):
    """Test setup: ConnectRetryTime is the default, or one second when waits are scaled. Its value."""
    seconds = t.scaled(5, 1)
    set_client(t, f"!ConnectRetryTime={seconds}", "!ConnectRetryIntervalMultiplier=2000")
    t.undo(lambda: (t.ctl.set(CLIENT, ConnectRetryTime=5), settle(t)))
    settle(t)
    return seconds


def in_range(t, metric, what, seconds, low, high):
    t.ok(metric, low - 0.1 <= seconds <= high + SLACK, f"{what} after {seconds:.2f} s, not {low} to {high} s")


def subscribe_packet(session, topic, since=0.0, timeout=10):
    return session.wait(mq.SUBSCRIBE, timeout, lambda p: topic in [f for f, _ in p.filters], since)


def row_topic(t, name):
    """What a Subscription row must hold so that a controller can send to `name`."""
    return name if v5(t) else name + "/#"


def add_topic(t, metric, name, *settings):
    """Adds a Subscription row of the client and waits for the SUBSCRIBE: (row, packet)."""
    topic = row_topic(t, name)
    session = t.lane.broker.current()
    message = add((CLIENT + "Subscription.", "Enable=true", f"Topic={topic}", *settings))
    resp = t.response(metric, t.ctl.request(message), "add_resp")
    path = created(t, metric, resp.created_obj_results[0], ("Topic",), CLIENT + "Subscription.")
    t.need(metric, session.open, f"the agent left the broker: {session.error or 'closed'}")
    packet = subscribe_packet(session, topic)
    t.need(metric, packet, f"no SUBSCRIBE with {topic} within 10 s")
    t.lane.broker.wait_for(lambda: session.subscribed(topic.replace("/#", "")), 5)
    return path, packet


def get_via(t, metric, topic, path):
    """A Get sent to another topic of the agent."""
    transport = t.ctl.transport
    old, transport.agent_topic = transport.agent_topic, topic
    try:
        return get(t, metric, path)
    finally:
        transport.agent_topic = old


# -- the cases

@case("11.1", "The required MQTT profiles", metrics=2, transports=MQTT,
      erratum="the plan wants MQTTController:1, the specification MQTTController:2: Reference or AgentMTPReference will do")
def profiles(t):
    # R-MQTT.4
    message = usp.get_supported_dm("Device.MQTT.", "Device.LocalAgent.", params=True)
    resp = t.response(1, t.ctl.request(message, 20), "get_supported_dm_resp")
    listed = {obj.supported_obj_path + param.param_name for result in resp.req_obj_results
              for obj in result.supported_objs for param in obj.supported_params}
    required = dict(PROFILES)
    if not v5(t):
        required["MQTTClientCon:1"] = [*required["MQTTClientCon:1"], (_CLIENT + "MessageRetryTime",)]
    for profile, params in required.items():
        for alternatives in params:
            t.ok(2, any(p in listed for p in alternatives), f"{profile}: {' or '.join(alternatives)} is not supported")


@case("11.2", "CONNECT after a reboot", metrics=4, transports=MQTT)
def connect(t):
    # R-MQTT.1, R-MQTT.2, R-MQTT.3, R-MQTT.6, R-MQTT.7, R-MQTT.13
    session = reboot(t, 1)
    packet = session.connect
    t.eq(2, "protocol level", packet.version, mq.V5 if v5(t) else mq.V311)
    if only_v5(t, 3):
        t.ok(3, ("usp-endpoint-id", t.lane.endpoint_id) in packet.user, f"user properties are {packet.user}")
    t.eq(4, "user name", packet.username, "gateway")
    t.eq(4, "password", packet.password, b"secret")
    restored(t)


@case("11.3", "MQTT over TLS", metrics=1, transports=MQTT, fresh=True, setup=MqttLane.secure)
def tls(t):
    # R-MQTT.48
    mark = t.lane.connection()
    reboot(t, 1)
    restored(t)
    get(t, 1, "Device.DeviceInfo")
    encrypted(t, 1, mark)


def _assign(session, packet):
    return Connack(props={} if packet.client_id else {"assigned_client_identifier": f"given-{session.number}"})


@case("11.4", "The broker assigns the client identifier", metrics=2, transports=MQTT5, fresh=True,
      erratum="an agent may connect anew on the Set: the first CONNECT after it is the one that must be empty")
def assigned_id(t):
    # R-MQTT.8, R-MQTT.9
    rules(t, on_connect=_assign)
    before = t.lane.connection()
    set_client(t, "!ClientID=")
    settle(t)
    reboot(t, 1)
    restored(t)
    sessions = [s for s in t.lane.broker.sessions[before:] if s.connack]
    t.eq(1, "client identifier of the CONNECT", sessions[0].connect.client_id, "")
    assigned = [s.connack.props["assigned_client_identifier"] for s in sessions if not s.connect.client_id]
    t.need(2, assigned, "no CONNECT without client identifier")
    value = t.ctl.get(CLIENT + "ClientID")[CLIENT + "ClientID"]
    t.eq(2, "ClientID", value, assigned[-1])


@case("11.5", "The client identifier stays", metrics=1, transports=MQTT)
def same_id(t):
    # R-MQTT.11
    value = t.ctl.get(CLIENT + "ClientID")[CLIENT + "ClientID"]
    before = value or t.lane.broker.current().connect.client_id
    session = reboot(t, 1)
    t.eq(1, "client identifier after the reboot", session.connect.client_id, before)
    restored(t)


def _refuse(session, _packet):
    session.close()


@case("11.6", "Connection retries after a reboot", metrics=2, transports=MQTT)
def connect_retry(t):
    # R-MQTT.10
    seconds = retry_time(t)
    get(t, 1, "Device.MQTT.Client.")
    rules(t, on_connect=_refuse)
    broker, mark = t.lane.broker, t.lane.connection()
    t.ctl.send(usp.operate("Device.Reboot()", command_key="test11.6", send_resp=False))
    last = broker.wait_session(mark, 20, accepted=False)
    t.need(1, last, "no CONNECT within 20 s of the reboot")
    for n, metric in ((1, 1), (2, 2)):
        low, high = 2 ** (n - 1) * seconds, 2 ** n * seconds
        this = broker.wait_session(last.number, high + SLACK + 5, accepted=False)
        t.need(metric, this, f"no retry {n} within {high} s")
        in_range(t, metric, f"retry {n}", this.connect.at - last.closed_at, low, high)
        last = this
    broker.reset_rules()
    t.ctl.transport.connect(8 * seconds + 10)


@case("11.7", "The broker's keep alive wins", metrics=2, transports=MQTT5, fresh=True)
def keep_alive(t):
    # R-MQTT.14
    seconds = t.scaled(30, 4)
    set_client(t, "KeepAliveTime=60")
    settle(t)
    rules(t, on_connect=lambda session, packet: Connack(props={"server_keep_alive": seconds}))
    session = reboot(t, 1)
    t.eq(1, "keep alive of the CONNECT", session.connect.keep_alive, 60)
    restored(t)
    # The deadline counts from the last packet of the agent, whichever that is.
    ping = session.wait(mq.PINGREQ, 3 * seconds + SLACK)
    t.need(2, ping, f"no PINGREQ within {3 * seconds} s")
    last = max(p.at for p in session.packets if p.at < ping.at)
    t.ok(2, ping.at - last <= 1.5 * seconds + 0.1, f"PINGREQ {ping.at - last:.2f} s after the packet before it")


@case("11.8", "SUBSCRIBE for the topics of the CONNACK", metrics=3, transports=MQTT5, fresh=True)
def subscribe_contents(t):
    # R-MQTT.12, R-MQTT.15
    answer = Connack(props={"response_information": "given/reply"},
                     user=[("subscribe-topic", "given/one"), ("subscribe-topic", "given/two/#")])
    rules(t, on_connect=lambda session, packet: answer)
    session = reboot(t, 1)
    t.eq(1, "Request Response Information", session.connect.props.get("request_response_information"), 1)
    for metric, topic in ((2, "given/one"), (2, "given/two/#"), (3, "given/reply")):
        t.ok(metric, subscribe_packet(session, topic), f"no SUBSCRIBE with {topic}")


@case("11.9", "A new Subscription row", metrics=3, transports=MQTT,
      erratum="the Set's path lacks its last dot; on MQTT 3.1.1 the row's topic ends in /#")
def new_subscription(t):
    # R-MQTT.34
    path, _ = add_topic(t, 1, "newTopic-11-9")
    get_via(t, 2, "newTopic-11-9", path)
    session = t.lane.broker.current()
    resp = t.response(3, t.ctl.request(set_((path.rstrip("."), "!Enable=false"))), "set_resp")
    t.need(3, [status_of(r)[0] for r in resp.updated_obj_results] == ["oper_success"], f"Set failed: {resp}")
    topic = row_topic(t, "newTopic-11-9")
    packet = session.wait(mq.UNSUBSCRIBE, 10, lambda p: topic in [f for f, _ in p.filters])
    t.ok(3, packet, f"no UNSUBSCRIBE of {topic} within 10 s")


def _no_topics(lane):
    """No topic of its own: at first the broker names one, so that the agent can be told to reboot."""
    for name in [n for n in lane.agent.factory if n.startswith(CLIENT + "Subscription.")
                 or n.endswith(".ResponseTopicConfigured")]:
        del lane.agent.factory[name]
    lane.broker.on_connect = lambda session, packet: Connack(
        props={"response_information": AGENT_TOPIC}, user=[("subscribe-topic", AGENT_TOPIC)])


@case("11.10", "No topic at all", metrics=1, transports=MQTT5, fresh=True, setup=_no_topics,
      erratum="ResponseTopicConfigured is empty too: else R-MQTT.15 and R-MQTT.16 disagree")
def no_topic(t):
    t.lane.broker.reset_rules()
    session = reboot(t, 1)
    t.need(1, session.wait(mq.DISCONNECT, 10), "no DISCONNECT within 10 s")
    t.ok(1, not session.of(mq.PUBLISH), "it published before that")


@case("11.11", "All subscriptions refused", metrics=2, transports=MQTT, fresh=True,
      erratum="the Periodic! subscription is made persistent, or it would not outlive the reboot")
def refused(t):
    # R-MQTT.17
    interval = t.scaled(60, 2)
    t.ctl.set(t.lane.row, PeriodicNotifInterval=interval)
    t.ctl.subscribe("periodic-11", "Event", "Device.LocalAgent.Periodic!", Persistent=True)
    code = 0x87 if v5(t) else 0x80
    rules(t, on_subscribe=lambda session, packet: [code] * len(packet.filters))
    mark = t.lane.connection()
    session = reboot(t, 1)
    t.need(1, session.wait(mq.SUBSCRIBE, 10), "no SUBSCRIBE within 10 s")
    t.ok(1, session.wait(mq.DISCONNECT, 10), "no DISCONNECT within 10 s")
    t.ctl.silence(lambda n: False, t.scaled(120, 6))
    for one in t.lane.broker.sessions[mark:]:
        for packet in one.of(mq.PUBLISH):
            t.ok(2, False, f"PUBLISH to {packet.topic}")
    t.checked.add(2)


@case("11.12", "PUBLISH contents", metrics=4, transports=MQTT, fresh=True,
      erratum="metrics 2 and 4 are for MQTT 5.0, 3 for MQTT 3.1.1")
def publish_contents(t):
    # R-MQTT.18, R-MQTT.19, R-MQTT.21 to R-MQTT.24, R-MQTT.27
    reply = "given/reply-11-12" if v5(t) else AGENT_TOPIC
    rules(t, on_connect=lambda session, packet: Connack(props={"response_information": reply} if v5(t) else {}))
    reboot(t, 1)
    restored(t)
    get(t, 1, "Device.DeviceInfo")
    _, packet = t.ctl.transport.published[-1]
    if v5(t):
        t.eq(2, "Response Topic", packet.props.get("response_topic"), reply)
        t.eq(4, "Content Type", packet.props.get("content_type"), "usp.msg")
        t.checked.add(3)
    else:
        t.checked.update((2, 4))
        t.eq(3, "topic", packet.topic, f"{CONTROLLER_TOPIC}/reply-to={reply.replace('/', '%2F')}")


@case("11.13", "Subscriptions with QoS 0 and QoS 1", metrics=2, transports=MQTT,
      erratum="on MQTT 3.1.1 both topics end in /#")
def qos(t):
    # R-MQTT.20
    for metric, level in ((1, 0), (2, 1)):
        name = f"newTopic-11-13-QoS{level}"
        path, packet = add_topic(t, metric, name, f"QoS={level}")
        t.eq(metric, f"QoS of the SUBSCRIBE for {name}", dict(packet.filters)[row_topic(t, name)], level)
        get_via(t, metric, name, path)


@case("11.14", "The controller's reply topic is used", metrics=2, transports=MQTT,
      erratum="metric 1 is for MQTT 5.0, 2 for MQTT 3.1.1")
def reply_topic(t):
    # R-MQTT.25, R-MQTT.26
    transport = t.ctl.transport
    t.undo(lambda: setattr(transport, "topic", CONTROLLER_TOPIC))
    transport.topic = "usp/another/reply"
    get(t, 1 if v5(t) else 2, "Device.DeviceInfo")
    session, packet = transport.published[-1]
    if v5(t):
        t.eq(1, "topic", packet.topic, transport.topic)
        own = packet.props.get("response_topic", "")
        t.ok(1, own and session.subscribed(own), f"Response Topic is {own!r}")
        t.checked.add(2)
    else:
        prefix = transport.topic + "/reply-to="
        t.need(2, packet.topic.startswith(prefix), f"topic is {packet.topic!r}")
        own = packet.topic[len(prefix):]
        t.ok(2, own and "/" not in own and session.subscribed(own.replace("%2F", "/")), f"reply topic is {own!r}")
        t.checked.add(1)


@case("11.15", "Both content types are accepted", metrics=1, transports=MQTT5)
def content_type(t):
    # R-MQTT.27a
    transport = t.ctl.transport
    t.undo(lambda: setattr(transport, "content_type", "usp.msg"))
    for kind in ("usp.msg", "application/vnd.bbf.usp.msg"):
        transport.content_type = kind
        get(t, 1, "Device.DeviceInfo")


@case("11.16", "Connection retry after the broker ends the session", metrics=1, transports=MQTT,
      erratum="MQTT 3.1.1 has no DISCONNECT of the server: there the connection is closed")
def reconnect(t):
    # R-MQTT.33
    seconds = retry_time(t)
    broker, mark = t.lane.broker, t.lane.connection()
    session = broker.current()
    session.disconnect()
    session.wait_closed()
    again = broker.wait_session(mark, 2 * seconds + SLACK + 5)
    t.need(1, again, f"no CONNECT within {2 * seconds} s")
    in_range(t, 1, "CONNECT", again.connect.at - session.closed_at, seconds, 2 * seconds)
    restored(t)


@case("11.17", "The connect record", metrics=1, transports=MQTT)
def connect_record(t):
    # R-MTP.6
    before = len(t.ctl.records)
    session = reboot(t, 1)
    record = t.ctl.record("mqtt_connect", 30, before)
    t.need(1, record, "no MQTTConnectRecord within 30 s")
    kinds = usp.record_pb.MQTTConnectRecord
    t.eq(1, "version", kinds.MQTTVersion.Name(record.mqtt_connect.version), "V5" if v5(t) else "V3_1_1")
    topic = record.mqtt_connect.subscribed_topic
    t.ok(1, topic and session.subscribed(topic), f"subscribed_topic {topic!r} is not among {list(session.filters)}")
    restored(t)
