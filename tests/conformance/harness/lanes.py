# SPDX-License-Identifier: BSD-3-Clause
"""The test bed: one agent, one transport, the controller on the other end of it.

A lane is used by one process. Its agent serves all cases that leave it as they found it; a case that changes more asks
for a fresh one. "Reboot" is Device.Reboot(): the program executes itself anew, every connection ends and comes back.
"""

import pathlib
import time

from hptest import transports, usp, wspeer
from hptest.agent import FULL_ACCESS, Agent
from hptest.pki import Pki
from hptest.process import TestTimeout, free_port, wait_until

from . import mqttwire as mq
from .broker import Broker
from .controller import Controller

CONTROLLER_ID, SECOND_ID = "self::conformance", "self::conformance-second"
AGENT_TOPIC, CONTROLLER_TOPIC, SECOND_TOPIC = "usp/agent", "usp/controller", "usp/second"
CONTROLLERS = "Device.LocalAgent.Controller."


class BrokerTransport(transports.Transport):
    """A controller inside the scripted broker. Every field may be changed by a test, between two messages."""

    def __init__(self, broker, topic, agent_topic=AGENT_TOPIC):
        super().__init__()
        self.broker, self.topic, self.agent_topic = broker, topic, agent_topic
        self.content_type = "usp.msg"
        self.qos = 1
        self.published = []         # (session, PUBLISH packet) of every record received
        self._listening = False

    def connect(self, timeout=10):
        if not self._listening:
            self._listening = True
            self.broker.listeners.append(self._take)
        if not self.broker.wait_for(lambda: self.connected, timeout):
            raise TestTimeout(f"the agent does not subscribe to {self.agent_topic} within {timeout} s")

    @property
    def connected(self):
        session = self.broker.current()
        return bool(session and session.subscribed(self.request_topic(session)))

    def request_topic(self, session):
        if session.version == mq.V5:
            return self.agent_topic
        return f"{self.agent_topic}/reply-to={self.topic.replace('/', '%2F')}"

    def send(self, data):
        session = self.broker.current()
        if session is None:
            raise OSError("the agent is not connected to the broker")
        props = {}
        if session.version == mq.V5:
            props = {"response_topic": self.topic, "content_type": self.content_type}
        if not self.broker.publish(self.request_topic(session), data, self.qos, props):
            raise OSError(f"the agent has no subscription for {self.request_topic(session)}")

    def _take(self, session, packet):
        mine = packet.topic == self.topic
        if session.version != mq.V5:
            mine = mine or packet.topic.startswith(self.topic + "/reply-to=")
        if mine:
            self.published.append((session, packet))
            self.inbox.put(packet.payload)

    def close(self):
        if self._listening:
            self._listening = False
            self.broker.listeners.remove(self._take)

    def connect_record(self, record):
        record.mqtt_connect.version = usp.record_pb.MQTTConnectRecord.V5
        record.mqtt_connect.subscribed_topic = self.topic


