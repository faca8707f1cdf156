/** security.md §2.1: what is refused in the head. Nothing goes to the origin, the answer says why, the connection closes. */
import { after, before, test } from 'node:test'
import { Bench } from './bench.ts'

let bench: Bench
before(async () => {
  bench = await Bench.start()
})
after(() => bench.close())

const get = (fields: string): string => `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`
const post = (fields: string, body = 'hello'): string => `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${body}`
const chunked = '5\r\nhello\r\n0\r\n\r\n'

/** Row of §2.1, what it is, the request, the status. */
const REFUSED: readonly (readonly [number, string, string, number])[] = [
  [1, 'CL.TE', post('Content-Length: 6\r\nTransfer-Encoding: chunked', '0\r\n\r\nX'), 400],
  [2, 'TE.CL', post('Transfer-Encoding: chunked\r\nContent-Length: 4', '2e\r\nGET /x HTTP/1.1\r\n'), 400],
  ...[
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding: ,chunked',
    'Transfer-Encoding: chunked,',
    'Transfer-Encoding: \x0bchunked',
    'Transfer-Encoding: chunked\r\n , identity',
    'Transfer-Encoding: identity, chunked',
    'Transfer-Encoding: "chunked"',
    'Transfer-Encoding: chunked;p=1',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
    'Transfer-Encoding:',
    'Transfer-Encoding: ',
    'Transfer-Encoding : chunked',
    'Transfer-Encoding: gzip',
    'Transfer-Encoding: chunked, chunked',
    'Transfer-Encoding: chunked\x00',
    'Transfer-Encoding: chunked\xa0',
    'Transfer-Encoding\x00: chunked',
  ].map((field) => [3, `TE.TE ${JSON.stringify(field)}`, post(field, chunked), 400] as const),
  ...[
    '5, 5',
    '+5',
    '-1',
    '-0',
    '0x5',
    '5 5',
    '',
    '1Z',
    '99999999999999999999',
    '9007199254740992',
    '1_0',
    '5;',
    '\xb25',
  ].map((length) => [7, `Content-Length: ${length}`, post(`Content-Length: ${length}`), 400] as const),
  [7, 'two equal lengths', post('Content-Length: 5\r\nContent-Length: 5'), 400],
  [7, 'two lengths', post('Content-Length: 5\r\nContent-Length: 6'), 400],
  [8, 'folded field', get('X: a\r\n b\r\n'), 400],
  [8, 'folded Transfer-Encoding', post('Transfer-Encoding:\r\n chunked', chunked), 400],
  [9, 'bare LF everywhere', 'GET / HTTP/1.1\nHost: a\n\n', 400],
  [9, 'bare LF after a field', 'GET / HTTP/1.1\r\nHost: a\n\r\n', 400],
  [9, 'bare CR in a value', get('X: 1\rY: 2\r\n'), 400],
  [9, 'bare CR as the end of the head', 'GET / HTTP/1.1\r\nHost: a\r\n\rX', 400],
  [13, 'space before the colon', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n', 400],
  [13, 'space before the first field', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n', 400],
  [13, 'empty name', get(': x\r\n'), 400],
  [13, 'NUL in a name', get('X\x00Y: z\r\n'), 400],
  [13, 'obs-text in a name', get('X\x85: z\r\n'), 400],
  [13, 'no colon', get('X\r\n'), 400],
  ...['\x00', '\x01', '\x08', '\x0b', '\x0c', '\x1b', '\x1f', '\x7f'].map(
    (char) => [14, `${JSON.stringify(char)} in a value`, get(`X: a${char}b\r\n`), 400] as const,
  ),
  [15, 'no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  [15, 'the same Host twice', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', 400],
  ...['a,b', 'a@b', 'a/b', '', 'a b', 'a\\b', 'a#b', 'a?b', 'a:b', 'a:80:80', '[::1', '\xe9'].map(
    (host) => [15, `Host: ${host}`, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 400] as const,
  ),
  [15, 'Host and absolute-form differ', 'GET http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  [15, 'absolute-form with user information', 'GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  [15, 'another scheme', 'GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  [15, 'an asterisk with GET', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  ...['/a b', '/a\tb', '/a#b', '/a\\b', '/\x00', '/\xe9', 'a', '//\x7f'].map(
    (target) => [16, `target ${JSON.stringify(target)}`, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`, 400] as const,
  ),
  [16, 'two spaces', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  [16, 'tab', 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  [16, 'space before the method', ' GET / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  [16, 'method that is not a token', 'G@T / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
  [16, 'no version', 'GET /\r\n\r\n', 400],
  [16, 'HTTP/1.10', 'GET / HTTP/1.10\r\nHost: a\r\n\r\n', 400],
  [16, 'http/1.1', 'GET / http/1.1\r\nHost: a\r\n\r\n', 400],
  [16, 'HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', 505],
  [16, 'HTTP/2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', 505],
  [16, 'the preface of HTTP/2 where a request should be', '\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
  [17, 'a target of 100 KB', `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
  [17, 'a field of 100 KB', get(`X: ${'a'.repeat(100_000)}\r\n`), 431],
  [17, '10,000 fields', get('X: y\r\n'.repeat(10_000)), 431],
  [17, '1,100 fields, then framing', get(`${'X: y\r\n'.repeat(1100)}Transfer-Encoding: chunked\r\n`), 431],
  [17, 'a method of 1 MB', `${'A'.repeat(1_000_000)} / HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
  [19, 'an expectation that nobody knows', post('Content-Length: 5\r\nExpect: x'), 417],
  [19, 'obfuscated Expect', post('Content-Length: 5\r\nExpect: 100-continue ,x'), 417],
  [19, 'two Expect', post('Content-Length: 5\r\nExpect: 100-continue\r\nExpect: 100-continue'), 417],
  [21, 'Transfer-Encoding on 1.0', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
]

for (const [row, name, request, status] of REFUSED) {
  test(`row ${row}: ${name} → ${status}`, async () => {
    await bench.refuses(request, status)
  })
}
