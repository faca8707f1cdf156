/** Certificates and keys are read once before the start: a fault in one would else show when the first spans are sent. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { errnoOf } from '../core/errors.ts'
import { type Fault, shown } from './fault.ts'
import type { Values } from './layer.ts'
import { settingByPath } from './schema.ts'

/** Files that cannot be read or parsed, and a key that is not the one of its certificate. */
export function pemFaults(values: Values): Fault[] {
  const faults: Fault[] = []
  const read = <T>(path: string, expected: string, parse: (pem: Buffer) => T): T | undefined => {
    const given = values.get(path)
    if (given === undefined) return undefined
    try {
      return parse(readFileSync(given.parsed as string))
    } catch (error) {
      faults.push(fault(values, path, expected, errnoOf(error)))
      return undefined
    }
  }
  const certificateOf = (pem: Buffer): X509Certificate => new X509Certificate(pem)
  read('otlp.certificate', 'a readable PEM file of certificates', certificateOf)
  const certificate = read('otlp.clientCertificate', 'a readable PEM certificate', certificateOf)
  const key = read<KeyObject>('otlp.clientKey', 'a readable PEM private key, not encrypted', createPrivateKey)
  if (certificate !== undefined && key !== undefined && !certificate.checkPrivateKey(key)) {
    faults.push(fault(values, 'otlp.clientKey', 'the private key of otlp.clientCertificate', ''))
  }
  return faults
}

function fault(values: Values, path: string, expected: string, why: string): Fault {
  const { value, origin } = values.get(path)!
  return { path, origin, value: `${shown(settingByPath.get(path)!, value)}${why === '' ? '' : ` (${why})`}`, expected }
}
