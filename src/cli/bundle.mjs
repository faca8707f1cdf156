/** `node src/cli/bundle.mjs FOLDER`: the program and what it starts by file name, in one folder (ADR 90). */
import { rmSync } from 'node:fs'
import process from 'node:process'
import { build } from 'rolldown'

const ENTRIES = [
  'src/cli/main.ts',
  'src/cli/config-thread.ts',
  'src/telemetry/telemetry-worker.ts',
  'src/aggregator/store/store-worker.ts',
  'src/stores/file/recovery.ts',
]

const [dir] = process.argv.slice(2)
if (dir === undefined) throw new Error('which folder?')
rmSync(dir, { recursive: true, force: true })
await build({
  input: ENTRIES,
  platform: 'node',
  // Packages stay outside.
  external: (id) => !/^[./]/.test(id),
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
