/** Programs that tests run against and that need not be there: a test without its program skips, and says why. */
import { spawnSync } from 'node:child_process'

export interface Program {
  readonly command: string
  /** Why it cannot be used, for `skip`; false where it can. */
  readonly missing: string | false
}

/** Python with the modules; TEST_PYTHON names another than `python3`. */
export function pythonWith(modules: string): Program {
  const command = process.env.TEST_PYTHON ?? 'python3'
  const isThere = spawnSync(command, ['-c', `import ${modules}`], { timeout: 20_000 }).status === 0
  return { command, missing: isThere ? false : `${command} has not: ${modules}` }
}

/** An OpenTelemetry Collector; TEST_OTELCOL names another than those on the path. */
export function collectorProgram(): Program {
  const names = [process.env.TEST_OTELCOL, 'otelcol', 'otelcol-contrib'].filter((name) => name !== undefined)
  const command = names.find((name) => spawnSync(name, ['--version'], { timeout: 20_000 }).status === 0)
  const missing = 'no OpenTelemetry Collector: put otelcol on the path, or its place into TEST_OTELCOL'
  return { command: command ?? '', missing: command === undefined ? missing : false }
}

/** A Go program of the tests, built into `output`. Its modules have to be there: a test fetches nothing. */
export function goProgram(folder: string, output: string): Program {
  const go = spawnSync('go', ['version'], { timeout: 20_000 })
  if (go.status !== 0) return { command: '', missing: 'go is not installed' }
  const env = { ...process.env, GOPROXY: 'off', GOFLAGS: '-mod=readonly', GOTOOLCHAIN: 'local' }
  const built = spawnSync('go', ['build', '-o', output, '.'], { cwd: folder, env, timeout: 60_000, encoding: 'utf8' })
  if (built.status === 0) return { command: output, missing: false }
  // Modules that are not there are a reason to skip; a program that does not compile is a fault.
  const isAbsent = built.error !== undefined || /module lookup disabled|GOTOOLCHAIN|requires go/.test(built.stderr)
  if (!isAbsent) throw new Error(`go build in ${folder}: ${built.stderr}`)
  return { command: '', missing: `its modules are not here: go -C ${folder} mod download` }
}
