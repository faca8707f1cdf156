/** `node src/cli/bundle.mjs FOLDER`: the program and what it starts by file name, in one folder (ADR 90). */
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { build } from 'rolldown'

const ENTRIES = [
  'src/cli/main.ts',
  'src/cli/config-thread.ts',
  'src/telemetry/telemetry-worker.ts',
  'src/aggregator/store/store-worker.ts',
  'src/stores/file/recovery.ts',
]

/** zod is a hundred files, most of them languages of its messages: a start would open them all. */
const BUNDLED = ['zod']

const [dir] = process.argv.slice(2)
if (dir === undefined) throw new Error('which folder?')
rmSync(dir, { recursive: true, force: true })
const { output } = await build({
  input: ENTRIES,
  platform: 'node',
  // All other packages stay outside.
  external: (id) => !/^[./]/.test(id) && !BUNDLED.includes(id),
  output: {
    dir,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunk-[name]-[hash].js',
    // They would stay in memory.
    comments: false,
    sourcemap: true,
  },
})

// V8 keeps a source that has one character beyond latin1 in two bytes a character: 930 KB of the proxy's for half of it.
for (const { type, fileName, code } of output) {
  if (type !== 'chunk') continue
  const ascii = code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  writeFileSync(join(dir, fileName), ascii)
}

for (const name of BUNDLED) cpSync(`node_modules/${name}/LICENSE`, join(dir, `LICENSE-${name}`))
