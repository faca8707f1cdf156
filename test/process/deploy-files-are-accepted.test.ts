/** The files under deploy/ are accepted by the programs that read them. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import test from 'node:test'

const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined
const without = (program: string): string | false => (has(program) ? false : `${program} is not installed`)
const UNITS = readdirSync('deploy/systemd').filter((file) => file.endsWith('.service'))

for (const unit of UNITS) {
  test(`systemd: ${unit}`, { skip: without('systemd-analyze') }, () => {
    const { stderr } = spawnSync('systemd-analyze', ['verify', `deploy/systemd/${unit}`], { encoding: 'utf8' })
    // The program is not installed here, and units of the machine are no concern of ours.
    const faults = stderr.split('\n').filter((line) => line.includes('hopscope') && !line.includes('not executable'))
    assert.deepEqual(faults, [])
  })

  test(`systemd: ${unit} is hardened`, { skip: without('systemd-analyze') }, () => {
    const args = ['security', '--offline=true', `deploy/systemd/${unit}`]
    const { stdout } = spawnSync('systemd-analyze', args, { encoding: 'utf8' })
    const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1])
    // The sidecar's unit writes rules, which takes two capabilities more.
    assert.ok(exposure <= (unit.includes('sidecar') ? 3.5 : 1.5), `${exposure}`)
  })
}

test('the AppArmor profile compiles', { skip: without('apparmor_parser') }, () => {
  const args = ['--skip-kernel-load', '--skip-cache', '--quiet', 'deploy/apparmor.d/hopscope']
  const { status, stderr } = spawnSync('apparmor_parser', args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
})

test('the kernel has each setting of sysctl.d', { skip: process.platform === 'linux' ? false : 'Linux alone' }, () => {
  const lines = readFileSync('deploy/sysctl.d/90-hopscope.conf', 'utf8').split('\n')
  const names = lines.flatMap((line) => /^([a-z][a-z0-9_.]+) = \S/.exec(line)?.[1] ?? [])
  assert.ok(names.length >= 10)
  assert.deepEqual(
    names.filter((name) => !existsSync(`/proc/sys/${name.replaceAll('.', '/')}`)),
    [],
  )
})
