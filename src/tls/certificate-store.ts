/**
 * The certificates of a listener, found by server name. It reads its files anew when they change: connections keep what
 * they were made with, and a certificate that is broken or half written keeps the one before it.
 */
import { readFileSync } from 'node:fs'
import { errnoOf } from '../core/errors.ts'
import { signatureOf } from './file-signature.ts'
import { wildcardFor } from './names.ts'
import { certificatesOf, type ServedCertificate, type ServerPolicy, servedCertificate } from './server-context.ts'

/** Files of one certificate; both may be the same. */
export interface CertificatePaths {
  readonly name: string
  readonly cert: string
  readonly key: string
}

export interface CertificateStoreOptions {
  /** What there is now, the one for clients without a known name first. Throws where a folder cannot be read. */
  readonly list: () => readonly CertificatePaths[]
  readonly policy: Omit<ServerPolicy, 'clientCa'>
  readonly clientCaFile: string | undefined
  /** A file that could not be used; `name` as in {@link CertificatePaths}. What was there before stays in use. */
  readonly onFault: (name: string, file: string, reason: string) => void
}

interface Known {
  /** Of the files it was read from: they are read again only when it differs. */
  readonly signature: string
  readonly served: ServedCertificate
}

const CLIENT_CA = 'tls.clientCa'

export class CertificateStore {
  readonly #options: CertificateStoreOptions
  #policy: ServerPolicy
  #caSignature = ''
  #known = new Map<string, Known>()
  #byName = new Map<string, ServedCertificate>()
  #first: ServedCertificate
  /** Faults told already, so that a poll does not repeat them. */
  #told = new Map<string, string>()

  /** Reads everything. Throws where there is no certificate that can be used. */
  constructor(options: CertificateStoreOptions) {
    this.#options = options
    this.#policy = { ...options.policy, clientCa: undefined }
    this.#readClientCa()
    if (options.clientCaFile !== undefined && this.#policy.clientCa === undefined) {
      throw new Error(`${options.clientCaFile} cannot be read`)
    }
    this.#readAll(false)
    const first = this.#known.values().next().value
    if (first === undefined) throw new Error('there is no certificate that can be used')
    this.#first = first.served
  }

  /** For clients that name no server, or one that nobody knows. */
  get fallback(): ServedCertificate {
    return this.#first
  }

  get clientAuth(): ServerPolicy['clientAuth'] {
    return this.#policy.clientAuth
  }

  /** All in use, by name. */
  get all(): readonly ServedCertificate[] {
    return [...this.#known.values()].map(({ served }) => served)
  }

  /** The certificate for a server name (lower case, no dot at the end); undefined where none covers it. */
  find(serverName: string): ServedCertificate | undefined {
    return serverName === '' ? undefined : (this.#byName.get(serverName) ?? this.#byName.get(wildcardFor(serverName)))
  }

  /** Look at the files again. Gives the names of what changed. Never throws. */
  refresh(): string[] {
    const anew = this.#readClientCa()
    return this.#readAll(anew)
  }

  /** Sessions made from now on are sealed with these keys; those before are not resumed any more. */
  setTicketKeys(ticketKeys: Buffer): void {
    this.#policy = { ...this.#policy, ticketKeys }
    this.#readAll(true)
  }

  #readClientCa(): boolean {
    const file = this.#options.clientCaFile
    if (file === undefined) return false
    return this.#attempt(CLIENT_CA, file, () => {
      const signature = signatureOf([file])
      if (signature === this.#caSignature) return false
      const clientCa = readFileSync(file, 'utf8')
      certificatesOf(clientCa)
      this.#policy = { ...this.#policy, clientCa }
      this.#caSignature = signature
      return true
    })
  }

  #readAll(anew: boolean): string[] {
    let list: readonly CertificatePaths[]
    try {
      list = this.#options.list()
    } catch (error) {
      this.#fault('tls.certificates', '', error)
      return []
    }
    const changed: string[] = []
    const known = new Map<string, Known>()
    for (const paths of list) {
      const before = this.#known.get(paths.name)
      const read = this.#attempt(paths.name, paths.cert, () => this.#read(paths, anew ? undefined : before))
      const now = read === false ? before : read
      if (now === undefined) continue
      known.set(paths.name, now)
      if (now !== before) changed.push(paths.name)
    }
    for (const name of this.#known.keys()) if (!known.has(name)) changed.push(name)
    // An empty folder is one that is being replaced, or a mistake: the last certificates serve on.
    if (known.size === 0 || changed.length === 0) return []
    this.#known = known
    this.#index()
    return changed
  }

  #read(paths: CertificatePaths, before: Known | undefined): Known {
    const signature = signatureOf([paths.cert, paths.key])
    if (before !== undefined && before.signature === signature) return before
    const pem = { cert: readFileSync(paths.cert, 'utf8'), key: readFileSync(paths.key, 'utf8') }
    return { signature, served: servedCertificate(paths.name, pem, this.#policy) }
  }

  /** False where it failed, which is told. */
  #attempt<T>(name: string, file: string, work: () => T): T | false {
    try {
      const done = work()
      this.#told.delete(name)
      return done
    } catch (error) {
      this.#fault(name, file, error)
      return false
    }
  }

  #fault(name: string, file: string, error: unknown): void {
    const reason = error instanceof Error ? error.message.slice(0, 300) : errnoOf(error)
    if (this.#told.get(name) === reason) return
    this.#told.set(name, reason)
    this.#options.onFault(name, file, reason)
  }

  #index(): void {
    const byName = new Map<string, ServedCertificate>()
    for (const { served } of this.#known.values()) {
      // The first in the order of the list keeps a name that several have.
      for (const name of served.names) if (!byName.has(name)) byName.set(name, served)
    }
    this.#byName = byName
    this.#first = this.#known.values().next().value!.served
  }
}
