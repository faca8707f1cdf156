/** Commands, their flags and what each runs. What a command needs is loaded when it runs: help and small ones are quick. */
import { Argument, Command, CommanderError, Option } from 'commander'
import { version } from '../app/version.ts'
import { COMMANDS, type Command as ConfigCommand, type Server } from '../config/commands.ts'
import { apiServer } from './api-server.ts'
import { configFolder } from './config-folder.ts'
import { tellWhy } from './failure.ts'
import { EXIT_USAGE, load } from './load.ts'
import { addSettings } from './options.ts'
import { addRecorderCommands } from './replay-command.ts'
import { warnOfRuntime } from './runtime.ts'

/** What `proxy` and `sidecar` do once the command line is one of theirs. */
export type Serve = (command: Server, cli: Command) => Promise<void>

/** Carries out the command line. Tells of failures on stderr and by the exit code. */
export async function runProgram(serve: Serve): Promise<void> {
  const program = new Command('hopscope')
    .description('Transparent L7 proxy that times every hop of every API call and traces it to a collector.')
    .version(version())
    .showHelpAfterError('(--help says what there is)')
    .exitOverride()
  addDev(program)
  addServers(program, serve)
  addIptables(program)
  addAggregator(program)
  addInjector(program)
  addAdminCalls(program)
  addRecorderCommands(program)
  addCheckConfig(program)
  addExplain(program)
  try {
    await program.parseAsync()
  } catch (error) {
    // Help and version end here too, with 0; whatever else commander refuses is a fault of the command line.
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE
    else tellWhy(error)
  }
}

function addDev(program: Command): void {
  addSettings(program.command('dev'), 'dev')
    .description('Stand before a server under development and draw the waterfall of each call.')
    .option('--demo', 'run three small services and traffic of our own, instead of a server of yours')
    .addOption(new Option('--demo-pace <times>', 'so many times the traffic, and the fault sooner').hideHelp())
    .option('--https', 'take https too, with a certificate of a local authority that is made and kept for you')
    .action(async (options: { demo?: boolean; demoPace?: string; https?: boolean }, cli: Command) => {
      const loaded = await load(cli, 'dev')
      if (loaded === undefined) return
      warnOfRuntime()
      const { runDev } = await import('../app/dev.ts')
      const httpsFolder = options.https === true ? configFolder(process.env) : undefined
      const demoPace = Math.max(1, Number(options.demoPace ?? 1) || 1)
      await runDev(loaded.config, { demo: options.demo === true, demoPace, httpsFolder })
    })
}

function addServers(program: Command, serve: Serve): void {
  for (const [command, description] of [
    ['proxy', 'Reverse proxy before one upstream.'],
    ['sidecar', 'Take the traffic that iptables redirects here, and forward it to where it was going.'],
  ] as const) {
    addSettings(program.command(command), command)
      .description(description)
      .action((_options: unknown, cli: Command) => serve(command, cli))
  }
}

function addIptables(program: Command): void {
  addSettings(program.command('iptables'), 'iptables')
    .description('Install, verify or remove the rules that redirect traffic to the sidecar. Needs root.')
    .addArgument(new Argument('<action>').choices(['apply', 'check', 'clean']))
    .action(async (action: 'apply' | 'check' | 'clean', _options: unknown, cli: Command) => {
      const loaded = await load(cli, 'iptables')
      if (loaded === undefined) return
      const { runIptables } = await import('../app/iptables.ts')
      process.exitCode = await runIptables(action, loaded.config)
    })
}

function addAggregator(program: Command): void {
  addSettings(program.command('aggregator'), 'aggregator')
    .description('Receive spans over OTLP, keep them, and answer for whole traces: page, query API, Prometheus.')
    .action(async (_options: unknown, cli: Command) => {
      const loaded = await load(cli, 'aggregator')
      if (loaded === undefined) return
      warnOfRuntime()
      const { runAggregator } = await import('../app/aggregator.ts')
      await runAggregator(loaded.config)
    })
}

function addInjector(program: Command): void {
  addSettings(program.command('injector'), 'injector')
    .description('Webhook of Kubernetes that gives pods a sidecar.')
    .action(async (_options: unknown, cli: Command) => {
      const loaded = await load(cli, 'injector')
      if (loaded === undefined) return
      warnOfRuntime()
      const { runInjector } = await import('../app/injector.ts')
      await runInjector(loaded.config, apiServer(process.env))
    })
}

function addAdminCalls(program: Command): void {
  for (const [name, description, option, fallback] of [
    ['drain', 'Tell the proxy beside us to send its clients elsewhere: the preStop hook of a sidecar.', 'hold', '0'],
    ['wait', 'Wait until the proxy beside us is ready: the postStart hook of a sidecar.', 'timeout', '120000'],
  ] as const) {
    program
      .command(name)
      .description(description)
      .option('--config <file>', 'settings of the proxy')
      .option('--admin <host:port>', 'its admin server')
      .option(`--${option}-ms <ms>`, 'how long at most', fallback)
      .action(async (options: { holdMs?: string; timeoutMs?: string }, cli: Command) => {
        const loaded = await load(cli, 'sidecar')
        const admin = loaded?.config.admin
        if (admin === undefined || admin === 'off') return
        const { runDrain, runWait } = await import('../app/admin-call.ts')
        const text = options.holdMs ?? options.timeoutMs ?? ''
        if (!/^\d{1,8}$/.test(text)) throw new Error(`--${option}-ms ${text}: expected a number of milliseconds`)
        const ms = Number(text)
        process.exitCode = await (name === 'drain' ? runDrain(admin, ms) : runWait(admin, ms))
      })
  }
}

function addCheckConfig(program: Command): void {
  addSettings(program.command('check-config'), undefined)
    .description('Validate the configuration and print what is in effect, or every fault.')
    .addOption(new Option('--for <command>', 'the command to check for').choices([...COMMANDS]).default('proxy'))
    .option('--schema', 'print the JSON schema of the file instead')
    .action(async (options: { for: ConfigCommand; schema?: boolean }, cli: Command) => {
      if (options.schema === true) {
        const { configJsonSchema } = await import('../config/json-schema.ts')
        console.log(JSON.stringify(configJsonSchema(), null, 2))
        return
      }
      const loaded = await load(cli, options.for)
      if (loaded === undefined) return
      const { effectiveText } = await import('./check-config.ts')
      console.log(effectiveText(options.for, loaded.described))
    })
}

function addExplain(program: Command): void {
  program
    .command('explain')
    .description('Say what an error code means and what to check; without a code, list all.')
    .argument('[code]', 'as in problem+json, spans and logs')
    .action(async (code: string | undefined) => {
      const { explainCode, listCodes, unknownCode } = await import('./explain.ts')
      const text = code === undefined ? listCodes() : explainCode(code)
      if (text !== undefined) return console.log(text)
      console.error(`hopscope: ${unknownCode(code!)}`)
      process.exitCode = EXIT_USAGE
    })
}
