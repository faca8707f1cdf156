/** Tells cheaply whether files are to be read again. */
import { statSync } from 'node:fs'

/** Changes whenever a file may have changed: replaced, written, or a symlink turned elsewhere. Throws where one is not there. */
export function signatureOf(files: readonly string[]): string {
  return files
    .map((file) => {
      const { dev, ino, size, mtimeMs, ctimeMs } = statSync(file)
      return `${dev}:${ino}:${size}:${mtimeMs}:${ctimeMs}`
    })
    .join()
}
