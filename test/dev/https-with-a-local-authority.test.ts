/** `hopscope dev --https`: an authority that the user alone can use, kept for the next time, and how to trust it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { trustLines } from '../../src/app/dev-https.ts'
import { configFolder } from '../../src/cli/config-folder.ts'
import { LocalAuthority } from '../../src/tls/local-authority.ts'
import { Origin, ok } from '../support/origin.ts'
import { folder } from '../tls/certificates.ts'
import { type DevProcess, startDev } from './dev-process.ts'

async function started(t: TestContext, config: string, more: readonly string[] = []): Promise<[DevProcess, number]> {
  const origin = await Origin.answering((request) => ok(request.start))
  const args = ['--https', '--target', `http://127.0.0.1:${origin.port}`, '--port', '0', ...more]
  const dev = startDev(args, { XDG_CONFIG_HOME: config })
  t.after(async () => {
    await dev.interrupt()
    await origin.close()
  })
  const [, port] = await dev.shows(/use https:\/\/localhost:(\d+)[\s\S]*Ctrl-C/)
  return [dev, Number(port)]
}

function ask(port: number, host: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', servername: host, headers: { host }, ca: readFileSync(ca), agent: false }
    get({ ...options, path: '/it' }, (response) => {
      response.setEncoding('utf8').once('data', resolve)
    }).on('error', reject)
  })
}

test('first start: made, for the user alone, and told; the calls are drawn', async (t) => {
  const config = folder(t)
  const [dev, port] = await started(t, config, ['--tls-names', 'app.test,10.9.8.7'])
  const ca = join(config, 'hopscope', 'dev-ca.pem')
  assert.match(dev.screen(), /A new local authority was made/)
  assert.ok(dev.screen().includes(`curl --cacert ${ca}`))
  assert.ok(dev.screen().includes(`NODE_EXTRA_CA_CERTS=${ca}`))
  for (const host of ['localhost', 'app.test']) assert.equal(await ask(port, host, ca), 'GET /it HTTP/1.1')
  await assert.rejects(ask(port, 'other.test', ca), /altnames/)
  await dev.shows(/GET \/it → 200/)
  if (process.platform === 'win32') return
  const modes = readdirSync(join(config, 'hopscope')).map((name) => [
    name.endsWith('key.pem'),
    statSync(join(config, 'hopscope', name)).mode & 0o777,
  ])
  assert.equal(modes.filter(([isKey]) => isKey).length, 2)
  for (const [, mode] of modes) assert.equal(mode, 0o600)
  assert.equal(statSync(join(config, 'hopscope')).mode & 0o777, 0o700)
})

test('next start: the same authority and certificate, clear text on the same port too', async (t) => {
  const config = folder(t)
  const authority = new LocalAuthority(join(config, 'hopscope'))
  const { cert } = await authority.certificateFor([])
  const [ca, leaf] = [readFileSync(authority.certFile, 'utf8'), readFileSync(cert, 'utf8')]
  const [dev, port] = await started(t, config)
  assert.match(dev.screen(), /The local authority is: /)
  assert.equal(await ask(port, 'localhost', authority.certFile), 'GET /it HTTP/1.1')
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/clear`)).text(), 'GET /clear HTTP/1.1')
  assert.equal(readFileSync(authority.certFile, 'utf8'), ca)
  assert.equal(readFileSync(cert, 'utf8'), leaf)
})

test('a key that others can read is closed to them; a broken authority is never replaced silently', async (t) => {
  const path = join(folder(t), 'hopscope')
  const authority = new LocalAuthority(path)
  await authority.certificateFor([])
  const key = join(path, 'dev-ca-key.pem')
  chmodSync(key, 0o644)
  await new LocalAuthority(path).certificateFor([])
  if (process.platform !== 'win32') assert.equal(statSync(key).mode & 0o777, 0o600)
  writeFileSync(authority.certFile, 'no certificate')
  await assert.rejects(new LocalAuthority(path).certificateFor([]), /dev-ca\.pem cannot be used .* remove it/)
})

test('other names: another certificate of the same authority; a broken one is made anew', async (t) => {
  const path = join(folder(t), 'hopscope')
  const authority = new LocalAuthority(path)
  const plain = await authority.certificateFor([])
  const named = await authority.certificateFor(['app.test'])
  assert.notEqual(plain.cert, named.cert)
  writeFileSync(named.cert, 'no certificate')
  const again = await authority.certificateFor(['APP.test'])
  assert.equal(again.cert, named.cert)
  assert.match(readFileSync(again.cert, 'utf8'), /BEGIN CERTIFICATE/)
  if (spawnSync('openssl', ['version']).status !== 0) return
  const said = spawnSync('openssl', ['verify', '-CAfile', authority.certFile, plain.cert, again.cert], {
    encoding: 'utf8',
  })
  assert.equal(said.status, 0, said.stderr)
})

test('where it is kept, and how each system trusts it', () => {
  assert.equal(configFolder({ XDG_CONFIG_HOME: '/x' }, 'linux'), '/x/hopscope')
  assert.match(configFolder({ XDG_CONFIG_HOME: 'relative' }, 'linux'), /\.config[/\\]hopscope$/)
  assert.match(configFolder({ APPDATA: 'C:\\Users\\me' }, 'win32'), /me.hopscope$/)
  assert.match(trustLines('darwin', '/a b/ca.pem').join('\n'), /security add-trusted-cert .*"\/a b\/ca\.pem"/)
  assert.match(trustLines('win32', 'C:\\ca.pem').join('\n'), /certutil -user -addstore Root/)
  assert.match(trustLines('linux', '/ca.pem').join('\n'), /update-ca-certificates/)
})
