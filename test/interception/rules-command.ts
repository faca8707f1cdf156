/** Run by tests in a namespace: `hopscope iptables` with its options as JSON: `ACTION OPTIONS`. */
import { type IptablesAction, runRules } from '../../src/app/iptables.ts'
import type { RedirectOptions } from '../../src/net/redirect-rules.ts'

const [action = '', options = ''] = process.argv.slice(2)
process.exitCode = runRules(action as IptablesAction, JSON.parse(options) as RedirectOptions, {
  info: (line) => process.stdout.write(`${line}\n`),
  error: (line) => process.stderr.write(`${line}\n`),
})
