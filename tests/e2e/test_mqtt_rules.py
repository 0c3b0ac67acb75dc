# SPDX-License-Identifier: BSD-3-Clause
"""Rules of the MQTT binding (R-MQTT.*) and parameters of Device.MQTT. that TP-469 has no case for, packet by packet: the
broker is the scripted one of the conformance runner."""

import pathlib
import sys

from hptest import Cleanup, scenario, usp, wait_until
from hptest.process import TestTimeout

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "conformance"))
from harness import mqttwire as mq  # noqa: E402
from harness.broker import Connack  # noqa: E402
from harness.lanes import AGENT_TOPIC, CONTROLLER_TOPIC, Mqtt311Lane, MqttLane  # noqa: E402

AGENT = ("homepatchd",)
CLIENT = "Device.MQTT.Client.1."
LOCAL = "Device.LocalAgent.MTP.1."


class Site:
    """An agent on a scripted broker, and its controller."""

    def __init__(self, directory, lane=MqttLane, **client):
        self.cleanup = Cleanup()
        self.lane = lane(directory / "lane", lambda lane: lane.agent.put(CLIENT, **client) if client else None)
        self.broker, self.agent = self.lane.broker, self.lane.agent
        self.cleanup.add(self.lane)

    def start(self):
        self.lane.start()
        self.ctl = self.lane.ctl
        self.row = self.lane.row + "MTP.1.MQTT."
        return self

    def stop(self):
        self.cleanup.run()

    @property
    def session(self):
        return self.broker.current()

    def again(self, act):
        """act(), and the agent's next session with the broker."""
        number = len(self.broker.sessions)
        act()
        session = self.broker.wait_session(number, 15)
        assert session, "the agent does not connect again"
        self.ctl.transport.connect(15)
        return session

    def reconnect(self):
        return self.again(lambda: self.ctl.operate(CLIENT + "ForceReconnect()"))

    def same_session(self, act):
        """act() does not end the session: the agent answers on it, and no CONNECT comes within a while."""
        number = len(self.broker.sessions)
        act()
        self.ctl.get("Device.LocalAgent.UpTime")
        assert not self.broker.wait_session(number, 1, accepted=False), "the agent connected anew"

    def published(self):
        """The PUBLISH of the last record that the controller received."""
        return self.ctl.transport.published[-1][1]


def site(lane=MqttLane, **client):
    """A scenario with a Site."""
    def wrap(function):
        def run(directory):
            bench = Site(directory, lane, **client)
            try:
                function(bench)
            finally:
                bench.stop()
        run.__name__, run.__module__ = function.__name__, function.__module__
        return scenario(needs=AGENT)(run)
    return wrap


# -- what ends a session, and what does not (TR-181: next CONNECT, or ForceReconnect())

@site()
def settings_wait_for_the_next_connection(s):
    s.start()
    later = {"ConnectRetryTime": 7, "ConnectRetryIntervalMultiplier": 3000, "ConnectRetryMaxInterval": 100,
             "KeepAliveTime": 77, "CleanStart": False, "SessionExpiryInterval": 1000, "ReceiveMaximum": 9,
             "MaximumPacketSize": 70000, "RequestProblemInfo": False, "ClientID": "chosen", "Name": "uplink",
             "MessageRetryTime": 9, "WillTopic": "will/topic", "WillValue": "gone", "PublishMessageExpiryInterval": 60}
    s.same_session(lambda: s.ctl.set(CLIENT, **later))
    packet = s.reconnect().connect
    assert packet.keep_alive == 77 and not packet.clean and packet.client_id == "chosen", packet
    assert packet.props["session_expiry_interval"] == 1000 and packet.props["receive_maximum"] == 9
    assert packet.props["maximum_packet_size"] == 70000 and packet.props["request_problem_information"] == 0
    assert packet.will is None, "WillEnable is false"
    # A connection that the broker ends has the newest settings, too.
    s.ctl.set(CLIENT, KeepAliveTime=66, ConnectRetryTime=1, ConnectRetryIntervalMultiplier=1000)
    packet = s.again(lambda: s.session.disconnect()).connect
    assert packet.keep_alive == 66, packet


