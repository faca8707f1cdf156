/** First bytes that real programs sent to a raw socket, recorded; and first bytes of protocols that are not among ours. */
import type { ProtocolName } from '../../src/net/protocols/first-bytes.ts'

export interface Recording {
  readonly by: string
  readonly name: ProtocolName
  readonly version: string
  readonly variant: string
  readonly hex: string
}

/** From clients, which speak first. */
export const CLIENTS: readonly Recording[] = [
  { by: 'psql 15', name: 'postgresql', version: '', variant: 'SSLRequest', hex: '0000000804d2162f' },
  {
    by: 'psql 15 without TLS',
    name: 'postgresql',
    version: '3.0',
    variant: '',
    hex: '000000360003000075736572006170700064617461626173650073686f70006170706c69636174696f6e5f6e616d65007073716c0000',
  },
  {
    by: 'pg 8 (npm)',
    name: 'postgresql',
    version: '3.0',
    variant: '',
    hex: '0000003000030000757365720075006461746162617365006400636c69656e745f656e636f64696e6700555446380000',
  },
  {
    by: 'redis-cli 7',
    name: 'redis',
    version: '',
    variant: '',
    hex: '2a320d0a24370d0a434f4d4d414e440d0a24340d0a444f43530d0a',
  },
  { by: 'redis-cli 7 GET', name: 'redis', version: '', variant: '', hex: '2a320d0a24330d0a4745540d0a24310d0a780d0a' },
  {
    by: 'redis-benchmark 7',
    name: 'redis',
    version: '',
    variant: '',
    hex: '2a330d0a24360d0a434f4e4649470d0a24330d0a4745540d0a24340d0a736176650d0a2a330d0a24360d0a434f4e4649470d0a24330d0a4745540d0a2431300d0a617070656e646f6e6c790d0a',
  },
  {
    by: 'mosquitto_pub 2, MQTT 3.1',
    name: 'mqtt',
    version: '3.1',
    variant: '',
    hex: '102500064d51497364700302003c00176d6f73712d6b5050646b544c5537506b30743041474e58',
  },
  {
    by: 'mosquitto_pub 2, MQTT 3.1.1, user name and password',
    name: 'mqtt',
    version: '3.1.1',
    variant: '',
    hex: '101900044d51545404c2003c000000036a6f650006736563726574',
  },
  {
    by: 'mosquitto_pub 2, MQTT 5 with a will',
    name: 'mqtt',
    version: '5.0',
    variant: '',
    hex: '101a00044d5154540506003c032100140000000001770004676f6e65',
  },
  {
    by: 'mqtt 5 (npm)',
    name: 'mqtt',
    version: '5.0',
    variant: '',
    hex: '101c00044d5154540502003c00000f6d7174746a735f3333343932393461',
  },
  {
    by: 'kcat 1 (librdkafka 2.0)',
    name: 'kafka',
    version: '',
    variant: '',
    hex: '000000240012000300000001000772646b61666b61000b6c696272646b61666b6106322e302e3200',
  },
  { by: 'kafkajs 2 (npm)', name: 'kafka', version: '', variant: '', hex: '0000000e0012000200000000000473686f70' },
  {
    by: 'kafka-python 3.0',
    name: 'kafka',
    version: '',
    variant: '',
    hex: '00000037001200040000000100176b61666b612d707974686f6e2d70726f64756365722d31000d6b61666b612d707974686f6e07332e302e313200',
  },
  // CancelRequest and GSSENCRequest are written after the documentation: no client sends them unasked.
  {
    by: 'CancelRequest',
    name: 'postgresql',
    version: '',
    variant: 'CancelRequest',
    hex: '0000001004d2162e00003039deadbeef',
  },
  { by: 'GSSENCRequest', name: 'postgresql', version: '', variant: 'GSSENCRequest', hex: '0000000804d21630' },
]

/** From servers that speak first. */
export const SERVERS: readonly Recording[] = [
  {
    by: 'MariaDB 10.11',
    name: 'mysql',
    version: '10',
    variant: '',
    hex: '640000000a352e352e352d31302e31312e31392d4d6172696144422d302b6465623132753100030000002a3a223c4836715b00fef7080200ff81150000000000001d000000547058473c3842242a47664c006d7973716c5f6e61746976655f70617373776f726400',
  },
  {
    by: 'MariaDB 10.11 with too many connections',
    name: 'mysql',
    version: '10',
    variant: 'refused',
    hex: '17000000ff1004546f6f206d616e7920636f6e6e656374696f6e73',
  },
  {
    // Written after the documentation of Protocol::HandshakeV10.
    by: 'MySQL 8.4',
    name: 'mysql',
    version: '10',
    variant: '',
    hex: `4a0000000a${Buffer.from('8.4.3').toString('hex')}00080000002a3b4c5d6e7f011200ffffff0200ffdf1500000000000000000000${'41'.repeat(12)}00${Buffer.from('caching_sha2_password').toString('hex')}00`,
  },
]

const text = (value: string): Buffer => Buffer.from(value, 'latin1')
const hex = (value: string): Buffer => Buffer.from(value.replaceAll(' ', ''), 'hex')

