/** What is generated of the chart is as its sources say; alerts and dashboard ask for metrics that exist. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { parse } from 'yaml'
import { chartReadme, chartSchema, formattedJson } from '../../src/cli/chart.ts'
import { ANNOTATIONS } from '../../src/injector/annotations.ts'
import { CHART } from './helm.ts'

const read = (file: string): string => readFileSync(join(CHART, file), 'utf8')
const values = read('values.yaml')

test('values.schema.json and README.md are as generated (npm run docs)', () => {
  assert.equal(read('values.schema.json'), `${formattedJson(chartSchema(values))}\n`)
  assert.equal(read('README.md'), chartReadme(values))
})

test('the chart is of the version of the package', () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  assert.equal((parse(read('Chart.yaml')) as { appVersion: string }).appVersion, version)
})

/** Metrics of ours and of the libraries, by the names in the sources. */
const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(join('src', file), 'utf8'))
  .join('\n')
const OF_LIBRARIES = /^(process|nodejs)_/

test('alerts and dashboard ask for metrics that exist', () => {
  const texts = [read('files/alerts.yaml'), read('files/dashboard.json'), read('files/adapter-rules.yaml')]
  const wanted = new Set(texts.join('\n').match(/\b(hopscope|http|otel|process|nodejs)_[a-z0-9_]+/g))
  // The name under which the adapter offers one, and labels.
  for (const name of ['hopscope_latency_p95_seconds', 'http_response_status_code']) wanted.delete(name)
  const missing = [...wanted].filter((name) => {
    const base = name.replace(/_(bucket|count|sum)$/, '')
    return !OF_LIBRARIES.test(base) && !sources.includes(base) && !sources.includes(`${base.replace(/_total$/, '')}'`)
  })
  assert.deepEqual(missing, [])
  assert.ok(wanted.size > 12)
})

const noPromtool = spawnSync('promtool', ['--version']).status === 0 ? false : 'promtool is not installed'
test('promtool accepts the alerts', { skip: noPromtool }, () => {
  const { status, stderr } = spawnSync('promtool', ['check', 'rules', join(CHART, 'files/alerts.yaml')], {
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
})

test('docs/kubernetes.md names every annotation', () => {
  const page = readFileSync('docs/kubernetes.md', 'utf8')
  assert.deepEqual(
    ANNOTATIONS.filter((name) => !page.includes(`\`${name}\``)),
    [],
  )
})

test('names of objects are DNS labels that begin with a letter, or empty', () => {
  const { properties } = chartSchema(values) as { properties: Record<string, { pattern: string }> }
  for (const value of ['nameOverride', 'fullnameOverride']) {
    const pattern = new RegExp(properties[value]!.pattern)
    const taken = ['', 'a', 'hop', 'hop-2', 'a--b', 'a'.repeat(63)]
    const refused = ['x: y', 'A', 'a_b', 'a.b', '-a', 'a-', '1a', '12', 'é', 'a\nb', 'a'.repeat(64), '{{ . }}']
    for (const name of taken) assert.match(name, pattern)
    for (const name of refused) assert.doesNotMatch(name, pattern)
  }
})
