/** Everything of TLS that lives as long as a proxy: certificates and their dates, upstreams' trust, keys of tickets. */
import { dirname } from 'node:path'
import { type CertificateFiles, scanCertificates } from '../config/certificate-files.ts'
import type { Config } from '../config/schema.ts'
import { nowUs, wallUs } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import { CertificateStore } from '../tls/certificate-store.ts'
import { FileWatch } from '../tls/file-watch.ts'
import { ServerHandshakes } from '../tls/server-handshakes.ts'
import { newTicketKeys, ROTATE_MS } from '../tls/ticket-keys.ts'
import { UpstreamTls } from '../tls/upstream-tls.ts'

/** Protocols that clients are served in, the preferred one first. */
const PROTOCOLS: readonly string[] = ['h2', 'http/1.1']
/** A certificate that expires sooner is worth a warning. */
const WARN_MS = 14 * 24 * 3600 * 1000
const LOOK_AT_DATES_MS = 3600 * 1000

/** A certificate with its date, for the metric. */
export interface DatedCertificate {
  readonly name: string
  readonly notAfterMs: number
}

export class TlsRuntime {
  readonly upstream: UpstreamTls
  /** Undefined: no TLS is terminated. */
  readonly handshakes: ServerHandshakes | undefined
  readonly #store: CertificateStore | undefined
  readonly #log: Logger
  #rotation: NodeJS.Timeout | undefined
  readonly #dates: NodeJS.Timeout
  readonly #watches: FileWatch[] = []
  readonly #onReload: (outcome: 'ok' | 'failed') => void
  /** Names that were warned of already, with the date. */
  readonly #warned = new Map<string, number>()

  /** Throws where a file cannot be used. `certificates`: in place of those of the settings. */
  constructor(
    config: Config,
    log: Logger,
    onReload: (outcome: 'ok' | 'failed') => void,
    certificates: (() => readonly CertificateFiles[]) | undefined = certificatesOf(config),
  ) {
    this.#log = log
    this.#onReload = onReload
    const now = config.upstream.url?.startsWith('https:') ?? false
    this.upstream = new UpstreamTls(config.upstream.tls, { now })
    if (certificates !== undefined) {
      this.#store = this.#openStore(config, certificates)
      this.handshakes = new ServerHandshakes({
        store: this.#store,
        maxPending: config.limits.handshakes,
        protocols: PROTOCOLS,
      })
      this.#watchStore(this.#store, config, certificates)
      const store = this.#store
      this.#rotation = setInterval(() => store.setTicketKeys(newTicketKeys()), ROTATE_MS).unref()
    }
    this.#watchUpstream()
    this.#lookAtDates()
    this.#dates = setInterval(() => this.#lookAtDates(), LOOK_AT_DATES_MS).unref()
  }

  /** Seal sessions with these keys from now on: the processes of one listener share them, and one of them changes them. */
  setTicketKeys(keys: Buffer): void {
    clearInterval(this.#rotation)
    this.#store?.setTicketKeys(keys)
  }

  /** All certificates that we show, to clients and upstreams. */
  get certificates(): readonly DatedCertificate[] {
    return [...(this.#store?.all ?? []), ...this.upstream.certificates]
  }

  close(): void {
    clearInterval(this.#rotation)
    clearInterval(this.#dates)
    for (const watch of this.#watches) watch.close()
  }

  #openStore(config: Config, list: () => readonly CertificateFiles[]): CertificateStore {
    return new CertificateStore({
      list,
      policy: {
        minVersion: `TLSv${config.tls.minVersion}`,
        clientAuth: config.tls.clientAuth,
        ticketKeys: newTicketKeys(),
      },
      clientCaFile: config.tls.clientAuth === 'off' ? undefined : config.tls.clientCa,
      onFault: (certificate, file, reason) => {
        this.#onReload('failed')
        this.#log.error({ certificate, file, reason }, 'a certificate cannot be used; the one before stays')
      },
    })
  }

  #watchStore(store: CertificateStore, config: Config, list: () => readonly CertificateFiles[]): void {
    const { certificates, clientCa } = config.tls
    const folders = (): string[] => {
      const files = listed(list).flatMap(({ cert, key }) => [cert, key])
      const all = [...files, ...(clientCa === undefined ? [] : [clientCa])].map((file) => dirname(file))
      return [...new Set([...(certificates === undefined ? [] : [certificates]), ...all])]
    }
    const onChange = (): void => {
      const changed = store.refresh()
      if (changed.length === 0) return
      this.#onReload('ok')
      this.#log.info({ certificates: changed }, 'certificates read')
      this.#lookAtDates()
    }
    this.#watches.push(new FileWatch({ folders, onChange }))
  }

  #watchUpstream(): void {
    const { upstream } = this
    if (upstream.files.length === 0) return
    const folders = [...new Set(upstream.files.map((file) => dirname(file)))]
    const onChange = (): void => {
      try {
        if (!upstream.refresh()) return
        this.#onReload('ok')
        this.#log.info({ files: upstream.files }, 'certificates for upstreams read')
        this.#lookAtDates()
      } catch (error) {
        this.#onReload('failed')
        this.#log.error({ err: error }, 'certificates for upstreams cannot be used; those before stay')
      }
    }
    this.#watches.push(new FileWatch({ folders: () => folders, onChange }))
  }

  #lookAtDates(): void {
    const nowMs = wallUs(nowUs()) / 1000
    for (const { name, notAfterMs } of this.certificates) {
      if (notAfterMs - nowMs > WARN_MS || this.#warned.get(name) === notAfterMs) continue
      this.#warned.set(name, notAfterMs)
      const expires = new Date(notAfterMs).toISOString()
      this.#log.warn(
        { certificate: name, expires },
        notAfterMs < nowMs ? 'a certificate has expired' : 'a certificate expires soon',
      )
    }
  }
}

/** What the settings name, the certificate for clients without a known name first; undefined for nothing. */
function certificatesOf({ tls }: Config): (() => readonly CertificateFiles[]) | undefined {
  const { cert, key, certificates } = tls
  if (cert === undefined && certificates === undefined) return undefined
  const given = cert === undefined || key === undefined ? [] : [{ name: 'tls.cert', cert, key }]
  return () => [...given, ...(certificates === undefined ? [] : inFolder(certificates))]
}

/** One named `default` is for clients without a known name. */
function inFolder(folder: string): readonly CertificateFiles[] {
  const { pairs } = scanCertificates(folder)
  return [...pairs.filter(({ name }) => name === 'default'), ...pairs.filter(({ name }) => name !== 'default')]
}

function listed(list: () => readonly CertificateFiles[]): readonly CertificateFiles[] {
  try {
    return list()
  } catch {
    // The folder is gone for a moment: the store tells of it.
    return []
  }
}
