/** Certificates and keys are read once before the start: a fault in one would else show when traffic comes. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { errnoOf } from '../core/errors.ts'
import { scanCertificates } from './certificate-files.ts'
import type { Command } from './commands.ts'
import { type Fault, shown } from './fault.ts'
import type { Values } from './layer.ts'
import { settingByPath } from './schema.ts'

/** Paths of settings: certificate and its key. */
export const PAIRS: readonly (readonly [string, string])[] = [
  ['otlp.clientCertificate', 'otlp.clientKey'],
  ['tls.cert', 'tls.key'],
  ['upstream.tls.cert', 'upstream.tls.key'],
  ['aggregator.tlsCertificate', 'aggregator.tlsKey'],
  ['idempotency.clientCertificate', 'idempotency.clientKey'],
]
const AUTHORITIES = [
  'otlp.certificate',
  'tls.clientCa',
  'upstream.tls.ca',
  'aggregator.tlsClientAuthorities',
  'aggregator.replicaAuthorities',
  'idempotency.certificate',
]
const FOLDER = 'tls.certificates'
const REVOKED = 'upstream.tls.crl'

const READABLE_KEY = 'a readable PEM private key, not encrypted'

/** Files that cannot be read or parsed, and keys that are not those of their certificates. */
export function pemFaults(command: Command, values: Values): Fault[] {
  const reader = new PemReader(command, values)
  for (const path of AUTHORITIES) reader.read(path, 'a readable PEM file of certificates', certificateOf)
  for (const [certPath, keyPath] of PAIRS) {
    const certificate = reader.read(certPath, 'a readable PEM certificate', certificateOf)
    const key = reader.read<KeyObject>(keyPath, READABLE_KEY, createPrivateKey)
    if (certificate !== undefined && key !== undefined && !certificate.checkPrivateKey(key)) {
      reader.fault(keyPath, `the private key of ${certPath}`, '')
    }
  }
  reader.read(REVOKED, 'a readable PEM file of revocation lists', (pem) => {
    if (!pem.includes('-----BEGIN X509 CRL-----')) throw new Error('no list in it')
  })
  reader.readFolder()
  return reader.faults
}

const certificateOf = (pem: Buffer): X509Certificate => new X509Certificate(pem)

class PemReader {
  readonly faults: Fault[] = []
  readonly #command: Command
  readonly #values: Values

  constructor(command: Command, values: Values) {
    this.#command = command
    this.#values = values
  }

  #fileOf(path: string): string | undefined {
    if (!settingByPath.get(path)!.commands.includes(this.#command)) return undefined
    return this.#values.get(path)?.parsed as string | undefined
  }

  read<T>(path: string, expected: string, parse: (pem: Buffer) => T): T | undefined {
    const file = this.#fileOf(path)
    return file === undefined ? undefined : this.#try(path, expected, '', () => parse(readFileSync(file)))
  }

  readFolder(): void {
    const folder = this.#fileOf(FOLDER)
    if (folder === undefined) return
    const found = this.#try(FOLDER, 'a readable folder', '', () => scanCertificates(folder))
    if (found === undefined) return
    for (const stray of found.strays) this.fault(FOLDER, 'certificate and key side by side, of one name', stray)
    if (found.pairs.length === 0) this.fault(FOLDER, 'a folder with NAME.crt and NAME.key, or NAME.pem', 'none there')
    for (const { name, cert, key } of found.pairs) {
      const certificate = this.#try(FOLDER, 'readable PEM certificates', name, () => certificateOf(readFileSync(cert)))
      const secret = this.#try(FOLDER, READABLE_KEY, name, () => createPrivateKey(readFileSync(key)))
      if (certificate === undefined || secret === undefined || certificate.checkPrivateKey(secret)) continue
      this.fault(FOLDER, 'keys of their certificates', name)
    }
  }

  #try<T>(path: string, expected: string, what: string, work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      const why = errnoOf(error) || (error as Error).message
      this.fault(path, expected, what === '' ? why : `${what}: ${why}`)
      return undefined
    }
  }

  fault(path: string, expected: string, why: string): void {
    const { value, origin } = this.#values.get(path)!
    const said = `${shown(settingByPath.get(path)!, value)}${why === '' ? '' : ` (${why})`}`
    this.faults.push({ path, origin, value: said, expected })
  }
}
