/** Shared by the tests of the configuration. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Loaded, type LoadInput, loadConfig, type Refused } from '../../src/config/load.ts'

type Partly = Partial<LoadInput>

const whole = (input: Partly): LoadInput => ({ command: 'sidecar', env: {}, flags: {}, ...input })

/** Loads for the sidecar, which needs nothing, and expects it to be good. */
export async function accepted(input: Partly): Promise<Loaded> {
  const result = await loadConfig(whole(input))
  if (!result.ok) assert.fail(JSON.stringify(result.faults))
  return result
}

export async function refused(input: Partly): Promise<Refused> {
  const result = await loadConfig(whole(input))
  if (result.ok) assert.fail('expected faults')
  return result
}

/** A file in a folder of its own that goes with the test. */
export function tempFile(t: TestContext, content: string, name = 'hopscope.yaml'): string {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-config-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, name)
  writeFileSync(file, content)
  return file
}