class Lane:
    name = ""

    def __init__(self, workdir, configure=None):
        self.dir = pathlib.Path(workdir)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.agent = Agent(self.dir)
        self.endpoint_id = self.agent.endpoint_id
        self.ctl = None
        self.row = None             # Device.LocalAgent.Controller.<n>. of our controller
        self.alias = None
        self.keep = {}              # what a case's setup function wants its case to find
        self._second = None
        self._supported = None
        self._stoppers = []
        self.prepare()
        self.row_in_factory = self.agent.controller(CONTROLLER_ID)
        self.agent.put(self.row_in_factory, USPNotifRetryMinimumWaitInterval=5, USPNotifRetryIntervalMultiplier=2000)
        if configure:
            configure(self)

    # -- what each transport defines

    def prepare(self):
        """Fills the agent's configuration and makes self.ctl."""
        raise NotImplementedError

    def second_mtp(self):
        """({parameter: value} for the MTP row of a second controller, the transport that will serve it)."""
        raise NotImplementedError

    def secure(self):
        """Before the start: certificates, and TLS on both ends."""
        raise NotImplementedError

    def tls_versions(self, mark=0):
        """Of the connections after that one; None for one without TLS."""
        raise NotImplementedError

    def pki(self):
        """A certification authority that the agent trusts, and a certificate for the agent."""
        pki = Pki(self.dir / "pki")
        self.agent.tls(pki.ca_file, *pki.issue("agent", uris=[f"urn:bbf:usp:id:{self.endpoint_id}"]))
        return pki

    def connection(self):
        """A number that grows with each connection of the agent, where that can be counted."""
        raise NotImplementedError

    def reconnected(self, number, timeout):
        """Waits for a connection after that one; raises TestTimeout."""
        raise NotImplementedError

    # -- life

    def start(self):
        self.agent.start()
        self.ctl.connect(15)
        self.learn()
        return self

    def stop(self):
        """The agent's exit status after SIGTERM."""
        try:
            return self.agent.stop()
        finally:
            for controller in (self.ctl, self._second):
                if controller:
                    controller.stop()
            for stop in self._stoppers:
                stop()

    def on_stop(self, action):
        self._stoppers.append(action)

    def learn(self):
        """Our own row in the agent's Controller table."""
        rows = self.ctl.instances(CONTROLLERS, first_level_only=True)
        self.row = next(path for path, keys in rows.items() if keys.get("EndpointID") == CONTROLLER_ID)
        self.alias = self.ctl.get(self.row + "Alias")[self.row + "Alias"]

    def lives(self):
        """How often the program has begun: one line of its log each."""
        return self.agent.output().count(f"ready endpoint={self.endpoint_id}")

    def mark(self):
        """Names the agent's present life, for back()."""
        return self.lives(), self.connection()

    def back(self, mark, timeout=20):
        """Waits until the agent has begun anew and is connected again; raises TestTimeout."""
        lives, number = mark
        self.restarted(lives, timeout)
        self.reconnected(number, timeout)

    def restarted(self, lives, timeout=20):
        wait_until(lambda: self.lives() > lives, timeout, "the agent restarts")

    def reboot(self, timeout=20, send_resp=False, key="reboot"):
        """Device.Reboot() and the wait for the agent's return. What a broker or server scripted for then happens."""
        mark = self.mark()
        self.ctl.send(usp.operate("Device.Reboot()", command_key=key, send_resp=send_resp))
        self.back(mark, timeout)

    # -- what a case may ask

    def supported(self):
        """The supported data model: every object, parameter, command and event path, with {i}."""
        if self._supported is None:
            msg = usp.get_supported_dm("Device.", commands=True, events=True, params=True, keys=True)
            answer = self.ctl.must(msg, 20)
            self._supported = set()
            for result in answer.req_obj_results:
                for obj in result.supported_objs:
                    path = obj.supported_obj_path
                    self._supported.add(path)
                    self._supported.update(path + p.param_name for p in obj.supported_params)
                    self._supported.update(path + c.command_name for c in obj.supported_commands)
                    self._supported.update(path + e.event_name for e in obj.supported_events)
        return self._supported

    def snapshot(self):
        """Rows that cases make, and the values of our own row: the same before and after each case."""
        rows = {path for path in self.ctl.instances("Device.LocalAgent.")
                if not path.startswith("Device.LocalAgent.Request.")}
        if "Device.MQTT.Client.{i}.Subscription.{i}." in self.supported():
            rows |= set(self.ctl.instances("Device.MQTT.Client."))
        values = self.ctl.get(self.row, max_depth=1)
        return rows, values

    def second(self):
        """A second controller with full access, connected: (its Controller object, its row). Made on first use."""
        if self._second is None:
            params, transport = self.second_mtp()
            row = self.ctl.add(CONTROLLERS, EndpointID=SECOND_ID, Enable=True, AssignedRole=FULL_ACCESS)
            self.ctl.add(row + "MTP.", **{"Enable": True, **params})
            self._second = Controller(transport, SECOND_ID, self.endpoint_id)
            self._second.connect(15)
            self._second.row = row
        return self._second

    def drop_second(self):
        """Ends the second controller's side; its row is the case's business."""
        if self._second:
            self._second.stop()
            self._second = None


class MqttLane(Lane):
    name = "mqtt"
    version = "5.0"

    def prepare(self):
        self.broker = Broker()
        self.on_stop(self.broker.stop)
        self.agent.mqtt(self.broker.port, CONTROLLER_ID, CONTROLLER_TOPIC, AGENT_TOPIC, self.version,
                        username="gateway", password="secret")
        self.client = "Device.MQTT.Client.1."
        filters = AGENT_TOPIC if self.version == "5.0" else AGENT_TOPIC + "/#"
        self.agent.put(self.client + "Subscription.1.", Topic=filters)
        self.agent.put(self.client, ConnectRetryTime=5, ConnectRetryIntervalMultiplier=2000)
        self.agent.factory.pop("Device.LocalAgent.Controller.1.MTP.1.MQTT.PublishQoS", None)
        self.ctl = Controller(BrokerTransport(self.broker, CONTROLLER_TOPIC), CONTROLLER_ID, self.endpoint_id)

    def second_mtp(self):
        return ({"Protocol": "MQTT", "MQTT.Topic": SECOND_TOPIC, "MQTT.AgentMTPReference": "Device.LocalAgent.MTP.1"},
                BrokerTransport(self.broker, SECOND_TOPIC))

    def secure(self):
        self.broker.set_tls(self.pki().issue("broker"))
        self.agent.put(self.client, TransportProtocol="TLS", BrokerAddress="localhost")

    def tls_versions(self, mark=0):
        return [None] * self.broker.plain + [s.tls_version for s in self.broker.sessions[mark:]]

    def connection(self):
        return len(self.broker.sessions)

    def reconnected(self, number, timeout):
        if not self.broker.wait_session(number, timeout):
            raise TestTimeout(f"the agent does not connect to the broker again within {timeout} s")
        self.ctl.transport.connect(timeout)


