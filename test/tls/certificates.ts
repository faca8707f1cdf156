/** Certificates with the dates, names and faults that a test wants, as files that go with it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Minted, mintAuthority, mintLeaf } from '../../src/tls/mint.ts'

const DAY_MS = 24 * 3600 * 1000
export const days = (count: number): Date => new Date(Date.now() + count * DAY_MS)

/** Whoever ends, and takes the files along: a test, or a file of tests. */
export interface Owner {
  after(work: () => void): void
}

/** Paths and PEM texts. */
export interface Files {
  readonly cert: string
  readonly key: string
  readonly pem: Minted
}

export interface Dates {
  readonly from?: number
  /** Days from now; negative: in the past. */
  readonly to?: number
}

export function folder(t: Owner): string {
  const path = mkdtempSync(join(tmpdir(), 'hopscope-tls-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

export function write(path: string, name: string, pem: Minted): Files {
  const files = { cert: join(path, `${name}.crt`), key: join(path, `${name}.key`) }
  writeFileSync(files.key, pem.key)
  writeFileSync(files.cert, pem.cert)
  return { ...files, pem }
}

/** An authority in a folder of its own. */
export class Ca {
  readonly folder: string
  readonly files: Files

  private constructor(path: string, files: Files) {
    this.folder = path
    this.files = files
  }

  static async make(t: Owner, name = 'test authority', { from = -400, to = 30 }: Dates = {}): Promise<Ca> {
    const path = folder(t)
    const pem = await mintAuthority(name, { notBefore: days(from), notAfter: days(to) })
    return new Ca(path, write(path, 'ca', pem))
  }

  get cert(): string {
    return this.files.cert
  }

  mint(names: readonly string[], { from = -1, to = 30 }: Dates = {}, commonName = 'a test'): Promise<Minted> {
    return mintLeaf(this.files.pem, { commonName, names, notBefore: days(from), notAfter: days(to) })
  }

  /** A certificate for `names`, in files of this authority's folder. */
  async issue(name: string, names: readonly string[] = ['localhost', '127.0.0.1'], dates: Dates = {}): Promise<Files> {
    return write(this.folder, name, await this.mint(names, dates))
  }
}
