/** `iptables/init.sh` and `hopscope iptables` share templates and settings: what one sets, the other finds right. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { createPair, netnsUnavailable, type Pair } from '../interception/netns.ts'
import { rules, state } from '../interception/programs.ts'

const skip = netnsUnavailable()
let pair: Pair
before(() => {
  if (skip === false) pair = createPair()
})
after(async () => {
  if (skip === false) await pair.cleanup()
})

const SHELLS = [['sh'], ['busybox', 'sh']].filter(
  ([shell]) => existsSync(`/bin/${shell}`) || existsSync(`/usr/bin/${shell}`),
)

const ENV = {
  HOPSCOPE_PORT: '15009',
  HOPSCOPE_INTERCEPT_PORTS: '80,8080',
  HOPSCOPE_INTERCEPT_PROXY_UID: '2000',
  HOPSCOPE_INTERCEPT_EXCLUDE_INBOUND_PORTS: '8443',
  HOPSCOPE_INTERCEPT_EXCLUDE_OUTBOUND_PORTS: '9999,3306',
  HOPSCOPE_INTERCEPT_EXCLUDE_OUTBOUND_CIDRS: '10.9.1.1/8,fd00::1,192.0.2.1,64:ff9b::192.0.2.1,169.254.0.0/16',
  HOPSCOPE_INTERCEPT_EXCLUDE_UIDS: '0,55',
}
const SAME = {
  port: 15009,
  ports: [80, 8080],
  proxyUid: 2000,
  excludeInboundPorts: [8443],
  excludeOutboundPorts: [9999, 3306],
  excludeOutboundCidrs: ['10.9.1.1/8', 'fd00::1', '192.0.2.1', '64:ff9b::192.0.2.1', '169.254.0.0/16'],
  excludeUids: [0, 55],
}

/** Of everything, or of no family, or more than iptables should be left to make sense of. */
const NO_NETWORKS = [
  ...['0.0.0.0/0', '0.0.0.0/00', '0.0.0.0/0.0.0.0', '::/0', '::/00', '10.0.0.0/08', '10.0.0.0/33', 'fd00::/129'],
  ...['abcd', '10', '10.1', '10.0.0.0.0', '256.0.0.1', '010.0.0.0/8', '10..0.0', '10.0.0.', '1a.2.3.4', '10.0.0.0/'],
  ...['/8', '10.0.0.0/8/8', '::ffff:10.0.0.0/104'],
]

for (const shell of SHELLS) {
  const init = (env: NodeJS.ProcessEnv, ...args: string[]): { status: number; stderr: string } =>
    pair.pod.exec([...shell, 'iptables/init.sh', ...args], { env })

  for (const mode of ['redirect', 'tproxy'] as const) {
    test(`${shell.join(' ')} ${mode}: apply, twice, is what check wants; clean leaves nothing`, { skip }, () => {
      const env = { ...ENV, HOPSCOPE_INTERCEPT_MODE: mode }
      const first = init(env)
      assert.equal(first.status, 0, first.stderr)
      const once = state(pair.pod)
      assert.deepEqual(rules(pair.pod, 'check', { ...SAME, mode }), {
        status: 0,
        said: 'the rules are as configured\n',
      })
      const again = init(env, 'apply')
      assert.equal(again.status, 0, again.stderr)
      assert.equal(state(pair.pod), once)
      const clean = init(env, 'clean')
      assert.equal(clean.status, 0, clean.stderr)
      assert.equal(init(env, 'clean').status, 0)
      assert.doesNotMatch(state(pair.pod), /HOPSCOPE|^-A |fwmark|table 133/m)
    })
  }

  test(`${shell.join(' ')}: it mends what hopscope iptables left in the other mode`, { skip }, () => {
    rules(pair.pod, 'apply', { ...SAME, mode: 'tproxy' })
    assert.equal(init(ENV).status, 0)
    assert.equal(rules(pair.pod, 'check', SAME).status, 0)
    assert.doesNotMatch(state(pair.pod), /TPROXY|fwmark|table 133/)
    init(ENV, 'clean')
  })

  const refused: Record<string, NodeJS.ProcessEnv> = {
    'root as the proxy': { HOPSCOPE_INTERCEPT_PROXY_UID: '0' },
    'a rule in a list': { HOPSCOPE_INTERCEPT_EXCLUDE_OUTBOUND_CIDRS: '10.0.0.0/8\n-F' },
    'a glob': { HOPSCOPE_INTERCEPT_PORTS: '*' },
    'a command': { HOPSCOPE_PORT: '$(id)' },
    'a port that is none': { HOPSCOPE_INTERCEPT_PORTS: '65536' },
    'its own port': { HOPSCOPE_INTERCEPT_PORTS: '80,15001' },
    'a mode that is a path': { HOPSCOPE_INTERCEPT_MODE: '../x' },
    'a list of no ports': { HOPSCOPE_INTERCEPT_PORTS: ',' },
    'a port with a leading zero, which iptables would take for octal': { HOPSCOPE_INTERCEPT_PORTS: '0443' },
    'a user with a leading zero': { HOPSCOPE_INTERCEPT_EXCLUDE_UIDS: '01000' },
    'a truth in capitals': { HOPSCOPE_INTERCEPT_IPV6: 'TRUE' },
    'a truth as a number': { HOPSCOPE_INTERCEPT_IPV6: '1' },
    'a truth in words': { HOPSCOPE_INTERCEPT_IPV6: 'yes' },
  }
  for (const network of NO_NETWORKS) {
    refused[`the network ${network}`] = { HOPSCOPE_INTERCEPT_EXCLUDE_OUTBOUND_CIDRS: `10.0.0.0/8,${network}` }
  }
  for (const [name, env] of Object.entries(refused)) {
    test(`${shell.join(' ')}: refuses ${name}`, { skip }, () => {
      const { status, stderr } = init(env)
      assert.equal(status, 2)
      assert.match(stderr, /^hopscope init: (HOPSCOPE_|usage)/)
      assert.doesNotMatch(state(pair.pod), /HOPSCOPE/)
    })
  }
}