class Mqtt311Lane(MqttLane):
    name = "mqtt311"
    version = "3.1.1"


class WebSocketLane(Lane):
    """The agent connects to the controller's server (R-WS.5)."""
    name = "websocket"

    def prepare(self):
        self.port = free_port()
        self.agent.ws_controller(self.port, CONTROLLER_ID)
        self.agent.ws_server(CONTROLLER_ID)         # so that Device.LocalAgent.MTP. has a row, as on a gateway
        self.ctl = Controller(self._server(self.port, CONTROLLER_ID), CONTROLLER_ID, self.endpoint_id)

    def _server(self, port, endpoint_id):
        return wspeer.PeerServerTransport(port, endpoint_id=endpoint_id)

    def second_mtp(self):
        port = free_port()
        return ({"Protocol": "WebSocket", "WebSocket.Host": "127.0.0.1", "WebSocket.Port": port,
                 "WebSocket.Path": "/usp", "WebSocket.EnableEncryption": False}, self._server(port, SECOND_ID))

    def secure(self):
        pki = self.pki()
        self.peer.use_tls((pki.ca_file, *pki.issue("controller", uris=[f"urn:bbf:usp:id:{CONTROLLER_ID}"])))
        self.agent.put(self.row_in_factory + "MTP.1.WebSocket.", EnableEncryption=True, Host="localhost")

    def tls_versions(self, mark=0):
        return [None] * self.peer.plain + [s.tls_version for s in self.peer.sessions[mark:]]

    @property
    def peer(self):
        """The scripted server of our controller."""
        return self.ctl.transport.peer

    def connection(self):
        return self.ctl.transport.attempts

    def reconnected(self, number, timeout):
        transport = self.ctl.transport
        wait_until(lambda: transport.attempts > number and transport.connected, timeout,
                   "the agent connects to the WebSocket server again")


class WebSocketServerLane(Lane):
    """The controller connects to the agent's server (R-WS.6)."""
    name = "websocket-server"

    def prepare(self):
        self.where = self.agent.ws_server(CONTROLLER_ID)
        self.agent.put("Device.LocalAgent.Controller.1.MTP.1.", Enable=True, Protocol="WebSocket")
        self.ctl = Controller(self._transport(CONTROLLER_ID), CONTROLLER_ID, self.endpoint_id)

    def _transport(self, endpoint_id):
        return wspeer.PeerClientTransport(**{**self.where, "endpoint_id": endpoint_id})

    def second_mtp(self):
        return {"Protocol": "WebSocket"}, self._transport(SECOND_ID)

    def secure(self):
        pki = self.pki()
        self.agent.put("Device.LocalAgent.MTP.1.WebSocket.", EnableEncryption=True)
        self.ctl.transport.tls = (pki.ca_file, *pki.issue("controller", uris=[f"urn:bbf:usp:id:{CONTROLLER_ID}"]))

    def tls_versions(self, mark=0):
        return [self.ctl.transport.session.tls_version]

    def connection(self):
        return 0

    def reconnected(self, number, timeout):
        wait_until(lambda: not self.ctl.transport.connected, timeout, "the agent ends the WebSocket session")
        self.ctl.transport.connect(timeout)


class UdsLane(Lane):
    name = "uds"

    def prepare(self):
        self.path = self.agent.uds(CONTROLLER_ID)["path"]
        self.agent.put("Device.LocalAgent.Controller.1.MTP.1.", Enable=True, Protocol="UDS",
                       UDS__UnixDomainSocketRef="Device.UnixDomainSockets.UnixDomainSocket.1")
        self.ctl = Controller(transports.UdsTransport(self.path, CONTROLLER_ID), CONTROLLER_ID, self.endpoint_id)

    def second_mtp(self):
        return ({"Protocol": "UDS", "UDS.UnixDomainSocketRef": "Device.UnixDomainSockets.UnixDomainSocket.1"},
                transports.UdsTransport(self.path, SECOND_ID))

    def connection(self):
        return 0

    def reconnected(self, number, timeout):
        end = time.monotonic() + timeout
        transport = self.ctl.transport
        wait_until(lambda: not transport.connected, timeout, "the agent closes the UNIX socket connection")
        while not (transport.connected and transport.peer_id):
            transport.close()
            transport.connect(max(0.1, end - time.monotonic()))


LANES = {lane.name: lane for lane in (MqttLane, Mqtt311Lane, WebSocketLane, WebSocketServerLane, UdsLane)}
