"""A gRPC server or client on grpcio (the C core), without a schema: messages are bytes.

grpcio_peer.py server            prints its port, serves until stdin closes, prints `cancelled PATH` lines
grpcio_peer.py client PORT       runs its calls against that port, prints a line of JSON each
"""

import json
import sys
import threading
from concurrent import futures

import grpc

SERVICE = "hopscope.test.Echo"
SERVING = b"\x08\x01"
STATUSES = {code.value[0]: code for code in grpc.StatusCode}


def say(line):
    print(line, flush=True)


def unary(request, context):
    context.send_initial_metadata((("x-echo-head", "here"),))
    context.set_trailing_metadata((("x-echo-trailer", "there"),))
    return request


def collect(requests, _context):
    return b"".join(requests)


def split(request, context):
    context.set_trailing_metadata((("x-echo-trailer", "there"),))
    for byte in request:
        yield bytes([byte])


def chat(requests, context):
    for request in requests:
        yield request


def fail(request, context):
    context.abort(STATUSES[request[0]], "as you wish: 100 % größer")


def hang(request, context):
    over = threading.Event()

    def ended():
        over.set()
        say("cancelled Hang")

    context.add_callback(ended)
    if request == b"begin":
        yield request
    over.wait(20)


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Collect": grpc.stream_unary_rpc_method_handler(collect),
        "Split": grpc.unary_stream_rpc_method_handler(split),
        "Chat": grpc.stream_stream_rpc_method_handler(chat),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Hang": grpc.unary_stream_rpc_method_handler(hang),
    }
    health = {"Check": grpc.unary_unary_rpc_method_handler(lambda _request, _context: SERVING)}
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(SERVICE, handlers),
            grpc.method_handlers_generic_handler("grpc.health.v1.Health", health),
        )
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    say(str(port))
    sys.stdin.read()
    server.stop(0)


def tell(name, **facts):
    say(json.dumps({"name": name, **facts}))


def failure(call):
    """Status of a call that must fail."""
    try:
        call()
    except grpc.RpcError as error:
        return {"status": error.code().name, "details": error.details()}
    return {"status": "OK", "details": ""}


def pairs(metadata):
    return {key: value for key, value in metadata if isinstance(value, str)}


def run(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        one = channel.unary_unary(f"/{SERVICE}/Unary")
        response, call = one.with_call(b"hello", metadata=(("x-sent", "by grpcio"),), timeout=10)
        head, trailers = pairs(call.initial_metadata()), pairs(call.trailing_metadata())
        tell("unary", response=response.decode(), head=head, trailers=trailers)
        large = bytes(1024 * 1024)
        tell("large", same=one(large, timeout=10) == large)
        ahead = [one.future(f"call {i}".encode(), timeout=10) for i in range(100)]
        tell("many", answered=sum(call.result() == f"call {i}".encode() for i, call in enumerate(ahead)))
        parts = (bytes([i]) * i for i in range(50))
        tell("collect", bytes=len(channel.stream_unary(f"/{SERVICE}/Collect")(parts, timeout=10)))
        messages = channel.unary_stream(f"/{SERVICE}/Split")(b"abc", timeout=10)
        tell("split", messages=[message.decode() for message in messages])
        tell("chat", messages=chat_in_turns(channel))
        fails = channel.unary_unary(f"/{SERVICE}/Fail")
        tell("fail", statuses=[failure(lambda: fails(bytes([code]), timeout=10)) for code in range(1, 17)])
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        tell("health", serving=check(b"", timeout=10) == SERVING)
        hang = channel.unary_stream(f"/{SERVICE}/Hang")
        tell("deadline", **failure(lambda: list(hang(b"begin", timeout=0.3))))
        stream = hang(b"begin", timeout=10)
        next(stream)
        stream.cancel()
        tell("cancel", **failure(lambda: next(stream)))


def chat_in_turns(channel):
    """Each message is sent when the one before was answered."""
    turn = threading.Semaphore(1)
    texts = [f"ping {i}" for i in range(10)]

    def requests():
        for text in texts:
            turn.acquire()
            yield text.encode()

    answers = []
    for answer in channel.stream_stream(f"/{SERVICE}/Chat")(requests(), timeout=10):
        answers.append(answer.decode())
        turn.release()
    return answers == texts


def once(port):
    """One call whose outcome is told, for failures on the way."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        tell("once", **failure(lambda: channel.unary_unary("/any.Service/Method")(b"x", timeout=10)))


if __name__ == "__main__":
    if sys.argv[1] == "server":
        serve()
    elif sys.argv[1] == "client":
        run(int(sys.argv[2]))
    else:
        once(int(sys.argv[2]))
