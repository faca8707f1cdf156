/** Certificates made on the spot by openssl. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The value of a test's `skip`. */
export const noOpenssl: string | false =
  spawnSync('openssl', ['version']).status === 0 ? false : 'openssl is not installed'

/** Paths of PEM files. */
export interface Pair {
  readonly cert: string
  readonly key: string
}

/** An authority whose files go with the process. */
export class Authority {
  readonly #folder: string
  readonly #own: Pair

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'hopscope-ca-'))
    process.once('exit', () => rmSync(this.#folder, { recursive: true }))
    this.#own = this.#files('authority')
    openssl(['req', '-x509', ...NEW_KEY, '-subj', '/CN=test authority', ...this.#out(this.#own)])
  }

  /** The certificate that its pairs are checked against. */
  get cert(): string {
    return this.#own.cert
  }

  /** A pair for a server at 127.0.0.1 and localhost, or a client. */
  issue(name: string): Pair {
    const pair = this.#files(name)
    const [request, extensions] = [join(this.#folder, `${name}.csr`), join(this.#folder, `${name}.ext`)]
    writeFileSync(extensions, 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
    openssl(['req', ...NEW_KEY, '-subj', `/CN=${name}`, '-keyout', pair.key, '-out', request])
    const signer = ['-CA', this.#own.cert, '-CAkey', this.#own.key, '-CAcreateserial']
    openssl(['x509', '-req', '-in', request, ...signer, '-days', '2', '-extfile', extensions, '-out', pair.cert])
    return pair
  }

  #files(name: string): Pair {
    return { cert: join(this.#folder, `${name}.pem`), key: join(this.#folder, `${name}.key`) }
  }

  #out({ cert, key }: Pair): string[] {
    return ['-days', '2', '-keyout', key, '-out', cert]
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

function openssl(args: readonly string[]): void {
  const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
}