@site()
def rows_beside_leave_the_session_alone(s):
    s.start()
    s.same_session(lambda: s.ctl.set(LOCAL + "MQTT.", PublishQoS=0))
    assert s.published().qos == 0
    s.same_session(lambda: s.ctl.set(s.row, PublishRetainNotify=True))


@site()
def addresses_end_the_session(s):
    """The answer to the Set goes out on the old session, a Disconnect record (R-MTP.7) and DISCONNECT follow."""
    s.start()
    old = s.session
    s.again(lambda: s.ctl.set(CLIENT, Username="another"))
    assert s.session.connect.username == "another"
    assert old.wait(mq.DISCONNECT, 10), "no DISCONNECT (R-MQTT.35)"
    assert s.ctl.wait_record("disconnect", 10)
    stats = CLIENT + "Stats."
    assert int(s.ctl.value(stats + "PublishSent")) > 0
    s.again(lambda: s.ctl.set(CLIENT, BrokerAddress="localhost"))
    # Stats. begin anew with another broker: only what was sent since then.
    assert int(s.ctl.value(stats + "SubscribeSent")) == 1


@site()
def force_reconnect_answers_first(s):
    s.start()
    old = s.session
    answer = s.ctl.operate(CLIENT + "ForceReconnect()")
    assert list(answer.values()) == [("output", {})], answer
    assert old.wait_closed(10) and old.wait(mq.DISCONNECT, 1)


# -- CONNECT

@site(WillEnable=True, WillTopic="will/topic", WillValue="gone", WillQoS=1, WillRetain=True, WillDelayInterval=9,
      WillMessageExpiryInterval=90, WillContentType="text/plain", WillResponseTopic="will/answer")
def last_will(s):
    s.start()
    will = s.session.connect.will
    assert (will.topic, will.payload, will.qos, will.retain) == ("will/topic", b"gone", 1, True)
    assert will.props == {"will_delay_interval": 9, "message_expiry_interval": 90, "content_type": "text/plain",
                          "response_topic": "will/answer"}, will.props
    s.ctl.set(CLIENT, WillDelayInterval=0, WillMessageExpiryInterval=0, WillContentType="", WillResponseTopic="")
    assert s.reconnect().connect.will.props == {}
    s.ctl.set(CLIENT, WillEnable=False)
    assert s.reconnect().connect.will is None


@site(lane=Mqtt311Lane, WillEnable=True, WillTopic="will/topic", WillValue="gone", WillContentType="text/plain")
def last_will_of_3_1_1(s):
    s.start()
    will = s.session.connect.will
    assert (will.topic, will.payload, will.qos, will.retain, will.props) == ("will/topic", b"gone", 0, False, {})


@site()
def last_will_without_a_topic(s):
    """TR-181: Error_Misconfigured, from the next connection on. Another transport sees it."""
    where = s.agent.uds("self::admin")
    s.start()
    from hptest import Controller, UdsTransport
    admin = s.cleanup.add(Controller(UdsTransport(**where), "self::admin").connect())
    s.same_session(lambda: s.ctl.set(CLIENT, WillEnable=True, WillTopic="will/topic"))
    assert admin.value(CLIENT + "Status") == "Connected"
    old = s.session
    s.ctl.send(usp.operate(CLIENT + "ForceReconnect()"))
    assert old.wait_closed(10)
    wait_until(lambda: admin.value(CLIENT + "Status") == "Error_Misconfigured", 10, "the will lacks a value")
    admin.set(CLIENT, WillValue="gone")
    s.ctl.transport.connect(10)
    assert s.session.connect.will.payload == b"gone"


