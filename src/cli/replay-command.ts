/** The commands of the flight recorder: what is recorded, and sending it again. */
import { type Command, InvalidArgumentError } from 'commander'
import { type HostPort, parseHostPort } from '../config/values.ts'

function targetOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isPlain = url !== undefined && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === ''
  if (!isPlain) throw new InvalidArgumentError('Expected an http:// or https:// URL without a query.')
  return url
}

function adminOf(text: string): HostPort {
  const found = parseHostPort(text)
  if (found === undefined) throw new InvalidArgumentError('Expected host:port.')
  return found
}

function countOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Expected a whole number above 0.')
  return Number(text)
}

function fieldOf(text: string, before: readonly (readonly [string, string])[]): (readonly [string, string])[] {
  const colon = text.indexOf(':')
  if (colon < 1) throw new InvalidArgumentError('Expected "name: value".')
  return [...before, [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]]
}

interface ReplayFlags {
  readonly admin?: HostPort
  readonly exchange?: string
  readonly target: URL
  readonly allowUnsafe?: boolean
  readonly allowRedacted?: boolean
  readonly header: readonly (readonly [string, string])[]
  readonly timeoutMs: number
}

interface RecordingFlags {
  readonly id?: string
  readonly failed?: boolean
  readonly json?: boolean
  readonly limit: number
}

/** Add `recording` and `replay`. */
export function addRecorderCommands(program: Command): void {
  program
    .command('recording')
    .description('Print what a file of the flight recorder has: recorder.file, or a file of recorder.dumpDir.')
    .argument('<file>', 'the file')
    .option('--id <id>', 'only what has this request, trace or span id')
    .option('--failed', 'only what failed')
    .option('--json', 'all that is known, a line each')
    .option('--limit <n>', 'so many, the newest', countOf, 1000)
    .action(async (file: string, { id, failed, json, limit }: RecordingFlags) => {
      const { recordingText } = await import('../app/recording.ts')
      const options = { id, failed: failed === true, json: json === true, limit }
      console.log(recordingText(file, options))
    })
  program
    .command('replay')
    .description(
      'Send a recorded exchange again, marked by `hopscope-replay`. GET, HEAD and OPTIONS only, unless told.',
    )
    .argument('[file]', 'a file of the flight recorder')
    .option('--admin <host:port>', 'a proxy that runs, in place of the file', adminOf)
    .option('--exchange <id>', 'request, trace or span id; needed where there are several')
    .requiredOption('--target <url>', 'where it is sent; a path goes before the recorded one', targetOf)
    .option('--header <field>', '"name: value", in place of a recorded one (again for more)', fieldOf, [])
    .option('--allow-unsafe', 'other methods too: they may change something at the target')
    .option('--allow-redacted', 'with REDACTED in the place of secrets in the query')
    .option('--timeout-ms <ms>', 'how long it may take', countOf, 30_000)
    .action(async (file: string | undefined, flags: ReplayFlags) => {
      const { admin, exchange, target, header, timeoutMs } = flags
      if ((file === undefined) === (admin === undefined)) throw new Error('replay: a file or --admin, and not both')
      const { replay } = await import('../app/replay.ts')
      const source = admin === undefined ? { file: file! } : { admin }
      const rules = {
        target,
        headers: header,
        allowUnsafe: flags.allowUnsafe === true,
        allowRedacted: flags.allowRedacted === true,
      }
      console.log(await replay({ source, id: exchange, timeoutMs, ...rules }))
    })
}
