/** The last word of a command that failed: a line on stderr, and exit code 1. */
export function tellWhy(error: unknown): void {
  console.error(`hopscope: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