@site()
def user_properties(s):
    s.start()
    table = CLIENT + "UserProperty."
    old = s.session
    everywhere = "CONNECT,PUBLISH,SUBSCRIBE,UNSUBSCRIBE,DISCONNECT,WILL"
    row = s.ctl.add(table, Enable=True, Name="home", Value="patch", PacketType=everywhere)
    s.ctl.add(table, Enable=False, Name="off", Value="x", PacketType=everywhere)
    mine = [("home", "patch")]
    s.ctl.get("Device.LocalAgent.UpTime")
    assert s.published().user == mine, "PUBLISH"
    topic = s.ctl.add(CLIENT + "Subscription.", Enable=True, Topic="another/topic", QoS=1)
    packet = old.wait(mq.SUBSCRIBE, 10, lambda p: p.filters == [("another/topic", 1)])
    assert packet and packet.user == mine, "SUBSCRIBE"
    s.ctl.set(topic, Enable=False)
    assert old.wait(mq.UNSUBSCRIBE, 10).user == mine, "UNSUBSCRIBE"
    s.ctl.set(CLIENT, WillEnable=True, WillTopic="w", WillValue="v")
    packet = s.reconnect().connect
    assert packet.user == [("usp-endpoint-id", s.lane.endpoint_id), *mine], "CONNECT"       # R-MQTT.13
    assert packet.will.user == mine, "WILL"
    assert old.wait(mq.DISCONNECT, 10).user == mine, "DISCONNECT"
    s.ctl.set(row, PacketType="CONNECT")
    s.ctl.get("Device.LocalAgent.UpTime")
    assert s.published().user == []
    s.ctl.delete(row)
    assert s.reconnect().connect.user == [("usp-endpoint-id", s.lane.endpoint_id)]


@site()
def values_that_cannot_be_kept(s):
    """What would have no effect, or another one, is refused."""
    s.start()
    for path, name, value in ((CLIENT, "KeepAliveTime", 4), (CLIENT, "TopicAliasMaximum", 10),
                              (LOCAL + "MQTT.", "ResponseTopicConfigured", "usp/+/x")):
        answer = s.ctl.request(usp.set_({path: {name: value}}))
        text = str(answer)
        assert "7012" in text or "err_code" in text, f"{name}={value} was taken: {text}"
        assert s.ctl.value(path + name) != str(value)
    s.ctl.set(CLIENT, KeepAliveTime=0)


def _secure(lane):
    lane.secure()
    lane.broker.context.set_alpn_protocols(["x-amzn-mqtt-ca", "mqtt"])
    lane.agent.put(CLIENT, ALPN="mqtt,other")


@scenario(needs=AGENT)
def alpn(directory):
    bench = Site(directory)
    _secure(bench.lane)
    try:
        assert bench.start().session.sock.selected_alpn_protocol() == "mqtt"
    finally:
        bench.stop()


# -- SUBSCRIBE

@site()
def one_subscribe_for_all(s):
    """R-MQTT.15: configured filters always, those of the broker, and the response topic unless one covers it."""
    s.agent.put(CLIENT + "Subscription.2.", Enable=True, Topic="usp/#", QoS=1)
    s.agent.put(CLIENT + "Subscription.3.", Enable=True, Topic="zero", QoS=0)
    s.broker.on_connect = lambda session, packet: Connack(
        props={"response_information": "given/by/broker"}, user=[("subscribe-topic", "given/+/broker"),
                                                                  ("subscribe-topic", "usp/agent")])
    s.start()
    packets = s.session.of(mq.SUBSCRIBE)
    assert [sorted(p.filters) for p in packets] == [
        [("zero", 0)], [("given/+/broker", 1), ("usp/#", 1), ("usp/agent", 1)]], packets
    statuses = s.ctl.get(CLIENT + "Subscription.*.Status").values()
    assert set(statuses) == {"Subscribed"}, statuses
    # R-MQTT.21, and what TR-181 says is a copy of it.
    assert s.published().props["response_topic"] == "given/by/broker"
    assert s.ctl.value(LOCAL + "MQTT.ResponseTopicDiscovered") == "given/by/broker"
    assert s.ctl.value(CLIENT + "ResponseInformation") == "given/by/broker"


