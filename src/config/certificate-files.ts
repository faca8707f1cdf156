/**
 * Which certificates a folder holds: `NAME.crt` (or .cert, .pem) beside `NAME.key`, or both in one `NAME.pem`; in the
 * folder itself or one below, as mounted Kubernetes secrets are (`tls.crt`, `tls.key`).
 */
import { X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { extname, join, relative } from 'node:path'

/** Files of one certificate; both may be the same. */
export interface CertificateFiles {
  /** For logs and metrics: the path in the folder without its ending. */
  readonly name: string
  /** The whole chain, the server's own certificate first. */
  readonly cert: string
  readonly key: string
}

export interface FolderScan {
  readonly pairs: readonly CertificateFiles[]
  /** Files without their other half. */
  readonly strays: readonly string[]
}

/** More files than this are not certificates. */
const MAX_FILES = 10_000
const CERT_ENDINGS = ['.crt', '.cert', '.pem'] as const

/** Look through a folder. Throws the system's error where it cannot be read. */
export function scanCertificates(folder: string): FolderScan {
  const files = new Set(filesIn(folder))
  const stems = new Set([...files].filter(isOurs).map((file) => file.slice(0, -extname(file).length)))
  const pairs: CertificateFiles[] = []
  const strays: string[] = []
  for (const stem of [...stems].sort()) {
    const found = pairOf(stem, files)
    const name = relative(folder, stem)
    if (typeof found === 'object') pairs.push({ name, ...found })
    else if (found !== '') strays.push(`${name}${found}`)
  }
  return { pairs, strays }
}

const isOurs = (file: string): boolean => file.endsWith('.key') || CERT_ENDINGS.some((ending) => file.endsWith(ending))

/** The pair, else the ending of the file that stands alone, '' where it may. */
function pairOf(stem: string, files: ReadonlySet<string>): { cert: string; key: string } | string {
  const ending = CERT_ENDINGS.find((one) => files.has(stem + one))
  const key = `${stem}.key`
  if (ending === undefined) return '.key'
  const cert = stem + ending
  if (files.has(key)) return { cert, key }
  const pem = readFileSync(cert, 'utf8')
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) return { cert, key: cert }
  return isAuthority(pem) ? '' : ending
}

/** `ca.crt` lies beside the others in a Kubernetes secret. */
function isAuthority(pem: string): boolean {
  try {
    return new X509Certificate(pem).ca
  } catch {
    return false
  }
}

/** Files of the folder and of the folders in it. Kubernetes keeps the real ones in folders that begin with a dot. */
function filesIn(folder: string): string[] {
  const files: string[] = []
  for (const name of visible(folder)) {
    const path = join(folder, name)
    if (!statSync(path).isDirectory()) files.push(path)
    else for (const inner of visible(path)) files.push(join(path, inner))
  }
  return files.slice(0, MAX_FILES)
}

const visible = (folder: string): string[] => readdirSync(folder).filter((name) => !name.startsWith('.'))
