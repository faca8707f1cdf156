/** Settings of TLS, on either side. */
import * as z from 'zod'
import { SERVERS, SERVING } from './commands.ts'
import { group, optional, setting } from './setting.ts'
import { bool, hostPattern, listOf, oneOf, text, type ValueKind } from './values.ts'

/** `*`, `NAME`, `*.DOMAIN`, each perhaps with `:PORT`; `:PORT` alone. */
export const tlsRule: ValueKind<z.ZodString> = {
  zod: z.string().regex(/^(?=.)(\*|(\*\.)?[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?)?(:\d{1,5})?$/i),
  expects: 'a server name, *.domain or *, with :port or not, or :port alone',
  placeholder: 'name:port',
  fromText: (value) => value,
}

const pem = text('a PEM file', 'file')

export const tls = group({
  cert: optional(pem, {
    doc: 'Certificate shown to clients: the whole chain, the own certificate first. With it (or `tls.certificates`) TLS is terminated.',
    commands: SERVERS,
  }),
  key: optional(pem, { doc: 'Private key of that certificate.', commands: SERVERS }),
  certificates: optional(text('a folder', 'folder'), {
    doc: 'Certificates by server name: NAME.crt beside NAME.key, or both in NAME.pem, here or one folder below. Read again when they change.',
    commands: SERVERS,
  }),
  terminate: setting(listOf(tlsRule), {
    doc: 'TLS connections that are terminated. `sidecar` needs a certificate for the name; a rule of a port alone takes those without a name too.',
    default: ['*'],
    commands: SERVERS,
  }),
  passthrough: setting(listOf(tlsRule), {
    doc: 'TLS connections that are forwarded unread, whatever `tls.terminate` says.',
    default: [],
    commands: SERVERS,
  }),
  clearText: setting(oneOf('refuse', 'allow'), {
    doc: 'Requests in clear text on a port where TLS is terminated: answered 400, or served.',
    default: 'refuse',
    commands: ['proxy'],
  }),
  reencrypt: setting(bool, {
    doc: 'How a terminated connection goes on to its destination: true: over TLS, verified for the name that the client asked for; false: in clear text.',
    default: true,
    commands: ['sidecar'],
  }),
  minVersion: setting(oneOf('1.2', '1.3'), {
    doc: 'Least version of TLS that clients may speak.',
    default: '1.2',
    commands: SERVERS,
  }),
  clientAuth: setting(oneOf('off', 'request', 'require'), {
    doc: 'Certificates of clients: not asked for; asked for, and checked where one comes; required.',
    default: 'off',
    commands: SERVERS,
  }),
  clientCa: optional(pem, {
    doc: 'Authorities that certificates of clients are checked against. Read again when it changes.',
    commands: SERVERS,
  }),
  allowedIdentities: optional(listOf(text('a name in a certificate', 'name')), {
    doc: 'Clients that may send requests, by a URI (SPIFFE id) or DNS name in their certificate, or its whole subject; others are answered 403. `*` stands for one part of a name, `**` at the end of a URI for any number.',
    commands: SERVERS,
  }),
  checkAuthority: setting(bool, {
    doc: 'Whether Host must be the server name of the TLS handshake, or covered by the certificate; else 421.',
    default: true,
    commands: SERVERS,
  }),
  names: setting(listOf(hostPattern), {
    doc: 'Further names in the certificate of `dev --https`.',
    default: [],
    commands: ['dev'],
  }),
  fips: setting(bool, {
    doc: "Use the FIPS provider of OpenSSL for all cryptography, or don't start.",
    default: false,
    commands: SERVING,
  }),
})

export const upstreamTls = group({
  ca: optional(pem, {
    doc: 'Authorities that upstreams are checked against, in place of those of the runtime (which NODE_EXTRA_CA_CERTS adds to).',
    commands: SERVING,
  }),
  crl: optional(text('a PEM file of revocation lists', 'file'), {
    doc: 'Revoked certificates of upstreams.',
    commands: SERVING,
  }),
  cert: optional(pem, { doc: 'Certificate shown to upstreams that ask for one.', commands: SERVING }),
  key: optional(pem, { doc: 'Private key of that certificate.', commands: SERVING }),
  serverName: optional(text('a host name', 'name'), {
    doc: 'Name sent to the upstream and expected in its certificate, in place of the host of its URL.',
    commands: SERVING,
  }),
  verify: setting(bool, {
    doc: 'false: any certificate of an upstream will do, so that anyone between can read and change everything.',
    default: true,
    commands: SERVING,
  }),
})
