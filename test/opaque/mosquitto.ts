/** A real mosquitto broker for tests, with users and an access list. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { freePort } from '../support/free-port.ts'
import { eventually } from '../support/proxy.ts'

/** Why these tests cannot run here, or false. */
export const noMosquitto: string | false = ['mosquitto', 'mosquitto_pub', 'mosquitto_sub', 'mosquitto_passwd'].every(
  (program) => spawnSync(program, ['--help'], { stdio: 'ignore' }).error === undefined,
)
  ? false
  : 'mosquitto or its clients are not installed'

export interface Broker {
  readonly port: number
  readonly log: () => string
}

/** User `app`, password `secret`: may write below `open/`, and read there. Nobody else may connect. */
export function brokerFiles(port: number): { readonly folder: string; readonly config: string } {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-mosquitto-'))
  const file = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  const passwords = file('passwords', '')
  spawnSync('mosquitto_passwd', ['-b', passwords, 'app', 'secret'])
  const rules = file('rules', 'user app\ntopic readwrite open/#\n')
  const config = [
    `listener ${port}`,
    'user root',
    'allow_anonymous false',
    `password_file ${passwords}`,
    `acl_file ${rules}`,
    'log_dest stderr',
    'log_type all',
    'sys_interval 0',
  ]
  return { folder, config: file('mosquitto.conf', `${config.join('\n')}\n`) }
}

export async function startBroker(t: TestContext): Promise<Broker> {
  const port = await freePort()
  const { folder, config } = brokerFiles(port)
  const child: ChildProcess = spawn('mosquitto', ['-c', config], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr!.on('data', (chunk: Buffer) => {
    log += chunk
  })
  t.after(() => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  await eventually('mosquitto', () => {
    if (child.exitCode !== null) throw new Error(`mosquitto ended: ${log}`)
    return log.includes('running')
  })
  return { port, log: () => log }
}

export type MqttVersion = 'mqttv31' | 'mqttv311' | 'mqttv5'

/** How a client ended, and what it wrote. */
export interface ClientEnd {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** `mosquitto_pub` or `mosquitto_sub` as user `app`. */
export function mqttClient(
  program: 'mosquitto_pub' | 'mosquitto_sub',
  port: number,
  version: MqttVersion,
  args: readonly string[],
  { password = 'secret', input = '' } = {},
): { readonly child: ChildProcess; readonly stdout: () => string; readonly end: Promise<ClientEnd> } {
  const command = ['-h', '127.0.0.1', '-p', String(port), '-V', version, '-u', 'app', '-P', password, ...args]
  const child = spawn(program, command, { stdio: ['pipe', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString('latin1')
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const end = new Promise<ClientEnd>((resolve) => {
    child.once('close', (status) => resolve({ status, stdout, stderr }))
  })
  return { child, stdout: () => stdout, end }
}