/** What clients of other protocols send first, and words and numbers that only look like ours. */
export const OTHERS: Readonly<Record<string, Buffer>> = {
  'SSH banner': text('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n'),
  'SMTP after the greeting': text('EHLO client.example\r\n'),
  'FTP login': text('USER anonymous\r\n'),
  'IRC login': text('NICK a\r\nUSER a 0 * :a\r\n'),
  'memcached text': text('get counter\r\n'),
  'memcached binary get': hex('80 00 00 05 00 00 00 00 00 00 00 05 00000000 0000000000000000 48656c6c6f'),
  'memcached binary set, key of one byte': hex(
    '80 01 00 01 08 00 00 00 00 00 00 0a 00000000 0000000000000000 00000000 00000000 41 42',
  ),
  'memcached binary set, key of four bytes': hex(
    '80 01 00 04 08 00 00 00 00 00 00 0d 00000000 0000000000000000 00000000 00000000 41424344 42',
  ),
  'AMQP 0.9.1': hex('41 4d 51 50 00 00 09 01'),
  'Cassandra CQL v4 STARTUP': hex('04 00 00 00 01 00 00 00 16 0001 000b 43514c5f56455253494f4e 0005 332e302e30'),
  'ZooKeeper connect': hex(
    '0000002d 00000000 0000000000000000 00007530 0000000000000000 00000010 00000000000000000000000000000000 00',
  ),
  'MongoDB OP_MSG': hex('3b000000 01000000 00000000 dd070000 00000000 00 26000000 0168656c6c6f00 000000000000f03f 00'),
  'LDAP bind': hex('30 0c 02 01 01 60 07 02 01 03 04 00 80 00'),
  'DNS over TCP': hex('001d 1234 0100 0001 0000 0000 0000 07 6578616d706c65 03 636f6d 00 0001 0001'),
  SOCKS5: hex('05 02 00 02'),
  RDP: hex('03 00 00 13 0e e0 00 00 00 00 00 01 00 08 00 03 00 00 00'),
  'SMB2 negotiate': hex('00 00 00 54 fe 53 4d 42 40 00 00 00 00 00 00 00 00 00 1f 00'),
  'SQL Server prelogin': hex('12 01 00 2f 00 00 01 00 00 00 1a 00 06 01 00 20'),
  'Oracle TNS connect': hex('00 3a 00 00 01 00 00 00 01 36 01 2c 00 00 08 00 7f ff'),
  'ONC RPC call': hex('80 00 00 28 4d 5a 60 11 00 00 00 00 00 00 00 02 00 01 86 a0'),
  'NATS connect': text('CONNECT {"verbose":false}\r\nPING\r\n'),
  STOMP: text('CONNECT\naccept-version:1.2\nhost:example\n\n\0'),
  BitTorrent: text('\x13BitTorrent protocol'),
  RTMP: hex('03 00 00 00 00 00 00 00 00'),
  Gearman: hex('00 52 45 51 00 00 00 01 00 00 00 00'),
  'HTTP/2 preface': text('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  'TLS ClientHello': hex('16 03 01 00 c4 01 00 00 c0 03 03'),
  zeros: Buffer.alloc(600),
  ones: Buffer.alloc(600, 0xff),
  'PostgreSQL 2.0': hex('00000128 00020000 6462'),
  'PostgreSQL startup without a parameter': hex('00000009 00030000 00'),
  'PostgreSQL startup with a parameter of control characters': hex('00000010 00030000 75 01 65 72 00 61 00 00'),
  'SSLRequest of a wrong length': hex('00000009 04d2162f 00'),
  'MQTT with an unknown level': hex('10 0c 00 04 4d515454 06 02 00 3c 00 00'),
  'MQTT with the reserved flag': hex('10 0c 00 04 4d515454 04 03 00 3c 00 00'),
  'MQTT PUBLISH first': hex('30 05 00 03 612f62 78'),
  'RESP with a name of control characters': text('*1\r\n$4\r\nPI\x01G\r\n'),
  'RESP reply': text('*2\r\n:1\r\n:2\r\n'),
  'RESP with nothing': text('*0\r\n'),
  'Kafka Produce first': hex('00000020 0000 0003 00000001 0004 74657374 ffff 0001 00007530 00000000'),
  'Kafka ApiVersions with bytes too many': hex('0000000f 0012 0000 00000000 0004 73686f70 00'),
  'Kafka ApiVersions of a version to come': hex('0000000e 0012 0040 00000000 0004 73686f70'),
  'Thrift, old form without a version': hex('00000004 70696e67 01 00000001 00'),
  'Thrift reply first': hex('80010002 00000004 70696e67 00000001 00'),
  'Thrift with a name of spaces': hex('80010001 00000004 20202020 00000001 00'),
  'Thrift with a field of no type': hex('80010001 00000004 70696e67 00000001 ff'),
  'Thrift in a frame that is too short for it': hex('00000008 80010001 00000004 70696e67 00000001 00'),
  'Thrift compact of another version': hex('82 22 01 04 70696e67 00'),
}