@site()
def subscription_rows_follow(s):
    """Another topic is an UNSUBSCRIBE and a SUBSCRIBE (R-MQTT.34), another QoS a SUBSCRIBE, on the session that is open."""
    s.start()
    row = s.ctl.add(CLIENT + "Subscription.", Enable=True, Topic="one", QoS=0)
    assert s.session.wait(mq.SUBSCRIBE, 10, lambda p: p.filters == [("one", 0)])
    s.ctl.set(row, QoS=1)
    assert s.session.wait(mq.SUBSCRIBE, 10, lambda p: p.filters == [("one", 1)])
    s.ctl.set(row, Topic="two")
    assert s.session.wait(mq.UNSUBSCRIBE, 10, lambda p: [f for f, _ in p.filters] == ["one"])
    assert s.session.wait(mq.SUBSCRIBE, 10, lambda p: p.filters == [("two", 1)])
    wait_until(lambda: s.ctl.value(row + "Status") == "Subscribed", 10, "the topic is subscribed")
    s.ctl.delete(row)
    assert s.session.wait(mq.UNSUBSCRIBE, 10, lambda p: [f for f, _ in p.filters] == ["two"])
    assert len(s.broker.sessions) == 1


@site(lane=Mqtt311Lane)
def covered_response_topic_of_3_1_1(s):
    """usp/agent/# is there already, or more: no second subscription, so no message comes twice."""
    s.start()
    assert [f for p in s.session.of(mq.SUBSCRIBE) for f in p.filters] == [(AGENT_TOPIC + "/#", 1)]
    s.ctl.set(CLIENT + "Subscription.1.", Topic="usp/#")
    assert [f for p in s.reconnect().of(mq.SUBSCRIBE) for f in p.filters] == [("usp/#", 1)]
    assert s.published().topic == f"{CONTROLLER_TOPIC}/reply-to=usp%2Fagent"


@site(lane=Mqtt311Lane)
def response_topic_from_a_filter(s):
    """R-MQTT.22: with nothing configured, what topic/# begins with is a topic to be answered on."""
    del s.agent.factory[LOCAL + "MQTT.ResponseTopicConfigured"]
    s.start()
    assert s.published().topic == f"{CONTROLLER_TOPIC}/reply-to=usp%2Fagent"


@site()
def client_without_records(s):
    """R-MQTT.16 is for clients that carry records: one that does not stays connected without topics."""
    from harness.broker import Broker
    other = s.cleanup.add(Broker())
    s.agent.put("Device.MQTT.Client.2.", Enable=True, BrokerAddress="127.0.0.1", BrokerPort=other.port)
    s.start()
    session = other.wait_session(0, 10)
    wait_until(lambda: s.ctl.value("Device.MQTT.Client.2.Status") == "Connected", 10, "the second client connects")
    assert session.open and not session.of(mq.SUBSCRIBE) and not session.of(mq.DISCONNECT)


# -- PUBLISH

@site()
def retained_answers_and_notifications(s):
    s.start()
    s.ctl.get("Device.LocalAgent.UpTime")
    assert not s.published().retain
    s.ctl.set(s.row, PublishRetainResponse=True)
    s.ctl.get("Device.LocalAgent.UpTime")
    assert s.published().retain, "PublishRetainResponse"
    s.ctl.subscribe("retained", "ValueChange", "Device.LocalAgent.Controller.1.ProvisioningCode")
    s.ctl.set(s.lane.row, ProvisioningCode="one")
    s.ctl.wait_notify(lambda n: n.subscription_id == "retained")
    flags = {bool(p.retain) for _, p in s.ctl.transport.published if b"retained" in p.payload and b"one" in p.payload}
    assert flags == {False}, "a notification is retained"
    s.ctl.forget()
    s.ctl.set(s.row, PublishRetainResponse=False, PublishRetainNotify=True)
    s.ctl.set(s.lane.row, ProvisioningCode="two")
    s.ctl.wait_notify(lambda n: n.subscription_id == "retained")
    flags = {bool(p.retain) for _, p in s.ctl.transport.published if b"retained" in p.payload and b"two" in p.payload}
    assert flags == {True}, "PublishRetainNotify"
    # TR-181: not when the broker does not retain.
    s.broker.on_connect = lambda session, packet: Connack(props={"retain_available": 0})
    s.reconnect()
    s.ctl.set(s.lane.row, ProvisioningCode="three")
    s.ctl.wait_notify(lambda n: n.subscription_id == "retained" and n.value_change.param_value == "three")
    flags = {bool(p.retain) for _, p in s.ctl.transport.published if b"retained" in p.payload and b"three" in p.payload}
    assert flags == {False}, "retained, though the broker does not"


