/** Holds the import rules of the layout: who may know whom. A part that breaks one wants another home, not an exception. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { basename, dirname, join, normalize } from 'node:path'
import test from 'node:test'

/** Areas of src/ and the areas that each may import, beside its own. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  config: ['core'],
  native: ['core'],
  net: ['core', 'native'],
  tls: ['core', 'native', 'net'],
  'http/message': ['core', 'net'],
  exchange: ['core'],
  stages: ['core', 'exchange'],
  stores: ['core', 'exchange', 'native'],
  telemetry: ['core', 'exchange', 'native'],
  http: ['core', 'exchange', 'http/message', 'net', 'tls', 'native'],
  upstream: ['core', 'exchange', 'http/message', 'net', 'tls', 'native'],
  admin: ['core', 'exchange', 'stages', 'stores', 'telemetry', 'http', 'upstream', 'net'],
  aggregator: ['core', 'config'],
  injector: ['core', 'config'],
  probe: ['core', 'config'],
  dev: ['core', 'config', 'aggregator'],
  app: ['*'],
  cli: ['core', 'config', 'app'],
}

const LINES_AT_MOST = 400
/** State machines that would be harder to read in two halves. */
const LONG: ReadonlySet<string> = new Set()

/** Where the wall clock is what is meant. */
const WALL_CLOCK: ReadonlySet<string> = new Set([
  'core/clock.ts',
  'telemetry/otlp-channel.ts', // gRPC takes deadlines as wall-clock time
  'telemetry/telemetry-worker.ts', // measures how far the two clocks drift apart
])

interface Source {
  readonly file: string
  readonly text: string
  /** Files of src/ that it imports, types included. */
  readonly imports: readonly string[]
  /** Those that are there at run time. */
  readonly loads: readonly string[]
  /** Those that it starts by file name: threads and processes. */
  readonly starts: readonly string[]
  readonly packages: readonly string[]
}

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readSource(file.replaceAll('\\', '/')))

