"""ClickHouse's engine (chdb) behind the little of its HTTP interface that the official client uses. Prints the port.
Arguments: port, folder."""
import gzip, re, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse
from chdb import session

engine = session.Session(sys.argv[2])
turn = threading.Lock()

class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self): self.answer(b'')
    def do_POST(self):
        if self.headers.get('transfer-encoding', '') == 'chunked':
            parts = []
            while (size := int(self.rfile.readline(), 16)) > 0:
                parts.append(self.rfile.read(size)); self.rfile.readline()
            self.rfile.readline()
            body = b''.join(parts)
        else:
            body = self.rfile.read(int(self.headers.get('content-length', 0)))
        self.answer(gzip.decompress(body) if self.headers.get('content-encoding') == 'gzip' else body)
    def answer(self, body):
        given = parse_qs(urlparse(self.path).query)
        query = (given.get('query', [''])[0] + '\n' + body.decode()).strip()
        try:
            with turn: out, status = engine.query(query, 'TabSeparated').bytes() if query else b'Ok.\n', 200
        except Exception as error:
            out, status = str(error).encode(), 500
        self.send_response(status)
        if status != 200: self.send_header('x-clickhouse-exception-code', re.search(rb'Code: (\d+)', out)[1].decode())
        self.send_header('content-length', str(len(out or b'')))
        self.end_headers()
        self.wfile.write(out or b'')
    def log_message(self, *_): pass

# A thread a connection: one that is kept open would else hold up all others.
server = ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler)
print(server.server_port, flush=True)
server.daemon_threads = True
server.serve_forever()
