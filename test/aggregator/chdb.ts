/** ClickHouse's own engine in a Python process, where chdb is installed. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { tempFolder } from '../support/temp-folder.ts'
import { pythonWith } from './programs.ts'

export const chdb = pythonWith('chdb')

export interface ClickHouseEngine {
  readonly options: { readonly url: string; readonly username: string; readonly password: string }
  /** The answer to SQL, tabs between columns. */
  query(sql: string): Promise<string>
}

export async function engineAt(t: TestContext, port: number): Promise<ClickHouseEngine> {
  const child = spawn(chdb.command, ['test/aggregator/chdb-server.py', String(port), tempFolder()], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  await once(child.stdout, 'data')
  const url = `http://127.0.0.1:${port}`
  return {
    options: { url, username: 'default', password: '' },
    async query(sql) {
      const answer = await fetch(`${url}/?query=${encodeURIComponent(sql)}`, { method: 'POST' })
      const text = await answer.text()
      assert.equal(answer.status, 200, text)
      return text.trim()
    },
  }
}
