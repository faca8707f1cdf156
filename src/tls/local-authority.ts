/**
 * The authority of `hopscope dev --https`: made once, kept where the user alone can read its key, and trusted by whom the
 * user tells to. Whoever has the key can pass for any host on this machine.
 */
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { nowUs, wallUs } from '../core/clock.ts'
import { errnoOf } from '../core/errors.ts'
import { type Minted, mintAuthority, mintLeaf, type Validity } from './mint.ts'

const DAY_MS = 24 * 3600 * 1000
const AUTHORITY_DAYS = 825
/** Some clients refuse certificates of servers that are valid for more than 398 days; short is better for a key on disk. */
const LEAF_DAYS = 30
/** A certificate with less left is made anew. */
const RENEW_DAYS = 20
/** A clock that is a little behind must not find it too young. */
const BACKDATE_MS = 3600 * 1000
const ALWAYS = ['localhost', '127.0.0.1', '::1']

export interface LocalCertificate {
  readonly cert: string
  readonly key: string
}

export class LocalAuthority {
  readonly #folder: string
  #made = false

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Of the certificate that is to be trusted. */
  get certFile(): string {
    return join(this.#folder, 'dev-ca.pem')
  }

  get #keyFile(): string {
    return join(this.#folder, 'dev-ca-key.pem')
  }

  /** It was made by this process: nobody trusts it yet. */
  get isNew(): boolean {
    return this.#made
  }

  /** Files of a certificate for localhost and `names`, made anew where there is none that is good for a while. */
  async certificateFor(names: readonly string[]): Promise<LocalCertificate> {
    const authority = await this.#authority()
    const wanted = [...new Set([...ALWAYS, ...names.map((name) => name.toLowerCase())])]
    const id = createHash('sha256').update(wanted.join()).digest('hex').slice(0, 8)
    const files = { cert: join(this.#folder, `dev-${id}.pem`), key: join(this.#folder, `dev-${id}-key.pem`) }
    if (!isGood(files, authority)) {
      const leaf = await mintLeaf(authority, { commonName: 'hopscope dev', names: wanted, ...validity(LEAF_DAYS) })
      // The key first: who reads both in between finds a pair that does not fit, and looks again.
      writePrivate(files.key, leaf.key)
      writePrivate(files.cert, leaf.cert)
    }
    return files
  }

  async #authority(): Promise<Minted> {
    const known = this.#read()
    if (known !== undefined) return known
    const made = await mintAuthority(`hopscope dev ${hostname().slice(0, 40)}`, validity(AUTHORITY_DAYS))
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    writePrivate(this.#keyFile, made.key)
    writePrivate(this.certFile, made.cert)
    this.#made = true
    return made
  }

  /** Undefined where there is none, or one that is over. Throws where what is there cannot be used. */
  #read(): Minted | undefined {
    const pair = { cert: readIfThere(this.certFile), key: readIfThere(this.#keyFile) }
    if (pair.cert === undefined || pair.key === undefined) return undefined
    let certificate: X509Certificate
    try {
      certificate = new X509Certificate(pair.cert)
      if (!certificate.checkPrivateKey(createPrivateKey(pair.key))) throw new Error('the key is of another certificate')
    } catch (error) {
      const { message } = error as Error
      throw new Error(
        `${this.certFile} cannot be used (${message}): remove it and ${this.#keyFile}, and trust the new one`,
      )
    }
    keepPrivate(this.#keyFile)
    return Date.parse(certificate.validTo) - wallMs() > RENEW_DAYS * DAY_MS
      ? { cert: pair.cert, key: pair.key }
      : undefined
  }
}

const wallMs = (): number => wallUs(nowUs()) / 1000

function validity(days: number): Validity {
  const now = wallMs()
  return { notBefore: new Date(now - BACKDATE_MS), notAfter: new Date(now + days * DAY_MS) }
}

function isGood(files: LocalCertificate, authority: Minted): boolean {
  const [cert, key] = [readIfThere(files.cert), readIfThere(files.key)]
  if (cert === undefined || key === undefined) return false
  try {
    const certificate = new X509Certificate(cert)
    return (
      certificate.checkPrivateKey(createPrivateKey(key)) &&
      certificate.verify(new X509Certificate(authority.cert).publicKey) &&
      Date.parse(certificate.validTo) - wallMs() > RENEW_DAYS * DAY_MS
    )
  } catch {
    // Broken: another is made in its place, for nobody trusts this one by itself.
    return false
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Whole or not at all, and never readable by others, not even for a moment. */
function writePrivate(file: string, text: string): void {
  const half = `${file}.${process.pid}`
  rmSync(half, { force: true })
  writeFileSync(half, text, { mode: 0o600, flag: 'wx' })
  renameSync(half, file)
}

/** Windows has no modes: there the folder of the user is what keeps others out. */
function keepPrivate(file: string): void {
  if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600)
}
