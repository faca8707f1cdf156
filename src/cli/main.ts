#!/usr/bin/env node
/** The command line: servers apart, since nothing that reads a command line shall stay in their memory. */
import { SERVERS } from '../config/commands.ts'
import { serve } from './serve.ts'

// `hopscope --help | head`: whoever read has enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

if (SERVERS.some((server) => server === process.argv[2])) {
  await serve()
} else {
  const { runProgram } = await import('./program.ts')
  await runProgram(serve)
}
