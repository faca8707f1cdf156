// Runs the compiled tests (build/test/**/*.test.js) with node's test runner; arguments narrow by substring of the path.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'

const wanted = process.argv.slice(2)
const files = readdirSync('build/test', { recursive: true })
  .map((file) => `build/test/${file}`)
  .filter((file) => file.endsWith('.test.js') && (wanted.length === 0 || wanted.some((part) => file.includes(part))))
if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(' ')}`)
  process.exit(1)
}
const flags = ['--test', '--test-concurrency=2', '--test-timeout=120000', '--enable-source-maps']
process.exit(spawnSync(process.execPath, [...flags, ...files], { stdio: 'inherit' }).status ?? 1)
