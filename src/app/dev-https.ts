/** `hopscope dev --https`: a certificate of a local authority, kept fresh, and how to make others trust it. */
import { join } from 'node:path'
import type { CertificateFiles } from '../config/certificate-files.ts'
import { LocalAuthority } from '../tls/local-authority.ts'

export interface DevHttps {
  readonly certificates: () => readonly CertificateFiles[]
  /** What to print, a line each. */
  readonly lines: readonly string[]
  close(): void
}

/** The process may run for weeks. */
const LOOK_MS = 12 * 3600 * 1000

/** Throws where the folder cannot be written, or what lies there cannot be used. */
export async function openDevHttps(folder: string, names: readonly string[]): Promise<DevHttps> {
  const authority = new LocalAuthority(folder)
  const files = await authority.certificateFor(names)
  const timer = setInterval(() => {
    // A failure leaves the certificate that is there; the warning of its date tells of it.
    authority.certificateFor(names).catch(() => {})
  }, LOOK_MS).unref()
  const ca = authority.certFile
  return {
    certificates: () => [{ name: 'dev', ...files }],
    lines: [
      `${authority.isNew ? 'A new local authority was made' : 'The local authority is'}: ${ca} (its key is readable by you alone)`,
      'Clients that trust it for one call:',
      `  curl --cacert ${quoted(ca)} https://…      NODE_EXTRA_CA_CERTS=${quoted(ca)} node …      SSL_CERT_FILE=${quoted(ca)} (OpenSSL, Go, Python)`,
      'Browsers, and everything else on this machine:',
      ...trustLines(process.platform, ca).map((line) => `  ${line}`),
    ],
    close: () => clearInterval(timer),
  }
}

/** How a system is told to trust an authority. */
export function trustLines(platform: NodeJS.Platform, file: string): string[] {
  const ca = quoted(file)
  const firefox = 'Firefox: Settings → Privacy & Security → View Certificates → Authorities → Import'
  if (platform === 'darwin') {
    return [
      `security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db ${ca}`,
      `to undo: security remove-trusted-cert ${ca}`,
      firefox,
    ]
  }
  if (platform === 'win32') {
    return [`certutil -user -addstore Root ${ca}`, 'to undo: certutil -user -delstore Root "hopscope dev"', firefox]
  }
  const [debian, fedora] = ['/usr/local/share/ca-certificates', '/etc/pki/ca-trust/source/anchors']
  return [
    `Debian, Ubuntu: sudo cp ${ca} ${join(debian, 'hopscope-dev.crt')} && sudo update-ca-certificates`,
    `Fedora, RHEL:   sudo cp ${ca} ${join(fedora, 'hopscope-dev.pem')} && sudo update-ca-trust`,
    `Chromium:       certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n hopscope-dev -i ${ca}`,
    firefox,
  ]
}

const quoted = (path: string): string => (/^[\w/.:~\\-]+$/.test(path) ? path : JSON.stringify(path))