function readSource(file: string): Source {
  const text = readFileSync(join('src', file), 'utf8')
  const found = [
    ...text.matchAll(/^\s*(?:import|export|\})[^'\n]*\bfrom '([^']+)'/gm),
    ...text.matchAll(/^\s*import '([^']+)'/gm),
    ...text.matchAll(/\bimport\('([^']+)'\)/g),
  ].map(([statement, specifier]) => ({
    specifier: specifier!,
    typesOnly: /^\s*(import|export) type\b/.test(statement),
  }))
  const own = found.filter(({ specifier }) => specifier.startsWith('.'))
  const target = ({ specifier }: { readonly specifier: string }): string =>
    normalize(join(dirname(file), specifier)).replaceAll('\\', '/')
  return {
    file,
    text,
    imports: own.map(target),
    loads: own.filter(({ typesOnly }) => !typesOnly).map(target),
    starts: [...text.matchAll(/new URL\('\.\/([\w-]+)\.js', import\.meta\.url\)/g)].map(([, name]) =>
      join(dirname(file), `${name}.ts`).replaceAll('\\', '/'),
    ),
    packages: found.filter((one) => !own.includes(one)).map(({ specifier }) => specifier),
  }
}

function areaOf(file: string): string {
  return file.startsWith('http/message/') ? 'http/message' : file.slice(0, file.indexOf('/'))
}

function mayImport(from: string, to: string): boolean {
  const allowed = MAY_IMPORT[from] ?? []
  return from === to || (allowed.includes('*') ? to !== 'cli' : allowed.includes(to))
}

/** The first ring of imports, as file names; undefined where there is none. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return undefined
    path.push(file)
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next)
      if (cycle !== undefined) return cycle
    }
    path.pop()
    done.add(file)
    return undefined
  }
  for (const file of graph.keys()) {
    const cycle = visit(file)
    if (cycle !== undefined) return cycle
  }
  return undefined
}

test('imports run one way', () => {
  assert.ok(sources.length > 20, 'the sources were found')
  const wrong = sources.flatMap(({ file, imports }) =>
    imports
      .filter((target) => !mayImport(areaOf(file), areaOf(target)))
      .map((target) => `${file} may not import ${target}`),
  )
  assert.deepEqual(wrong, [])
})

test('every folder of src has its place in the rules', () => {
  const unknown = sources.map(({ file }) => areaOf(file)).filter((area) => !Object.hasOwn(MAY_IMPORT, area))
  assert.deepEqual([...new Set(unknown)], [])
})

test('no modules load each other in a ring', () => {
  assert.equal(findCycle(new Map(sources.map(({ file, loads }) => [file, loads])))?.join(' → '), undefined)
})

test('imports name existing files, with their ending', () => {
  const missing = sources.flatMap(({ file, imports }) =>
    imports.filter((target) => !existsSync(join('src', target))).map((target) => `${file}: ${target}`),
  )
  assert.deepEqual(missing, [])
})

test('no barrels, no util', () => {
  const named = sources.filter(({ file }) => /^(index|utils?|helpers?|common|misc)\.ts$/.test(basename(file)))
  assert.deepEqual(
    named.map(({ file }) => file),
    [],
  )
})

test('only the command line reads the environment and the arguments', () => {
  const readers = sources.filter(({ file, text }) => areaOf(file) !== 'cli' && /\bprocess\.(env|argv)\b/.test(text))
  assert.deepEqual(
    readers.map(({ file }) => file),
    [],
  )
})

test('packages are dependencies, built-ins carry node:, and core has neither a package nor a socket', () => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> }
  const nameOf = (specifier: string): string =>
    specifier
      .split('/')
      .slice(0, specifier.startsWith('@') ? 2 : 1)
      .join('/')
  const known = (specifier: string): boolean =>
    specifier.startsWith('node:')
      ? builtinModules.includes(specifier.slice('node:'.length))
      : Object.hasOwn(dependencies, nameOf(specifier))
  const wrong = sources.flatMap(({ file, packages }) =>
    packages
      .filter((name) => !known(name) || (areaOf(file) === 'core' && !name.startsWith('node:')))
      .map((name) => `${file}: ${name}`),
  )
  assert.deepEqual(wrong, [])
})

/** What `from` loads, by way of others too. */
function reachedFrom(from: string): readonly Source[] {
  const byFile = new Map(sources.map((source) => [source.file, source]))
  const reached = new Map<string, Source>()
  const visit = (file: string): void => {
    const source = byFile.get(file)
    if (source === undefined || reached.has(file)) return
    reached.set(file, source)
    for (const next of source.loads) visit(next)
  }
  visit(from)
  return [...reached.values()]
}

test('what is started by file name is built for the command line, and for the library where that starts it', () => {
  const entries = readFileSync('src/cli/bundle.mjs', 'utf8').match(/(?<=')src\/[\w/-]+\.ts/g)
  const started = sources.flatMap(({ starts }) => starts.map((file) => `src/${file}`))
  assert.deepEqual(new Set(entries), new Set(['src/cli/main.ts', ...started]))
  assert.equal(new Set(started.map((file) => basename(file))).size, started.length, 'the bundle is one folder')
  const { files } = JSON.parse(readFileSync('src/app/tsconfig.json', 'utf8')) as { files: string[] }
  const ofLibrary = reachedFrom('app/library.ts').flatMap(({ starts }) => starts)
  assert.ok(ofLibrary.length > 0)
  assert.deepEqual(
    new Set(files.map((file) => normalize(join('app', file)).replaceAll('\\', '/'))),
    new Set(['app/library.ts', ...ofLibrary]),
  )
})

test('a server keeps nothing in memory of what reads its configuration', () => {
  const reached = reachedFrom('cli/serve.ts')
  for (const file of ['app/proxy.ts', 'config/reload.ts']) {
    assert.ok(
      reached.some((one) => one.file === file),
      'it is followed to the proxy',
    )
  }
  const packages = reached.flatMap((one) => one.packages)
  assert.deepEqual(
    ['zod', 'commander', 'yaml'].filter((name) => packages.includes(name)),
    [],
  )
})

test('durations come from the monotonic clock', () => {
  const readers = sources.filter(({ file, text }) => !WALL_CLOCK.has(file) && /\bDate\.now\(/.test(text))
  assert.deepEqual(
    readers.map(({ file }) => file),
    [],
  )
})

test(`no file is longer than ${LINES_AT_MOST} lines, but for those that say why`, () => {
  const long = sources.filter(({ file, text }) => !LONG.has(file) && text.split('\n').length > LINES_AT_MOST + 1)
  assert.deepEqual(
    long.map(({ file }) => file),
    [],
  )
})

test('these rules can fail', () => {
  assert.equal(mayImport('exchange', 'net'), false)
  assert.equal(mayImport('http', 'upstream'), false)
  assert.equal(mayImport('aggregator', 'http'), false)
  assert.equal(mayImport('upstream', 'config'), false)
  assert.equal(mayImport('app', 'cli'), false)
  const ring = new Map([
    ['a.ts', ['b.ts']],
    ['b.ts', ['c.ts']],
    ['c.ts', ['b.ts']],
  ])
  assert.deepEqual(findCycle(ring), ['b.ts', 'c.ts', 'b.ts'])
})