@site(PublishMessageExpiryInterval=300)
def limits_of_the_broker(s):
    """Maximum QoS lowers ours (TR-181, PublishQoS); a packet above Maximum Packet Size is not sent; both stay connected."""
    s.broker.on_connect = lambda session, packet: Connack(props={"maximum_qos": 0, "maximum_packet_size": 4000})
    s.start()
    s.ctl.get("Device.LocalAgent.UpTime")
    assert s.published().qos == 0 and s.published().props["message_expiry_interval"] == 300
    number = len(s.broker.sessions)
    try:
        s.ctl.request(usp.get("Device."), timeout=1)
        raise AssertionError("an answer longer than the broker's maximum")
    except TestTimeout:
        pass
    s.ctl.get("Device.LocalAgent.UpTime")
    assert len(s.broker.sessions) == number
    assert int(s.ctl.value(CLIENT + "Stats.PublishErrors")) == 1


@site()
def disconnect_record_on_a_connection_that_stays(s):
    """R-MTP.8: a Connect record comes before anything else."""
    s.start()
    before = len(s.ctl.records)
    record = usp.Record(version="1.4", to_id=s.lane.endpoint_id, from_id=s.ctl.endpoint_id)
    record.disconnect.reason = "for now"
    s.ctl.send_record(record)
    s.ctl.get("Device.LocalAgent.UpTime")
    assert [r.WhichOneof("record_type") for r in s.ctl.records[before:]] == ["mqtt_connect"]


# -- versions

@site()
def controllers_of_another_version(s):
    """R-MQTT.26a: nothing is sent to a controller that says it uses another MQTT version, until it says otherwise."""
    s.start()
    s.ctl.subscribe("watch", "ValueChange", "Device.LocalAgent.Controller.1.ProvisioningCode")
    second = s.lane.second()

    def connect_record(version):
        record = usp.Record(version="1.4", to_id=s.lane.endpoint_id, from_id=s.ctl.endpoint_id)
        record.mqtt_connect.version = version
        record.mqtt_connect.subscribed_topic = CONTROLLER_TOPIC
        s.ctl.send_record(record)

    versions = usp.record_pb.MQTTConnectRecord
    where = s.agent.output
    connect_record(versions.V3_1_1)
    wait_until(lambda: "uses another MQTT version" in where(), 10, "the mismatch is logged")
    before = len(s.ctl.transport.published)
    second.set(s.lane.row, ProvisioningCode="told later")
    second.get("Device.LocalAgent.UpTime")
    assert len(s.ctl.transport.published) == before, "a record went to a controller of another version"
    connect_record(versions.V5)
    s.ctl.wait_notify(lambda n: n.subscription_id == "watch" and n.value_change.param_value == "told later")


@site(lane=Mqtt311Lane)
def message_of_3_1_1_without_a_reply_topic(s):
    """R-MQTT.26a: its sender uses another version; no way back is known, so it is ignored (R-MTP.5)."""
    s.start()
    before = len(s.ctl.transport.published)
    message = usp.get("Device.LocalAgent.UpTime")
    record = usp.wrap(message, s.lane.endpoint_id, s.ctl.endpoint_id).SerializeToString()
    assert s.broker.publish(AGENT_TOPIC + "/x", record, 1)
    wait_until(lambda: "uses another MQTT version" in s.agent.output(), 10, "the mismatch is logged")
    assert len(s.ctl.transport.published) == before
    s.ctl.get("Device.LocalAgent.UpTime")
